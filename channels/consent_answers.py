"""Obeying stop, start and help, inside the transaction that stored the message.

Exactly one party answers a keyword: the carrier where it does so by itself, else we (messaging facts 0.9, 3.1).
Phrases the carrier does not know are always answered by us, once.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.consent import ConsentWord
from channels.inbound import Inbound
from channels.writing import add
from crm.calendar.labels import label
from crm.consents import record_consent
from crm.models import Appointment, ChatMessage, ChatSession, Lead, Location
from crm.notices import notify_staff
from crm.touches import halt_touches


def obey(
    session: Session,
    word: ConsentWord,
    inbound: Inbound,
    session_id: int,
    message_id: int,
    *,
    we_confirm_stops: bool,
) -> None:
    """Do what the person said. A stop covers text and email of this business at once (DESIGN rule 7)."""
    chat = session.get_one(ChatSession, session_id, populate_existing=True)
    # Locked, because leads are versioned: a writer in between would fail this transaction, and with it the stop.
    lead = session.get_one(Lead, chat.lead_id, with_for_update=True, populate_existing=True)
    location = session.get_one(Location, chat.location_id)
    if word.meaning == "stop":
        _stop(session, inbound, chat, lead, location, message_id)
    elif word.meaning == "start":
        _grant(session, inbound, lead, message_id)
    if word.how == "phrase" or we_confirm_stops or inbound.channel == "email":
        add(
            session,
            chat=chat,
            lead=lead,
            location=location,
            channel=inbound.channel,
            kind="consent",
            body=_answer(word, location),
            dedupe_key=f"consent:{message_id}",
            now=inbound.received_at,
        )


def _answer(word: ConsentWord, location: Location) -> str:
    contact = location.public_phone or location.phone or location.mailbox or location.name
    if word.meaning == "stop":
        return f"{location.name}: You are unsubscribed and will get no more messages from us. Reply START to undo this."
    if word.meaning == "start":
        return f"{location.name}: You are subscribed again. How can we help? Reply STOP to opt out."
    return (
        f"{location.name}: This is our automated assistant for quotes and appointments. To reach a person call"
        f" {contact}. Msg & data rates may apply. Reply STOP to opt out."
    )


def _stop(
    session: Session, inbound: Inbound, chat: ChatSession, lead: Lead, location: Location, message_id: int
) -> None:
    for channel, address in (
        ("sms", lead.phone),
        ("email", lead.email),
        (inbound.channel, inbound.from_address),
    ):
        if address:
            record_consent(
                session,
                tenant_id=chat.tenant_id,
                channel="sms" if channel == "sms" else "email",
                address=address,
                action="revoke",
                actor="customer",
                source=f"wrote by {inbound.channel}",
                evidence=inbound.body,
                effective_at=inbound.received_at,
                lead_id=lead.id,
                message_id=message_id,
            )
    halt_touches(session, lead.id, "ended", "the customer said stop")
    _drop_waiting(session, chat)
    lead.status = "opted_out"
    chat.answer_due_at = None
    appointment = session.scalars(
        select(Appointment)
        .where(
            Appointment.lead_id == lead.id,
            Appointment.status.in_(("booked", "confirmed")),
            Appointment.starts_at > inbound.received_at,
        )
        .order_by(Appointment.starts_at)
        .limit(1)
    ).first()
    if appointment is not None:
        name = lead.first_name or inbound.from_address
        when = label(appointment.starts_at, location.timezone)
        notify_staff(
            session,
            session=chat,
            lead=lead,
            location=location,
            text=f'{name} wrote "{inbound.body.strip()[:40]}" and gets no more messages, but is booked for {when}.'
            " They may have meant the appointment: please call.",
            dedupe_key=f"stop:{message_id}",
            now=inbound.received_at,
        )


def _drop_waiting(session: Session, chat: ChatSession) -> None:
    """What waits in the outbox for this person will never go. The gate would say so too; this says it now."""
    waiting = session.scalars(
        select(ChatMessage).where(
            ChatMessage.session_id == chat.id,
            ChatMessage.status == "pending",
            ChatMessage.kind.not_in(("notice", "consent")),
        )
    )
    for message in waiting:
        message.status, message.final_at = "withheld", chat.last_inbound_at
        message.error = "this person said stop"


def _grant(session: Session, inbound: Inbound, lead: Lead, message_id: int) -> None:
    record_consent(
        session,
        tenant_id=inbound.tenant_id,
        channel="sms" if inbound.channel == "sms" else "email",
        address=inbound.from_address,
        action="grant",
        actor="customer",
        source=f"wrote by {inbound.channel}",
        evidence=inbound.body,
        effective_at=inbound.received_at,
        lead_id=lead.id,
        message_id=message_id,
    )
    if lead.status == "opted_out":
        lead.status = "engaged"


def tell_the_person(session: Session, inbound: Inbound, session_id: int, message_id: int) -> None:
    """A person has this conversation, so nobody answers by machine: the shop is told what the customer wrote."""
    chat = session.get_one(ChatSession, session_id)
    lead = session.get_one(Lead, chat.lead_id)
    name = lead.first_name or inbound.from_address
    notify_staff(
        session,
        session=chat,
        lead=lead,
        location=session.get_one(Location, chat.location_id),
        text=f"{name} wrote: {inbound.body.strip()[:200]}",
        dedupe_key=f"wrote:{message_id}",
        now=inbound.received_at,
    )
