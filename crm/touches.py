"""What stops a cadence: a reply pauses what is planned, a booking or an opt-out ends it, an absence moves it.

`resume_at` of a paused touch is when its cadence is looked at again; of one that is planned again, the moment in which
it was taken up: replies of before do not stop it any more.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from crm.calendar.labels import local_text
from crm.models import ChatMessage, TouchPoint

# The plan and the template of a message on a date the customer named.
FOLLOW_UP = "follow_up"
REPLIED = "the customer replied"
# How the reason of what a person of the shop paused begins: only a person takes that up again.
HELD = "paused by "
BOOKED = "the customer booked"
# Where a lead stands when nothing more of a plan is written to them, and why.
_OVER = {
    "booked": BOOKED,
    "won": BOOKED,
    "lost": "the lead is lost",
    "unreachable": "the lead is unreachable",
}


def over_because(status: str, plan: str | None, *, chosen_so: bool) -> str | None:
    """Why no touch of this plan is written to a lead in this state; None: the state does not forbid it.

    A date the customer named outlives a booking of before. `chosen_so`: a wave chose the lead in the state it still is
    in, and waves write to leads that were lost or won long ago.
    """
    named = plan == FOLLOW_UP and status in ("booked", "won")
    chosen = chosen_so and status in ("lost", "won")
    return None if named or chosen else _OVER.get(status)


def halt_touches(
    session: Session,
    lead_id: int,
    status: Literal["paused", "ended"],
    reason: str,
    *,
    follow_ups: bool | None = None,
    reminders: bool = False,
    now: datetime | None = None,
) -> int:
    """Take the lead's open touch points out of the plan, in the caller's transaction; returns how many.

    Claimed ones are halted too: the dispatcher writes a touch only if it still holds the claim. A date the customer
    named is kept when the rest is paused and goes when the rest ends, unless `follow_ups` says otherwise. What belongs
    to an appointment stays unless `reminders`. Paused with `now`, the moment of the customer's word: taken up again as
    each touch says, else by a person only. Ended, what was written of it and waits for its hour is dropped, at `now`.
    """
    mine = [TouchPoint.lead_id == lead_id]
    if not (status == "ended" if follow_ups is None else follow_ups):
        mine.append(TouchPoint.plan != FOLLOW_UP)
    if not reminders:
        mine.append(TouchPoint.kind == "touch")
    if status == "ended":
        written = select(TouchPoint.message_id).where(*mine, TouchPoint.status == "written")
        drop_waiting(session, written, reason, now)
    open_statuses = ["planned", "claimed"] if status == "paused" else ["planned", "claimed", "paused"]
    statement = update(TouchPoint).where(*mine, TouchPoint.status.in_(open_statuses))
    resume_at = (
        None
        if now is None or status != "paused"
        else now + func.make_interval(0, 0, 0, 0, 0, 0, TouchPoint.resume_after_s)
    )
    result = session.execute(
        statement.values(
            status=status, reason=reason, claim_token=None, claimed_until=None, resume_at=resume_at
        )
    )
    return int(result.rowcount)  # type: ignore[attr-defined]


def drop_waiting(
    session: Session,
    message_ids: Select[int | None] | Collection[int],
    reason: str,
    now: datetime | None,
) -> int:
    """Drop those of these messages that wait for their hour in the outbox, in the caller's transaction; returns how many.
    One that a sender has taken can no longer be held. `now` None: the database's moment."""
    result = session.execute(
        update(ChatMessage)
        .where(
            ChatMessage.id.in_(message_ids),
            ChatMessage.status == "pending",
            ChatMessage.claim_token.is_(None),
        )
        .values(status="dropped", error=reason, final_at=now or func.now())
        .execution_options(synchronize_session=False)
    )
    return int(result.rowcount)  # type: ignore[attr-defined]


def let_resume(session: Session, lead_id: int, now: datetime) -> int:
    """Have the lead's paused touches looked at again as if the last word were of `now`, because a person gave the
    conversation back, in the caller's transaction; returns how many. What a person paused by name stays paused."""
    statement = update(TouchPoint).where(
        TouchPoint.lead_id == lead_id,
        TouchPoint.status == "paused",
        TouchPoint.kind == "touch",
        TouchPoint.plan != FOLLOW_UP,
        TouchPoint.resume_after_s.is_not(None),
        func.coalesce(TouchPoint.reason, "").not_like(f"{HELD}%"),
    )
    after = func.make_interval(0, 0, 0, 0, 0, 0, TouchPoint.resume_after_s)
    result = session.execute(statement.values(resume_at=now + after))
    return int(result.rowcount)  # type: ignore[attr-defined]


def postpone(session: Session, lead_id: int, *, after: date, timezone: str, reason: str) -> int:
    """Move the lead's planned touch points so that the first one is due after the day `after`, in the caller's
    transaction; returns by how many days, 0 when none is earlier.

    All move by the same whole days at the same time of day in `timezone`, so their spacing stays as planned, and a
    repetition moves nothing. Claimed ones move too: the dispatcher writes a touch only while it holds the claim. A
    date the customer named stays, and so does what belongs to an appointment; what the law says of the new hour is the
    gate's to see, as always.
    """
    touches = session.scalars(
        select(TouchPoint)
        .where(TouchPoint.lead_id == lead_id, TouchPoint.status.in_(["planned", "claimed"]))
        .where(TouchPoint.plan != FOLLOW_UP, TouchPoint.kind == "touch")
        .order_by(TouchPoint.due_at, TouchPoint.step)
        .with_for_update()
    ).all()
    zone = ZoneInfo(timezone)
    if not touches or (first := touches[0].due_at.astimezone(zone).date()) > after:
        return 0
    days = (after - first).days + 1
    for touch in touches:
        touch.due_at = _days_later(touch.due_at, days, zone)
        touch.local_time = local_text(touch.due_at, timezone)
        touch.status, touch.reason = "planned", reason
        touch.claim_token = touch.claimed_until = None
    session.flush()
    return days


def _days_later(moment: datetime, days: int, zone: ZoneInfo) -> datetime:
    """The same time of day, also over a change to summer time; a time that it skips moves forward by the gap."""
    local = moment.astimezone(zone)
    return (local.replace(fold=0) + timedelta(days=days)).astimezone(UTC)
