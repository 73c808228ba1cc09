"""What an owner sees of the calendar: bays, when they work, and who is on them. Reading only.

The number of queries is the same however many days, bays and bookings there are. Every function takes the Session of
a tenant's scope.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from crm.calendar.daybook import ACTIVE
from crm.calendar.hours import OpeningHours, Stretch, common, load_hours, open_stretches, to_utc
from crm.calendar.hours_card import closures
from crm.calendar.public_holidays import holidays_between
from crm.models import Appointment, Bay, BayHours, Lead, Location, Service

# A job that never took place leaves its bay free, so it is no part of the picture.
SHOWN = ("booked", "confirmed", "completed")
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class BayRow:
    """A bay and the stretches in which it works, sorted, in UTC."""

    id: int
    name: str
    open: tuple[Stretch, ...]


@dataclass(frozen=True)
class Booking:
    """One appointment of the picture. `override` is what a named person lifted for it, if anything."""

    id: int
    bay_id: int
    lead_id: int | None
    who: str
    services: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime
    blocked_from: datetime
    blocked_until: datetime
    arrives_from: datetime | None
    arrives_until: datetime | None
    visit: str
    labour_minutes: int
    status: str
    source: str
    override: dict[str, Any] | None


@dataclass(frozen=True)
class Overview:
    """The local days `first` to `last` (both included) of one location. `closed` says why a day is."""

    name: str
    slug: str
    timezone: ZoneInfo
    first: date
    last: date
    bays: tuple[BayRow, ...]
    bookings: tuple[Booking, ...]
    closed: Mapping[date, str]

    def days(self) -> list[date]:
        """The days of the picture, in order."""
        return list(_days(self.first, self.last))

    def day(self, day: date) -> Stretch:
        """A local day, midnight to midnight: 23 or 25 hours when the clocks change."""
        return Stretch(
            to_utc(day, time(), self.timezone), to_utc(day + timedelta(days=1), time(), self.timezone)
        )


def load_overview(s: Session, location: Location, first: date, last: date) -> Overview:
    """The picture of some days, also of days gone by. Bookings are in order of their start."""
    hours = load_hours(s, location, first)
    span = Stretch(to_utc(first, time(), hours.timezone), to_utc(last + ONE_DAY, time(), hours.timezone))
    met = (Appointment.blocked_until > span.starts_at, Appointment.starts_at < span.ends_at)
    closed = {
        day: row.reason
        for row in closures(s, location, first, last)
        for day in _days(max(row.starts_on, first), min(row.ends_on, last))
    }
    bookings = _bookings(s, location, *met, Appointment.status.in_(SHOWN))
    return Overview(
        name=location.name,
        slug=location.slug,
        timezone=hours.timezone,
        first=first,
        last=last,
        bays=tuple(_bays(s, location, hours, first, last, {one.bay_id for one in bookings})),
        bookings=tuple(bookings),
        closed=_holidays(hours, first, last) | closed,
    )


def load_stranded(s: Session, location: Location, now: datetime) -> list[Booking]:
    """Appointments not over yet whose work does not fit into the hours of their bay, soonest first."""
    ahead = _bookings(s, location, Appointment.blocked_until > now, Appointment.status.in_(ACTIVE))
    if not ahead:
        return []
    zone = ZoneInfo(location.timezone)
    first = ahead[0].starts_at.astimezone(zone).date()
    last = max(one.ends_at for one in ahead).astimezone(zone).date()
    rows = _bays(s, location, load_hours(s, location, first), first, last, {one.bay_id for one in ahead})
    bays = {bay.id: bay.open for bay in rows}
    return [one for one in ahead if not _fits(one, bays[one.bay_id])]


def _fits(one: Booking, open_: tuple[Stretch, ...]) -> bool:
    """True when the bay is open at both ends, for as long in between as the work takes.

    A car that is waited for is worked on without a break.
    """
    inside = [hours for hours in open_ if hours.starts_at < one.ends_at and one.starts_at < hours.ends_at]
    if not inside or inside[0].starts_at > one.starts_at or inside[-1].ends_at < one.ends_at:
        return False
    cut = (min(hours.ends_at, one.ends_at) - max(hours.starts_at, one.starts_at) for hours in inside)
    return sum(cut, timedelta()) >= timedelta(minutes=one.labour_minutes)


def _bays(
    s: Session, location: Location, hours: OpeningHours, first: date, last: date, booked: set[int]
) -> Iterator[BayRow]:
    """The active bays with the stretches in which both they and the location work; a bay no longer in use is shown
    without any, as long as somebody is `booked` on it."""
    statement = select(Bay).where(Bay.location_id == location.id, or_(Bay.active, Bay.id.in_(booked)))
    rows = s.scalars(statement.order_by(Bay.id)).all()
    own: dict[int, dict[int, list[tuple[time, time]]]] = {}
    for row in s.scalars(select(BayHours).where(BayHours.bay_id.in_([bay.id for bay in rows]))):
        own.setdefault(row.bay_id, {}).setdefault(row.weekday, []).append((row.opens, row.closes))
    shop = open_stretches(hours, first, last)
    for bay in rows:
        open_ = shop if bay.active else []
        if bay.id in own:
            weekly = {day: tuple(sorted(times)) for day, times in own[bay.id].items()}
            open_ = common(open_, open_stretches(OpeningHours(hours.timezone, weekly), first, last))
        yield BayRow(bay.id, bay.name, tuple(open_))


def _holidays(hours: OpeningHours, first: date, last: date) -> dict[date, str]:
    known = holidays_between(hours.holidays, first, last) if hours.holidays else {}
    return {day: name for day, name in known.items() if day not in hours.special}


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=step) for step in range((last - first).days + 1))


def _bookings(s: Session, location: Location, *filters: ColumnElement[bool]) -> list[Booking]:
    rows = s.execute(
        select(Appointment, Lead.first_name, Lead.last_name)
        .outerjoin(Lead, Lead.id == Appointment.lead_id)
        .where(Appointment.location_id == location.id, *filters)
        .order_by(Appointment.starts_at, Appointment.id)
        .execution_options(populate_existing=True)
    ).all()
    ids = {service_id for one, _, _ in rows for service_id in one.service_ids}
    named = s.execute(select(Service.id, Service.name).where(Service.id.in_(ids))).all() if ids else []
    names = {row.id: row.name for row in named}
    return [
        Booking(
            id=one.id,
            bay_id=one.bay_id,
            lead_id=one.lead_id,
            who=" ".join(part for part in (first, last) if part) or _nobody(one),
            services=tuple(names.get(service_id, f"service {service_id}") for service_id in one.service_ids),
            starts_at=one.starts_at,
            ends_at=one.ends_at,
            blocked_from=one.blocked_from,
            blocked_until=one.blocked_until,
            arrives_from=one.arrives_from,
            arrives_until=one.arrives_until,
            visit=one.visit,
            labour_minutes=one.labour_minutes,
            status=one.status,
            source=one.source,
            override=one.override,
        )
        for one, first, last in rows
    ]


def _nobody(one: Appointment) -> str:
    """A lead without a name by its number; a row of an outside calendar by where it came from."""
    return f"lead {one.lead_id}" if one.lead_id else one.source


def bay_names(s: Session, location: Location) -> dict[int, str]:
    """The names of all bays of a location, also of those no longer in use."""
    rows = s.execute(select(Bay.id, Bay.name).where(Bay.location_id == location.id))
    return {row.id: row.name for row in rows}
