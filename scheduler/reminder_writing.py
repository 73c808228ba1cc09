"""Writing a confirmation or a reminder into the outbox, with the visit as it stands in this moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select

from agent.playbook.lines import moment
from channels import writing
from channels.reminded import ABOUT, COMES_AT, as_told
from channels.templates import Variables
from crm.calendar.labels import visit_label
from crm.consent_policy import settings_for
from crm.models import Appointment, ChatMessage, TouchPoint
from crm.notices import notify_staff
from crm.template_blocks import step_block
from scheduler import wording
from scheduler.due import Due, Outcome, put_back, settle, skip
from scheduler.reminder_rules import comes_at, halt_reminder, is_told, switched_off, told_of, way_to
from scheduler.tell_words import language_of
from scheduler.touch_text import words_of

log = structlog.get_logger(__name__)

# The visit was changed a moment ago: its messages are about to be planned anew.
AFTER_CHANGE = timedelta(minutes=1)
# A message that waits for its answer comes first: it may be about this very visit.
AFTER_ANSWER, LONGEST_WAIT = timedelta(minutes=15), timedelta(hours=1)
TWO_AT_ONCE = "a later reminder of this visit is due as well: one message is enough"
A_PERSONS = "a person has the conversation, and the visit is theirs to speak of"


def write_reminder(due: Due) -> Outcome:
    """Write it, skip it, put it back or end it, in the caller's transaction, which holds the conversation and the touch.

    Everything is read again: the visit, its time, who is told already, stops and settings. Raises TemplateFailed.
    """
    halt = halt_reminder(due.session, due.lead, due.chat, due.touch, due.now)
    if halt is not None:
        settle(due, *halt)
        return Outcome(f"{halt[0]}: {halt[1]}")
    visit = due.session.get_one(Appointment, due.touch.appointment_id)
    until = _not_yet(due, visit)
    if until is not None:
        return put_back(due, until)
    late = due.now - due.touch.due_at
    if late > due.step.grace:
        return skip(
            due, f"too late: {int(late.total_seconds() // 3600)} h after its time", counted="too late"
        )
    settings = settings_for(due.session, due.lead.tenant_id)
    if (reason := switched_off(settings, visit, due.touch.template)) is not None:
        return skip(due, reason, counted="not wanted")
    if _later_one_is_due(due):
        return skip(due, TWO_AT_ONCE, counted="one message is enough")
    if due.chat.state == "human":
        if due.touch.kind == "reminder":
            _tell_the_person(due, visit)
        return skip(due, A_PERSONS, counted="a person has it")
    return _write(due, visit)


def _not_yet(due: Due, visit: Appointment) -> datetime | None:
    """Until when it waits; never beyond the visit, at which the touch ends."""
    if visit.remind_due_at is not None:
        return due.now + AFTER_CHANGE
    asked = due.chat.last_inbound_at
    if due.chat.answer_due_at is None or asked is None or due.now - asked > LONGEST_WAIT:
        # An answer that does not come keeps nobody from being reminded.
        return None
    return min(due.now + AFTER_ANSWER, comes_at(visit))


def _later_one_is_due(due: Due) -> bool:
    """After downtime: the one that is nearest to the visit says it all."""
    found = due.session.scalar(
        select(TouchPoint.id)
        .where(
            TouchPoint.appointment_id == due.touch.appointment_id,
            TouchPoint.kind != "touch",
            TouchPoint.id != due.touch.id,
            TouchPoint.step > due.touch.step,
            TouchPoint.status.in_(("planned", "claimed")),
            TouchPoint.due_at <= due.now,
        )
        .limit(1)
    )
    return found is not None


def _write(due: Due, visit: Appointment) -> Outcome:
    not_by = None
    if due.touch.kind == "confirmation":
        told = told_of(due.session, visit, due.chat)
        if (known := is_told(told)) is not None:
            return skip(due, known, counted="told already")
        not_by = told.channel
    channel = way_to(due.session, due.lead, due.chat, due.location, due.step.channel, not_by=not_by)
    if channel is None:
        reason = (
            "it was told by text, and there is no other way" if not_by else "no way to the customer is open"
        )
        return skip(due, reason, counted="no channel")
    block = step_block(due.session, due.touch.plan, due.touch.step, channel)
    if block is not None:
        return skip(due, f"this step is stopped: {block.reason}", counted="the step is stopped")
    message = _message(due, visit, channel)
    if message is None:
        return skip(due, "it was written before or the address is gone", counted="no channel")
    settle(due, "written", None)
    due.touch.channel, due.touch.message_id = channel, message.id
    log.info("touch_written", touch_point_id=due.touch.id, step=due.touch.step, message_id=message.id)
    return Outcome("written", message.id)


def _message(due: Due, visit: Appointment, channel: str) -> ChatMessage | None:
    rendered = words_of(
        due.session, due.touch, due.chat, due.lead, due.location, channel, _variables(due, visit), due.now
    )
    return writing.add(
        due.session,
        chat=due.chat,
        lead=due.lead,
        location=due.location,
        channel=channel,
        kind=due.touch.kind,
        body=rendered.body,
        subject=rendered.subject,
        dedupe_key=f"touch:{due.touch.id}",
        now=due.now,
        touch_point_id=due.touch.id,
        expires_at=min(comes_at(visit), due.now + due.step.grace),
        # The gate holds what it says against the calendar once more; a mail of the kind confirmation takes the file along.
        raw={ABOUT: visit.id, COMES_AT: as_told(visit)},
    )


def _variables(due: Due, visit: Appointment) -> Variables:
    language = language_of(due.lead)
    return replace(
        wording.variables_for(due.session, due.lead, due.location, [], [], None),
        visit=moment(visit_label(visit, due.location.timezone), language),
        visit_confirmed=visit.status == "confirmed",
    )


def _tell_the_person(due: Due, visit: Appointment) -> None:
    """No machine speaks while a person has the conversation, so they hear of the visit, once."""
    name = due.lead.first_name or due.lead.phone or due.lead.email or "A customer"
    when = visit_label(visit, due.location.timezone)
    notify_staff(
        due.session,
        session=due.chat,
        lead=due.lead,
        location=due.location,
        text=f"{name} has an appointment: {when}. You have the conversation, so the assistant does not remind them."
        f" See: leads transcript {due.lead.id}",
        dedupe_key=f"visit:{visit.id}:{visit.sequence}",
        now=due.now,
    )
