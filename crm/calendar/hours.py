"""When a location is open, as stretches of real time.

Hours are kept as local times of a weekday, closures as local days. They become UTC here, once, so that
nothing above this file has to think about daylight saving time (PEP 495: `fold`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.models import Location, LocationClosure, LocationHours

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, order=True)
class Stretch:
    """A half-open piece of time, both ends aware UTC."""

    starts_at: datetime
    ends_at: datetime

    def holds(self, other: Stretch) -> bool:
        """True when `other` lies wholly inside."""
        return self.starts_at <= other.starts_at and other.ends_at <= self.ends_at


@dataclass(frozen=True)
class OpeningHours:
    """The weekly hours (0 = Monday) and the closures (first and last day, both included) of one location."""

    timezone: ZoneInfo
    weekly: Mapping[int, tuple[tuple[time, time], ...]]
    closures: tuple[tuple[date, date], ...] = ()

    def closed_on(self, day: date) -> bool:
        """True on a day of a closure; a weekday without hours is no closure but has no stretches either."""
        return any(first <= day <= last for first, last in self.closures)


def load_hours(s: Session, location: Location) -> OpeningHours:
    """The hours and closures of a location, in two queries."""
    weekly: dict[int, list[tuple[time, time]]] = {}
    for row in s.scalars(select(LocationHours).where(LocationHours.location_id == location.id)):
        weekly.setdefault(row.weekday, []).append((row.opens, row.closes))
    closures = s.scalars(select(LocationClosure).where(LocationClosure.location_id == location.id))
    return OpeningHours(
        timezone=ZoneInfo(location.timezone),
        weekly={day: tuple(sorted(stretches)) for day, stretches in weekly.items()},
        closures=tuple((row.starts_on, row.ends_on) for row in closures),
    )


def open_stretches(hours: OpeningHours, first: date, last: date) -> list[Stretch]:
    """Every open stretch of the local days `first` to `last` (both included), touching ones joined."""
    stretches: list[Stretch] = []
    for stretch in _raw_stretches(hours, first, last):
        if stretches and stretch.starts_at <= stretches[-1].ends_at:
            earlier = stretches.pop()
            stretch = Stretch(earlier.starts_at, max(earlier.ends_at, stretch.ends_at))
        stretches.append(stretch)
    return stretches


def to_utc(day: date, moment: time, timezone: ZoneInfo) -> datetime:
    """The moment of a local wall-clock time, in UTC.

    A time that happens twice (clocks set back) means the first one. A time that never happens (clocks set
    forward) becomes the first real moment after the gap, so no shop is open at a time that does not exist.
    """
    wall = datetime.combine(day, moment)
    found = wall.replace(tzinfo=timezone, fold=0).astimezone(UTC)
    if found.astimezone(timezone).replace(tzinfo=None) == wall:
        return found
    # Inside a gap the two readings enclose the change of the clocks; walk to the first minute after it.
    real = wall.replace(tzinfo=timezone, fold=1).astimezone(UTC)
    while real.astimezone(timezone).replace(tzinfo=None) < wall:
        real += MINUTE
    return real


def _raw_stretches(hours: OpeningHours, first: date, last: date) -> Iterator[Stretch]:
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        if hours.closed_on(day):
            continue
        for opens, closes in hours.weekly.get(day.weekday(), ()):
            stretch = Stretch(to_utc(day, opens, hours.timezone), to_utc(day, closes, hours.timezone))
            if stretch.starts_at < stretch.ends_at:
                yield stretch
