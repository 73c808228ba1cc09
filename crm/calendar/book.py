"""What the rules know about one location: its own rules, its open hours, and what is on every bay."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from crm.calendar.hours import Stretch, to_utc

NONE = timedelta(0)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class ShopRules:
    """A location's own rules. Times of day are local; a limit of None is not kept; labour is minutes per day.

    `longest_stretch` and `longest_day` decide how far a job of a waiting customer may go on (`crm.calendar.walk`).
    """

    timezone: ZoneInfo
    slot: timedelta
    notice: timedelta
    horizon: timedelta
    buffer_before: timedelta = NONE
    buffer_after: timedelta = NONE
    max_jobs: int | None = None
    max_labour: int | None = None
    same_day_cutoff: time | None = None
    drop_off_from: time | None = None
    drop_off_until: time | None = None
    longest_stretch: timedelta = NONE
    longest_day: timedelta = NONE


@dataclass(frozen=True)
class BayBook:
    """One active bay: when it is worked in and when it is taken (with buffers), both sorted and free of overlaps."""

    open: tuple[Stretch, ...]
    busy: tuple[Stretch, ...] = ()
    skills: frozenset[str] = frozenset()

    def is_free(self, wanted: Stretch) -> bool:
        """True when nothing is on the bay during `wanted`; touching ends do not meet."""
        index = bisect_left(self.busy, wanted.ends_at, key=lambda one: one.starts_at)
        return index == 0 or self.busy[index - 1].ends_at <= wanted.starts_at


@dataclass(frozen=True)
class DayBook:
    """A location from today until some days after its horizon.

    `open` are the shop's stretches; `bays` has an entry for every active bay, in the order in which they are tried;
    `jobs_on` and `labour_on` count what starts and how many minutes are worked on a local day.
    """

    rules: ShopRules
    open: tuple[Stretch, ...]
    bays: Mapping[int, BayBook]
    jobs_on: Mapping[date, int] = field(default_factory=dict)
    labour_on: Mapping[date, int] = field(default_factory=dict)

    def day_of(self, moment: datetime) -> date:
        """The local day of a moment."""
        return moment.astimezone(self.rules.timezone).date()

    @cached_property
    def days(self) -> Mapping[date, tuple[Stretch, ...]]:
        """The shop's open stretches by local day; days on which it is closed are not there."""
        days: dict[date, tuple[Stretch, ...]] = {}
        for stretch in self.open:
            day = self.day_of(stretch.starts_at)
            days[day] = (*days.get(day, ()), stretch)
        return days

    def open_around(self, moment: datetime) -> Stretch | None:
        """The shop's open stretch in which work can start at `moment`, or None."""
        return stretch_at(self.open, moment)

    def arrival_on(self, day: date) -> Stretch | None:
        """The window in which cars are dropped off that day, None when the shop is closed.

        The part of the shop's own window in which it is open; the first hour of opening when it has no window or is
        closed during all of it.
        """
        stretches = self.days.get(day, ())
        if not stretches:
            return None
        first = stretches[0]
        opening = Stretch(first.starts_at, min(first.starts_at + HOUR, first.ends_at))
        zone, begin, end = self.rules.timezone, self.rules.drop_off_from, self.rules.drop_off_until
        if begin is None and end is None:
            return opening
        start = opening.starts_at if begin is None else to_utc(day, begin, zone)
        until = start + HOUR if end is None else to_utc(day, end, zone)
        parts = (Stretch(max(start, one.starts_at), min(until, one.ends_at)) for one in stretches)
        return next((part for part in parts if part.starts_at < part.ends_at), opening)


def stretch_at(stretches: Sequence[Stretch], moment: datetime) -> Stretch | None:
    """The stretch with start <= moment < end, or None."""
    index = bisect_right(stretches, moment, key=lambda one: one.starts_at)
    return stretches[index - 1] if index and moment < stretches[index - 1].ends_at else None


def merged(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """The same time, sorted and free of overlaps."""
    found: list[Stretch] = []
    for stretch in sorted(stretches):
        if found and stretch.starts_at <= found[-1].ends_at:
            stretch = Stretch(found[-1].starts_at, max(found.pop().ends_at, stretch.ends_at))
        found.append(stretch)
    return tuple(found)
