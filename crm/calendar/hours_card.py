"""All of a location's hours as an owner reads them: usual ones, exceptions, closures, holidays, bays.

One query per table; every function takes the Session of a tenant's scope.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.calendar.public_holidays import holidays_between, holidays_of
from crm.models import Bay, BayHours, Location, LocationClosure, LocationHours, LocationSpecialHours


@dataclass(frozen=True)
class BayCard:
    """One bay; without `hours` it works whenever the location does, without `skills` it does everything."""

    id: int
    name: str
    active: bool
    skills: tuple[str, ...]
    hours: tuple[BayHours, ...]


@dataclass(frozen=True)
class HoursCard:
    """Weekly rows, and what differs from them on the days asked for. `observes` is "US-IL", or "" for none."""

    location: Location
    weekly: tuple[LocationHours, ...]
    special: Mapping[date, list[tuple[time, time]]]
    closures: tuple[tuple[date, date, str], ...]
    observes: str
    holidays: Mapping[date, str]
    open_on: tuple[str, ...]
    bays: tuple[BayCard, ...]


def load_hours_card(s: Session, location: Location, first: date, last: date) -> HoursCard:
    """The card for the days `first` to `last`, both included."""
    weekly = s.scalars(
        select(LocationHours)
        .where(LocationHours.location_id == location.id)
        .order_by(LocationHours.weekday, LocationHours.opens)
    ).all()
    special: dict[date, list[tuple[time, time]]] = {}
    for row in s.scalars(
        select(LocationSpecialHours)
        .where(
            LocationSpecialHours.location_id == location.id,
            LocationSpecialHours.on_date.between(first, last),
        )
        .order_by(LocationSpecialHours.on_date, LocationSpecialHours.opens)
    ):
        special.setdefault(row.on_date, []).append((row.opens, row.closes))
    rules, observed = location.holidays, holidays_of(location.holidays)
    return HoursCard(
        location=location,
        weekly=tuple(weekly),
        special=special,
        closures=tuple(
            (row.starts_on, row.ends_on, row.reason) for row in closures(s, location, first, last)
        ),
        observes="-".join(part for part in (rules.get("country"), rules.get("subdivision")) if part),
        holidays=holidays_between(observed, first, last) if observed else {},
        open_on=tuple(rules.get("open_on", ())),
        bays=tuple(_bays(s, location)),
    )


def closures(s: Session, location: Location, first: date, last: date) -> list[LocationClosure]:
    """The closures that hold one of these days, in order."""
    statement = (
        select(LocationClosure)
        .where(
            LocationClosure.location_id == location.id,
            LocationClosure.starts_on <= last,
            LocationClosure.ends_on >= first,
        )
        .order_by(LocationClosure.starts_on, LocationClosure.ends_on)
    )
    return list(s.scalars(statement))


def _bays(s: Session, location: Location) -> list[BayCard]:
    hours: dict[int, list[BayHours]] = {}
    bays = s.scalars(select(Bay).where(Bay.location_id == location.id).order_by(Bay.id)).all()
    for row in s.scalars(
        select(BayHours)
        .where(BayHours.bay_id.in_([bay.id for bay in bays]))
        .order_by(BayHours.weekday, BayHours.opens)
    ):
        hours.setdefault(row.bay_id, []).append(row)
    return [
        BayCard(bay.id, bay.name, bay.active, tuple(bay.skills), tuple(hours.get(bay.id, ()))) for bay in bays
    ]
