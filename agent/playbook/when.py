"""When a customer wants to come: days and times of day of one text, as arguments of `find_times`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

from agent.playbook.clocks import Clock, read_clock
from agent.playbook.days import Days, next_on, read_days
from agent.playbook.text import plain

_NEGATIVE = re.compile(
    r"\b(?:can't|cannot|can not|couldn't|won't|doesn't|don't|isn't|not|no good|except|but not|anything but|never|"
    r"busy|unavailable|out of town|bad for me)\b"
)
_HARMLESS_NEGATIVE = re.compile(
    r"\bif not\b|\bwhy not\b|\bnot sure\b|\bcan't wait\b|\bdon't mind\b|\bnot (?:before|after)\b|"
    r"\bdon't (?:have|need)\b"
)
_PHONE = re.compile(r"\+?1?[ .-]?\(?\d{3}\)?[ .-]?\d{3}[ .-]?\d{4}")
_ANY_BUT = re.compile(r"\b(?:any ?(?:day|time|thing)|every ?day) (?:but|except)(?: for)?\b")
_CLAUSE = re.compile(r"[;,!?]+|\.(?!\d)(?!m)|\b(?:but|how about|what about|instead)\b(?! not)")


@dataclass(frozen=True)
class When:
    """Days and times a text asks for; `excluded` are weekdays it rules out (0 = Monday)."""

    days: Days = field(default_factory=Days)
    clock: Clock = field(default_factory=Clock)
    excluded: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.days or self.clock or self.excluded)

    @property
    def at(self) -> time | None:
        """The one exact start asked for, if there is one."""
        return self.clock.at[0] if len(self.clock.at) == 1 else None

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
        if self.excluded:
            allowed = (allowed or frozenset(range(7))) - self.excluded
        if days.dates and not days.weekdays:
            start, end = min(days.dates), max(days.dates)
        elif len(days.weekdays) == 1 and not days.dates and not start and not end and not self.excluded:
            start = end = next_on(next(iter(days.weekdays)), today)
            allowed = frozenset()
        return start, end, frozenset(allowed)


def read_when(text: str, now: datetime) -> When:
    """Read what a customer wrote about days and times. `now` is the shop's local time. Never raises.

    Clauses with a refusal ("can't do tuesday") rule days out instead of asking for them.
    """
    today = now.date()
    wanted: list[str] = []
    excluded: frozenset[int] = frozenset()
    for clause in _CLAUSE.split(_ANY_BUT.sub("; not ", _PHONE.sub(" ", plain(text)))):
        if _NEGATIVE.search(clause) and not _HARMLESS_NEGATIVE.search(clause):
            refused = read_days(clause, today)
            excluded |= refused.weekdays | {day.weekday() for day in refused.dates}
        elif clause.strip():
            wanted.append(clause.strip())
    days = read_days(" ; ".join(wanted), today)
    clock = read_clock(days.rest)
    if days and not clock.at and not clock.after and len(clock.loose) == 1:
        clock = Clock(at=clock.loose, before=None)
    return When(days, clock, excluded - days.weekdays)
