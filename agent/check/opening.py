"""When the shop is open: what a reply says about hours and closed days, against the hours and their exceptions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from agent.check.clocks import Clock, clocks_in
from agent.check.days import Day, days_in
from agent.check.patterns import pattern
from agent.check.text import clean

ABOUT_HOURS = pattern("opening", "about_hours")
OFFERING = pattern("opening", "offering")
_CLOSED = pattern("opening", "closed")
_NOT_CLOSED = re.compile(r"\b(?:not|never|aren't|no estamos) closed?\b", re.IGNORECASE)
# A closing time has a clock behind it; without one, "we close on Sundays" means the whole day.
_CLOSES = re.compile(r"\b(?:close|closes|cerramos|cierra|cierran)\b", re.IGNORECASE)
_MAYBE = pattern("opening", "maybe")
_A_WEEKDAY = re.compile(
    r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b|\b(?:lunes|martes|jueves|viernes|sabados?|domingos?)\b",
    re.I,
)
_WEEK_LIST = pattern("opening", "week_list")
_SPAN = pattern("opening", "span", case=True)

_HOURS_BREAK = pattern("opening", "hours_break")
_HABIT = re.compile(r"^(?:los|every|cada|each)\b", re.IGNORECASE)
Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Hours:
    """A week's opening ranges in minutes of the day, and the days that differ. `week` empty: not known."""

    week: Mapping[int, Ranges]
    special: Mapping[date, Ranges]
    names: Mapping[str, date]
    """Why a day differs, in lower case: "thanksgiving"."""

    @staticmethod
    def read(shop: Mapping[str, Any], today: date | None) -> Hours:
        """From the facts of the shop: hours_text and exceptions."""
        week: dict[int, Ranges] = {}
        raw = shop.get("hours_text")
        for part in clean(raw).split(";") if isinstance(raw, str) else ():
            for day in days_in(part, today)[:1]:
                week |= dict.fromkeys(day.weekdays or (), _ranges(part[day.end :]))
        special: dict[date, Ranges] = {}
        names: dict[str, date] = {}
        rows = shop.get("exceptions")
        for row in rows if isinstance(rows, list | tuple) else ():
            try:
                day_of = date.fromisoformat(row["date"])
                special[day_of] = _ranges(clean(str(row.get("hours", ""))))
                names[clean(str(row.get("why") or "")).lower()] = day_of
            except (KeyError, TypeError, ValueError, AttributeError):
                continue
        return Hours(week, special, names)

    def date_of(self, holiday: str) -> date | None:
        """The date of a holiday on which the shop's hours differ; None for others."""
        return next((at for why, at in self.names.items() if _same_holiday(holiday, why)), None)

    def of(self, day: Day, today: date | None) -> list[Ranges]:
        """The ranges of all days that a mention means; for a day of the week the usual ones, and those of its next
        date when that differs and the mention may mean it."""
        if day.holiday:
            found = self.date_of(day.holiday)
            return [self.special[found]] if found else []
        exact = day.exact or _next(day, today)
        if day.dates is not None or day.exact is not None:
            return [self.on(exact)] if exact and self.week else []
        if not self.week:
            return []
        return [self._usual(day, weekday, exact) for weekday in sorted(day.weekdays or ())]

    def _usual(self, day: Day, weekday: int, coming: date | None) -> Ranges:
        """ "On Thursday" means the coming one, with its exception; "Thursdays" and "Mon-Fri" mean every week."""
        one = len(day.weekdays or ()) == 1 and not day.text.lower().endswith(("ays", "sabados", "domingos"))
        if one and coming is not None and coming in self.special and not _HABIT.search(day.text):
            return self.special[coming]
        return self.week.get(weekday, ())

    def on(self, day: date) -> Ranges:
        """The ranges of one date."""
        return self.special.get(day, self.week.get(day.weekday(), ()))


def _same_holiday(said: str, why: str) -> bool:
    return (
        why == said
        or (said in why and "after" not in why and "eve" not in why)
        or (said == "after thanksgiving" and "after thanksgiving" in why)
    )


def _next(day: Day, today: date | None) -> date | None:
    if today is None:
        return None
    return next((one for one in (today + timedelta(days=n) for n in range(366)) if day.fits(one)), None)


def _ranges(text: str) -> Ranges:
    minutes = [min(clock.minutes) for clock in clocks_in(text)]
    return tuple(zip(minutes[::2], minutes[1::2], strict=False))


def speaks_of_hours(clause: str) -> bool:
    """Whether a clause is about when the shop is open, and not about a time that is free."""
    spoken = (
        ABOUT_HOURS.search(clause)
        or _WEEK_LIST.search(clause)
        or (_SPAN.search(clause) and _A_WEEKDAY.search(clause))
    )
    return bool(spoken) and not OFFERING.search(clause)


def hours_clause(text: str, at: int) -> str:
    """The part of a sentence around a position that is about hours or not as a whole: "open Mon-Fri, closed Sunday"."""
    start, end = 0, len(text)
    for gap in _HOURS_BREAK.finditer(text):
        if gap.end() <= at:
            start = gap.end()
        elif gap.start() >= at:
            end = gap.start()
            break
    return text[start:end]


def hours_problem(
    clause: str, day: Day | None, clock: Clock | None, hours: Hours, today: date | None
) -> bool:
    """Whether what a clause says about hours is not so. Raises nothing; unknown hours support nothing."""
    if _MAYBE.search(clause):
        return False
    listed = hours.of(day, today) if day is not None else [*hours.week.values(), *hours.special.values()]
    if not listed:
        return True
    closed = bool(
        _CLOSED.search(clause) or (clock is None and _CLOSES.search(clause) and not clocks_in(clause))
    )
    closed = closed and not _NOT_CLOSED.search(clause)
    if clock is None:
        return any(bool(ranges) == closed for ranges in listed)
    edges = [{edge for span in ranges for edge in span} for ranges in listed]
    right = [bool(clock.minutes & known) for known in edges]
    return not (all(right) if day is not None else any(right))


def bare_span(clause: str, clocks: Sequence[Clock]) -> list[Clock]:
    """The hours of "open 9 to 6", where nothing marks the numbers as times."""
    found: list[Clock] = []
    for match in _SPAN.finditer(clause):
        if any(clock.start < match.end() and match.start() < clock.end for clock in clocks):
            continue
        for name in ("a", "b"):
            base = int(match[name]) % 12 * 60
            found.append(
                Clock(match.start(name), match.end(name), frozenset({base, base + 720}), match.group())
            )
    return found
