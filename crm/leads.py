"""Finding or making the lead somebody is: one person is one lead per location, however often told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from crm.emails import normal_email
from crm.models import Lead, Vehicle
from crm.phones import e164
from crm.text import storable_or_none

_VEHICLE_FIELDS = ("year", "make", "model", "submodel", "body_style", "color")
_NAME_LIMIT = 100


@dataclass(frozen=True)
class VehicleData:
    """What is known of a car; `body_style` in the words of `crm.models.Vehicle`."""

    year: int | None = None
    make: str | None = None
    model: str | None = None
    submodel: str | None = None
    body_style: str | None = None
    color: str | None = None
    external_id: str | None = None


@dataclass(frozen=True)
class LeadData:
    """What is known of a person. `phone` and `email` may be raw.

    `external_id` is the source's id of this enquiry (an order), `external_customer_id` its id of the person.
    """

    source: str
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    email: str | None = None
    external_id: str | None = None
    external_customer_id: str | None = None
    wish: str | None = None
    language: str | None = None
    vehicle: VehicleData | None = None


class NoIdentity(ValueError):
    """A lead needs a valid phone, a valid email or an id of its source; this one has none of them."""


def upsert_lead(s: Session, tenant_id: int, location_id: int, data: LeadData) -> tuple[Lead, bool]:
    """The lead `data` describes, and whether it is new. Known leads only get their empty fields filled.

    Same phone at the location is the same lead; then same email; then same (source, external_id) of the
    tenant. The row is locked for the rest of the caller's transaction. Two workers at once: the unique
    indexes decide, the loser gets the winner's lead. Raises NoIdentity.
    """
    values = _columns(data)
    keys = _keys(tenant_id, location_id, values)
    if not keys:
        raise NoIdentity(NoIdentity.__doc__)
    lead = _find(s, keys)
    new = None if lead else _insert(s, Lead(tenant_id=tenant_id, location_id=location_id, **values))
    # When neither holds, someone else inserted between our look and our insert, and has committed by now.
    lead = lead or new or _find(s, keys)
    if lead is None:
        raise RuntimeError("a lead was refused as a duplicate of one that cannot be found")
    if new is None:
        _fill(s, lead, values)
    if data.vehicle is not None:
        upsert_vehicle(s, lead, data.vehicle)
    return lead, new is not None


def upsert_vehicle(s: Session, lead: Lead, data: VehicleData) -> Vehicle | None:
    """The lead's vehicle `data` describes: same external id, else one it does not contradict, else new.

    Empty fields are filled. None when `data` says nothing. The caller holds the lead's row lock.
    """
    values = {name: _clean(getattr(data, name)) for name in _VEHICLE_FIELDS}
    values = {name: value for name, value in values.items() if value is not None}
    if not values and data.external_id is None:
        return None
    known = s.scalars(select(Vehicle).where(Vehicle.lead_id == lead.id).order_by(Vehicle.id)).all()
    vehicle = next((v for v in known if data.external_id and v.external_id == data.external_id), None)
    vehicle = vehicle or next((v for v in known if _compatible(v, values, data.external_id)), None)
    if vehicle is None:
        vehicle = Vehicle(tenant_id=lead.tenant_id, lead_id=lead.id, external_id=data.external_id, **values)
        s.add(vehicle)
    for name, value in {**values, "external_id": data.external_id}.items():
        if value is not None and getattr(vehicle, name) is None:
            setattr(vehicle, name, value)
    s.flush()
    return vehicle


def _columns(data: LeadData) -> dict[str, Any]:
    return {
        "source": data.source,
        "first_name": storable_or_none(data.first_name, _NAME_LIMIT),
        "last_name": storable_or_none(data.last_name, _NAME_LIMIT),
        "phone": e164(data.phone),
        "email": normal_email(data.email),
        "external_id": storable_or_none(data.external_id),
        "external_customer_id": storable_or_none(data.external_customer_id),
        "wish": storable_or_none(data.wish),
        "language": storable_or_none(data.language, 16) or "en",
    }


def _keys(tenant_id: int, location_id: int, values: dict[str, Any]) -> list[ColumnElement[bool]]:
    here = and_(Lead.tenant_id == tenant_id, Lead.location_id == location_id)
    keys: list[ColumnElement[bool]] = []
    if values["phone"]:
        keys.append(and_(here, Lead.phone == values["phone"]))
    if values["email"]:
        keys.append(and_(here, Lead.email == values["email"]))
    if values["external_id"]:
        same = and_(Lead.source == values["source"], Lead.external_id == values["external_id"])
        keys.append(and_(Lead.tenant_id == tenant_id, same))
    return keys


def _find(s: Session, keys: list[ColumnElement[bool]]) -> Lead | None:
    for key in keys:
        lead = s.scalar(select(Lead).where(key).with_for_update().execution_options(populate_existing=True))
        if lead is not None:
            return lead
    return None


def _insert(s: Session, lead: Lead) -> Lead | None:
    try:
        with s.begin_nested():
            s.add(lead)
    except IntegrityError as error:
        if not _is_unique_violation(error):
            raise
        return None
    return lead


def _fill(s: Session, lead: Lead, values: dict[str, Any]) -> None:
    for name in ("first_name", "last_name", "external_customer_id", "wish"):
        if getattr(lead, name) is None:
            setattr(lead, name, values[name])
    _fill_unique(s, lead, "phone", values["phone"])
    _fill_unique(s, lead, "email", values["email"])
    # An id only means something together with the source that gave it.
    if lead.source == values["source"]:
        _fill_unique(s, lead, "external_id", values["external_id"])
    s.flush()


def _fill_unique(s: Session, lead: Lead, name: str, value: str | None) -> None:
    if value is None or getattr(lead, name) is not None:
        return
    s.flush()
    try:
        with s.begin_nested():
            setattr(lead, name, value)
    except IntegrityError as error:
        # The address belongs to another lead of this shop, such as a family's shared mailbox. It stays there.
        if not _is_unique_violation(error):
            raise
        s.refresh(lead)


def _is_unique_violation(error: IntegrityError) -> bool:
    return getattr(error.orig, "pgcode", None) == "23505"


def _clean(value: Any) -> Any:
    return storable_or_none(value, _NAME_LIMIT) if isinstance(value, str) else value


def _compatible(vehicle: Vehicle, values: dict[str, Any], external_id: str | None) -> bool:
    if external_id and vehicle.external_id:
        return False
    pairs = [(getattr(vehicle, name), value) for name, value in values.items()]
    return all(old is None or str(old).casefold() == str(new).casefold() for old, new in pairs)
