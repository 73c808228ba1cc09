"""Obeying stop, start and help, inside the transaction that stored the message.

Exactly one party answers a keyword: the carrier where it does so by itself, else we (messaging facts 0.9, 3.1).
Phrases the carrier does not know are always answered by us, once.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.consent import ConsentWord
from channels.consent_notices import tell_the_person, tell_the_shop
from channels.consent_words import answers_for
from channels.courtesy import help_answer
from channels.inbound import Inbound
from channels.writing import add
from crm.consent_policy import OTHER, consent_of, same_person, settings_for
from crm.consent_stops import Stop, stop_person, upcoming
from crm.consents import SAID_START, Channel, owe_to_carrier, record_consent, standing
from crm.lead_states import out_of_reach, try_move
from crm.models import ChatSession, Lead, Location
from crm.writers import is_proved, is_strange

__all__ = ["is_aside", "means_the_booking", "obey", "tell_the_person"]


def obey(
    session: Session,
    word: ConsentWord,
    inbound: Inbound,
    session_id: int,
    message_id: int,
    *,
    we_confirm_stops: bool,
) -> None:
    """Do what the person said. How far a stop reaches is in its words, else the shop's `stop_covers` says it."""
    chat = session.get_one(ChatSession, session_id, populate_existing=True)
    # Locked, because leads are versioned: a writer in between would fail this transaction, and with it the stop.
    lead = session.get_one(Lead, chat.lead_id, with_for_update=True, populate_existing=True)
    location = session.get_one(Location, chat.location_id)
    if word.meaning == "stop":
        body = _stop(session, word, inbound, chat, lead, message_id)
        tell_the_shop(session, word, inbound, chat, lead, message_id)
    elif word.meaning == "start":
        body = _start(session, word, inbound, lead, message_id)
    else:
        body = help_answer(location, lead, inbound.channel)
    carrier_answers = word.exact and inbound.channel == "sms" and not we_confirm_stops
    if body is None or carrier_answers:
        return
    add(
        session,
        chat=chat,
        lead=lead,
        location=location,
        channel=inbound.channel,
        kind="consent",
        body=body.format(shop=location.name) if word.meaning != "help" else body,
        dedupe_key=f"consent:{message_id}",
        now=inbound.received_at,
        # Who said it hears it: the customer has not said what somebody else did in their conversation.
        answer_to=inbound.from_address if is_strange(inbound.channel, inbound.raw) else None,
    )


def is_aside(word: ConsentWord | None, inbound: Inbound) -> bool:
    """Whether this is the stop of somebody else who came into the conversation: the customer's own unanswered message
    is still to be answered, and theirs is no part of the talk."""
    stops = word is not None and word.meaning == "stop" and not word.goes_on(inbound.channel)
    return stops and is_strange(inbound.channel, inbound.raw) and not is_proved(inbound.channel, inbound.raw)


def means_the_booking(session: Session, word: ConsentWord, inbound: Inbound, session_id: int) -> bool:
    """Whether words like "please cancel" are about an appointment: they are when there is one. A single CANCEL is a
    stop all the same, because the carrier has taken it as one (messaging facts 3.1)."""
    if not word.unless_booked:
        return False
    lead = session.scalars(
        select(Lead).join(ChatSession, ChatSession.lead_id == Lead.id).where(ChatSession.id == session_id)
    ).one()
    return bool(upcoming(session, lead, inbound.received_at))


def _stop(
    session: Session, word: ConsentWord, inbound: Inbound, chat: ChatSession, lead: Lead, message_id: int
) -> str | None:
    """Carry it out. Returns the confirmation, None when the person has had one: a second stop is not answered."""
    covers = settings_for(session, lead.tenant_id).stop_covers
    own: Channel = "sms" if inbound.channel == "sms" else "email"
    before = standing(session, lead.tenant_id, own, inbound.from_address).revocation(word.scope)
    # Who is not proved to be the customer stops what goes to their own address, and nobody else's: the safe mistake
    # without the dangerous one.
    proved = is_proved(inbound.channel, inbound.raw)
    channels = _channels(word, own, covers) if proved else frozenset({own})
    stop_person(
        session,
        lead,
        Stop(
            channels=channels,
            scope=word.scope,
            actor="customer",
            source=f"wrote by {own}",
            evidence=inbound.body,
            at=inbound.said_at,
            message_id=message_id,
            came_from=(own, inbound.from_address),
            alone=word.wrong_person or word.reach in ("sms", "email") or not proved,
            only_address=word.wrong_person or not proved,
            carrier_knows=frozenset({"sms"} if word.exact and own == "sms" else ()),
        ),
    )
    if word.wrong_person:
        _mark_bad(lead, inbound)
        out_of_reach(session, Lead.id == lead.id, who="inbox", now=inbound.received_at)
    if not word.goes_on(own) and not is_aside(word, inbound):
        chat.answer_due_at = None
    return None if before is not None and before.actor != "shop" else _confirmation(word, lead, channels)


def _channels(word: ConsentWord, own: Channel, covers: str) -> frozenset[Channel]:
    if word.wrong_person:
        return frozenset({own})
    if word.reach == "policy":
        return frozenset({"sms", "email"}) if covers == "all" else frozenset({own})
    return frozenset({"sms", "email"}) if word.reach == "all" else frozenset({word.reach})


def _confirmation(word: ConsentWord, lead: Lead, channels: frozenset[Channel]) -> str:
    said = answers_for(lead)
    if word.wrong_person:
        return said.wrong_person
    if word.scope == "marketing":
        return said.stop_marketing
    if len(channels) == 2:
        return said.stop_all
    return said.stop_sms if "sms" in channels else said.stop_email


def _mark_bad(lead: Lead, inbound: Inbound) -> None:
    """The address is somebody else's: nothing for this lead goes there again, whatever becomes of the ledger."""
    if inbound.channel == "sms" and lead.phone == inbound.from_address:
        lead.phone_bad_since = lead.phone_bad_since or inbound.received_at
    if inbound.channel == "email" and lead.email == inbound.from_address:
        lead.email_bad_since = lead.email_bad_since or inbound.received_at


def _start(session: Session, word: ConsentWord, inbound: Inbound, lead: Lead, message_id: int) -> str:
    """Only these words of the person's own open the line again; on the other channel too, where the stop that closed
    it came by this one."""
    own: Channel = "sms" if inbound.channel == "sms" else "email"
    other = OTHER[own]
    reopened: dict[tuple[Channel, str], None] = {(own, inbound.from_address): None}
    for one in same_person(session, lead):
        address = one.phone if other == "sms" else one.email
        if address is not None:
            stop = standing(session, lead.tenant_id, other, address).marketing_stop
            if stop is not None and stop.actor == "customer" and stop.source == f"wrote by {own}":
                reopened[other, address] = None
    for channel, address in reopened:
        stopped = standing(session, lead.tenant_id, channel, address).stop
        event = record_consent(
            session,
            tenant_id=lead.tenant_id,
            channel=channel,
            address=address,
            action="grant",
            actor="customer",
            source=f"{SAID_START} by {own}",
            evidence=inbound.body,
            effective_at=inbound.said_at,
            lead_id=lead.id,
            message_id=message_id,
        )
        # The carrier opens the line at its own keyword; of other words, and of those by mail, it knows nothing.
        by_itself = channel == "sms" and word.exact and own == "sms"
        if stopped is not None and not by_itself:
            owe_to_carrier(session, event, inbound.received_at)
    _revive(session, lead, inbound, message_id)
    return answers_for(lead).start


def _revive(session: Session, lead: Lead, inbound: Inbound, message_id: int) -> None:
    at = inbound.received_at
    covers = settings_for(session, lead.tenant_id).stop_covers
    if lead.status == "opted_out" and consent_of(session, lead, covers).stop(inbound.channel) is None:
        try_move(session, lead, "engaged", who="inbox", why="said START", now=at, message_id=message_id)
    if inbound.channel == "sms" and lead.phone == inbound.from_address:
        lead.phone_bad_since = None
    if inbound.channel == "email" and lead.email == inbound.from_address:
        lead.email_bad_since = None
