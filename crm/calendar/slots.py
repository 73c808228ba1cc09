"""Which of the times that can be had are offered. Whether one can be had is decided in `crm.calendar.rules`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy.orm import Session

from crm.calendar.book import DayBook
from crm.calendar.daybook import load_day_book
from crm.calendar.holds import HeldFor
from crm.calendar.hours import Stretch
from crm.calendar.job import Job
from crm.calendar.rules import NOTHING_LIFTED, Refusal, Slot, Verdict, judge, refusals
from crm.models import Location

__all__ = [
    "ANY_TIME",
    "Refusal",
    "Slot",
    "Wanted",
    "find_slots",
    "free_slots",
    "nearest",
    "refusals",
    "spread",
]

# An offer of the very first time the shop's notice allows would expire before the customer has read it.
TIME_TO_ANSWER = timedelta(minutes=15)

# Two times closer than this are no real choice for a customer who may pick from three.
APART = timedelta(hours=2)

# Reasons that may be gone later on the same day.
LATER: frozenset[Refusal] = frozenset({"closed", "labour_full", "taken"})


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

    def accepts(self, local: datetime, until: datetime | None = None) -> bool:
        """True when a local start fits every wish that was given; for a window `local` to `until` of one day, when
        some time in it does."""
        return self.accepts_day(local.date()) and self._accepts_time(
            local.time(), until.time() if until else local.time()
        )

    def accepts_day(self, day: date) -> bool:
        """True when a local day fits the wish."""
        return (
            (self.from_date is None or self.from_date <= day)
            and (self.to_date is None or day <= self.to_date)
            and (self.weekdays is None or day.weekday() in self.weekdays)
        )

    def _accepts_time(self, first: time, last: time) -> bool:
        if self.after is not None and self.after == self.before:
            return first <= self.after <= last
        late_enough = self.after is None or self.after <= first or self.after < last
        return late_enough and (self.before is None or first < self.before)


ANY_TIME = Wanted()


def find_slots(
    s: Session,
    location: Location,
    job: Job,
    now: datetime,
    wanted: Wanted = ANY_TIME,
    *,
    limit: int = 3,
    ignore_appointment_id: int | None = None,
    held_for: HeldFor | None = None,
) -> list[Slot]:
    """The best few free times for a visit, in order of time. Empty when nothing fits.

    Costs the same few queries whatever is asked for and however much is booked.
    """
    book = load_day_book(s, location, now, ignore_appointment_id=ignore_appointment_id, held_for=held_for)
    return spread(free_slots(book, job, now, wanted), book, limit)


def free_slots(book: DayBook, job: Job, now: datetime, wanted: Wanted = ANY_TIME) -> list[Slot]:
    """Every free slot of the horizon that suits `wanted` and can still be accepted in a while, in order of time.

    A customer who waits may come at any time of the shop's grid; for a car that is left there is one slot a day.
    """
    zone = book.rules.timezone
    return [
        slot
        for comes in _comings(book, job, now, wanted)
        if wanted.accepts(
            comes.starts_at.astimezone(zone),
            comes.ends_at.astimezone(zone) if job.visit == "drop_off" else None,
        )
        and (slot := _slot_for(book, job, comes, now)) is not None
    ]


def nearest(
    book: DayBook, job: Job, now: datetime, moment: datetime, limit: int = 3, wanted: Wanted = ANY_TIME
) -> list[Slot]:
    """Up to `limit` free slots whose customers come closest to `moment`, in order of time.

    Looks outward from `moment` and stops when it has enough: someone may be waiting for the calendar.
    """
    found: list[Slot] = []
    comings = [
        one for one in _comings(book, job, now, wanted) if wanted.accepts_day(book.day_of(one.starts_at))
    ]
    for comes in sorted(comings, key=lambda one: (abs(one.starts_at - moment), one.starts_at)):
        if (slot := _slot_for(book, job, comes, now)) is not None:
            found.append(slot)
            if len(found) == limit:
                break
    return sorted(found, key=_when)


def place(
    book: DayBook, job: Job, starts_at: datetime, now: datetime, lifted: frozenset[Refusal] = NOTHING_LIFTED
) -> Verdict:
    """Decide about a start as `judge` does; work on a car that is left may begin later that day when no bay is free,
    worked in or within the day's labour before.

    The customer was told when to bring the car, not when it is worked on.
    """
    verdict = judge(book, job, starts_at, now, lifted)
    if verdict.slot is None and job.visit == "drop_off" and LATER.issuperset(verdict.refusals):
        for later in _work_starts(book, book.day_of(starts_at), starts_at):
            other = judge(book, job, later, now, lifted)
            if other.slot is not None:
                return other
    return verdict


def spread(slots: list[Slot], book: DayBook, limit: int = 3) -> list[Slot]:
    """Up to `limit` of `slots`: first other days, then other parts of the day, then not close together."""
    days: Counter[date] = Counter()
    parts: Counter[str] = Counter()
    chosen: list[Slot] = []
    left = list(slots)
    local = {slot: slot.comes_at.astimezone(book.rules.timezone) for slot in slots}

    def rank(slot: Slot) -> tuple[int, int, timedelta, datetime]:
        gap = min((abs(slot.comes_at - other.comes_at) for other in chosen), default=APART)
        at = local[slot]
        return days[at.date()], parts[part_of_day(at.time())], -min(gap, APART), slot.comes_at

    while left and len(chosen) < limit:
        best = min(left, key=rank)
        left.remove(best)
        chosen.append(best)
        days[local[best].date()] += 1
        parts[part_of_day(local[best].time())] += 1
    return sorted(chosen, key=_when)


def part_of_day(moment: time) -> str:
    """morning, afternoon (from noon) or evening (from 5 PM), the way a customer speaks of them."""
    return "morning" if moment.hour < 12 else "afternoon" if moment.hour < 17 else "evening"


def _comings(book: DayBook, job: Job, now: datetime, wanted: Wanted) -> Iterator[Stretch]:
    """When a customer could come: every time of the grid (as an empty stretch), or every window for dropping off. Most
    days that are not `wanted` are left out already."""
    earliest, latest = now + book.rules.notice + TIME_TO_ANSWER, now + book.rules.horizon
    for one in _windows(book) if job.visit == "drop_off" else _grid(book, earliest, latest, wanted):
        if earliest <= one.starts_at <= latest:
            yield one


def _windows(book: DayBook) -> Iterator[Stretch]:
    return (window for day in book.days if (window := book.arrival_on(day)) is not None)


def _grid(book: DayBook, earliest: datetime, latest: datetime, wanted: Wanted) -> Iterator[Stretch]:
    for stretch in book.open:
        if (
            stretch.ends_at <= earliest
            or stretch.starts_at > latest
            or not _may_be_wanted(book, stretch, wanted)
        ):
            continue
        starts_at = stretch.starts_at
        while starts_at < stretch.ends_at:
            yield Stretch(starts_at, starts_at)
            starts_at += book.rules.slot


def _may_be_wanted(book: DayBook, stretch: Stretch, wanted: Wanted) -> bool:
    first, last = book.day_of(stretch.starts_at), book.day_of(stretch.ends_at)
    # A shop that never closes has one stretch for all its days.
    return (last - first).days > 1 or wanted.accepts_day(first) or wanted.accepts_day(last)


def _slot_for(book: DayBook, job: Job, comes: Stretch, now: datetime) -> Slot | None:
    if not _lasts(book, comes, now):
        return None
    if job.visit == "wait":
        return judge(book, job, comes.starts_at, now).slot
    starts = [comes.ends_at, *_work_starts(book, book.day_of(comes.starts_at), comes.ends_at)]
    verdicts = (judge(book, job, one, now) for one in starts)
    return next((verdict.slot for verdict in verdicts if verdict.slot is not None), None)


def _lasts(book: DayBook, comes: Stretch, now: datetime) -> bool:
    # An answer takes a while, and the cut-off for today may come before it.
    cutoff = book.rules.same_day_cutoff
    soon = (now + TIME_TO_ANSWER).astimezone(book.rules.timezone)
    return cutoff is None or book.day_of(comes.starts_at) != soon.date() or soon.time() < cutoff


def _work_starts(book: DayBook, day: date, after: datetime) -> list[datetime]:
    """The moments of a day, later than `after`, at which a bay becomes free or is opened: work can start at the
    earliest of them or at none between."""
    found: set[datetime] = set()
    for bay in book.bays.values():
        found.update(one.starts_at for one in bay.open)
        found.update(one.ends_at + book.rules.buffer_before for one in bay.busy)
    return sorted(moment for moment in found if moment > after and book.day_of(moment) == day)


def _when(slot: Slot) -> tuple[datetime, datetime]:
    return slot.comes_at, slot.starts_at
