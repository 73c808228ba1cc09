"""What stops a cadence: a reply pauses what is planned, a booking or an opt-out ends it."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import update
from sqlalchemy.orm import Session

from crm.models import TouchPoint

# The plan and the template of a message on a date the customer named.
FOLLOW_UP = "follow_up"


def halt_touches(
    session: Session,
    lead_id: int,
    status: Literal["paused", "ended"],
    reason: str,
    *,
    follow_ups: bool | None = None,
) -> int:
    """Take the lead's open touch points out of the plan, in the caller's transaction; returns how many.

    Claimed ones are halted too: the dispatcher writes a touch only if it still holds the claim. A date the customer
    named is kept when the rest is paused and goes when the rest ends, unless `follow_ups` says otherwise.
    """
    open_statuses = ["planned", "claimed"] if status == "paused" else ["planned", "claimed", "paused"]
    statement = update(TouchPoint).where(TouchPoint.lead_id == lead_id, TouchPoint.status.in_(open_statuses))
    if not (status == "ended" if follow_ups is None else follow_ups):
        statement = statement.where(TouchPoint.plan != FOLLOW_UP)
    result = session.execute(
        statement.values(status=status, reason=reason, claim_token=None, claimed_until=None)
    )
    return int(result.rowcount)  # type: ignore[attr-defined]
