"""What an unsubscribe link does: the stop of one person's mail, as if they had written it, without an answer.

The link itself is the proof that it came from the mail, so there is no log-in and nobody is asked twice (RFC 8058,
CAN-SPAM; messaging facts 4.4). It never expires.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from channels.email.links import KEPT_AS, PATH, MailLinks, outbox_id_in
from channels.email.unsubscribe_page import Standing
from channels.rows import lock
from crm.calendar.labels import label
from crm.consent_policy import consent_of, settings_for
from crm.consent_stops import Stop, stop_person, upcoming
from crm.consents import Channel, standing
from crm.db import Database
from crm.models import ChatMessage, ChatSession, Lead, Location
from crm.notices import notify_staff
from crm.routing import route_outbox

SOURCE = "one-click unsubscribe"
MOST_NAMED = 3


@dataclass(frozen=True)
class Mail:
    """The mail whose link was opened."""

    tenant_id: int
    message_id: int


def find_mail(db: Database, links: MailLinks | None, token: str) -> Mail | None:
    """The mail that carries this token, or None when nobody made it. Raises SQLAlchemyError when the database is
    away."""
    outbox_id = outbox_id_in(token)
    if outbox_id is None:
        return None
    with db.system() as session:
        route = route_outbox(session, outbox_id)
    if route is None:
        return None
    with db.tenant(route.tenant_id) as session:
        message = session.get(ChatMessage, route.row_id)
        if message is None or message.direction != "out" or message.channel != "email":
            return None
        if not (links is not None and links.is_ours(token)) and not _carries(message, token):
            return None
    return Mail(route.tenant_id, route.row_id)


def look(db: Database, mail: Mail) -> Standing | None:
    """What stands for the person now. Changes nothing; None when the mail is gone."""
    with db.tenant(mail.tenant_id) as session:
        message = session.get(ChatMessage, mail.message_id)
        if message is None:
            return None
        lead = session.get_one(Lead, message.lead_id)
        return _standing(session, message, session.get_one(ChatSession, message.session_id), lead)


def end_mail(db: Database, mail: Mail, how: str, now: datetime) -> Standing | None:
    """Record the stop and carry it out. `how` says for the ledger what was done. Safe to repeat: who is unsubscribed
    already stays so, and nothing is written again. None when the mail is gone."""
    with db.tenant(mail.tenant_id) as session:
        message = lock(session, mail.message_id)
        if message is None:
            return None
        chat = session.get_one(ChatSession, message.session_id)
        lead = session.get_one(Lead, message.lead_id, with_for_update=True, populate_existing=True)
        if not _is_ended(session, message):
            _stop(session, message, chat, lead, how, now)
        session.flush()
        return _standing(session, message, chat, lead)


def _carries(message: ChatMessage, token: str) -> bool:
    """Whether this very link was sent with the mail: how it is known after ENCRYPTION_KEY was replaced."""
    kept = str((message.raw or {}).get(KEPT_AS, ""))
    return hmac.compare_digest(kept.rpartition(PATH)[2].encode(), token.encode())


def _is_ended(session: Session, message: ChatMessage) -> bool:
    """By the person or at SendGrid; what the shop noted for them is no word of theirs, and is made one now."""
    stop = standing(session, message.tenant_id, "email", message.to_address).stop
    return stop is not None and stop.actor in ("customer", "carrier")


def _stop(
    session: Session, message: ChatMessage, chat: ChatSession, lead: Lead, how: str, now: datetime
) -> None:
    both = settings_for(session, lead.tenant_id).stop_covers == "all"
    channels: frozenset[Channel] = frozenset({"email", "sms"} if both else {"email"})
    stop = Stop(
        channels=channels,
        scope="all",
        actor="customer",
        source=SOURCE,
        evidence=f"{how}, in the mail {message.outbox_id} of {message.created_at:%Y-%m-%d}",
        at=now,
        message_id=message.id,
        came_from=("email", message.to_address),
    )
    stop_person(session, lead, stop)
    _tell_the_shop(session, message, chat, lead, both, now)
    if both:
        chat.answer_due_at = None


def _tell_the_shop(
    session: Session, message: ChatMessage, chat: ChatSession, lead: Lead, both: bool, now: datetime
) -> None:
    """The shop hears of it when something is booked, a person has the conversation, or a question stays unanswered."""
    times = [
        label(appointment.starts_at, session.get_one(Location, appointment.location_id).timezone)
        for appointment, _ in upcoming(session, lead, now)[:MOST_NAMED]
    ]
    unanswered = both and chat.answer_due_at is not None
    if not times and chat.state != "human" and not unanswered:
        return
    what = "messages" if both else "mail"
    text = f"{lead.first_name or message.to_address} unsubscribed with the link in our mail and gets no more {what}."
    if times:
        text += f" They are booked for {' and '.join(times)}: please call if something about it changes."
    if unanswered:
        text += f" They also wrote and are not answered: leads transcript {lead.id}"
    elif chat.state == "human":
        text += " Please do not write either."
    notify_staff(
        session,
        session=chat,
        lead=lead,
        location=session.get_one(Location, chat.location_id),
        text=text,
        dedupe_key=f"unsubscribed:{message.id}",
        now=now,
    )


def _standing(session: Session, message: ChatMessage, chat: ChatSession, lead: Lead) -> Standing:
    location = session.get_one(Location, chat.location_id)
    covers = settings_for(session, lead.tenant_id).stop_covers
    ended = _is_ended(session, message)
    texts = consent_of(session, lead, covers).stop("sms") is not None if ended else covers == "all"
    return Standing(
        shop=location.name,
        language=lead.language,
        ended=ended,
        texts_too=bool(lead.phone and location.phone) and texts,
        mailbox=location.mailbox,
        phone=location.phone,
    )
