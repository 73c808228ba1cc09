"""What the CRM gets to read about an appointment of ours, and no more than the shop needs to do the work."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.calendar.labels import duration_label, visit_label
from crm.calendar.offers import UNSEEN
from crm.calendar.sync import our_id
from crm.connectors.records import AppointmentDraft
from crm.customer_ids import customer_id_of
from crm.models import (
    Appointment,
    ChatMessage,
    ChatSession,
    Lead,
    LeadRequest,
    Location,
    Service,
    ToolCallRow,
    Vehicle,
)
from crm.money import dollars
from crm.text import storable_or_none

# Tools whose results hold prices.
QUOTING = ("quote", "find_services")
LOOKED_AT = 20


def draft_of(s: Session, appointment: Appointment, location: Location, connector: str) -> AppointmentDraft:
    """The entry for the outside calendar: the work itself, without buffers. `location` must be linked to the CRM."""
    lead = s.get(Lead, appointment.lead_id) if appointment.lead_id else None
    vehicle = s.get(Vehicle, appointment.vehicle_id) if appointment.vehicle_id else None
    customer_id = customer_id_of(lead, connector)
    return AppointmentDraft(
        our_id=our_id(appointment),
        location_external_id=location.crm_location_id or "",
        title=title(s, appointment, lead, vehicle),
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        note=note(s, appointment, lead, vehicle, known=customer_id is not None),
        customer_external_id=customer_id,
        # A car is the customer's there too: without the one the other belongs to nobody.
        vehicle_external_id=vehicle.external_id if vehicle is not None and customer_id else None,
        order_external_id=request_id_of(s, lead, connector),
    )


def title(s: Session, appointment: Appointment, lead: Lead | None, vehicle: Vehicle | None) -> str:
    """ "Dana R. / 2021 Honda Civic / Full sedan ceramic": what a technician reads in the calendar."""
    parts = (_short_name(lead), _car(vehicle), _names(_services(s, appointment)))
    return " / ".join(part for part in parts if part)


def note(
    s: Session, appointment: Appointment, lead: Lead | None, vehicle: Vehicle | None, *, known: bool
) -> str:
    """What stands under the title. A move does not renew it, so it names no time. The phone or the email is in it only
    when the CRM does not know the customer: else the shop has it there."""
    services = _services(s, appointment)
    lines = [
        f"{_names(services)} ({duration_label(appointment.labour_minutes)})",
        _whole_car(vehicle),
        "The car is left at the shop." if appointment.visit == "drop_off" else "The customer waits.",
        _price(s, appointment, services),
        _booked_by(appointment),
    ]
    if lead is not None and not known:
        lines.insert(0, " ".join(filter(None, (_name(lead), lead.phone or lead.email))))
    if lead is not None:
        lines.append(f"The conversation: leads transcript {lead.id}")
    return "\n".join(line for line in lines if line)


def conversation_note(appointment: Appointment, location: Location) -> str:
    """The line on the request. There is one at a time, so each change renews it."""
    when = visit_label(appointment, location.timezone)
    what = f"Booked for {when}"
    if appointment.status == "cancelled":
        what = f"Cancelled: {when}"
    elif appointment.external_id and any(entry.get("what") == "moved" for entry in appointment.history):
        what = f"Moved to {when}"
    return f"{what}. Booking {appointment.id}, leads transcript {appointment.lead_id}."


def cancellation_note(appointment: Appointment) -> str:
    """Why an entry of ours is cancelled, for the shop."""
    entry = appointment.history[-1] if appointment.history else {}
    if appointment.status == "no_show":
        return "The customer did not come."
    who = "by the customer" if entry.get("who") == "agent" else "by the shop"
    why = storable_or_none(entry.get("why"), 200)
    return f"Cancelled {who}{f': {why}' if why else ''}."


def request_id_of(s: Session, lead: Lead | None, connector: str) -> str | None:
    """The CRM's id of what the person asked for: of the newest request that is open, else of the one they came with."""
    if lead is None:
        return None
    newest = s.scalars(
        select(LeadRequest.external_id)
        .where(
            LeadRequest.lead_id == lead.id, LeadRequest.source == connector, LeadRequest.closed_at.is_(None)
        )
        .order_by(LeadRequest.made_at.desc(), LeadRequest.id.desc())
        .limit(1)
    ).first()
    return newest or (lead.external_id if lead.source == connector else None)


def price_said(s: Session, lead_id: int, services: Sequence[Service]) -> int | None:
    """The price in cents that a message of ours named to this customer for exactly these services, the newest one that
    our tools or the price list gave; None when none was named."""
    session_id = s.scalar(select(ChatSession.id).where(ChatSession.lead_id == lead_id))
    if session_id is None or not services:
        return None
    written = s.scalars(
        select(ChatMessage.body).where(
            ChatMessage.session_id == session_id,
            ChatMessage.direction == "out",
            ChatMessage.kind != "notice",
            ChatMessage.status.not_in(UNSEEN),
        )
    ).all()
    told = [*_told(s, session_id, [one.id for one in services]), _listed(services)]
    amounts = (cents for cents in told if cents is not None)
    return next((cents for cents in amounts if any(_names_amount(body, cents) for body in written)), None)


def _told(s: Session, session_id: int, service_ids: list[int]) -> list[int | None]:
    """What the agent was given as the price of these services, the newest first."""
    rows = s.scalars(
        select(ToolCallRow.result)
        .where(
            ToolCallRow.session_id == session_id,
            ToolCallRow.tool.in_(QUOTING),
            ToolCallRow.is_error.is_(False),
        )
        .order_by(ToolCallRow.id.desc())
        .limit(LOOKED_AT)
    )
    return [_sum([prices.get(each) for each in service_ids]) for prices in map(_prices_in, rows)]


def _prices_in(result: str) -> dict[int, int | None]:
    try:
        told = json.loads(result)
    except ValueError:
        return {}
    lines = told.get("services") if isinstance(told, dict) else None
    rows = [line for line in lines if isinstance(line, dict)] if isinstance(lines, list) else []
    return {line["service_id"]: line.get("price_cents") for line in rows if "service_id" in line}


def _names_amount(body: str, cents: int) -> bool:
    return re.search(re.escape(dollars(cents)) + r"(?![\d]|[.,]\d)", body) is not None


def _listed(services: Sequence[Service]) -> int | None:
    return _sum([one.price_cents for one in services])


def _sum(cents: Sequence[object]) -> int | None:
    """None when one of them is not known."""
    known = [one for one in cents if isinstance(one, int) and one > 0]
    return sum(known) if known and len(known) == len(cents) else None


def _price(s: Session, appointment: Appointment, services: Sequence[Service]) -> str:
    said = price_said(s, appointment.lead_id, services) if appointment.lead_id is not None else None
    if said is not None:
        return f"Price said: {dollars(said)}"
    listed = _listed(services)
    return "No price was said." if listed is None else f"No price was said; the list has {dollars(listed)}."


def _booked_by(appointment: Appointment) -> str:
    by = appointment.override or {}
    if name := storable_or_none(by.get("by"), 60):
        return f"Booked by {name}."
    return "Booked by the assistant." if appointment.source == "agent" else "Booked by the shop."


def _services(s: Session, appointment: Appointment) -> list[Service]:
    rows = {one.id: one for one in s.scalars(select(Service).where(Service.id.in_(appointment.service_ids)))}
    return [rows[each] for each in appointment.service_ids if each in rows]


def _names(services: list[Service]) -> str:
    return ", ".join(one.name for one in services) or "Appointment"


def _short_name(lead: Lead | None) -> str:
    if lead is None or not (lead.first_name or lead.last_name):
        return ""
    last = f"{lead.last_name[0]}." if lead.last_name and lead.first_name else lead.last_name
    return " ".join(filter(None, (lead.first_name, last)))


def _name(lead: Lead) -> str:
    return " ".join(filter(None, (lead.first_name, lead.last_name)))


def _car(vehicle: Vehicle | None) -> str:
    if vehicle is None:
        return ""
    return " ".join(str(part) for part in (vehicle.year, vehicle.make, vehicle.model) if part)


def _whole_car(vehicle: Vehicle | None) -> str:
    if vehicle is None:
        return ""
    named = " ".join(part for part in (_car(vehicle), vehicle.submodel) if part)
    return ", ".join(part for part in (named, vehicle.body_style, vehicle.color) if part)
