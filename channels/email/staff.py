"""Mail of the shop's own people: what they answer to an alert goes to the customer, in their words and their name.

Whoever answers an alert has taken the conversation over, so the agent is quiet until somebody gives it back: a line with
nothing but `/back` does. What is no answer to an alert, or may be forged, is kept and told of, and goes to nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from channels.consent import read_message
from channels.email.letters import CARRIER, StaffMail
from channels.email.staff_way import way_to
from channels.writing import add
from crm.consents import record_consent
from crm.lead_states import try_move
from crm.mailroom import mailroom
from crm.models import ChatMessage, ChatSession, Lead, Location
from crm.notices import notify_staff
from crm.sessions import hand_back
from crm.touches import halt_touches

log = structlog.get_logger(__name__)

KIND = "staff"
HAND_BACK = "/back"
# What a person wrote a day ago and could not be sent is for that person to look at again.
LIFE = timedelta(days=1)


@dataclass(frozen=True)
class _Place:
    """Where the mail is kept: the conversation it answers, or the location's entry for mail of no customer."""

    chat: ChatSession
    lead: Lead
    location: Location


def take_staff_mail(session: Session, mail: StaffMail, now: datetime) -> tuple[int, str]:
    """Do what a mail of the shop's people asks for, in the caller's transaction; returns the conversation, whose outbox
    may hold something now, and what happened. Everything happens together with keeping the mail, so a repetition does
    nothing more."""
    place = _place(session, mail)
    message_id = _keep(session, mail, place, now)
    if message_id is None:
        return place.chat.id, "known already"
    happened = why_not(mail)
    if happened is None:
        happened = _said_stop(session, mail, message_id, now)
    if happened is None:
        happened = _carry_out(session, mail, place, message_id, now)
    if happened is not None:
        _tell(session, mail, place, message_id, happened, now)
    log.info("staff_mail", session_id=place.chat.id, sent=happened is None)
    return place.chat.id, f"not sent: {happened}" if happened else f"message {message_id}, of {mail.name}"


def why_not(mail: StaffMail) -> str | None:
    """Why the words of this mail may not go to a customer, as the end of a sentence; None when they may."""
    letter = mail.letter
    if mail.staff_id is None:
        return f"{letter.sender} is not an address of the shop's people"
    if letter.conversation is None:
        return (
            "it answers no alert, so it is not known which customer it is for; please answer the alert itself"
        )
    if letter.proof is None:
        return (
            "nothing proves that it came from that address (neither SPF nor DKIM of its domain passed); please answer"
            " from the mail program you usually use"
        )
    words, back = own_words(letter.mail.words.text)
    if letter.mail.words.forwarded:
        return "it is a forwarded mail; please answer the alert itself"
    # A mail without words is read as its subject, which is ours.
    if not back and words in ("", letter.mail.subject):
        return "there are no words of its own in it"
    return None


def own_words(text: str) -> tuple[str, bool]:
    """What a person wrote to the customer, without the lines of ours they answered between, and whether a line says
    that the agent shall go on."""
    lines = [line.strip() for line in text.splitlines() if not line.lstrip().startswith(">")]
    words = "\n".join(line for line in lines if line.lower() != HAND_BACK).strip()
    return words, any(line.lower() == HAND_BACK for line in lines)


def _place(session: Session, mail: StaffMail) -> _Place:
    location = session.get_one(Location, mail.letter.location_id)
    found = mail.letter.conversation
    if found is None:
        return _Place(*mailroom(session, location), location)
    # The session before the lead, as everybody does.
    chat = session.get_one(ChatSession, found.session_id, with_for_update=True, populate_existing=True)
    return _Place(chat, session.get_one(Lead, chat.lead_id, with_for_update=True), location)


def _keep(session: Session, mail: StaffMail, place: _Place, now: datetime) -> int | None:
    """Store the mail itself, once; None when it is stored already. It takes no part in the thread with the customer, so
    it keeps no id of one."""
    letter = mail.letter
    row = (
        insert(ChatMessage)
        .values(
            tenant_id=letter.tenant_id,
            session_id=place.chat.id,
            lead_id=place.lead.id,
            direction="in",
            channel="email",
            kind="automatic",
            status="received",
            body=letter.mail.words.text,
            body_full=letter.mail.words.full,
            subject=letter.mail.subject,
            from_address=letter.sender,
            to_address=letter.mailbox,
            carrier=CARRIER,
            carrier_id=letter.carrier_id,
            raw={**letter.raw, "staff": mail.name, "message_id": letter.mail.message_id},
            received_at=letter.received_at,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "channel", "carrier_id"])
        .returning(ChatMessage.id)
    )
    return session.execute(row).scalar_one_or_none()


def _said_stop(session: Session, mail: StaffMail, message_id: int, now: datetime) -> str | None:
    """A mail that is nothing but a stop is the person's own wish to get no more alerts, and no word for a customer."""
    letter = mail.letter
    text = own_words(letter.mail.words.text)[0]
    word = read_message(text, letter.mail.subject, automatic=False, channel="email")
    if word is None or word.meaning != "stop" or (word.how == "phrase" and len(text.split()) > 1):
        return None
    record_consent(
        session,
        tenant_id=letter.tenant_id,
        channel="email",
        address=letter.sender,
        action="revoke",
        actor="customer",
        source="wrote by email, of the shop's people",
        evidence=text or letter.mail.subject or "",
        effective_at=now,
        message_id=message_id,
    )
    return f"it says stop, so {mail.name} gets no more alerts by email"


def _carry_out(
    session: Session, mail: StaffMail, place: _Place, message_id: int, now: datetime
) -> str | None:
    """Send the words and take the conversation over, or give it back. Returns why nothing was sent, if so."""
    words, back = own_words(mail.letter.mail.words.text)
    problem = None
    if words and not _has_it_already(mail, place.lead):
        problem = _send(session, mail, place, words, message_id, now)
    if words and problem is None:
        _take_over(session, mail, place, now)
    if back and problem is None:
        session.flush()
        hand_back(session, place.chat.id, who=mail.name, now=now)
    return problem


def _has_it_already(mail: StaffMail, lead: Lead) -> bool:
    """Whether the customer was written to in the same mail, so that ours would be a second one."""
    headers = mail.letter.mail.headers
    named = f"{headers.get('to', '')},{headers.get('cc', '')}".lower()
    return bool(lead.email) and (lead.email or "").lower() in named


def _send(
    session: Session, mail: StaffMail, place: _Place, words: str, message_id: int, now: datetime
) -> str | None:
    channel, address, problem = way_to(session, place.chat, place.lead, place.location, words)
    if problem is not None:
        return problem
    written = add(
        session,
        chat=place.chat,
        lead=place.lead,
        location=place.location,
        channel=channel,
        kind=KIND,
        body=words,
        dedupe_key=f"staff:{message_id}",
        now=now,
        expires_at=now + LIFE,
        answer_to=address,
        raw={"staff_id": mail.staff_id, "staff": mail.name, "mail": message_id},
    )
    return None if written is not None else "there is no address to write to"


def _take_over(session: Session, mail: StaffMail, place: _Place, now: datetime) -> None:
    chat, lead = place.chat, place.lead
    chat.state, chat.state_reason = "human", f"{mail.name} answered by email"
    chat.answer_due_at = chat.burst_started_at = None
    try_move(session, lead, "human", who=mail.name, why="answered by email", now=now)
    halt_touches(session, lead.id, "paused", "a person has taken over the conversation")


def _tell(session: Session, mail: StaffMail, place: _Place, message_id: int, why: str, now: datetime) -> None:
    kept = session.get_one(ChatMessage, message_id)
    kept.raw = {**(kept.raw or {}), "kept_because": why}
    about = "" if mail.letter.conversation is None else f" about {place.lead.first_name or 'a customer'}"
    notify_staff(
        session,
        session=place.chat,
        lead=place.lead,
        location=place.location,
        text=f"A mail of {mail.name}{about} was not sent to anybody: {why}."
        f" It is kept: leads transcript {place.lead.id}",
        dedupe_key=f"staff_mail:{message_id}",
        now=now,
        kind="alert",
    )
