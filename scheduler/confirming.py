"""A bare "C" or "yes" to a reminder confirms the visit without a model: the calendar says so, and a fixed answer goes out.

Only when our newest message to that address is a reminder of a visit that still stands; everything else is the agent's, to
whom the reminder is part of the conversation. While a person has the conversation the visit is confirmed all the same,
and nothing is answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from agent.playbook.lines import moment
from channels.confirm_words import is_confirmation
from channels.loops import go_quiet
from channels.reminded import COMES_AT, CONFIRMS, as_told, reminded_of
from channels.writing import add
from crm.calendar.booker import Booker, queue_up
from crm.calendar.labels import visit_label
from crm.calendar.refusals import BookingRefused
from crm.calendar.states import confirm
from crm.consents import opt_out_of
from crm.models import Appointment, ChatMessage, ChatSession, Lead, Location
from crm.writers import is_proved
from scheduler.reply import REPLY_LIFE
from scheduler.runtime import Runtime
from scheduler.tell_words import language_of

log = structlog.get_logger(__name__)

WORDS = {
    "en": "Thank you{name}, your appointment at {shop} is confirmed: {when}. If anything changes, just reply here.",
    "es": "Gracias{name}, su cita en {shop} queda confirmada: {when}. Si algo cambia, responda aquí.",
}
WHO = "customer"
# What most messages are told by, without a lock: the newest one is as short as a word of confirmation.
_LOOK = """
select m.body, s.location_id from chat_sessions s join chat_messages m on m.id = s.last_inbound_id
 where s.id = %(session)s and s.answer_due_at <= %(now)s and length(m.body) <= 60
"""


@dataclass(frozen=True)
class _Said:
    """What is unanswered, and the visit it confirms."""

    messages: Sequence[ChatMessage]
    visit: Appointment

    @property
    def newest(self) -> ChatMessage:
        """The one that is answered."""
        return self.messages[-1]


def confirm_visit(runtime: Runtime, tenant_id: int, session_id: int) -> str | None:
    """Confirm the visit if all that is unanswered in this session says so; what came of it, None when a turn is due as
    ever. Safe to repeat, by any number of workers at once: the second finds nothing unanswered."""
    now = runtime.clock.now()
    row = runtime.db.look(tenant_id, _LOOK, {"session": session_id, "now": now})
    if row is None or not is_confirmation(str(row[0])):
        return None
    with runtime.db.tenant(tenant_id) as session:
        # Before the conversation, because whoever changes the calendar writes into conversations under this lock.
        queue_up(session, int(row[1]))
        mine = select(ChatSession).where(
            ChatSession.id == session_id,
            ChatSession.answer_due_at <= now,
            (ChatSession.lease_until.is_(None)) | (ChatSession.lease_until < now),
        )
        chat = session.scalars(mine.with_for_update()).first()
        said = None if chat is None else _said(session, chat)
        if chat is None or said is None:
            return None
        if chat.state != "human" and go_quiet(session, chat, now):
            return None
        booker = Booker(chat.lead_id, chat.id, WHO, now, message_id=said.newest.id)
        try:
            visit = confirm(session, booker, said.visit.id)
        except BookingRefused:
            # Cancelled or over in this moment: the agent knows what to say about it.
            return None
        log.info("visit_confirmed", appointment_id=visit.id)
        return _answer(session, chat, visit, said, runtime)


def _said(session: Session, chat: ChatSession) -> _Said | None:
    """The unanswered messages, when each of them is a confirmation by somebody who may give it and all answer one
    reminder."""
    unanswered = session.scalars(
        select(ChatMessage)
        .where(
            ChatMessage.session_id == chat.id,
            ChatMessage.direction == "in",
            ChatMessage.kind == "inbound",
            ChatMessage.id > chat.answered_up_to,
        )
        .order_by(ChatMessage.id)
    ).all()
    if not unanswered or not all(_may_confirm(session, one) for one in unanswered):
        return None
    visits = {_visit_of(session, chat, one) for one in unanswered}
    number = visits.pop() if len(visits) == 1 else None
    visit = None if number is None else session.get(Appointment, number, populate_existing=True)
    return None if visit is None or visit.lead_id != chat.lead_id else _Said(unanswered, visit)


def _visit_of(session: Session, chat: ChatSession, message: ChatMessage) -> int | None:
    at = message.received_at or message.created_at
    return reminded_of(session, chat.id, message.channel, message.from_address, at, before=message.id)


def _may_confirm(session: Session, message: ChatMessage) -> bool:
    return (
        is_confirmation(message.body)
        and is_proved(message.channel, message.raw)
        and opt_out_of(session, message.tenant_id, message.channel, message.from_address) is None
    )


def _answer(session: Session, chat: ChatSession, visit: Appointment, said: _Said, runtime: Runtime) -> str:
    """Mark it answered, and answer it unless a person has the conversation."""
    now = runtime.clock.now()
    before = chat.answered_up_to
    chat.answered_up_to = said.newest.id
    chat.answer_due_at = chat.burst_started_at = chat.lease_token = chat.lease_until = None
    chat.answer_tries = 0
    if chat.state == "human":
        return "confirmed for the person who has the conversation"
    lead = session.get_one(Lead, chat.lead_id)
    location = session.get_one(Location, chat.location_id)
    language = language_of(lead)
    message = add(
        session,
        chat=chat,
        lead=lead,
        location=location,
        channel=said.newest.channel,
        kind="reply",
        body=WORDS[language].format(
            name=f", {lead.first_name}" if lead.first_name else "",
            shop=location.name,
            when=moment(visit_label(visit, location.timezone), language),
        ),
        dedupe_key=f"reply:{said.newest.id}",
        now=now,
        answers_up_to=said.newest.id,
        expires_at=min(now + REPLY_LIFE, visit.ends_at),
        answer_to=said.newest.from_address,
        raw={"answered_before": before, CONFIRMS: visit.id, COMES_AT: as_told(visit)},
    )
    return "confirmed" if message is not None else "confirmed, without an answer"
