"""What stops a cadence: a reply pauses what is planned, a booking or an opt-out ends it."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import update
from sqlalchemy.orm import Session

from crm.models import TouchPoint


def halt_touches(session: Session, lead_id: int, status: Literal["paused", "ended"], reason: str) -> int:
    """Take the lead's open touch points out of the plan, in the caller's transaction; returns how many.

    Claimed ones are halted too: the dispatcher writes a touch only if it still holds the claim.
    """
    open_statuses = ["planned", "claimed"] if status == "paused" else ["planned", "claimed", "paused"]
    result = session.execute(
        update(TouchPoint)
        .where(TouchPoint.lead_id == lead_id, TouchPoint.status.in_(open_statuses))
        .values(status=status, reason=reason, claim_token=None, claimed_until=None)
    )
    return int(result.rowcount)  # type: ignore[attr-defined]
