"""What the CRM still has to be told of our appointments. The row is the debt; `scheduler.appointment_push` pays it.

`sync_state`: `pending` (the CRM has not been told, or there is none), `pushed` (it shows what we hold), `noting` (only
the note on the request is missing), `waiting` (the owner has to act first), `clash` (the time is taken there, and the
customer was asked), `gone` (somebody took our entry away there), `failed` (the CRM refuses it for good).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified

from crm.calendar.daybook import ACTIVE
from crm.calendar.labels import visit_label
from crm.connectors.errors import ConnectorError
from crm.connectors.push_rules import PushRules
from crm.connectors.records import ExternalAppointment
from crm.connectors.settings import ConnectorSettings, StaticSettings
from crm.models import Appointment, Lead, Location, TenantCrmConfig
from crm.text import storable_or_none

# An appointment that came from the CRM, and a change that did, are known there.
OUTSIDE = "crm"
# What is over that long is no news for an owner any more.
SHOWN_FOR = timedelta(days=7)
MOST_SHOWN = 200
_OUR_ID = re.compile(r"lo-(\d{1,18})-(\d{1,18})-[0-9a-z]{1,12}")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_STATES: Mapping[str, str] = {
    "waiting": "{crm} waits for you: {error}.",
    "clash": "That time is taken in {crm}, and the customer was asked to choose another one.",
    "gone": "Somebody took the entry away in {crm}; the next look at its calendar settles it.",
    "failed": "{crm} refuses it, so it has to be entered by hand: {error}.",
    "noting": "It stands in {crm}; the note on the request is not there yet: {error}.",
}


@dataclass(frozen=True)
class PendingPush:
    """An appointment that the CRM does not show as it is here. `reason` is a sentence for the owner, `next_at` when it
    is tried again (None: only after somebody acted), `when` its time as the customer knows it."""

    appointment_id: int
    lead_id: int | None
    who: str
    location: str
    when: str
    starts_at: datetime
    status: str
    state: str
    tries: int
    next_at: datetime | None
    reason: str


def connection(s: Session) -> TenantCrmConfig | None:
    """The connection our bookings go to: the first enabled one that has a calendar and is to be written to.

    One whose settings make no sense counts, so that its owner hears of it.
    """
    rows = s.scalars(select(TenantCrmConfig).where(TenantCrmConfig.enabled).order_by(TenantCrmConfig.id))
    return next((row for row in rows if _takes_bookings(row)), None)


def push_rules(settings: ConnectorSettings) -> PushRules:
    """The part `push` of a connection's settings."""
    found = getattr(settings, "push", None)
    return found if isinstance(found, PushRules) else PushRules()


def mark(s: Session, appointment: Appointment, now: datetime) -> bool:
    """Owe the CRM this appointment as it is now; in the transaction that made or changed it. Returns whether anybody
    has to be told.

    Nothing for what came from the CRM itself, for a shop that no CRM knows, and for a visit that nobody came to where
    such entries are left. Call it after the change is in the row, before or after the flush.
    """
    if appointment.source == OUTSIDE or _last_by(appointment) == OUTSIDE:
        return False
    with s.no_autoflush:
        location = s.get_one(Location, appointment.location_id)
        config = connection(s) if location.crm_location_id else None
    if config is None or (appointment.status == "no_show" and rules_of(config).no_show == "leave"):
        return False
    appointment.sync_due_at, appointment.sync_tries, appointment.sync_error = now, 0, None
    appointment.sync_state = "pending"
    # A push under way may clear the debt after this row was read here: a moment that looks unchanged is written too.
    flag_modified(appointment, "sync_due_at")
    return True


def mark_changed(s: Session, now: datetime) -> None:
    """`mark` each appointment that this transaction has made or changed and not flushed yet."""
    for row in [row for row in (*s.new, *s.dirty) if isinstance(row, Appointment)]:
        mark(s, row, now)


def mark_upcoming(s: Session, now: datetime) -> int:
    """Owe the CRM every appointment ahead that it does not know; for a connection or a location that is new. Returns
    how many."""
    rows = s.scalars(
        select(Appointment).where(
            Appointment.status.in_(ACTIVE),
            Appointment.ends_at > now,
            Appointment.source != OUTSIDE,
            Appointment.external_id.is_(None),
            Appointment.sync_due_at.is_(None),
        )
    )
    return sum(mark(s, row, now) for row in rows)


def resume(s: Session, now: datetime) -> int:
    """Try at once what waits for the owner, was refused or is to be tried later; for a connection that was repaired.
    Returns how many appointments."""
    result = s.execute(
        update(Appointment)
        .where(Appointment.source != OUTSIDE, Appointment.ends_at > now - SHOWN_FOR)
        .where(or_(Appointment.sync_due_at.is_not(None), Appointment.sync_state == "failed"))
        .values(sync_due_at=now, sync_tries=0)
        .execution_options(synchronize_session=False)
    )
    return int(result.rowcount)  # type: ignore[attr-defined]


def seen(appointment: Appointment, entry: ExternalAppointment) -> None:
    """The CRM shows this appointment as `entry`, and that is how it stands here: for whoever takes a change of the shop
    over. A debt from before stays."""
    appointment.external_id, appointment.external_version = entry.external_id, entry.version
    appointment.external_starts_at, appointment.external_ends_at = entry.starts_at, entry.ends_at
    appointment.sync_asked_at = None
    if appointment.sync_due_at is None:
        appointment.sync_state, appointment.sync_error = "pushed", None


def our_id(appointment: Appointment) -> str:
    """The id under which the CRM finds this appointment again: the same for ever, and unlike that of any other one, of
    whatever tenant and installation. The row must have been read from the database."""
    made = int(appointment.created_at.astimezone(UTC).timestamp() * 1000)
    return f"lo-{appointment.tenant_id}-{appointment.id}-{_base36(made)}"


def appointment_id_of(our_id: str | None) -> int | None:
    """The number of the appointment that carries this id; None when it is no id of ours. Hold it against `our_id` of
    that row: another installation gives its ids the same form."""
    found = _OUR_ID.fullmatch(our_id or "")
    return int(found[2]) if found else None


def stands(appointment: Appointment, rules: PushRules) -> bool:
    """Whether the CRM is to show this appointment."""
    return appointment.status != "cancelled" and (appointment.status != "no_show" or rules.no_show == "leave")


def pending(s: Session, now: datetime) -> list[PendingPush]:
    """What the CRM does not show as it stands here, soonest visit first, at most 200. Empty without a connection."""
    config = connection(s)
    if config is None:
        return []
    own = (Appointment.source != OUTSIDE, Appointment.ends_at > now - SHOWN_FOR)
    owed = or_(Appointment.sync_due_at.is_not(None), Appointment.sync_state.in_(("failed", "gone", "clash")))
    unlinked = (
        Location.crm_location_id.is_(None)
        & Appointment.status.in_(ACTIVE)
        & (Appointment.ends_at > now)
        & Appointment.external_id.is_(None)
    )
    rows = s.execute(
        select(Appointment, Location, Lead)
        .join(Location, Location.id == Appointment.location_id)
        .outerjoin(Lead, Lead.id == Appointment.lead_id)
        .where(*own, or_(owed, unlinked))
        .order_by(Appointment.starts_at, Appointment.id)
        .limit(MOST_SHOWN)
        .execution_options(populate_existing=True)
    )
    return [_shown(row, location, lead, crm_name(config), now) for row, location, lead in rows]


def crm_name(config: TenantCrmConfig) -> str:
    """The outside system as people call it."""
    return config.connector.replace("_", " ").capitalize()


def _shown(row: Appointment, location: Location, lead: Lead | None, crm: str, now: datetime) -> PendingPush:
    return PendingPush(
        appointment_id=row.id,
        lead_id=row.lead_id,
        who=who(lead),
        location=location.name,
        when=visit_label(row, location.timezone),
        starts_at=row.starts_at,
        status=row.status,
        state=row.sync_state,
        tries=row.sync_tries,
        next_at=row.sync_due_at,
        reason=_reason(row, location, crm, now),
    )


def who(lead: Lead | None) -> str:
    """A lead as the shop knows it."""
    if lead is None:
        return "nobody"
    return " ".join(filter(None, (lead.first_name, lead.last_name))) or lead.phone or lead.email or "nobody"


def _reason(row: Appointment, location: Location, crm: str, now: datetime) -> str:
    if location.crm_location_id is None:
        return f"{location.name} is not linked to a location in {crm}."
    error = (storable_or_none(row.sync_error, 300) or "no reason given").rstrip(".")
    if (sentence := _STATES.get(row.sync_state)) is not None:
        return sentence.format(crm=crm, error=error)
    if row.sync_error is None or row.sync_due_at is None:
        return f"It is about to be written into {crm}."
    times = "once" if row.sync_tries == 1 else f"{row.sync_tries} times"
    wait = max(1, -(-int((row.sync_due_at - now).total_seconds()) // 60))
    again = "again now" if row.sync_due_at <= now else f"again in {wait} min"
    return f"Tried {times}, {again}: {error}."


def _takes_bookings(config: TenantCrmConfig) -> bool:
    # Here, because connectors know leads, and a calendar must not need an HTTP client to be read.
    from crm.connectors.registry import kind_of, settings_of

    try:
        # Files and forms have no calendar.
        if issubclass(kind_of(config.connector).settings, StaticSettings):
            return False
        return settings_of(config).push_appointments
    except ConnectorError:
        return True


def rules_of(config: TenantCrmConfig) -> PushRules:
    """How bookings go to this connection; the usual way where its settings make no sense."""
    from crm.connectors.registry import settings_of

    try:
        return push_rules(settings_of(config))
    except ConnectorError:
        return PushRules()


def _last_by(appointment: Appointment) -> str | None:
    """Who made the last change of this appointment."""
    entry = appointment.history[-1] if appointment.history else None
    return entry.get("who") if isinstance(entry, dict) else None


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
    return digits or "0"
