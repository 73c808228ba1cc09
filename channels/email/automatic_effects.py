"""What follows from a mail that no person wrote: touches wait while somebody is away, and the shop hears what a person
should know. Nothing is ever answered."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.orm import Session

from channels.email.mail import Automatic
from channels.email.signs import plain
from crm.calendar.labels import day_label, label
from crm.models import Appointment, ChatMessage, ChatSession, Lead, Location, Tenant
from crm.notices import NoticeKind, notify_staff
from crm.tenants import settings_of
from crm.touches import postpone

log = structlog.get_logger(__name__)

_UID = re.compile(r"appointment-(\d{1,18})-(\d{1,18})@")
_ANSWERED = {
    "declined": "declined the invitation",
    "tentative": "answered the invitation with maybe",
    "proposed another time": "proposed another time instead of the invitation",
}
MOST_QUOTED = 200


@dataclass(frozen=True)
class _News:
    """What the shop is told, and under which key only once."""

    text: str
    dedupe_key: str
    kind: NoticeKind = "hand_off"


def take(session: Session, chat: ChatSession, message_id: int, automatic: Automatic, now: datetime) -> None:
    """Do what an automatic mail, stored as `message_id` of this conversation, asks for, in the caller's transaction.

    An absence moves the planned touches behind it: to the day after the one that was said, else by the tenant's
    `away_days` from when the mail came. A declined invitation, a filter that wants proof, and mail that may be a
    person's all the same are told to the shop. Everything else is only on record. Safe to repeat. Wake "flush" for the
    session after the commit.
    """
    # Locked first, as everybody does who touches a conversation's messages or touches.
    session.get_one(ChatSession, chat.id, with_for_update=True)
    message = session.get_one(ChatMessage, message_id)
    location = session.get_one(Location, chat.location_id)
    if automatic.kind == "out_of_office":
        _wait(session, chat, message, automatic, location)
    news = _news(session, chat, message, automatic, location)
    if news is not None:
        notify_staff(
            session,
            session=chat,
            lead=session.get_one(Lead, chat.lead_id),
            location=location,
            text=news.text,
            dedupe_key=news.dedupe_key,
            now=now,
            kind=news.kind,
        )
    log.info("automatic_mail", session_id=chat.id, kind=automatic.kind, told=news is not None)


def _wait(
    session: Session, chat: ChatSession, message: ChatMessage, automatic: Automatic, location: Location
) -> None:
    came = (message.received_at or message.created_at).astimezone(ZoneInfo(location.timezone)).date()
    if automatic.until is not None:
        after, said = automatic.until, f"the customer is away until {day_label(automatic.until)}"
    else:
        days = settings_of(session.get_one(Tenant, chat.tenant_id)).away_days
        after, said = came + timedelta(days=days - 1), "the customer is away and did not say until when"
    moved = postpone(session, chat.lead_id, after=after, timezone=location.timezone, reason=said)
    if moved:
        log.info("cadence_postponed", lead_id=chat.lead_id, days=moved)


def _news(
    session: Session, chat: ChatSession, message: ChatMessage, automatic: Automatic, location: Location
) -> _News | None:
    lead = session.get_one(Lead, chat.lead_id)
    name = lead.first_name or lead.email or "A customer"
    look = f"Please look: leads transcript {lead.id}"
    if automatic.kind == "calendar":
        answered = _invitation(session, chat, message, automatic, location)
        return None if answered is None else _News(f"{name} {answered} {look}", f"calendar:{message.id}")
    if automatic.kind == "challenge":
        text = f"{name}'s mailbox lets mail through only after a person has proved to be one, so ours does not arrive."
        return _News(f"{text} The link is in its answer. {look}", "challenge", "alert")
    if automatic.doubtful:
        words = " ".join(message.body.split())[:MOST_QUOTED] or "(no words)"
        text = f"A mail of {name} may be an automatic one, so the assistant did not answer: {words}"
        return _News(f"{text} {look}", f"doubtful:{_day_and_words(message)}")
    return None


def _invitation(
    session: Session, chat: ChatSession, message: ChatMessage, automatic: Automatic, location: Location
) -> str | None:
    """What somebody's calendar answered, as the rest of a sentence; None for nothing new."""
    answered = _ANSWERED.get(automatic.reason)
    if answered is None:
        return None
    appointment = _appointment(session, chat, automatic.about)
    if appointment is not None and appointment.status not in ("booked", "confirmed"):
        return None
    when = f" for {label(appointment.starts_at, location.timezone)}" if appointment else ""
    stands = " The appointment still stands." if appointment else ""
    words = automatic.says or ("" if message.body == message.subject else message.body)
    said = f' and wrote: "{" ".join(words.split())[:MOST_QUOTED]}".' if words.strip() else "."
    return f"{answered}{when}{said}{stands}"


def _appointment(session: Session, chat: ChatSession, uid: str | None) -> Appointment | None:
    """The appointment of this customer that an invitation's UID names (crm.calendar.ics)."""
    found = _UID.match(uid or "")
    if found is None or int(found.group(1)) != chat.tenant_id:
        return None
    appointment = session.get(Appointment, int(found.group(2)))
    return appointment if appointment is not None and appointment.lead_id == chat.lead_id else None


def _day_and_words(message: ChatMessage) -> str:
    """The same words are told once a day, other words each time."""
    day = (message.received_at or message.created_at).date()
    return f"{day}:{hashlib.sha256(plain(message.body).encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
