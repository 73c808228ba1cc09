"""What an owner reads: leads, one lead, a conversation. Plain data, so that a command only prints it.

Every function takes the Session of a tenant's scope; other tenants' rows do not exist in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from crm.consents import has_grant, opt_out_of
from crm.emails import normal_email
from crm.leads import root_of
from crm.models import (
    Appointment,
    Bay,
    ChatMessage,
    ChatSession,
    Lead,
    Location,
    Service,
    TouchPoint,
    Turn,
    Vehicle,
)
from crm.phones import e164


class LeadNotFound(Exception):
    """No lead, or more than one, fits what was asked for. Fit to be shown to an owner."""


@dataclass(frozen=True)
class LeadLine:
    """One row of `leads list`. `waiting_since`: a message of the customer is unanswered."""

    id: int
    name: str
    phone: str | None
    email: str | None
    status: str
    location: str
    timezone: str
    source: str
    created_at: datetime
    last_message_at: datetime | None
    waiting_since: datetime | None


@dataclass(frozen=True)
class AppointmentLine:
    """One appointment with the names of what it is for. `override`: who lifted which limits for it, and why."""

    id: int
    starts_at: datetime
    ends_at: datetime
    status: str
    bay: str
    services: list[str]
    source: str
    override: dict[str, Any] | None = None


@dataclass(frozen=True)
class TouchLine:
    """One planned message of the cadence and what became of it."""

    run: int
    step: int
    channel: str
    due_at: datetime
    status: str
    reason: str | None


@dataclass(frozen=True)
class ConsentLine:
    """What this person allowed on one channel: granted, stopped or unknown; since when, by which words."""

    channel: str
    address: str
    state: str
    since: datetime | None = None
    evidence: str | None = None


@dataclass(frozen=True)
class LeadCard:
    """Everything `leads show` prints. Costs are in millionths of a dollar; None: some are unknown."""

    line: LeadLine
    wish: str | None
    language: str
    conversation: str
    conversation_reason: str | None
    vehicles: list[str]
    appointments: list[AppointmentLine]
    cadence: list[TouchLine]
    consent: list[ConsentLine]
    messages: dict[str, int] = field(default_factory=dict)
    turns: int = 0
    cost_microusd: int | None = 0


def find_lead(session: Session, key: str) -> int:
    """The id of the lead with this id, phone or email. Raises LeadNotFound, naming the choices if there are."""
    key = key.strip()
    phone, email = e164(key), normal_email(key)
    wanted = [Lead.phone == phone] if phone else []
    wanted += [Lead.email == email] if email else []
    # An id has at most 18 digits here; more would not fit the column.
    wanted += [Lead.id == int(key)] if key.isascii() and key.isdigit() and len(key) < 19 else []
    if not wanted:
        raise LeadNotFound(f"{key!r} is no lead number, phone or email address")
    found = session.scalars(select(Lead.id).where(or_(*wanted)).order_by(Lead.id)).all()
    if not found:
        raise LeadNotFound(f"there is no lead {key}")
    if len(found) > 1:
        raise LeadNotFound(
            f"{key} is more than one lead, name one by its number: {', '.join(map(str, found))}"
        )
    # An address that stayed with a lead that was merged away is the other lead's; a number means that very lead.
    return found[0] if key == str(found[0]) else root_of(session, session.get_one(Lead, found[0])).id


def list_leads(
    session: Session, *, status: str | None = None, location: str | None = None, limit: int = 50
) -> tuple[list[LeadLine], int]:
    """The leads with the newest message first, at most `limit`, and how many there are in all."""
    filters: list[ColumnElement[bool]] = [Lead.merged_into_id.is_(None)]
    filters += [Lead.status == status] if status else []
    filters += [Location.slug == location] if location else []
    total = session.scalar(select(func.count()).select_from(Lead).join(Location).where(*filters)) or 0
    return _lines(session, *filters, limit=limit), total


def _lines(session: Session, *filters: object, limit: int) -> list[LeadLine]:
    last = (
        select(ChatMessage.lead_id, func.max(ChatMessage.created_at).label("at"))
        .group_by(ChatMessage.lead_id)
        .subquery()
    )
    statement = (
        select(Lead, Location, ChatSession, last.c.at)
        .join(Location, Location.id == Lead.location_id)
        .outerjoin(ChatSession, ChatSession.lead_id == Lead.id)
        .outerjoin(last, last.c.lead_id == Lead.id)
        .where(*filters)  # type: ignore[arg-type]
        .order_by(func.coalesce(last.c.at, Lead.created_at).desc(), Lead.id.desc())
        .limit(limit)
    )
    return [_line(lead, place, chat, at) for lead, place, chat, at in session.execute(statement)]


def _line(lead: Lead, location: Location, chat: ChatSession | None, last_at: datetime | None) -> LeadLine:
    return LeadLine(
        id=lead.id,
        name=" ".join(part for part in (lead.first_name, lead.last_name) if part),
        phone=lead.phone,
        email=lead.email,
        status=lead.status,
        location=location.slug,
        timezone=location.timezone,
        source=lead.source,
        created_at=lead.created_at,
        last_message_at=last_at,
        waiting_since=chat.last_inbound_at if chat and chat.answer_due_at else None,
    )


def show_lead(session: Session, lead_id: int) -> LeadCard:
    """One lead. Raises LeadNotFound."""
    lead = session.get(Lead, lead_id)
    if lead is None:
        raise LeadNotFound(f"there is no lead {lead_id}")
    chat = session.scalars(select(ChatSession).where(ChatSession.lead_id == lead_id)).first()
    turns, cost = _turns(session, chat)
    return LeadCard(
        line=_lines(session, Lead.id == lead_id, limit=1)[0],
        wish=lead.wish,
        language=lead.language,
        conversation=chat.state if chat else "none yet",
        conversation_reason=chat.state_reason if chat else None,
        vehicles=[_vehicle(one) for one in _of_lead(session, Vehicle, lead_id)],
        appointments=_appointments(session, lead_id),
        cadence=[
            TouchLine(one.cadence_run, one.step, one.channel, one.due_at, one.status, one.reason)
            for one in session.scalars(
                select(TouchPoint)
                .where(TouchPoint.lead_id == lead_id)
                .order_by(TouchPoint.cadence_run, TouchPoint.step)
            )
        ],
        consent=_consent(session, lead),
        messages=_message_counts(session, lead_id),
        turns=turns,
        cost_microusd=cost,
    )


def _of_lead(session: Session, table: type[Vehicle], lead_id: int) -> list[Vehicle]:
    return list(session.scalars(select(table).where(table.lead_id == lead_id).order_by(table.id)))


def _vehicle(one: Vehicle) -> str:
    parts = (
        one.year,
        one.make,
        one.model,
        one.submodel,
        one.color,
        f"({one.body_style})" if one.body_style else None,
    )
    return " ".join(str(part) for part in parts if part)


def _appointments(session: Session, lead_id: int) -> list[AppointmentLine]:
    rows = session.execute(
        select(Appointment, Bay.name)
        .join(Bay, Bay.id == Appointment.bay_id)
        .where(Appointment.lead_id == lead_id)
        .order_by(Appointment.starts_at)
    ).all()
    ids = {service_id for one, _ in rows for service_id in one.service_ids}
    named = session.execute(select(Service.id, Service.name).where(Service.id.in_(ids))).all() if ids else []
    names = {row.id: row.name for row in named}
    return [
        AppointmentLine(
            one.id,
            one.starts_at,
            one.ends_at,
            one.status,
            bay,
            [names.get(service_id, f"service {service_id}") for service_id in one.service_ids],
            one.source,
            one.override,
        )
        for one, bay in rows
    ]


def _consent(session: Session, lead: Lead) -> list[ConsentLine]:
    lines = []
    for channel, address in (("sms", lead.phone), ("email", lead.email)):
        if address is None:
            continue
        stop = opt_out_of(session, lead.tenant_id, channel, address)
        if stop is not None:
            lines.append(ConsentLine(channel, address, "stopped", stop.effective_at, stop.evidence))
        else:
            granted = has_grant(session, lead.tenant_id, channel, address)
            lines.append(ConsentLine(channel, address, "granted" if granted else "unknown"))
    return lines


def _message_counts(session: Session, lead_id: int) -> dict[str, int]:
    rows = session.execute(
        select(ChatMessage.direction, ChatMessage.status, func.count())
        .where(ChatMessage.lead_id == lead_id)
        .group_by(ChatMessage.direction, ChatMessage.status)
        .order_by(ChatMessage.direction, ChatMessage.status)
    )
    return {status if direction == "out" else "received": count for direction, status, count in rows}


def _turns(session: Session, chat: ChatSession | None) -> tuple[int, int | None]:
    if chat is None:
        return 0, 0
    costs = session.scalars(select(Turn.cost_microusd).where(Turn.session_id == chat.id)).all()
    known = [cost for cost in costs if cost is not None]
    return len(costs), sum(known) if len(known) == len(costs) else None
