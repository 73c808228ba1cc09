"""What the shop's own people hear when a customer says stop, or writes while a person has the conversation."""

from __future__ import annotations

from sqlalchemy.orm import Session

from channels.consent import ConsentWord
from channels.inbound import Inbound
from crm.calendar.labels import label
from crm.consent_stops import upcoming
from crm.models import ChatSession, Lead, Location
from crm.notices import notify_staff

MOST_NAMED = 3


def tell_the_shop(
    session: Session, word: ConsentWord, inbound: Inbound, chat: ChatSession, lead: Lead, message_id: int
) -> None:
    """Tell the shop about a stop that a person should know of: something is booked, a person has the conversation, the
    number is somebody else's, or the customer also asked something that nobody answers now."""
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
    _notify(session, chat, lead, text, f"stop:{message_id}", inbound)


def tell_the_person(session: Session, inbound: Inbound, session_id: int, message_id: int) -> None:
    """A person has this conversation, so nobody answers by machine: the shop is told what the customer wrote."""
    chat = session.get_one(ChatSession, session_id)
    lead = session.get_one(Lead, chat.lead_id)
    text = f"{_name(lead, inbound)} wrote: {_short(inbound.body, 200)}"
    _notify(session, chat, lead, text, f"wrote:{message_id}", inbound)


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


def _name(lead: Lead, inbound: Inbound) -> str:
    return lead.first_name or inbound.from_address


def _short(text: str, most: int) -> str:
    return text.strip()[:most]
