"""What the shop is told of a push, and what a customer is asked whose time is taken in the CRM."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from agent.check import names_moment
from channels.writing import add
from crm.calendar.daybook import load_day_book
from crm.calendar.holds import HeldFor
from crm.calendar.labels import label, visit_label
from crm.calendar.offers import OfferFor, expires_at, job_of, make_offers
from crm.calendar.slots import Slot, nearest
from crm.calendar.sync import crm_name, who
from crm.calendar.told import ABOUT, CLASH, COMES_AT, as_told
from crm.connectors.errors import ConnectorError
from crm.connectors.records import ExternalAppointment
from crm.consents import is_opted_out
from crm.models import Appointment, ChatMessage, ChatSession, Lead, Location
from crm.notices import notify_staff
from crm.sessions import open_session
from scheduler.push_clash import Clash, in_the_way
from scheduler.push_work import Push, own_times

log = structlog.get_logger(__name__)

# First key of the advisory lock under which one worker at a time tells of a connection; the second is the connection.
TELLING_LOCK = 730_115
# So many free times are looked at for three that are free in the CRM's calendar too.
LOOKED_AT = 200
OFFERED = 3
ASK = {
    "en": "{hi}the time of your appointment at {shop}, {label}, turned out to be taken in our shop's calendar. Sorry"
    " about that! These times are free: {times}. Which one works for you? Until you choose, your appointment stays as"
    " it is.",
    "es": "{hi}resulta que la hora de su cita en {shop}, {label}, ya estaba ocupada en el calendario del taller."
    " ¡Disculpe! Estas horas están libres: {times}. ¿Cuál le queda bien? Mientras no elija, su cita queda como está.",
}
HI = {"en": "Hi {name}, ", "es": "Hola {name}, "}
OR = {"en": "or", "es": "o"}
SUBJECT = {"en": "The time of your appointment at {shop}", "es": "La hora de su cita en {shop}"}


def lock_chat(s: Session, appointment_id: int) -> ChatSession | None:
    """The customer's conversation, locked. Before the appointment's row: who books in a conversation takes them in this
    order too."""
    lead = s.scalars(
        select(Lead).join(Appointment, Appointment.lead_id == Lead.id).where(Appointment.id == appointment_id)
    ).first()
    if lead is None:
        return None
    return s.get_one(ChatSession, open_session(s, lead).id, with_for_update=True, populate_existing=True)


def tell_refused(s: Session, row: Appointment, push: Push, error: str, now: datetime) -> list[int]:
    """The CRM will not have it: somebody has to enter it by hand."""
    crm = crm_name(push.config)
    text = f"{crm} refuses {_visit(s, row)}: {error.rstrip('.')}. It stands here; please see to it in {crm}."
    return _tell(s, row, text, f"push_refused:{row.id}:{row.sequence}", now)


def tell_late(s: Session, row: Appointment, push: Push, error: str, now: datetime) -> list[int]:
    """It could not be written there for a while, and the shop looks into that calendar."""
    crm = crm_name(push.config)
    text = (
        f"{crm} does not show {_visit(s, row)} as it stands here: {error.rstrip('.')}. It is tried again and again."
        " See: leads crm status"
    )
    return _tell(s, row, text, f"push_late:{row.id}:{row.sequence}", now)


def tell_waiting(s: Session, row: Appointment, push: Push, error: ConnectorError, now: datetime) -> list[int]:
    """The owner has to act: told once for a key, not once for each appointment."""
    s.execute(select(func.pg_advisory_xact_lock(TELLING_LOCK, push.config.id % 2**31)))
    config = push.config
    mark = hashlib.sha256(config.api_key_encrypted + f"{config.base_url} {error.status}".encode()).hexdigest()
    key = f"push_waits:{config.id}:{mark[:16]}"
    told = select(ChatMessage.id).where(
        ChatMessage.kind == "notice", ChatMessage.dedupe_key.startswith(key, autoescape=True)
    )
    if s.scalar(told.limit(1)) is not None:
        return []
    text = (
        f"Bookings cannot be written into {crm_name(config)}: {str(error).rstrip('.')}. They stand here and go there as"
        " soon as that is put right. See: leads crm status"
    )
    return _tell(s, row, text, key, now)


def resolve(
    s: Session, row: Appointment, chat: ChatSession | None, push: Push, clash: Clash, now: datetime
) -> list[int]:
    """Tell the shop, and offer the customer the nearest times that are free in both calendars. The appointment keeps
    its time. Returns the messages to deliver."""
    location = s.get_one(Location, row.location_id)
    asked = _ask(s, row, chat, location, push, clash, now)
    crm, first = crm_name(push.config), clash.taken[0]
    what = f'"{first.title[:60]}" ({_span(first, location)})' if first.title else _span(first, location)
    done = (
        "The customer is sent other times; the appointment keeps its time until they choose."
        if asked is not None
        else "The customer was not asked: please settle it with them."
    )
    text = f"{_visit(s, row)} clashes with {what} in {crm}, so it is not there. {done}"
    told = _tell(s, row, text[:1].upper() + text[1:], f"push_clash:{row.id}:{row.sequence}", now)
    return [*told, *([asked] if asked is not None else [])]


def _ask(
    s: Session,
    row: Appointment,
    chat: ChatSession | None,
    location: Location,
    push: Push,
    clash: Clash,
    now: datetime,
) -> int | None:
    """The message with the other times; None when nobody is to be asked: a person made this booking or has the
    conversation, the customer wants no messages, or there is no other time."""
    lead = s.get(Lead, row.lead_id) if row.lead_id else None
    by_agent = bool(row.history) and row.history[-1].get("who") == "agent"
    if lead is None or chat is None or chat.state != "agent" or not by_agent:
        return None
    channel = _channel(s, chat, lead, location)
    slots = other_times(s, row, chat.id, location, push, clash, now)
    if channel is None or not slots:
        return None
    language = "es" if lead.language.lower().startswith("es") else "en"
    times = [visit_label(slot, location.timezone) for slot in slots]
    message = add(
        s,
        chat=chat,
        lead=lead,
        location=location,
        channel=channel,
        kind="confirmation",
        body=ASK[language].format(
            hi=HI[language].format(name=lead.first_name) if lead.first_name else "",
            shop=location.name,
            label=visit_label(row, location.timezone),
            times=_listed(times, OR[language]),
        ),
        subject=SUBJECT[language].format(shop=location.name),
        dedupe_key=f"{CLASH}{row.id}:{row.sequence}",
        now=now,
        # A time that may not be taken any more must not be offered.
        expires_at=min(expires_at(location, slot.comes_at, now) for slot in slots),
        raw={ABOUT: row.id, COMES_AT: as_told(row)},
    )
    if message is None:
        return None
    for offer in make_offers(s, location, OfferFor(chat.id, lead.id, job_of(s, row)), slots, now):
        # A text may have lost its end: what does not stand in it was not shown.
        if names_moment(message.body, visit_label(offer, location.timezone)):
            offer.message_id = message.id
    return message.id


def other_times(
    s: Session,
    row: Appointment,
    session_id: int,
    location: Location,
    push: Push,
    clash: Clash,
    now: datetime,
) -> list[Slot]:
    """The nearest times that can be had here and are free in the CRM's calendar, in order of time."""
    book = load_day_book(s, location, now, ignore_appointment_id=row.id, held_for=HeldFor(session_id))
    ours = own_times(s, location.id, now, clash.until, without=row.id)
    near = nearest(book, job_of(s, row), now, row.arrives_from or row.starts_at, limit=LOOKED_AT)
    free = [
        slot
        for slot in near
        if slot.ends_at <= clash.until
        and slot.starts_at != row.starts_at
        and not in_the_way(clash.there, push, clash.settings, slot.starts_at, slot.ends_at, ours)
    ]
    free.sort(key=lambda slot: abs(slot.comes_at - (row.arrives_from or row.starts_at)))
    return sorted(free[:OFFERED], key=lambda slot: slot.comes_at)


def _channel(s: Session, chat: ChatSession, lead: Lead, location: Location) -> str | None:
    """How the customer is written to: the way they wrote last, else by text."""
    ways = {
        "sms": lead.phone if location.phone and lead.phone_bad_since is None else None,
        "email": lead.email if location.mailbox and lead.email_bad_since is None else None,
    }
    order = sorted(ways, key=lambda way: way != (chat.last_channel or "sms"))
    usable = ((way, address) for way in order if (address := ways[way]) is not None)
    return next((w for w, address in usable if not is_opted_out(s, lead.tenant_id, w, address)), None)


def _tell(s: Session, row: Appointment, text: str, key: str, now: datetime) -> list[int]:
    lead = s.get(Lead, row.lead_id) if row.lead_id else None
    if lead is None:
        log.warning("push_notice_without_a_lead", appointment_id=row.id, notice=key)
        return []
    rows = notify_staff(
        s,
        session=open_session(s, lead),
        lead=lead,
        location=s.get_one(Location, row.location_id),
        text=text,
        dedupe_key=key,
        now=now,
        kind="alert",
    )
    return [message.id for message in rows]


def _visit(s: Session, row: Appointment) -> str:
    """ "the visit of Dana Reyes on Tue, Nov 24 at 9:00 AM"."""
    lead = s.get(Lead, row.lead_id) if row.lead_id else None
    location = s.get_one(Location, row.location_id)
    what = "the cancelled visit" if row.status == "cancelled" else "the visit"
    return f"{what} of {who(lead)} on {label(row.starts_at, location.timezone)}"


def _span(entry: ExternalAppointment, location: Location) -> str:
    ends = label(entry.ends_at, location.timezone)
    same_day = (
        entry.starts_at.astimezone(ZoneInfo(location.timezone)).date()
        == entry.ends_at.astimezone(ZoneInfo(location.timezone)).date()
    )
    return (
        f"{label(entry.starts_at, location.timezone)} to {ends.rpartition(' at ')[2] if same_day else ends}"
    )


def _listed(times: Sequence[str], word: str) -> str:
    *first, last = times
    return f"{'; '.join(first)}; {word} {last}" if first else last
