"""How offers, appointments and leads look to a model: here only, so that one thing always reads the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from agent.models.base import Json
from crm.calendar.labels import Visited, clock_label, day_label, visit_label
from crm.models import Appointment, Lead, Location, Offer, Service, Vehicle


def service_names(s: Session, service_ids: Iterable[int]) -> dict[int, str]:
    """Names by id, also of services that are no longer sold."""
    rows = s.execute(select(Service.id, Service.name).where(Service.id.in_(set(service_ids))))
    return {row.id: row.name for row in rows}


def offer_views(s: Session, offers: Sequence[Offer], location: Location) -> list[Json]:
    """Offers with the label that has to be used for them word for word."""
    names = service_names(s, (one for offer in offers for one in offer.service_ids))
    return [
        {
            "offer_id": offer.id,
            **_when(offer, location.timezone),
            **_done(offer, location.timezone),
            "services": [names[one] for one in offer.service_ids if one in names],
        }
        for offer in offers
    ]


def appointment_view(s: Session, appointment: Appointment, location: Location) -> Json:
    """One appointment in the shop's local time."""
    names = service_names(s, appointment.service_ids)
    return {
        "appointment_id": appointment.id,
        **_when(appointment, location.timezone),
        **(_done(appointment, location.timezone) if appointment.arrives_from else {}),
        "services": [names[one] for one in appointment.service_ids if one in names],
        "status": appointment.status,
    }


def lead_view(lead: Lead, vehicle: Vehicle | None) -> Json:
    """What is known about the customer."""
    car = None
    if vehicle is not None:
        car = {
            "year": vehicle.year,
            "make": vehicle.make,
            "model": vehicle.model,
            "body_style": vehicle.body_style,
        }
    return {
        "first_name": lead.first_name,
        "last_name": lead.last_name,
        "email": lead.email,
        "vehicle": car,
    }


def _when(visit: Visited, timezone: str) -> Json:
    local = (visit.arrives_from or visit.starts_at).astimezone(ZoneInfo(timezone))
    return {
        "label": visit_label(visit, timezone),
        "date": local.date().isoformat(),
        "time": local.strftime("%H:%M"),
    }


def _done(visit: Offer | Appointment, timezone: str) -> Json:
    """When a waiting customer can leave, or the day on which a car that was left is done: its hour may still change."""
    local = visit.ends_at.astimezone(ZoneInfo(timezone))
    if visit.arrives_from is None:
        return {"ends": clock_label(local.time())}
    return {"visit": "drop_off", "done_on": day_label(local.date())}
