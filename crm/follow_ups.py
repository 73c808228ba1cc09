"""A follow-up on a date the customer named: one touch point of a plan of its own, asked for and not part of a cadence.

Unlike a cadence it survives replies ("thanks, talk then"); a stop or a booking ends it, and the gate decides about its
sending like about any other touch.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from crm.models import ChatSession, Lead, TouchPoint
from crm.touches import FOLLOW_UP, halt_touches

# The first touch of a run answers an enquiry somebody just made and has wider hours at the gate; this one has not.
STEP = 2
# The hour from which touches may leave on every ordinary day (messaging facts 3.3); the gate holds it where it may not.
HOUR = time(10)
OPEN = ("planned", "claimed", "paused")


def plan_follow_up(
    s: Session,
    lead: Lead,
    chat: ChatSession,
    *,
    day: date,
    note: str,
    channel: str,
    timezone: str,
    now: datetime,
) -> TouchPoint:
    """Plan one message for the morning of `day` in the shop's zone, in the caller's transaction. `note` says in a few
    words what it is about; `channel` is where the customer asked for it.

    An earlier one that is still open is replaced: the customer has one such date. What is left of a cadence ends,
    because somebody who said when they want to hear from us is not written to before.
    """
    s.get_one(ChatSession, chat.id, with_for_update=True, populate_existing=True)
    halt_touches(s, lead.id, "ended", "the customer named a date", follow_ups=False, now=now)
    s.execute(
        update(TouchPoint)
        .where(TouchPoint.lead_id == lead.id, TouchPoint.plan == FOLLOW_UP, TouchPoint.status.in_(OPEN))
        .values(
            status="ended", reason="the customer named another date", claim_token=None, claimed_until=None
        )
    )
    last = s.scalar(select(func.max(TouchPoint.cadence_run)).where(TouchPoint.lead_id == lead.id))
    local = datetime.combine(day, HOUR, ZoneInfo(timezone))
    touch = TouchPoint(
        tenant_id=lead.tenant_id,
        lead_id=lead.id,
        session_id=chat.id,
        plan=FOLLOW_UP,
        outlives_replies=True,
        cadence_run=(last or 0) + 1,
        step=STEP,
        channel=channel,
        template=FOLLOW_UP,
        note=note,
        due_at=local.astimezone(UTC),
        local_time=f"{local:%Y-%m-%d %H:%M} {timezone}",
        created_at=now,
    )
    s.add(touch)
    s.flush()
    return touch
