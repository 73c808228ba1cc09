"""The rules by which days are read: each a pattern and what it adds to the days of a text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHORT = {"mon": 0, "tue": 1, "tues": 1, "wed": 2, "weds": 2, "thu": 3, "thur": 3, "thurs": 3, "fri": 4, "sat": 5,
          "sun": 6}  # fmt: skip
MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
          "november", "december")  # fmt: skip
COUNTS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "ten": 10,
          "couple": 2, "few": 3, "couple of": 2, "a couple": 2, "a couple of": 2, "a few": 3}  # fmt: skip
DAY = r"(mon|tues?|weds?|thu(?:rs?)?|fri|sat|sun|monday|tuesday|wednesday|thursday|friday|saturday|sunday)(?:'?s)?"
MONTH = r"(jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec|" + "|".join(MONTHS) + r")\.?"
COUNT = r"(a couple of|a couple|couple of|couple|a few|few|an?|one|two|three|four|five|six|seven|ten|\d{1,2})"
NTH = r"(?:st|nd|rd|th)"
FAR_AHEAD = timedelta(days=300)
"""Nobody books this far ahead: a date without a year that would only come then is one that has just gone by."""


class Doubt(StrEnum):
    """Why nobody can tell which day a text means."""

    PAST = "past"
    """A date that has gone by."""
    NO_SUCH_DAY = "no_such_day"
    """A date that no calendar holds."""
    WEEKDAY_DIFFERS = "weekday_differs"
    """A weekday and a date that do not belong together."""
    DAY_OR_MONTH = "day_or_month"
    """Two numbers of which either may be the month, with the nearer day in the order that is unusual here."""


@dataclass(frozen=True)
class Days:
    """What a text says about days. `dates` are exact, `weekdays` (0 = Monday) bare names, `start`/`end` a span.

    `doubt` says that a day was named and cannot be told; `meant` are then the days it may be.
    """

    dates: frozenset[date] = frozenset()
    weekdays: frozenset[int] = frozenset()
    start: date | None = None
    end: date | None = None
    soon: bool = False
    doubt: Doubt | None = None
    meant: tuple[date, ...] = ()
    rest: str = field(default="", compare=False)

    def __bool__(self) -> bool:
        return bool(self.dates or self.weekdays or self.start or self.end or self.soon)


Match = re.Match[str]
Rule = Callable[[Days, Match, date], Days | None]


def apply(days: Days, pattern: re.Pattern[str], rule: Rule, today: date) -> Days:
    """The days with what one rule finds in their rest; what it read is taken out of the rest. Never raises."""
    position = 0
    while m := pattern.search(days.rest, position):
        position = m.end()
        try:
            changed = rule(days, m, today)
        except (OverflowError, ValueError):
            # "In 99 months" of the last year a calendar knows: no day that anybody can come on.
            changed = None
        if changed is not None:
            blank = days.rest[: m.start()] + " " * (m.end() - m.start()) + days.rest[m.end() :]
            days = replace(changed, rest=blank)
    return days


def weekday_number(name: str) -> int:
    """0 for Monday, by its name or a short form of it."""
    return _SHORT[name] if name in _SHORT else WEEKDAYS.index(name)


def next_on(weekday: int, today: date) -> date:
    """The next day with this weekday after today: nobody who means today says its name."""
    return today + timedelta(days=(weekday - today.weekday() - 1) % 7 + 1)


def add(days: Days, day: date) -> Days:
    """The days and one more."""
    return replace(days, dates=days.dates | {day})


def span(days: Days, start: date | None, end: date | None) -> Days:
    """The days within a span; a bound that is None stays as it was."""
    return replace(days, start=start or days.start, end=end or days.end)


def bounded(days: Days, word: str | None, day: date) -> Days:
    """A day with "after", "before" or "by" in front bounds a span; without, it is the day itself."""
    match (word or "").strip():
        case "after":
            return span(days, day + timedelta(days=1), None)
        case "before":
            return span(days, None, day - timedelta(days=1))
        case "by" | "until" | "till" | "til":
            return span(days, None, day)
        case "from" | "starting" | "since":
            return span(days, day, None)
    return add(days, day)


def unsure(days: Days, doubt: Doubt, *meant: date) -> Days:
    """The days with a doubt; the day it is about is not among them."""
    return replace(days, doubt=doubt, meant=meant)


def monday_of(day: date) -> date:
    """The Monday of a day's week."""
    return day - timedelta(days=day.weekday())


def month_number(name: str) -> int:
    """1 for January, by its name or its first three letters."""
    return next(i for i, month in enumerate(MONTHS, 1) if month.startswith(name[:3]))


def last_of_month(day: date) -> date:
    """The last day of a day's month."""
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def count(word: str) -> int:
    """A number in digits or as a word."""
    return int(word) if word.isdigit() else COUNTS[word]


def _valid(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _on(year: int | None, month: int, day: int, today: date) -> date | Doubt:
    """The date that is meant, this year's or next year's."""
    found = [
        one for y in ((year,) if year else (today.year, today.year + 1)) if (one := _valid(y, month, day))
    ]
    if not found:
        return Doubt.NO_SUCH_DAY
    ahead = [one for one in found if today <= one <= today + FAR_AHEAD]
    return ahead[0] if ahead else Doubt.PAST


def dated(days: Days, word: str | None, year: int | None, month: int, day: int, today: date) -> Days:
    """The days with one date that was named by month and day."""
    found = _on(year, month, day, today)
    return unsure(days, found) if isinstance(found, Doubt) else bounded(days, word, found)


def _iso(days: Days, m: Match, today: date) -> Days | None:
    return dated(days, m.group(1), int(m.group(2)), int(m.group(3)), int(m.group(4)), today)


def _numeric(days: Days, m: Match, today: date) -> Days | None:
    """Month first, as the United States write it. Day first is read where it cannot be a month, and asked about where
    only that order gives a day soon: most who write Spanish put the day first."""
    year = int(m.group(4)) if m.group(4) else None
    year = year + 2000 if year and year < 100 else year
    first, second = int(m.group(2)), int(m.group(3))
    if first > 12 >= second:
        return dated(days, m.group(1), year, second, first, today)
    usual, other = _on(year, first, second, today), _on(year, second, first, today)
    far = not isinstance(usual, date) or usual > today + timedelta(days=120)
    if far and isinstance(other, date) and other <= today + timedelta(days=60):
        return unsure(days, Doubt.DAY_OR_MONTH, *(day for day in (usual, other) if isinstance(day, date)))
    return dated(days, m.group(1), year, first, second, today)


def _named(days: Days, m: Match, today: date) -> Days | None:
    return dated(days, m.group(1), None, month_number(m.group(2)), int(m.group(3)), today)


def _named_back(days: Days, m: Match, today: date) -> Days | None:
    return dated(days, m.group(1), None, month_number(m.group(3)), int(m.group(2)), today)


def _day_of_month(days: Days, m: Match, today: date) -> Days | None:
    for ahead in range(3):
        year, month = divmod(today.year * 12 + today.month - 1 + ahead, 12)
        found = _valid(year, month + 1, int(m.group(2)))
        if found and found >= today:
            return bounded(days, m.group(1), found)
    return None


BOUND = r"(?:\b(after|before|by|until|till?|from|starting|since) )?(?:\b(?:on|the) )?"
_STREET = r"(?! (?:one|option|time|slot|ave\w*|st\b|street|floor|gear|door|row|car|vehicle|gen\w*|window))"
DATE_RULES: tuple[tuple[str, Rule], ...] = (
    (BOUND + r"\b(20\d\d)-(\d{1,2})-(\d{1,2})\b", _iso),
    (BOUND + r"(?<![\d/$.])(\d{1,2})/(\d{1,2})(?:/(\d{4}|\d{2}))?(?![\d/])", _numeric),
    (BOUND + r"(?<![\d.$/-])(\d{1,2})[.-](\d{1,2})[.-](20\d\d|\d\d)(?![\d/-])", _numeric),
    (BOUND + r"(?<![\d/$.-])(\d{1,2})-(1[3-9]|2\d|3[01])()(?![\d/-])", _numeric),
    (BOUND + r"\b" + MONTH + rf" (?:the )?(\d{{1,2}}){NTH}?(?![\d:]| ?[ap]m)", _named),
    (BOUND + rf"\b(\d{{1,2}}){NTH}? (?:of )?" + MONTH + r"(?![a-z])", _named_back),
    (BOUND + rf"\b(\d{{1,2}}){NTH}\b" + _STREET, _day_of_month),
)
"""Rules for one date by its numbers; they may follow another pattern inside a rule for a range of dates."""
