"""What a touch may say about a lead: facts from our own records, read when the touch is written."""

from __future__ import annotations

from datetime import datetime

import phonenumbers
from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.templates import ServiceLine, Shop, Variables
from crm.calendar.holds import HeldFor
from crm.calendar.job import job_for, minutes_of
from crm.calendar.labels import duration_label, hours_text, visit_label
from crm.calendar.offers import OfferFor, make_offers
from crm.calendar.slots import find_slots
from crm.catalog import search_services
from crm.models import (
    ChatMessage,
    Lead,
    LeadRequest,
    Location,
    LocationHours,
    Offer,
    Service,
    Tenant,
    Vehicle,
)
from crm.money import dollars
from crm.tenants import TenantSettings
from crm.vehicles import guess_body_style, vehicle_in

# More fitting services than this and the wish was too vague to say that any of them fits.
FEW = 5
TIMES = 2


def variables_for(
    session: Session,
    lead: Lead,
    location: Location,
    services: list[Service],
    offers: list[Offer],
    vehicle: Vehicle | None,
    *,
    about: str | None = None,
    unsubscribe: str | None = None,
    fresh: bool = False,
) -> Variables:
    """Everything a template may be filled with for this lead; `vehicle` is what `vehicle_of` gives, `about` the note of a
    follow-up, `unsubscribe` the link that ends these emails. `fresh`: nothing was ever written to them."""
    settings = TenantSettings.model_validate(session.get_one(Tenant, lead.tenant_id).settings)
    return Variables(
        shop=shop_of(session, location),
        assistant=settings.assistant_name,
        first_name=lead.first_name,
        car=_car(vehicle),
        request=lead.wish,
        services=tuple(_line(service, _style(vehicle)) for service in services),
        times=tuple(visit_label(offer, location.timezone) for offer in offers),
        facts=dict(settings.shop_facts),
        first_text=fresh or _is_first_text(session, lead),
        about=about,
        language=lead.language,
        unsubscribe=unsubscribe,
    )


def fitting_services(session: Session, lead: Lead, vehicle: Vehicle | None) -> list[Service]:
    """The services of the price list that surely suit the wish and the car, best first; empty when that is
    unclear.

    A service whose price depends on the body is left out while the body is not known.
    """
    if not lead.wish:
        return []
    style = _style(vehicle) or vehicle_in(lead.wish)[0]
    found = search_services(session, lead.location_id, lead.wish, style)
    sure = [service for service in found if service.body_style in (None, style)]
    return sure if len(found) <= FEW else []


def offer_times(
    session: Session,
    lead: Lead,
    location: Location,
    chat_id: int,
    services: list[Service],
    vehicle: Vehicle | None,
    now: datetime,
) -> list[Offer]:
    """Two free times kept as offers, only when exactly one service fits: an offer books its services, and
    which of several films the customer wants is not ours to guess."""
    if len(services) != 1:
        return []
    job = job_for(services, _style(vehicle))
    slots = find_slots(session, location, job, now, limit=TIMES, held_for=HeldFor(chat_id))
    return make_offers(session, location, OfferFor(chat_id, lead.id, job), slots, now)


def has_postal_address(location: Location) -> bool:
    """Whether the shop can be written to on paper: a street or a box, and a town or a ZIP code. Commercial mail has to
    say where (CAN-SPAM, 15 U.S.C. 7704(a)(5); messaging facts 4.4)."""
    return bool(location.address.strip() and (location.city.strip() or location.postal_code.strip()))


def vehicle_of(session: Session, lead: Lead) -> Vehicle | None:
    """The car a lead is about: that of their newest request where it names one of theirs, else the one we heard of
    last."""
    asked = (
        select(LeadRequest.vehicle_id)
        .where(LeadRequest.lead_id == lead.id, LeadRequest.closed_at.is_(None))
        .order_by(LeadRequest.made_at.desc(), LeadRequest.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    mine = select(Vehicle).where(Vehicle.lead_id == lead.id)
    return session.scalars(
        mine.order_by((Vehicle.id == asked).desc().nulls_last(), Vehicle.id.desc()).limit(1)
    ).first()


def shop_of(session: Session, location: Location) -> Shop:
    """The shop as its customers know it."""
    rows = session.scalars(select(LocationHours).where(LocationHours.location_id == location.id)).all()
    place = " ".join(part for part in (location.state, location.postal_code) if part)
    parts = (location.address, location.city, place)
    return Shop(
        name=location.name,
        address=", ".join(part for part in parts if part),
        phone=_as_people_write_it(location.public_phone or location.phone),
        hours=hours_text(rows) if rows else "",
    )


def _as_people_write_it(phone: str | None) -> str:
    if not phone:
        return ""
    try:
        number = phonenumbers.parse(phone, "US")
    except phonenumbers.NumberParseException:
        return phone
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL))


def _style(vehicle: Vehicle | None) -> str | None:
    return (vehicle.body_style or guess_body_style(vehicle.make, vehicle.model)) if vehicle else None


def _car(vehicle: Vehicle | None) -> str | None:
    if vehicle is None:
        return None
    parts = (str(vehicle.year) if vehicle.year else None, vehicle.make, vehicle.model)
    return " ".join(part for part in parts if part) or None


def _line(service: Service, body_style: str | None) -> ServiceLine:
    return ServiceLine(
        name=service.name,
        price=None if service.price_cents is None else dollars(service.price_cents),
        duration=duration_label(minutes_of(service, body_style)),
        description=service.description,
        not_included=service.not_included,
    )


def _is_first_text(session: Session, lead: Lead) -> bool:
    """Whether no text of ours has reached this number; one that never left does not count."""
    earlier = session.scalar(
        select(ChatMessage.id)
        .where(
            ChatMessage.lead_id == lead.id,
            ChatMessage.direction == "out",
            ChatMessage.channel == "sms",
            ChatMessage.to_address == lead.phone,
            ChatMessage.status.not_in(("withheld", "dropped", "failed", "undelivered")),
        )
        .limit(1)
    )
    return earlier is None
