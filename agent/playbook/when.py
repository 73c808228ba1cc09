"""When a customer wants to come: days and times of day of one text, as arguments of `find_times`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from agent.playbook.clauses import Segment, bounded, choices, segments, split_refusals
from agent.playbook.clocks import Clock, read_clock
from agent.playbook.day_rules import Doubt
from agent.playbook.days import Days, next_on, read_days, spelled
from agent.playbook.spanish_times import in_english_words
from agent.playbook.text import folded
from agent.playbook.vehicles import without_car_numbers

__all__ = ["Doubt", "When", "read_when"]

_PHONE = re.compile(r"\+?1?[ .-]?\(?\d{3}\)?[ .-]?\d{3}[ .-]?\d{4}|\b\d{5}(?:-\d{4})?\b")
_GREETING = re.compile(r"\bgood (?:morning|afternoon|evening|night|day)\b|\bhave a (?:good|great|nice) \w+\b")
_BARE_HOUR = re.compile(r"\W*(?:maybe |around |at |about )?(\d{1,2})(?::?(?:00|15|30|45))?\W*")


@dataclass(frozen=True)
class When:
    """Days and times a text asks for; `excluded` are weekdays it rules out (0 = Monday).

    A text that leaves a choice ("sat morning or mon") has its windows in `choices`; `days` and `clock` then are what
    all of them together span.
    """

    days: Days = field(default_factory=Days)
    clock: Clock = field(default_factory=Clock)
    excluded: frozenset[int] = frozenset()
    choices: tuple[When, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.days or self.clock or self.excluded or self.choices)

    @property
    def at(self) -> time | None:
        """The one exact start asked for, if there is one."""
        return self.clock.at[0] if len(self.clock.at) == 1 else None

    @property
    def doubt(self) -> Doubt | None:
        """Why a day that was named cannot be told; the customer has to be asked."""
        return self.days.doubt

    @property
    def windows(self) -> tuple[When, ...]:
        """The choices, or the one window there is."""
        return self.choices or (self,)

    def over(self, older: When) -> When:
        """This newer wish on top of an older one: what it names replaces, what it leaves open stays."""
        if not self and not self.doubt:
            return replace(older, clock=replace(older.clock, loose=older.clock.loose + self.clock.loose))
        mine = tuple(
            replace(c, days=c.days or older.days, clock=c.clock or older.clock) for c in self.choices
        )
        days = self.days if self.days or self.doubt else older.days
        clock = self.clock if self.clock or self.days.soon else older.clock
        return When(
            days,
            clock,
            (self.excluded | older.excluded) - days.weekdays,
            mine or (() if self.days or self.clock or self.doubt else older.choices),
        )

    def searches(self, today: date) -> list[dict[str, Any]]:
        """Arguments for one `find_times` for every window: none without a wish, {} for "any time"."""
        return [one.arguments(today) for one in self.windows] if self else []

    def arguments(self, today: date) -> dict[str, Any]:
        """Arguments for `find_times` without the services: from_date, to_date, after, before, weekdays."""
        found: dict[str, Any] = {}
        start, end, weekdays = self._span(today)
        if start and start > today:
            found["from_date"] = start.isoformat()
        if end and end >= today and (not start or end >= start):
            found["to_date"] = end.isoformat()
        # Two equal bounds ask for exactly that start (the tool's own rule).
        after = min(self.clock.at) if self.clock.at else self.clock.after
        before = max(self.clock.at) if self.clock.at else self.clock.before
        if after:
            found["after"] = after.strftime("%H:%M")
        if before and (not after or before >= after):
            found["before"] = before.strftime("%H:%M")
        if weekdays:
            found["weekdays"] = sorted(weekdays)
        return found

    def _span(self, today: date) -> tuple[date | None, date | None, frozenset[int]]:
        """One day is a span of one; several days are a span with their weekdays."""
        days = self.days
        start, end = days.start, days.end
        several = len(days.dates) > 1 or bool(days.weekdays)
        allowed = days.weekdays | {day.weekday() for day in days.dates if several}
        if self.excluded and not days.weekdays and not days.dates:
            allowed = frozenset(range(7)) - self.excluded
        if days.dates and not days.weekdays:
            start, end = min(days.dates), max(days.dates)
        elif len(days.weekdays) == 1 and not days.dates and not start and not end:
            start = end = next_on(next(iter(days.weekdays)), today)
            allowed = frozenset()
        return start, end, frozenset(allowed)


def read_when(text: str, now: datetime) -> When:
    """Read what a customer wrote about days and times, in English or Spanish. `now` is the shop's local time. Never
    raises.

    Clauses with a refusal ("can't do tuesday") rule days out instead of asking for them; a correction ("actually make
    it 4") replaces what stands before it.
    """
    said = without_car_numbers(_PHONE.sub(" ", folded(text)))
    said = spelled(bounded(in_english_words(_GREETING.sub(" ", said))))
    when = When()
    for segment in segments(said):
        when = _read(segment, now.date()).over(when)
    return when


def _read(segment: Segment, today: date) -> When:
    asked, refused = split_refusals(segment.text)
    parts = [_part(part, today, segment.corrects) for part in choices(" ; ".join(asked))]
    windows = _windows(parts, today)
    excluded, start, clock = _ruled_out(refused, today)
    whole = _together(windows)
    if clock and not whole.clock:
        whole, windows = (
            replace(whole, clock=clock),
            [replace(one, clock=one.clock or clock) for one in windows],
        )
    if start and not whole.days:
        whole = replace(whole, days=replace(whole.days, start=start))
    whole = replace(whole, excluded=excluded - whole.days.weekdays)
    if len(windows) < 2:
        return whole
    return replace(whole, choices=tuple(replace(one, excluded=whole.excluded) for one in windows))


def _ruled_out(clauses: Sequence[str], today: date) -> tuple[frozenset[int], date | None, Clock]:
    """Weekdays that are refused, the day after a refused span, and the bounds turned round: "no mornings" is "after
    12"."""
    excluded: frozenset[int] = frozenset()
    start: date | None = None
    clock = Clock()
    for clause in clauses:
        days = read_days(clause, today)
        refused = read_clock(days.rest)
        if days and not days.start and not refused.at:
            excluded |= days.weekdays | {day.weekday() for day in days.dates}
        elif days.start and days.end:
            start = days.end + timedelta(days=1)
        if not days and not refused.at and bool(refused.after) != bool(refused.before):
            clock = Clock(after=refused.before, before=refused.after)
    return excluded, start, clock


def _part(text: str, today: date, corrects: bool) -> When:
    days = read_days(text, today)
    clock = read_clock(days.rest)
    bare = (clock.at, clock.after, clock.before) == ((), None, None)
    hour = _BARE_HOUR.fullmatch(days.rest)
    # A bare number is a time beside a day and in a correction, and "1030" is one on its own.
    if bare and len(clock.loose) == 1 and (days or corrects or (hour and clock.loose[0].minute)):
        clock = Clock(at=clock.loose)
    return When(days, clock)


def _windows(parts: Sequence[When], today: date) -> list[When]:
    """The windows of the choices: a part that names only a day or only a time shares the rest with its neighbours."""
    found: list[When] = []
    several = len(parts) > 1
    for part in parts:
        if several and not part.clock and len(part.clock.loose) == 1:
            part = _hour_among(part, parts)
        if not (part.days or part.clock or part.days.doubt or (not several and part.clock.loose)):
            continue
        if not part.days and not part.days.doubt and found:
            if not found[-1].clock:
                found[-1] = replace(found[-1], clock=part.clock)
                continue
            part = replace(part, days=found[-1].days)
        found.append(part)
    return _merged(_shared(found))


def _hour_among(part: When, parts: Sequence[When]) -> When:
    """ "3" is a time in "thursday at 2 or 3" and in "9 or 10 on friday"."""
    others = [one for one in parts if one is not part]
    if time(7) <= part.clock.loose[0] <= time(18) and all(
        one.clock.at or (one.clock.loose and not one.days) for one in others
    ):
        return replace(part, clock=Clock(at=part.clock.loose))
    return part


def _shared(found: list[When]) -> list[When]:
    """A last time is also that of the bare days before it ("tmrw or friday after 2"), a last day that of bare times."""
    if not found:
        return found
    last = found[-1]
    share_clock = last.days and last.clock and all(not one.clock for one in found[:-1])
    return [
        replace(one, days=one.days or last.days, clock=last.clock if share_clock else one.clock)
        for one in found
    ]


def _merged(found: list[When]) -> list[When]:
    """Bare weekdays at the same time of day are one window: "tues or thurs"."""
    kept: list[When] = []
    for one in found:
        if kept and _bare(one) and _bare(kept[-1]) and kept[-1].clock == one.clock:
            both = replace(one.days, weekdays=one.days.weekdays | kept[-1].days.weekdays)
            kept[-1] = replace(one, days=both)
        elif one not in kept:
            kept.append(one)
    return kept


def _bare(one: When) -> bool:
    days = one.days
    return bool(days.weekdays) and not (days.dates or days.start or days.end or days.doubt)


def _together(windows: Sequence[When]) -> When:
    if len(windows) < 2:
        return windows[0] if windows else When()
    days = Days(
        dates=frozenset[date]().union(*(one.days.dates for one in windows)),
        weekdays=frozenset[int]().union(*(one.days.weekdays for one in windows)),
        start=_edge(min, (one.days.start for one in windows)),
        end=_edge(max, (one.days.end for one in windows)),
        soon=any(one.days.soon for one in windows),
        doubt=next((one.doubt for one in windows if one.doubt), None),
        meant=next((one.days.meant for one in windows if one.doubt), ()),
    )
    clocks = {one.clock for one in windows}
    exact = tuple(dict.fromkeys(t for one in windows for t in one.clock.at))
    shared = next(iter(clocks)) if len(clocks) == 1 else Clock()
    return When(days, Clock(at=exact) if all(one.clock.at for one in windows) else shared)


def _edge(pick: Any, days: Iterable[date | None]) -> date | None:
    """The outermost bound, or None when one of the windows has none."""
    listed = list(days)
    return pick(listed) if all(listed) else None
