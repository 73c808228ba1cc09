"""What decides about a message that belongs to a visit, asked when it is planned and again when it is written: whether the
shop wants it, whether the visit still stands, what was told already, and by which way it goes."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy.orm import Session

from crm.calendar.daybook import ACTIVE
from crm.calendar.outside import SOURCE
from crm.consent_policy import PersonConsent, consent_of, may_text, settings_for
from crm.models import Appointment, ChatMessage, ChatSession, Lead, Location, TouchPoint
from crm.reminders import OF_SOMEBODY_ELSE, REASONS
from crm.sessions import open_session
from crm.tenants import TenantSettings

Halt = tuple[Literal["paused", "ended"], str]
CHANGES = ("booked", "moved")
STOPPED = "the customer said stop"
BEGUN = "the visit has begun"
TOLD = "the customer was told in the conversation"
TOLD_BY_SHOP = "the shop made this change in its own calendar, and its settings say who is told"
NOT_WANTED = "the shop's settings want no such message"
CRM_REMINDS = "the shop's CRM writes to the customer about what stands in its calendar"
# Which setting switches a template off; a step of a business's own with another template is switched off in its plan.
SWITCHES = {"confirmation": "confirm_visits", "reminder_48h": "remind_48h", "reminder_3h": "remind_3h"}


class Told(NamedTuple):
    """The last change of a visit: when, by whom (`agent`, `owner`, `crm`), and the channel of the conversation it was made
    in, if it was."""

    at: datetime
    who: str
    channel: str | None


def comes_at(visit: Appointment) -> datetime:
    """When the customer comes: with a car that is left, when the window for bringing it opens."""
    return visit.arrives_from or visit.starts_at


def told_of(session: Session, visit: Appointment, chat: ChatSession) -> Told:
    """How the visit came to be as it is."""
    entries = [one for one in visit.history if isinstance(one, dict) and one.get("what") in CHANGES]
    if not entries:
        return Told(visit.created_at, visit.source, None)
    last = entries[-1]
    at = datetime.fromisoformat(last["when"]) if last.get("when") else visit.created_at
    if last.get("who") != "agent":
        return Told(at, str(last.get("who")), None)
    asked = session.get(ChatMessage, last["message"]) if last.get("message") else None
    return Told(at, "agent", asked.channel if asked is not None else chat.last_channel or "sms")


def switched_off(settings: TenantSettings, visit: Appointment, template: str) -> str | None:
    """Why the shop wants no such message about this visit; None when it does."""
    if settings.crm_reminds and visit.external_id is not None:
        return CRM_REMINDS
    switch = SWITCHES.get(template)
    return NOT_WANTED if switch is not None and not getattr(settings, switch) else None


def halt_reminder(
    session: Session, lead: Lead, chat: ChatSession, touch: TouchPoint, now: datetime
) -> Halt | None:
    """Whether a confirmation or a reminder is not to be written after all: the visit is no more, has begun, is another
    lead's, or the customer said stop. None to go on. Ends this touch alone, no cadence."""
    number = touch.appointment_id
    visit = None if number is None else session.get(Appointment, number, populate_existing=True)
    if visit is None or visit.status not in ACTIVE:
        return "ended", REASONS["cancelled"] if visit is None else REASONS[visit.status]
    if visit.lead_id != lead.id or lead.erased_at is not None or chat.lead_id != lead.id:
        return "ended", OF_SOMEBODY_ELSE
    if comes_at(visit) <= now:
        return "ended", BEGUN
    consent = consent_of(session, lead, settings_for(session, lead.tenant_id).stop_covers)
    addresses = [channel for channel, address in (("sms", lead.phone), ("email", lead.email)) if address]
    closed = bool(addresses) and all(consent.stop(channel) is not None for channel in addresses)
    return ("ended", STOPPED) if closed or lead.status == "opted_out" else None


def way_to(
    session: Session, lead: Lead, chat: ChatSession, location: Location, wanted: str, *, not_by: str | None
) -> str | None:
    """The channel for this message: `wanted` where it is open and the customer uses it, else the other one; never `not_by`.
    None when there is none. No marketing consent is needed, but a text goes to whom texts mean something: who agreed to
    them, wrote one, or has no other address."""
    settings = settings_for(session, lead.tenant_id)
    consent = consent_of(session, lead, settings.stop_covers)
    ways = [name for name in ("sms", "email") if name != not_by and _open(name, lead, location, consent)]
    texts = chat.last_channel == "sms" or may_text(consent, lead, settings).allowed
    if wanted == "sms" and "sms" in ways and not texts and "email" in ways:
        return "email"
    return wanted if wanted in ways else next(iter(ways), None)


def will_confirm(session: Session, visit: Appointment) -> str | None:
    """The channel by which the customer is going to hear of a visit that a person of the shop has just booked or moved; None
    when nobody writes to them."""
    if visit.lead_id is None or visit.remind_due_at is None:
        return None
    lead = session.get_one(Lead, visit.lead_id)
    settings = settings_for(session, lead.tenant_id)
    chat = open_session(session, lead)
    if chat.state == "human" or switched_off(settings, visit, "confirmation") is not None:
        return None
    location = session.get_one(Location, visit.location_id)
    return way_to(session, lead, chat, location, "sms", not_by=None)


def _open(channel: str, lead: Lead, location: Location, consent: PersonConsent) -> bool:
    if channel == "sms":
        ends = lead.phone and location.phone and lead.phone_bad_since is None
    else:
        ends = lead.email and location.mailbox and lead.email_bad_since is None
    return bool(ends) and consent.stop(channel) is None


def is_told(told: Told) -> str | None:
    """Why a confirmation says nothing new; None when nobody has told the customer, or only in a conversation by text,
    which a mail with the calendar file may follow."""
    if told.who == SOURCE:
        return TOLD_BY_SHOP
    return TOLD if told.channel == "email" else None
