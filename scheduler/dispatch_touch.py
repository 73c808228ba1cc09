"""What becomes of one touch that is due: written, skipped, put back, or the end of its cadence.

Nothing planned days ago is trusted: a reply, a booking, a stop or a person on the line since then wins,
late work is skipped, and of several due touches of one lead only one is written, so that downtime never
ends in a burst.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.email.links import MailLinks
from crm.models import ChatSession, Lead, Location, TouchPoint, Vehicle
from crm.notices import notify_staff
from crm.touches import REPLIED, halt_touches
from scheduler import burst
from scheduler.dispatch_message import write
from scheduler.due import Due, Outcome, among_others, put_back, settle, skip
from scheduler.plan import Plan, Step, UnknownPlan, plan_for
from scheduler.recheck import Halt, halt_reason
from scheduler.reminder_writing import write_reminder
from scheduler.touches import Known, known_of

# A message that waits for its answer comes before a follow-up, which is looked at again after that long.
AFTER_ANSWER = timedelta(minutes=15)
# Its claim ran out, or a reply, a stop or a booking took it out of the plan between the claim and the writing.
NOT_OURS = Outcome("not ours any more")


def decide(
    session: Session, touch_point_id: int, token: uuid.UUID, now: datetime, links: MailLinks | None
) -> Outcome:
    """Write the touch that was claimed with `token`, or settle it otherwise, in the caller's transaction.

    Raises TemplateFailed, UnknownPlan for what can never be written.
    """
    due = _load(session, touch_point_id, token, now, links)
    return NOT_OURS if due is None else _judge(due)


def write_now(
    session: Session,
    touch: TouchPoint,
    chat: ChatSession,
    lead: Lead,
    now: datetime,
    links: MailLinks | None,
    known: Known,
    *,
    fresh: bool,
    vehicle: Vehicle | None = None,
) -> int | None:
    """The same for a touch that the caller's own transaction has just planned, with the conversation's row locked or
    new: nobody else can claim it, so it is written in the same transaction. `known`: what was read of the lead in it;
    `fresh`: the lead was made in it, and `vehicle` is the only car it can have. Returns the message's id.

    Raises TemplateFailed, UnknownPlan: then leave the touch to `write_touch`, which notes why it fails.
    """
    plan, step = _step_of(session, touch)
    location = session.get_one(Location, chat.location_id)
    due = Due(session, touch, chat, lead, location, plan, step, now, links, known, fresh, vehicle)
    return _judge(due).message_id


def _load(
    session: Session, touch_point_id: int, token: uuid.UUID, now: datetime, links: MailLinks | None
) -> Due | None:
    """The touch if the claim still holds. The session row is locked first, as the inbox and the gate do."""
    whose = select(TouchPoint.session_id).where(TouchPoint.id == touch_point_id).scalar_subquery()
    chat = session.scalars(select(ChatSession).where(ChatSession.id == whose).with_for_update()).first()
    if chat is None:
        return None
    touch = session.get_one(TouchPoint, touch_point_id, with_for_update=True)
    if touch.status != "claimed" or touch.claim_token != token:
        return None
    plan, step = _step_of(session, touch)
    lead = session.get_one(Lead, touch.lead_id)
    location = session.get_one(Location, chat.location_id)
    return Due(session, touch, chat, lead, location, plan, step, now, links, known_of(session, lead))


def _step_of(session: Session, touch: TouchPoint) -> tuple[Plan, Step]:
    plan = plan_for(session, touch.tenant_id, touch.plan, touch.plan_version)
    step = plan.get(touch.step)
    if step is None:
        raise UnknownPlan(f"the plan {touch.plan!r} no longer has step {touch.step}")
    return plan, step


def _judge(due: Due) -> Outcome:
    session, now = due.session, due.now
    if due.touch.due_at > now:
        # Moved by a first touch that was written late, between our claim and now.
        settle(due, "planned", due.touch.reason)
        return Outcome("put back")
    if due.of_appointment:
        # It belongs to its visit, not to a cadence, and has rules of its own.
        return write_reminder(due)
    halt = halt_reason(session, due.lead, due.chat, due.touch, now, known=due.known, fresh=due.fresh)
    if halt is not None:
        return _halted(due, halt)
    if due.asked_for and due.chat.answer_due_at is not None:
        return put_back(due, now + AFTER_ANSWER)
    late = now - due.touch.due_at
    if late > due.step.grace:
        return skip(
            due, f"too late: {int(late.total_seconds() // 3600)} h after its time", counted="too late"
        )
    verdict = burst.check(due)
    if isinstance(verdict, str):
        return skip(due, verdict, counted="one message is enough")
    if verdict is not None:
        return put_back(due, among_others(due, verdict))
    return write(due)


def _halted(due: Due, halt: Halt) -> Outcome:
    status, reason = halt
    if due.asked_for and status == "paused":
        return _tell_the_person(due)
    word = due.chat.last_inbound_at if reason == REPLIED else None
    halt_touches(due.session, due.lead.id, status, reason, now=due.now if status == "ended" else word)
    return Outcome(f"{status}: {reason}")


def _tell_the_person(due: Due) -> Outcome:
    """The date has come and a person has the conversation: they keep the promise, and nobody else does."""
    name = due.lead.first_name or due.lead.phone or due.lead.email or "A customer"
    notify_staff(
        due.session,
        session=due.chat,
        lead=due.lead,
        location=due.location,
        text=f"{name} asked to hear from you today about: {due.touch.note}. You have the conversation."
        f" See: leads transcript {due.lead.id}",
        dedupe_key=f"follow_up:{due.touch.id}",
        now=due.now,
    )
    reason = "a person has the conversation and was told that the date has come"
    return skip(due, reason, counted="a person has it")
