"""Which times can be offered. One rule set, `refusal`, decides both what is offered and what is accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from sqlalchemy.orm import Session

from crm.calendar.daybook import DayBook, load_day_book
from crm.calendar.hours import Stretch
from crm.models import Location

Refusal = Literal["past", "too_soon", "too_far", "closed", "off_grid", "taken"]

# An offer of the very first time the shop's notice allows would expire before the customer has read it.
TIME_TO_ANSWER = timedelta(minutes=15)

# Two times closer than this are no real choice for a customer who may pick from three.
APART = timedelta(hours=2)


@dataclass(frozen=True)
class Wanted:
    """What the customer asked for, in local terms of the shop. Everything None means any time.

    `before` is the latest start and not included, unless it equals `after`: then exactly that time is meant.
    """

    from_date: date | None = None
    to_date: date | None = None
    after: time | None = None
    before: time | None = None
    weekdays: frozenset[int] | None = None

    def accepts(self, local: datetime) -> bool:
        """True when a local start fits every wish that was given."""
        day, moment = local.date(), local.time()
        return (
            (self.from_date is None or self.from_date <= day)
            and (self.to_date is None or day <= self.to_date)
            and (self.weekdays is None or day.weekday() in self.weekdays)
            and (self.after is None or self.after <= moment)
            and (self.before is None or moment < self.before or moment == self.before == self.after)
        )


ANY_TIME = Wanted()


def refusal(book: DayBook, wanted: Stretch, now: datetime) -> Refusal | None:
    """Why `wanted` cannot be had, or None when it can: the only place where the rules of the calendar are."""
    if wanted.starts_at <= now:
        return "past"
    if wanted.starts_at < now + book.notice:
        return "too_soon"
    if wanted.starts_at > now + book.horizon:
        return "too_far"
    around = book.open_around(wanted)
    if around is None:
        return "closed"
    # The second 1:30 AM of a night that has two would carry the same label as the first.
    if (wanted.starts_at - around.starts_at) % book.slot or wanted.starts_at.astimezone(book.timezone).fold:
        return "off_grid"
    return None if book.free_bays(wanted) else "taken"


def fits(book: DayBook, wanted: Stretch, now: datetime) -> bool:
    """True when `wanted` can be offered and accepted."""
    return refusal(book, wanted, now) is None


def find_slots(
    s: Session,
    location: Location,
    minutes: int,
    now: datetime,
    wanted: Wanted = ANY_TIME,
    *,
    limit: int = 3,
    ignore_appointment_id: int | None = None,
) -> list[Stretch]:
    """The best few free times for `minutes` of work (the services of one visit added up), in order of time.

    Costs the same few queries whatever is asked for. Empty when nothing fits.
    """
    book = load_day_book(s, location, now, ignore_appointment_id=ignore_appointment_id)
    return spread(free_slots(book, minutes, now, wanted), book, limit)


def free_slots(book: DayBook, minutes: int, now: datetime, wanted: Wanted = ANY_TIME) -> list[Stretch]:
    """Every free slot of the horizon that suits `wanted` and can still be accepted in a while, in order of time."""
    earliest = now + book.notice + TIME_TO_ANSWER
    return [
        slot
        for slot in _grid(book, timedelta(minutes=minutes))
        if slot.starts_at >= earliest
        and wanted.accepts(slot.starts_at.astimezone(book.timezone))
        and fits(book, slot, now)
    ]


def spread(slots: list[Stretch], book: DayBook, limit: int = 3) -> list[Stretch]:
    """Up to `limit` of `slots`: first other days, then other parts of the day, then not close together."""
    days: Counter[date] = Counter()
    parts: Counter[str] = Counter()
    chosen: list[Stretch] = []
    left = list(slots)
    local = {slot: slot.starts_at.astimezone(book.timezone) for slot in slots}

    def rank(slot: Stretch) -> tuple[int, int, timedelta, datetime]:
        gap = min((abs(slot.starts_at - other.starts_at) for other in chosen), default=APART)
        at = local[slot]
        return days[at.date()], parts[part_of_day(at.time())], -min(gap, APART), slot.starts_at

    while left and len(chosen) < limit:
        best = min(left, key=rank)
        left.remove(best)
        chosen.append(best)
        days[local[best].date()] += 1
        parts[part_of_day(local[best].time())] += 1
    return sorted(chosen)


def nearest(slots: list[Stretch], moment: datetime, limit: int = 3) -> list[Stretch]:
    """Up to `limit` of `slots` that start closest to `moment`, in order of time."""
    return sorted(sorted(slots, key=lambda slot: (abs(slot.starts_at - moment), slot.starts_at))[:limit])


def part_of_day(moment: time) -> str:
    """morning, afternoon (from noon) or evening (from 5 PM), the way a customer speaks of them."""
    return "morning" if moment.hour < 12 else "afternoon" if moment.hour < 17 else "evening"


def _grid(book: DayBook, duration: timedelta) -> Iterator[Stretch]:
    for stretch in book.open:
        starts_at = stretch.starts_at
        while starts_at + duration <= stretch.ends_at:
            yield Stretch(starts_at.astimezone(UTC), (starts_at + duration).astimezone(UTC))
            starts_at += book.slot
