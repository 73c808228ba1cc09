"""What the shop's own people hear when a customer says stop, or writes while a person has the conversation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from channels.consent import ConsentWord
from channels.inbound import Inbound
from channels.loops import NOTICE as LOOP
from crm.calendar.labels import label
from crm.consent_stops import upcoming
from crm.models import ChatMessage, ChatSession, Lead, Location
from crm.notices import last_told, notify_staff
from crm.writers import is_proved, is_strange

MOST_NAMED = 3
# While a person has the conversation, the shop is told once an episode, or a machine that writes on and on would make a
# notice of each message. An episode ends when the agent has the conversation again, or the customer was quiet for an
# hour; a long one is told of again.
QUIET, REMIND = timedelta(hours=1), timedelta(hours=6)
STOP_AGAIN = timedelta(hours=24)
WROTE = "wrote:"


def tell_the_shop(
    session: Session, word: ConsentWord, inbound: Inbound, chat: ChatSession, lead: Lead, message_id: int
) -> None:
    """Tell the shop about a stop that a person should know of: something is booked, a person has the conversation, the
    number is somebody else's, or the customer also asked something that nobody answers now."""
    if is_strange(inbound.channel, inbound.raw):
        _notify(session, chat, lead, _of_somebody_else(inbound, lead), f"stop:{message_id}", inbound)
        return
    said = f'{_name(lead, inbound)} wrote "{_short(inbound.body, 40)}"'
    booked = _booked(session, lead, inbound)
    if word.wrong_person:
        text = f"{inbound.from_address} is not {lead.first_name or 'the customer'}'s: {said}. Nothing more goes there;"
        text += f" please check the address. Lead {lead.id}." + (f" Booked for {booked}." if booked else "")
    elif booked and word.goes_on(inbound.channel):
        return
    elif booked:
        text = f"{said} and gets no more messages, but is booked for {booked}. They may have meant the appointment:"
        text += " please call."
    elif chat.state == "human" and word.label == "stop":
        text = f"{said} and gets no more messages from us. Please do not write either."
    elif word.more and word.label == "stop" and "?" in inbound.body:
        text = f"{_name(lead, inbound)} said stop and is not answered, but asked: {_short(inbound.body, 160)}"
    else:
        return
    # Whoever says the same again and again, a machine most of all, is told of once a day.
    subject = f"stop:{'wrong' if word.wrong_person else word.label}:"
    told = last_told(session, chat.id, subject)
    if told is None or inbound.received_at - told.created_at >= STOP_AGAIN:
        _notify(session, chat, lead, text, f"{subject}{message_id}", inbound)


def tell_the_person(session: Session, inbound: Inbound, session_id: int, message_id: int) -> None:
    """A person has this conversation, so nobody answers by machine: the shop is told what the customer wrote, once an
    episode, with how many messages came in between."""
    chat = session.get_one(ChatSession, session_id)
    lead = session.get_one(Lead, chat.lead_id)
    told = last_told(session, session_id, WROTE, LOOP)
    before = _Before.of(session, session_id, message_id, told)
    if told is not None and not before.answered and not _is_new_episode(told, before, inbound):
        return
    words = _short(inbound.body, 200)
    text = f"wrote {before.untold + 1} messages, the last: {words}" if before.untold else f"wrote: {words}"
    _notify(session, chat, lead, f"{_name(lead, inbound)} {text}", f"{WROTE}{message_id}", inbound)


@dataclass(frozen=True)
class _Before:
    """What came before a message: whether the agent has answered since the shop was last told, how many messages of the
    customer nobody was told of since, and when the customer last wrote."""

    answered: bool
    untold: int
    wrote_at: datetime | None

    @classmethod
    def of(cls, session: Session, session_id: int, message_id: int, told: ChatMessage | None) -> _Before:
        """Read it, in two queries."""
        earlier = (ChatMessage.session_id == session_id, ChatMessage.id < message_id)
        since = 0 if told is None else told.id
        reply = session.scalar(select(func.max(ChatMessage.id)).where(*earlier, ChatMessage.kind == "reply"))
        answered = (reply or 0) > since
        new = ChatMessage.id > max(since, reply or 0)
        untold, wrote_at = session.execute(
            select(func.count().filter(new), func.max(ChatMessage.created_at)).where(
                *earlier, ChatMessage.direction == "in"
            )
        ).one()
        return cls(answered, untold if told is not None else 0, wrote_at)


def _is_new_episode(told: ChatMessage, before: _Before, inbound: Inbound) -> bool:
    """Whether the customer had gone quiet before this message, or the last notice is hours old."""
    if inbound.received_at - told.created_at >= REMIND:
        return True
    return before.wrote_at is None or inbound.received_at - before.wrote_at >= QUIET


def _booked(session: Session, lead: Lead, inbound: Inbound) -> str:
    """ "Tue, Nov 24 at 9:00 AM and Mon, Nov 30 at 2:00 PM": what is booked, in each shop's own time."""
    times = []
    for appointment, _ in upcoming(session, lead, inbound.received_at)[:MOST_NAMED]:
        shop = session.get_one(Location, appointment.location_id)
        times.append(label(appointment.starts_at, shop.timezone))
    return " and ".join(times)


def _notify(
    session: Session, chat: ChatSession, lead: Lead, text: str, dedupe_key: str, inbound: Inbound
) -> None:
    notify_staff(
        session,
        session=chat,
        lead=lead,
        location=session.get_one(Location, chat.location_id),
        text=text,
        dedupe_key=dedupe_key,
        now=inbound.received_at,
    )


def _of_somebody_else(inbound: Inbound, lead: Lead) -> str:
    """A stop that came into a conversation from an address that is not the customer's own."""
    who = lead.first_name or lead.email or "the customer"
    text = f'{inbound.from_address}, which is not {who}\'s own address, wrote "{_short(inbound.body, 40)}" in their'
    text += " conversation. Nothing more goes to that address"
    if is_proved(inbound.channel, inbound.raw):
        return f"{text}, nor to {who}: it was an answer to our mail to them. Lead {lead.id}."
    return f"{text}; {who} did not say stop and is still written to. Lead {lead.id}."


def _name(lead: Lead, inbound: Inbound) -> str:
    if is_strange(inbound.channel, inbound.raw):
        return f"{inbound.from_address} (not {lead.first_name or 'the customer'}'s own address)"
    return lead.first_name or inbound.from_address


def _short(text: str, most: int) -> str:
    return text.strip()[:most]
