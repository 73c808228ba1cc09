"""When a touch may be planned: the lawful hours, the shop's own, and what its step wants, day by day. Pure.

Every local day gives stretches of real time; they are made from wall-clock times here, once, so that nothing above has to
think about changes of the clocks. Which hours hold at the recipient's own place is decided when it is sent (the gate).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from hashlib import blake2b
from zoneinfo import ZoneInfo

from channels.hours import local_to_utc
from channels.windows import is_federal_holiday, window_for
from crm.calendar.hours import OpeningHours, Stretch, common, open_stretches
from scheduler.plan import Part, Step

ONE_DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
# How far ahead an hour that fits is looked for; a shop may be closed for a season.
FARTHEST = 120
# How long the wall-clock time of the start is insisted on before any good hour of a day will do.
PATIENCE = 8
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PARTS: dict[Part, tuple[time, time]] = {
    "morning": (time(8), time(12)),
    "midday": (time(12), time(14)),
    "afternoon": (time(14), time(17)),
    "evening": (time(17), time(21)),
}


@dataclass(frozen=True)
class Calendar:
    """Where and when touches may be planned. `hours` None: only the law counts; `excluded`: days that are left out."""

    zone: ZoneInfo
    hours: OpeningHours | None = None
    excluded: frozenset[date] = frozenset()

    def stretches(self, day: date, step: Step | None = None) -> list[Stretch]:
        """The good hours of one local day, narrowed by what the step wants."""
        lawful = _lawful(day, self.zone)
        if lawful is None or day in self.excluded:
            return []
        if step is not None and step.days is not None and WEEKDAYS[day.weekday()] not in step.days:
            return []
        good = [lawful]
        if self.hours is not None:
            good = common(good, open_stretches(self.hours, day, day))
        if step is not None and step.part is not None:
            opens, closes = PARTS[step.part]
            part = Stretch(local_to_utc(day, opens, self.zone), local_to_utc(day, closes, self.zone))
            good = common(good, [part])
        return [stretch for stretch in good if stretch.ends_at - stretch.starts_at >= MINUTE]

    def local_day(self, moment: datetime) -> date:
        """The day it is here."""
        return moment.astimezone(self.zone).date()

    def soonest(self, moment: datetime, step: Step | None = None) -> Stretch | None:
        """The rest of the first good stretch from `moment` on: it starts then or later. None within four months."""
        for day in _days(self.local_day(moment)):
            for stretch in self.stretches(day, step):
                if stretch.ends_at - moment >= MINUTE:
                    return Stretch(max(moment, stretch.starts_at), stretch.ends_at)
        return None

    def on_or_after(self, day: date, wall: time, step: Step | None = None) -> Stretch | None:
        """The wall-clock time on the first day from `day` on when it is good, with the rest of its stretch.

        A step that wants certain days or hours, and a shop that is never open at that time, get the best hour of the
        first day there is: the next one on it, else its first. None within four months.
        """
        insists = step is None or (step.days is None and step.part is None)
        if insists:
            for number, each in enumerate(_days(day)):
                found = self._at(each, wall, step)
                if found is not None:
                    return found
                if number == PATIENCE:
                    break
        for each in _days(day):
            good = self.stretches(each, step)
            if good:
                later = [
                    stretch for stretch in good if stretch.starts_at >= local_to_utc(each, wall, self.zone)
                ]
                return self._at(each, wall, step) or next(iter(later or good))
        return None

    def _at(self, day: date, wall: time, step: Step | None) -> Stretch | None:
        moment = local_to_utc(day, wall, self.zone)
        for stretch in self.stretches(day, step):
            if stretch.starts_at <= moment and stretch.ends_at - moment >= MINUTE:
                return Stretch(moment, stretch.ends_at)
        return None


def share(seed: int | None) -> float:
    """The lead's own share of a plan's jitter, from 0 to below 1: always the same for one lead, and even over many.
    One for all touches of a lead, so that their distances stay as planned. None: no jitter."""
    if seed is None:
        return 0.0
    digest = blake2b(str(seed).encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48


def moved(good: Stretch, jitter: timedelta, part: float) -> datetime:
    """The start of the stretch and the lead's share of the jitter, or of what is left of the hours if that is less."""
    room = min(jitter, good.ends_at - good.starts_at - MINUTE)
    seconds = int(max(room, timedelta(0)).total_seconds() * part)
    return good.starts_at + timedelta(seconds=seconds)


def _days(first: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range(FARTHEST))


@lru_cache(maxsize=8192)
def _lawful(day: date, zone: ZoneInfo) -> Stretch | None:
    """The hours that every state allows (messaging facts 3.3); all leads of a zone share them."""
    window = window_for((), "touch").of(day, is_federal_holiday)
    return None if window is None else Stretch(_wall(day, window[0], zone), _wall(day, window[1], zone))


def _wall(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """A minute of a local day; the 1440th is midnight."""
    days, rest = divmod(minute, 24 * 60)
    return local_to_utc(day + timedelta(days=days), time(rest // 60, rest % 60), zone)
