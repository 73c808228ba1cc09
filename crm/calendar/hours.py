"""When a location is open, as stretches of real time.

Hours are kept as local times of a weekday, closures as local days. They become UTC here, once, so that
nothing above this file has to think about daylight saving time (PEP 495: `fold`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.calendar.public_holidays import Holidays, holidays_of
from crm.models import Location, LocationClosure, LocationHours, LocationSpecialHours

MINUTE = timedelta(minutes=1)

Times = tuple[tuple[time, time], ...]


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
    """The weekly hours (0 = Monday) and what changes them on single days.

    A closure (first and last day, both included) closes; else the special hours of the date hold; else a
    public holiday closes; else the weekday's hours hold.
    """

    timezone: ZoneInfo
    weekly: Mapping[int, Times]
    closures: tuple[tuple[date, date], ...] = ()
    special: Mapping[date, Times] = field(default_factory=dict)
    holidays: Holidays | None = None

    def of_day(self, day: date) -> Times:
        """The local opening times of a day, none when it is closed."""
        if any(first <= day <= last for first, last in self.closures):
            return ()
        if day in self.special:
            return self.special[day]
        if self.holidays is not None and self.holidays.on(day):
            return ()
        return self.weekly.get(day.weekday(), ())

    def longest(self) -> tuple[timedelta, timedelta]:
        """The longest stretch and the longest day the shop ever works by its clock; zero for a shop without hours.

        Taken from the weekly and the special hours, whatever closures there are.
        """
        days = [_joined(times) for times in (*self.weekly.values(), *self.special.values())]
        lengths = [[_length(one) for one in times] for times in days]
        stretch = max((max(day) for day in lengths if day), default=timedelta(0))
        return stretch, max((sum(day, timedelta(0)) for day in lengths), default=timedelta(0))


def load_hours(s: Session, location: Location, since: date | None = None) -> OpeningHours:
    """The hours of a location in three queries; closures and special hours from `since` on, if given."""
    weekly: dict[int, list[tuple[time, time]]] = {}
    for row in s.scalars(select(LocationHours).where(LocationHours.location_id == location.id)):
        weekly.setdefault(row.weekday, []).append((row.opens, row.closes))
    special: dict[date, list[tuple[time, time]]] = {}
    of_dates = select(LocationSpecialHours).where(LocationSpecialHours.location_id == location.id)
    closed = select(LocationClosure).where(LocationClosure.location_id == location.id)
    if since is not None:
        of_dates = of_dates.where(LocationSpecialHours.on_date >= since)
        closed = closed.where(LocationClosure.ends_on >= since)
    for exception in s.scalars(of_dates):
        special.setdefault(exception.on_date, []).append((exception.opens, exception.closes))
    return OpeningHours(
        timezone=ZoneInfo(location.timezone),
        weekly={day: tuple(sorted(stretches)) for day, stretches in weekly.items()},
        closures=tuple((row.starts_on, row.ends_on) for row in s.scalars(closed)),
        special={day: tuple(sorted(stretches)) for day, stretches in special.items()},
        holidays=holidays_of(location.holidays),
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


def common(one: Sequence[Stretch], other: Sequence[Stretch]) -> list[Stretch]:
    """The time that lies in both of two sorted lists without overlaps."""
    found: list[Stretch] = []
    i = j = 0
    while i < len(one) and j < len(other):
        start = max(one[i].starts_at, other[j].starts_at)
        end = min(one[i].ends_at, other[j].ends_at)
        if start < end:
            found.append(Stretch(start, end))
        if one[i].ends_at < other[j].ends_at:
            i += 1
        else:
            j += 1
    return found


def to_utc(day: date, moment: time, timezone: ZoneInfo) -> datetime:
    """The moment of a local wall-clock time, in UTC.

    A time that happens twice (clocks set back) means the first one. A time that never happens (clocks set
    forward) becomes the first real moment after the gap, so no shop is open at a time that does not exist.
    """
    if exists(day, moment, timezone):
        return datetime.combine(day, moment, tzinfo=timezone).astimezone(UTC)
    wall = datetime.combine(day, moment)
    # Inside a gap the two readings enclose the change of the clocks; walk to the first minute after it.
    real = wall.replace(tzinfo=timezone, fold=1).astimezone(UTC)
    while real.astimezone(timezone).replace(tzinfo=None) < wall:
        real += MINUTE
    return real.replace(second=0, microsecond=0)


def exists(day: date, moment: time, timezone: ZoneInfo) -> bool:
    """False for a local time that the clocks skip on that day; a person's entry has to be checked with this."""
    wall = datetime.combine(day, moment)
    there = wall.replace(tzinfo=timezone, fold=0).astimezone(UTC)
    return there.astimezone(timezone).replace(tzinfo=None) == wall


def _raw_stretches(hours: OpeningHours, first: date, last: date) -> Iterator[Stretch]:
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        for opens, closes in hours.of_day(day):
            stretch = Stretch(to_utc(day, opens, hours.timezone), to_utc(day, closes, hours.timezone))
            if stretch.starts_at < stretch.ends_at:
                yield stretch


def _joined(times: Times) -> list[tuple[time, time]]:
    joined: list[tuple[time, time]] = []
    for opens, closes in sorted(times):
        if joined and opens <= joined[-1][1]:
            earlier = joined.pop()
            opens, closes = earlier[0], max(earlier[1], closes)
        joined.append((opens, closes))
    return joined


def _length(times: tuple[time, time]) -> timedelta:
    opens, closes = (datetime.combine(date.min, one) for one in times)
    return closes - opens
