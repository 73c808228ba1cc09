"""The rules of the calendar. This one function, `judge`, decides both what is offered and what is accepted.

A job starts on a bay and is worked off in that bay's open stretches. How far it may go on:

- a car that is left (`drop_off`): over breaks, nights and closed days until it is done; the car keeps its bay;
- a customer who waits: within one stretch. When the shop never works that long in one stretch, over the breaks of
  one day; when it never works that long in one day, the car has to stay like one that is left.

Either way the work is done within LONGEST_STAY of its start, whatever is closed in between.

Work on a car that is left starts when the day's window for dropping off is over, on the same day: only then is the
car there for sure. Everything else about such a job (notice, horizon, cut-off) is asked of the window's beginning.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Literal, get_args

from crm.calendar.book import DayBook
from crm.calendar.hours import Stretch
from crm.calendar.job import Job

Refusal = Literal[
    "past",
    "too_soon",
    "too_late_today",
    "too_far",
    "no_skill",
    "closed",
    "off_grid",
    "jobs_full",
    "labour_full",
    "taken",
]

# In the order in which they are told. Nobody may lift the last one.
ORDER: tuple[Refusal, ...] = get_args(Refusal)
# A car stays at most this long. Offering and accepting read different parts of the calendar, so the limit hangs on
# the start alone and both read further than it reaches.
LONGEST_STAY = timedelta(days=13)

LIFTABLE = frozenset(ORDER) - {"taken"}
NOTHING_LIFTED: frozenset[Refusal] = frozenset()


@dataclass(frozen=True, order=True)
class Slot:
    """A time that can be had, on any of `bay_ids`. All moments are aware UTC.

    `starts_at` to `ends_at` is the work, `blocked_from` to `blocked_until` the work with its buffers. `arrives_from`
    and `arrives_until` are there for a car that is left, and are what its customer is told.
    """

    starts_at: datetime
    ends_at: datetime
    blocked_from: datetime
    blocked_until: datetime
    bay_ids: tuple[int, ...]
    arrives_from: datetime | None = None
    arrives_until: datetime | None = None

    @property
    def comes_at(self) -> datetime:
        """When the customer comes, at the earliest."""
        return self.arrives_from or self.starts_at


@dataclass(frozen=True)
class Verdict:
    """Either a slot, or every reason why there is none."""

    slot: Slot | None
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True)
class _Work:
    ends_at: datetime
    blocked: Stretch


@dataclass(frozen=True)
class _Placed:
    bay_id: int
    work: _Work


def refusals(book: DayBook, job: Job, starts_at: datetime, now: datetime) -> list[Refusal]:
    """Every rule that work on `job` starting at `starts_at` would break; none when it can be offered and accepted."""
    return list(judge(book, job, starts_at, now).refusals)


def judge(
    book: DayBook, job: Job, starts_at: datetime, now: datetime, lifted: frozenset[Refusal] = NOTHING_LIFTED
) -> Verdict:
    """Decide about work on `job` starting at `starts_at`; the rules in `lifted` are not asked.

    With `closed` lifted the work simply goes on without a break. Of the bays that can do it, those that are done
    first are in the slot.
    """
    arrival = book.arrival_on(book.day_of(starts_at)) if job.visit == "drop_off" else None
    comes_at = arrival.starts_at if arrival else starts_at
    found = {*_about_coming(book, comes_at, now, lifted), *_about_start(book, job, starts_at, arrival)}
    placed, on_bays = _on_bays(book, job, starts_at, lifted)
    found = (found | on_bays) - lifted
    if found:
        return Verdict(None, tuple(one for one in ORDER if one in found))
    first = min((one.work for one in placed), key=lambda work: work.ends_at)
    return Verdict(
        Slot(
            starts_at=starts_at,
            ends_at=first.ends_at,
            blocked_from=first.blocked.starts_at,
            blocked_until=first.blocked.ends_at,
            bay_ids=tuple(one.bay_id for one in placed if one.work == first),
            arrives_from=arrival.starts_at if arrival else None,
            arrives_until=arrival.ends_at if arrival else None,
        )
    )


def _about_coming(
    book: DayBook, comes_at: datetime, now: datetime, lifted: frozenset[Refusal]
) -> set[Refusal]:
    rules, found = book.rules, set[Refusal]()
    if comes_at <= now:
        # Whoever may book what has begun may also book it without notice.
        return found if "past" in lifted else {"past"}
    if comes_at < now + rules.notice:
        found.add("too_soon")
    if comes_at > now + rules.horizon:
        found.add("too_far")
    local = now.astimezone(rules.timezone)
    cutoff = rules.same_day_cutoff
    if cutoff is not None and book.day_of(comes_at) == local.date() and local.time() >= cutoff:
        found.add("too_late_today")
    return found


def _about_start(book: DayBook, job: Job, starts_at: datetime, arrival: Stretch | None) -> set[Refusal]:
    found = set[Refusal]()
    if book.rules.max_jobs is not None and book.jobs_on.get(book.day_of(starts_at), 0) >= book.rules.max_jobs:
        found.add("jobs_full")
    if job.visit == "drop_off":
        return found | ({"off_grid"} if arrival and starts_at < arrival.ends_at else set())
    around = book.open_around(starts_at)
    if around is not None and (starts_at - around.starts_at) % book.rules.slot:
        found.add("off_grid")
    # The second 1:30 AM of a night that has two would carry the same label as the first.
    if starts_at.astimezone(book.rules.timezone).fold:
        found.add("off_grid")
    return found


def _on_bays(
    book: DayBook, job: Job, starts_at: datetime, lifted: frozenset[Refusal]
) -> tuple[list[_Placed], set[Refusal]]:
    """Where the job can be put, or the reason of the bay that came closest."""
    placed: list[_Placed] = []
    closest = ORDER.index("no_skill")
    # Most bays share the shop's own hours, and with them the answer to everything but whether they are free.
    known: dict[int, _Work | Refusal] = {}
    for bay_id, bay in book.bays.items():
        if "no_skill" not in lifted and not job.suits(bay.skills):
            continue
        if id(bay.open) not in known:
            known[id(bay.open)] = _work(book, job, starts_at, bay.open, lifted)
        work = known[id(bay.open)]
        if isinstance(work, _Work) and bay.is_free(work.blocked):
            placed.append(_Placed(bay_id, work))
        else:
            closest = max(closest, ORDER.index("taken" if isinstance(work, _Work) else work))
    return placed, set() if placed else {ORDER[closest]}


def _work(
    book: DayBook, job: Job, starts_at: datetime, hours: tuple[Stretch, ...], lifted: frozenset[Refusal]
) -> _Work | Refusal:
    """What the job takes of a bay with these hours, whatever else is on it; or why it cannot be done there."""
    parts = worked_in(book, job, starts_at, hours)
    if not parts:
        if "closed" not in lifted:
            return "closed"
        parts = [Stretch(starts_at, starts_at + job.labour)]
    if "labour_full" not in lifted and _too_much_labour(book, parts):
        return "labour_full"
    rules, ends_at = book.rules, parts[-1].ends_at
    return _Work(ends_at, Stretch(starts_at - rules.buffer_before, ends_at + rules.buffer_after))


def worked_in(book: DayBook, job: Job, starts_at: datetime, hours: tuple[Stretch, ...]) -> list[Stretch]:
    """The stretches in which the job is worked off on a bay with these hours; empty when it cannot be done from that
    start."""
    parts: list[Stretch] = []
    left = job.labour
    for stretch in _from(hours, starts_at):
        if parts and not _may_go_on(book, job, parts[0].starts_at, stretch.starts_at):
            return []
        begins = max(starts_at, stretch.starts_at)
        part = Stretch(begins, min(stretch.ends_at, begins + left))
        parts.append(part)
        left -= part.ends_at - part.starts_at
        if not left:
            return parts
    return []


def _from(hours: tuple[Stretch, ...], starts_at: datetime) -> Iterator[Stretch]:
    """The stretches from the one that holds `starts_at` on; none when none holds it."""
    index = bisect_right(hours, starts_at, key=lambda one: one.starts_at)
    holds = index and starts_at < hours[index - 1].ends_at
    return islice(hours, index - 1, None) if holds else iter(())


def _may_go_on(book: DayBook, job: Job, first: datetime, following: datetime) -> bool:
    if job.visit == "drop_off" or job.labour > book.rules.longest_day:
        return True
    return job.labour > book.rules.longest_stretch and book.day_of(first) == book.day_of(following)


def _too_much_labour(book: DayBook, parts: list[Stretch]) -> bool:
    most = book.rules.max_labour
    if most is None:
        return False
    worked: Counter[date] = Counter()
    for part in parts:
        worked[book.day_of(part.starts_at)] += (part.ends_at - part.starts_at) // timedelta(minutes=1)
    return any(book.labour_on.get(day, 0) + minutes > most for day, minutes in worked.items())
