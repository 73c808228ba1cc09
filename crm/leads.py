"""Finding or making the lead somebody is: one person is one lead per location, however often told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from crm.customer_ids import given_by, with_giver
from crm.emails import normal_email
from crm.models import Lead, LeadRequest, Vehicle
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


class Forgotten(ValueError):
    """This person had their data erased; what is told of the same enquiry again makes no new lead."""


@dataclass(frozen=True)
class Found:
    """Whose `data` is, and who else at the location holds an address of it. Not locked."""

    lead: Lead | None
    others: tuple[Lead, ...] = ()


def upsert_lead(s: Session, tenant_id: int, location_id: int, data: LeadData) -> tuple[Lead, bool]:
    """The lead `data` describes with its vehicle, and whether it is new: see `place_lead`. Raises NoIdentity,
    Forgotten."""
    lead, created = place_lead(s, tenant_id, location_id, data, find_lead(s, tenant_id, location_id, data))
    if data.vehicle is not None:
        upsert_vehicle(s, lead, data.vehicle, known_car=not created)
    return lead, created


def find_lead(s: Session, tenant_id: int, location_id: int, data: LeadData) -> Found:
    """Whose `data` is, in one query.

    Same phone at the location is the same lead; then same email; then same (source, external_id) of the tenant; then
    the source's own id of the person. Raises NoIdentity, Forgotten.
    """
    values = _columns(data)
    keys = _keys(tenant_id, location_id, values)
    if not any(values[name] for name in ("phone", "email", "external_id")):
        raise NoIdentity(NoIdentity.__doc__)
    rows = s.scalars(select(Lead).where(or_(*keys)).order_by(Lead.id)).all()
    ranked = sorted(rows, key=lambda lead: _rank(lead, location_id, values))
    living = [root for lead in ranked if (root := root_of(s, lead)).erased_at is None]
    if ranked and not living:
        raise Forgotten(Forgotten.__doc__)
    held = [lead for lead in living if _rank(lead, location_id, values) < 2]
    return Found(next(iter(living), None), tuple(one for one in held if one.id != living[0].id))


def root_of(s: Session, lead: Lead) -> Lead:
    """The lead this one was merged into, at the end of the chain; itself when it was not."""
    while lead.merged_into_id is not None:
        lead = s.get_one(Lead, lead.merged_into_id)
    return lead


def place_lead(
    s: Session,
    tenant_id: int,
    location_id: int,
    data: LeadData,
    found: Found,
    facts: Mapping[str, Any] | None = None,
) -> tuple[Lead, bool]:
    """The lead of `found` with its empty fields filled from `data`, or a new one with `facts`; without the vehicle.

    Its row is locked for the rest of the caller's transaction. Two workers at once: the unique indexes decide, the
    loser gets the winner's lead. An address that another lead has stays there; one that does not work is replaced.
    """
    values = _columns(data)
    if found.lead is None:
        new = _insert(
            s, {"tenant_id": tenant_id, "location_id": location_id, "facts": dict(facts or {}), **values}
        )
        if new is not None:
            return new, True
        # Someone else inserted between our look and our insert, and has committed by now.
        found = find_lead(s, tenant_id, location_id, data)
    if found.lead is None:
        raise RuntimeError("a lead was refused as a duplicate of one that cannot be found")
    lock = {"key_share": True}
    lead = s.get_one(Lead, found.lead.id, with_for_update=lock, populate_existing=True)
    if lead.merged_into_id is not None or lead.erased_at is not None:
        # Between our look and our lock; whoever it is now is found by looking again.
        return place_lead(s, tenant_id, location_id, data, find_lead(s, tenant_id, location_id, data))
    names = ("phone", "email")
    taken = {name for one in found.others for name in names if getattr(one, name) == values[name]}
    _fill(s, lead, values, taken)
    return lead, False


def upsert_vehicle(s: Session, lead: Lead, data: VehicleData, *, known_car: bool = True) -> Vehicle | None:
    """The lead's vehicle `data` describes: same external id, else one it does not contradict, else new.

    Empty fields are filled. None when `data` says nothing. The caller holds the lead's row lock; `known_car` False: it
    is a new lead, which can have none yet.
    """
    values = {name: _clean(getattr(data, name)) for name in _VEHICLE_FIELDS}
    values = {name: value for name, value in values.items() if value is not None}
    if not values and data.external_id is None:
        return None
    mine = select(Vehicle).where(Vehicle.lead_id == lead.id).order_by(Vehicle.id)
    known = s.scalars(mine).all() if known_car else []
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
    if values["external_customer_id"]:
        # An id only means something together with the source that gave it.
        told = exists().where(LeadRequest.lead_id == Lead.id, LeadRequest.source == values["source"])
        by_id = Lead.external_customer_id == values["external_customer_id"]
        keys.append(and_(here, by_id, or_(given_by(values["source"]), told)))
    return keys


def _rank(lead: Lead, location_id: int, values: dict[str, Any]) -> int:
    here = lead.location_id == location_id
    if here and values["phone"] and lead.phone == values["phone"]:
        return 0
    if here and values["email"] and lead.email == values["email"]:
        return 1
    same = lead.source == values["source"] and lead.external_id == values["external_id"]
    return 2 if same and values["external_id"] else 3


def _insert(s: Session, values: dict[str, Any]) -> Lead | None:
    # No index is named: whichever of them is in the way, the lead is known.
    made = insert(Lead).values(**values).on_conflict_do_nothing().returning(Lead)
    return s.scalars(made).first()


def _fill(s: Session, lead: Lead, values: dict[str, Any], taken: set[str]) -> None:
    """`taken`: addresses that another lead of this location is known to have."""
    id_is_new = lead.external_customer_id is None and values["external_customer_id"] is not None
    if id_is_new and lead.source != values["source"]:
        lead.facts = with_giver(lead.facts, values["source"])
    for name in ("first_name", "last_name", "external_customer_id", "wish"):
        if getattr(lead, name) is None and values[name] is not None:
            setattr(lead, name, values[name])
    for name, bad in (("phone", lead.phone_bad_since), ("email", lead.email_bad_since)):
        wanted = name not in taken and values[name] is not None and getattr(lead, name) != values[name]
        if wanted and (getattr(lead, name) is None or bad is not None):
            _set_unique(s, lead, name, values[name])
    if lead.source == values["source"] and lead.external_id is None and values["external_id"] is not None:
        _set_unique(s, lead, "external_id", values["external_id"])
    s.flush()


def _set_unique(s: Session, lead: Lead, name: str, value: str) -> None:
    s.flush()
    try:
        with s.begin_nested():
            setattr(lead, name, value)
            if name in ("phone", "email"):
                setattr(lead, f"{name}_bad_since", None)
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
