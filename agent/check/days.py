"""Days as people write them: "Tue, Nov 24", "the 24th", "tomorrow", "lunes a viernes", "11/24", "Thanksgiving"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache

from agent.check.day_words import (
    HOLIDAYS,
    MONTH,
    MONTHS,
    RELATIVE,
    WEEKDAY,
    WEEKDAYS,
    WEEKS,
)

ALL_DAYS = frozenset(range(7))


@dataclass(frozen=True)
class Day:
    """One day, or several days of the week, in a cleaned text. What is None was not said."""

    start: int
    end: int
    text: str
    weekdays: frozenset[int] | None = None
    dates: frozenset[tuple[int, int]] | None = None
    """(month, day of month); more than one for "3/4", where either may be the month; month 0: not said."""
    exact: date | None = None
    holiday: str | None = None

    def fits(self, day: date) -> bool:
        """Whether everything that was said is true of a day."""
        if self.holiday is not None:
            return False
        return (
            (self.exact is None or self.exact == day)
            and (self.weekdays is None or day.weekday() in self.weekdays)
            and (self.dates is None or bool({(day.month, day.day), (0, day.day)} & self.dates))
        )

    @property
    def dated(self) -> bool:
        """Whether it names one day of the calendar and not only a day of the week."""
        return self.dates is not None or self.holiday is not None

    def possible(self, today: date | None) -> bool:
        """False when it contradicts itself: "Wed, Nov 24" in a year in which that is a Tuesday."""
        if today is None or (self.weekdays is None and self.exact is None) or self.dates is None:
            return self.exact is None or self.weekdays is None or self.fits(self.exact)
        near = (today + timedelta(days=ahead) for ahead in range(-200, 300))
        return any(self.fits(day) for day in near)


_DATE_FORMS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?P<month>{MONTH})\.? (?:the )?(?P<dom>[0-3]?\d)(?:st|nd|rd|th)?(?![\d:%]|\s?[ap]m\b)(?:,? (?P<year>20\d\d)\b)?",
        rf"\b(?P<dom>[0-3]?\d)(?:st|nd|rd|th)? (?:of |de )?(?P<month>{MONTH})\b\.?(?:,? (?:de |del )?(?P<year>20\d\d)\b)?",
        r"\b(?P<year>20\d\d)-(?P<month>\d\d)-(?P<dom>\d\d)\b",
        r"(?<![\d/$.])(?P<month>\d{1,2})/(?P<dom>\d{1,2})(?:/(?P<year>20\d\d|\d\d))?(?![\d/%])",
        r"(?<!of )\b(?:the|el(?: dia)?) (?P<dom>[0-3]?\d)(?:st|nd|rd|th)?"
        r"(?=\s*(?:$|[.,;!?)])|\s(?:we|you|i|at|is|falls|cae|works?|or|and|between|in|a las?|esta|o|y|entre|de este mes)\b)",
    )
)
_MORE = re.compile(
    r"\s?(?:,|and|or|y|o|-|to|&)\s?(?:the )?(?P<dom>[0-3]?\d)(?:st|nd|rd|th)?\b(?![:\d%/.]|\s?[ap]m\b|\s\w+ film)"
)
_GAP = re.compile(r"^[\s,(]*(?:the |el |dia |de |a |\(?this is )?$", re.IGNORECASE)
_BUT = re.compile(r"^,? (?:but|except(?: for)?|excepto|menos)(?: on| el| los)? $", re.IGNORECASE)
_RANGE = re.compile(r"^\s?(?:-|to|through|thru|until|a|al|hasta)\s?(?:el )?$", re.IGNORECASE)


@lru_cache(maxsize=4096)
def days_in(text: str, today: date | None) -> tuple[Day, ...]:
    """The days of a cleaned text in order; `today` is the shop's local day, for "tomorrow"."""
    found = sorted([*_weekdays(text), *_dates(text), *_relative(text, today)], key=lambda one: one.start)
    merged: list[Day] = []
    for day in found:
        if merged and merged[-1].end > day.start:
            continue
        joined = _join(merged[-1], day, text) if merged else None
        if joined is not None:
            merged[-1] = joined
        else:
            merged.append(day)
    return tuple(merged)


def _join(first: Day, second: Day, text: str) -> Day | None:
    """One mention out of two: "Tue" and "Nov 24", or "Mon" and "Fri" with a dash between them."""
    gap = text[first.end : second.start]
    whole = text[first.start : second.end]
    if _is_weekday(first) and _is_weekday(second) and _RANGE.match(gap):
        one, other = min(first.weekdays or {0}), max(second.weekdays or {6})
        span = range(one, other + 1 if other >= one else other + 8)
        return Day(first.start, second.end, whole, frozenset(day % 7 for day in span))
    if _is_weekday(first) and _is_weekday(second) and _BUT.match(gap):
        rest = (first.weekdays or ALL_DAYS) - (second.weekdays or frozenset())
        return Day(first.start, second.end, whole, rest)
    if not _GAP.match(gap) or first.holiday or second.holiday:
        return None
    for name in ("weekdays", "dates", "exact"):
        if getattr(first, name) is not None and getattr(second, name) is not None:
            return None
    return Day(
        first.start,
        second.end,
        whole,
        first.weekdays or second.weekdays,
        first.dates or second.dates,
        first.exact or second.exact,
    )


_IS = re.compile(
    r"^(?:'s| (?:is|was|falls|will be|would be|es|cae|sera)(?: on| en)?(?: an?| the| un| el)?) $",
    re.IGNORECASE,
)


def calendar_says(text: str, first: Day, second: Day, today: date | None) -> bool | None:
    """Whether "the 1st is a Tuesday" is so; None when the text between two mentions does not compare them. A day of the
    month without its month is the coming one."""
    weekday, dated = (first, second) if _is_weekday(first) else (second, first)
    if (
        today is None
        or not _is_weekday(weekday)
        or dated.dates is None
        or not _IS.match(text[first.end : second.start])
    ):
        return None
    coming = (today + timedelta(days=ahead) for ahead in range(366))
    meant = dated.exact or next((day for day in coming if dated.fits(day)), None)
    return meant is not None and weekday.fits(meant)


def _is_weekday(day: Day) -> bool:
    return day.weekdays is not None and day.dates is None and day.exact is None


def _weekdays(text: str) -> Iterator[Day]:
    for match in WEEKDAY.finditer(text):
        yield Day(match.start(), match.end(), match.group(), frozenset({WEEKDAYS[match.group()[:3].lower()]}))
    for pattern, days in WEEKS:
        for match in pattern.finditer(text):
            yield Day(match.start(), match.end(), match.group(), days)


def _dates(text: str) -> Iterator[Day]:
    for form in _DATE_FORMS:
        for match in form.finditer(text):
            parts = match.groupdict()
            dates = _candidates(parts.get("month"), int(match["dom"]))
            if not dates or match.group() == "24/7":
                continue
            day = Day(match.start(), match.end(), match.group(), dates=frozenset(dates))
            if year := parts.get("year"):
                day = replace(day, exact=_exact(int(year), day.dates))
            yield day
            yield from _more(text, match, dates)


def _more(text: str, match: re.Match[str], dates: set[tuple[int, int]]) -> Iterator[Day]:
    """The other days of "Nov 24, 25 or 27"."""
    if not match.groupdict().get("month") or (match["month"] or "").isdigit() or match["dom"] is None:
        return
    end, month = match.end(), min(dates)[0]
    while more := _MORE.match(text, end):
        if not 1 <= int(more["dom"]) <= 31:
            return
        yield Day(more.start("dom"), more.end(), more["dom"], dates=frozenset({(month, int(more["dom"]))}))
        end = more.end()


def _candidates(month: str | None, dom: int) -> set[tuple[int, int]]:
    if month is None:
        return {(0, dom)} if 1 <= dom <= 31 else set()
    if not month.isdigit():
        return {(MONTHS[month[:3].lower()], dom)} if 1 <= dom <= 31 else set()
    pairs = {(int(month), dom), (dom, int(month))}
    return {(m, d) for m, d in pairs if 1 <= m <= 12 and 1 <= d <= 31}


def _exact(year: int, dates: frozenset[tuple[int, int]] | None) -> date | None:
    for month, dom in dates or ():
        try:
            return date(year if year > 99 else 2000 + year, month, dom)
        except ValueError:
            continue
    return None


def _relative(text: str, today: date | None) -> Iterator[Day]:
    for pattern, ahead in RELATIVE:
        for match in pattern.finditer(text):
            exact = today + timedelta(days=ahead) if today is not None else None
            yield Day(match.start(), match.end(), match.group(), exact=exact)
    for pattern, name in HOLIDAYS:
        for match in pattern.finditer(text):
            yield Day(match.start(), match.end(), match.group(), holiday=name)
