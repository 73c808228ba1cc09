"""Which visit a customer has just been reminded of: what a bare "yes" of theirs is about."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.confirm_words import is_confirmation
from channels.consent import ConsentWord
from channels.inbound import Inbound
from crm.calendar.daybook import ACTIVE
from crm.calendar.told import ABOUT, COMES_AT, as_told
from crm.consents import opt_out_of
from crm.models import Appointment, ChatMessage, ChatSession

__all__ = ["ABOUT", "COMES_AT", "CONFIRMS", "as_told", "means_the_visit", "note_confirmation", "reminded_of"]

# What left, or may have left.
SAID = ("sent", "delivered", "sending", "unknown")
# In `raw` of a message: the appointment it says is confirmed.
CONFIRMS = "confirms"


def reminded_of(
    session: Session, session_id: int, channel: str, address: str, at: datetime, *, before: int | None = None
) -> int | None:
    """The appointment that our newest message to this address reminded it of, or whose confirmation that message answered;
    only one that still stands and is ahead of `at`. None when we talked of anything else last. `before`: messages from
    this one on are not looked at."""
    statement = (
        select(ChatMessage.kind, ChatMessage.raw)
        .where(
            ChatMessage.session_id == session_id,
            ChatMessage.direction == "out",
            ChatMessage.channel == channel,
            ChatMessage.to_address == address,
            ChatMessage.kind != "notice",
            ChatMessage.status.in_(SAID),
        )
        .order_by(ChatMessage.id.desc())
        .limit(1)
    )
    last = session.execute(statement if before is None else statement.where(ChatMessage.id < before)).first()
    raw = (last.raw or {}) if last is not None else {}
    number = raw.get(CONFIRMS) if last is None or last.kind != "reminder" else raw.get(ABOUT)
    if not isinstance(number, int):
        return None
    visit = session.get(Appointment, number, populate_existing=True)
    if visit is None or visit.status not in ACTIVE or visit.starts_at <= at:
        return None
    # Who says yes to one time has not said it to another.
    return number if raw.get(COMES_AT) == as_told(visit) else None


def means_the_visit(session: Session, word: ConsentWord, inbound: Inbound, session_id: int) -> bool:
    """Whether the carrier took a "yes" for an opt-in that answers our reminder (messaging facts 3.1): it confirms the visit
    and is no consent to anything. Of somebody who had said stop it opens the line, and is nothing else."""
    if word.meaning != "start" or not is_confirmation(inbound.body):
        return False
    address = (inbound.channel, inbound.from_address)
    if opt_out_of(session, inbound.tenant_id, *address) is not None:
        return False
    return reminded_of(session, session_id, *address, inbound.received_at) is not None


def note_confirmation(session: Session, inbound: Inbound, session_id: int) -> None:
    """A person has the conversation, so no answer is owed; a bare "yes" to a reminder is worked on all the same
    (scheduler/confirming.py), which confirms the visit and says nothing."""
    if not is_confirmation(inbound.body):
        return
    if (
        reminded_of(session, session_id, inbound.channel, inbound.from_address, inbound.received_at)
        is not None
    ):
        chat = session.get_one(ChatSession, session_id)
        chat.answer_due_at = inbound.received_at
