"""What a visit owes its customer besides the talk about it: a confirmation, reminders, a word after nobody came.

The row's `remind_due_at` is the debt, made in the transaction that changed the visit; `scheduler/reminders.py` pays it and
plans the messages as touch points. What was planned or written for how the visit stood before ends here, in the same
transaction, so that nothing untrue leaves however late the debt is paid.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from crm.models import Appointment, ChatMessage, TouchPoint, Turn

# The plans: what is sent before a visit, and after nobody came to it.
PLAN, NO_SHOW = "reminders", "no_show"
OPEN = ("planned", "claimed", "paused")
# What a confirmed visit has planned stays: it is the same visit at the same time.
REASONS: Mapping[str, str] = {
    "booked": "the appointment was moved",
    "cancelled": "the appointment was cancelled",
    "completed": "the visit is over",
    "no_show": "nobody came to the visit",
}
# A mark that was a slip is taken back within that time, and then nobody was told that they did not come.
SLIP = timedelta(minutes=30)
OF_SOMEBODY_ELSE = "the appointment is another lead's now"


def plan_reminders(s: Session, appointment: Appointment, now: datetime) -> bool:
    """Owe the customer the messages about this visit as it is now, and end those about how it was; in the transaction that
    made or changed it. Call it after the change is in the row, before the flush. Returns whether anything is owed.

    Nothing for a visit of no lead. A visit that is confirmed keeps what it has. One that is cancelled owes a mail when its
    calendar file is in the customer's mailbox.
    """
    if appointment.lead_id is None or appointment.status == "confirmed":
        return False
    if appointment.id is not None:
        take_back(s, [appointment.id], REASONS[appointment.status], now)
    if appointment.status == "completed" or (
        appointment.status == "cancelled" and not file_is_out(s, appointment)
    ):
        appointment.remind_due_at = None
        return False
    appointment.remind_due_at = now + SLIP if appointment.status == "no_show" else now
    return True


def file_is_out(s: Session, appointment: Appointment) -> bool:
    """Whether a mail took this visit's calendar file along: a confirmation of it, or an answer that told of its booking or
    its move. One that waits does not leave any more, or leaves as it stands then."""
    asked = [one.get("message") for one in appointment.history if one.get("what") in ("booked", "moved")]
    told = select(Turn.id).where(Turn.trigger_message_id.in_([one for one in asked if one]))
    found = select(ChatMessage.id).where(
        ChatMessage.lead_id == appointment.lead_id,
        ChatMessage.direction == "out",
        ChatMessage.channel == "email",
        ChatMessage.status.not_in(("pending", "dropped", "withheld", "failed")),
        or_(
            and_(
                ChatMessage.kind == "confirmation",
                ChatMessage.raw.contains({"appointment_id": appointment.id}),
            ),
            and_(ChatMessage.kind == "reply", ChatMessage.turn_id.in_(told)),
        ),
    )
    with s.no_autoflush:
        return s.scalar(found.limit(1)) is not None


def remind_again(s: Session, appointment_ids: Collection[int], now: datetime) -> None:
    """The same for visits that went to another lead past the ORM."""
    if not appointment_ids:
        return
    take_back(s, appointment_ids, OF_SOMEBODY_ELSE, now)
    ahead = (Appointment.status.in_(("booked", "confirmed")), Appointment.starts_at > now)
    s.execute(
        update(Appointment).where(Appointment.id.in_(appointment_ids), *ahead).values(remind_due_at=now)
    )


def take_back(s: Session, appointment_ids: Collection[int], reason: str, now: datetime) -> None:
    """End what is planned about these visits, and drop what is written and has not begun to be sent."""
    mine = TouchPoint.appointment_id.in_(appointment_ids)
    # Not flushed by this: who changes the visit has a place of their own for finding that its time is taken.
    with s.no_autoflush:
        s.execute(
            update(TouchPoint)
            .where(mine, TouchPoint.status.in_(OPEN))
            .values(status="ended", reason=reason, claim_token=None, claimed_until=None, resume_at=None)
        )
        written = select(TouchPoint.message_id).where(mine, TouchPoint.status == "written")
        s.execute(
            update(ChatMessage)
            .where(
                ChatMessage.id.in_(written),
                ChatMessage.status == "pending",
                ChatMessage.claim_token.is_(None),
            )
            .values(status="dropped", error=reason, final_at=now)
            .execution_options(synchronize_session=False)
        )
