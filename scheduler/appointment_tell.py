"""The job `appointment_tell`: a customer hears that the shop moved or cancelled their visit in its own calendar.

The row's `tell_due_at` is the debt. It is paid in the transaction that writes the message into the outbox, so a crash
leaves either the debt or the message. What is told is how things stand now against what the customer knows; a change
that was taken back, that is over, or that the customer made themselves meanwhile is told to nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.hours import next_allowed, whereabouts
from channels.writing import add
from crm.calendar.outside import SOURCE
from crm.calendar.sync import crm_name, who
from crm.calendar.telling import KEY, Known, from_json, last_by, what_changed
from crm.calendar.told import ABOUT, CANCELLED, COMES_AT, as_told
from crm.connectors.base import ConnectorError
from crm.connectors.registry import settings_of
from crm.connectors.settings import Telling, TellRule
from crm.consent_policy import PersonConsent, consent_of, may_text, settings_for
from crm.models import Appointment, ChatMessage, ChatSession, Lead, Location, TenantCrmConfig
from crm.notices import notify_staff
from crm.sessions import open_session
from scheduler.runtime import Runtime
from scheduler.tell_words import for_customer, for_staff

log = structlog.get_logger(__name__)

# Settings that make no sense are an owner's to mend; until then nobody knows whom they want told.
AGAIN = timedelta(minutes=10)
# A visit that is closer than this to the morning is told of at night.
SOON = timedelta(hours=1)


@dataclass(frozen=True)
class _Case:
    """One change that is to be told now, to whom, and what the customer knows."""

    row: Appointment
    known: Known
    what: str
    lead: Lead
    chat: ChatSession
    location: Location
    crm: str
    to: Telling


def tell_change(runtime: Runtime, tenant_id: int, row_id: str) -> str:
    """Tell one change if it is due; says what came of it. Safe to repeat, by any number of workers at once."""
    now = runtime.clock.now()
    with runtime.db.tenant(tenant_id) as session:
        row, chat, lead = _locked(session, int(row_id), now)
        if row is None:
            return "not due"
        outcome, messages = _tell(session, row, chat, lead, now)
        due = row.tell_due_at
    for message in messages:
        runtime.queue.wake("deliver", tenant_id, message.id, now)
    if due is not None:
        runtime.queue.wake("appointment_tell", tenant_id, int(row_id), due)
    log.info("appointment_change_told", appointment_id=int(row_id), outcome=outcome)
    return outcome


def _locked(
    session: Session, row_id: int, now: datetime
) -> tuple[Appointment | None, ChatSession | None, Lead | None]:
    """The row, if its telling is due. The conversation is locked before it, as everybody does who writes into one."""
    due = select(Appointment.lead_id).where(Appointment.id == row_id, Appointment.tell_due_at <= now)
    found = session.execute(due).first()
    if found is None:
        return None, None, None
    lead = None if found.lead_id is None else session.get(Lead, found.lead_id)
    chat = None
    if lead is not None:
        open_session(session, lead)
        mine = select(ChatSession).where(ChatSession.lead_id == lead.id).with_for_update()
        chat = session.scalars(mine.execution_options(populate_existing=True)).one()
    statement = select(Appointment).where(Appointment.id == row_id, Appointment.tell_due_at <= now)
    statement = statement.with_for_update().execution_options(populate_existing=True)
    return session.scalars(statement).first(), chat, lead


def _tell(
    session: Session, row: Appointment, chat: ChatSession | None, lead: Lead | None, now: datetime
) -> tuple[str, list[ChatMessage]]:
    known = from_json(row.tell_known or {}) if row.tell_known else None
    if known is None or lead is None or chat is None or lead.erased_at is not None:
        return _over(row, "nobody is to be told"), []
    config = session.get(TenantCrmConfig, known.config_id) if known.config_id is not None else None
    try:
        rule = TellRule() if config is None else settings_of(config).tell
    except ConnectorError:
        row.tell_due_at = now + AGAIN
        return "later: the connection's settings are not valid", []
    what = what_changed(known, row, timedelta(minutes=rule.least_shift_minutes))
    if (reason := _no_news(row, known, what, now)) is not None or what is None:
        return _over(row, reason or "nothing changed in the end"), []
    to = rule.moved if what == "moved" else rule.cancelled
    if to == "nobody":
        return _over(row, "the settings want nobody told"), []
    location = session.get_one(Location, row.location_id)
    crm = "the CRM" if config is None else crm_name(config)
    return _say(session, _Case(row, known, what, lead, chat, location, crm, to), now)


def _no_news(row: Appointment, known: Known, what: str | None, now: datetime) -> str | None:
    if what is None:
        return "nothing changed in the end"
    if last_by(row) != SOURCE:
        return "it was changed again here, and whoever did that knows"
    ahead = known.comes_at if what == "cancelled" else row.arrives_from or row.starts_at
    return None if ahead > now else "it is over"


def _over(row: Appointment, reason: str) -> str:
    row.tell_due_at = row.tell_known = None
    return reason


def _say(session: Session, case: _Case, now: datetime) -> tuple[str, list[ChatMessage]]:
    channel, problem = _way(session, case)
    if case.to == "staff" or channel is None:
        why = problem or "The customer was not told by us."
        messages = _tell_staff(session, case, why, now)
        return _over(case.row, "the shop was told"), messages
    until = _night(case, channel, now)
    if until is not None:
        case.row.tell_due_at = until
        return "kept for the morning", []
    message = _write(session, case, channel, now)
    if message is None:
        messages = _tell_staff(session, case, "The customer could not be written to: please tell them.", now)
        return _over(case.row, "the shop was told"), messages
    return _over(case.row, f"told by {channel}"), [message]


def _way(session: Session, case: _Case) -> tuple[str | None, str | None]:
    """The channel to write on, or why the customer is not written to. The gate is asked again when it leaves."""
    chat, lead, location = case.chat, case.lead, case.location
    if chat.state == "human":
        return None, "A person has the conversation, so the assistant was quiet: please tell the customer."
    consent = consent_of(session, lead, settings_for(session, lead.tenant_id).stop_covers)
    ways = [name for name in ("sms", "email") if _open(name, lead, location, consent)]
    if not ways:
        return None, "The customer said stop or has no address that works: please tell them."
    if chat.last_channel in ways:
        return chat.last_channel, None
    texts = may_text(consent, lead, settings_for(session, lead.tenant_id)).allowed
    return ("sms" if "sms" in ways and (texts or "email" not in ways) else ways[-1]), None


def _open(channel: str, lead: Lead, location: Location, consent: PersonConsent) -> bool:
    if channel == "sms":
        ends = lead.phone and location.phone and lead.phone_bad_since is None
    else:
        ends = lead.email and location.mailbox and lead.email_bad_since is None
    return bool(ends) and consent.stop(channel) is None


def _night(case: _Case, channel: str, now: datetime) -> datetime | None:
    """Until when a text waits because it is night where the person may be. A confirmation may leave at any hour, but
    nobody asked for this one; it waits as reminders do, unless the visit would come first."""
    if channel != "sms":
        return None
    lead, location = case.lead, case.location
    where = whereabouts(
        lead.phone,
        location.timezone,
        shop_state=location.state,
        postal_code=lead.postal_code,
        state=lead.state,
    )
    until = next_allowed(now, where.zones, where.states, "reminder")
    comes = min(case.known.comes_at, case.row.arrives_from or case.row.starts_at)
    # A visit they no longer have to come to is as urgent as one they have to: they would set out for it.
    return until if until is not None and (comes <= now or until + SOON < comes) else None


def _write(session: Session, case: _Case, channel: str, now: datetime) -> ChatMessage | None:
    row, known = case.row, case.known
    subject, body = for_customer(case.what, case.lead, case.location, known, row)
    ends = known.comes_at if case.what == "cancelled" else row.starts_at
    return add(
        session,
        chat=case.chat,
        lead=case.lead,
        location=case.location,
        channel=channel,
        kind="confirmation",
        body=body,
        subject=subject,
        dedupe_key=f"{KEY}{row.id}:{row.sequence}",
        now=now,
        expires_at=ends,
        raw={**_says(case), "known": row.tell_known},
    )


def _says(case: _Case) -> dict[str, object]:
    """What the gate holds against the visit when the message would leave."""
    if case.what == "cancelled":
        gone = case.known.comes_at.astimezone(UTC).isoformat()
        return {ABOUT: case.row.id, COMES_AT: gone, CANCELLED: True}
    return {ABOUT: case.row.id, COMES_AT: as_told(case.row)}


def _tell_staff(session: Session, case: _Case, why: str, now: datetime) -> list[ChatMessage]:
    return notify_staff(
        session,
        session=case.chat,
        lead=case.lead,
        location=case.location,
        text=for_staff(case.what, who(case.lead), case.crm, case.location, case.known, case.row, why),
        dedupe_key=f"{KEY}staff:{case.row.id}:{case.row.sequence}",
        now=now,
        kind="alert",
    )
