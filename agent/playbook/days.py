"""Days as customers write them: "tmrw", "next tues", "the 24th", "11/28", "in two weeks", "mon-wed"."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from agent.playbook.text import closest

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHORT = {
    "mon": 0,
    "tue": 1,
    "tues": 1,
    "wed": 2,
    "weds": 2,
    "thu": 3,
    "thur": 3,
    "thurs": 3,
    "fri": 4,
    "sat": 5,
    "sun": 6,
}
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
           "november", "december")  # fmt: skip
_NAMES = frozenset({*WEEKDAYS, *_MONTHS, "tomorrow"})
_NOT_TYPOS = frozenset({"someday", "weekday", "weekdays", "birthday", "saturn"})
_COUNTS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "couple": 2, "few": 3,
           "couple of": 2, "a couple": 2, "a couple of": 2, "a few": 3}  # fmt: skip
_DAY = r"(mon|tues?|weds?|thu(?:rs?)?|fri|sat|sun|monday|tuesday|wednesday|thursday|friday|saturday|sunday)s?"
_MONTH = r"(jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec|" + "|".join(_MONTHS) + r")\.?"
_COUNT = r"(a couple of|a couple|couple of|couple|a few|few|an?|one|two|three|four|five|six|\d{1,2})"


@dataclass(frozen=True)
class Days:
    """What a text says about days. `dates` are exact, `weekdays` (0 = Monday) bare names, `start`/`end` a span."""

    dates: frozenset[date] = frozenset()
    weekdays: frozenset[int] = frozenset()
    start: date | None = None
    end: date | None = None
    soon: bool = False
    rest: str = field(default="", compare=False)

    def __bool__(self) -> bool:
        return bool(self.dates or self.weekdays or self.start or self.end or self.soon)


def read_days(text: str, today: date) -> Days:
    """Read days from plain text; `rest` is the text without them, for the times of day. Never raises."""
    days = Days(rest=_spelled(text))
    for pattern, rule in _COMPILED:
        days = _apply(days, pattern, rule, today)
    return days


Rule = Callable[[Days, "re.Match[str]", date], Days | None]


def _apply(days: Days, pattern: re.Pattern[str], rule: Rule, today: date) -> Days:
    position = 0
    while m := pattern.search(days.rest, position):
        position = m.end()
        if (changed := rule(days, m, today)) is not None:
            blank = days.rest[: m.start()] + " " * (m.end() - m.start()) + days.rest[m.end() :]
            days = replace(changed, rest=blank)
    return days


def _spelled(text: str) -> str:
    """Repair small typos of weekday and month names and the many spellings of tomorrow."""
    text = re.sub(r"\b(?:2moro|2morrow|tmrw|tmr|tmw|tmmrw|tom?m?or?r?ow|tomo)\b", "tomorrow", text)
    return re.sub(r"\b[a-z]{6,10}\b", _repaired, text)


def _repaired(m: re.Match[str]) -> str:
    word = m.group()
    return word if word in _NOT_TYPOS else closest(word, _NAMES, least=0.8) or word


def _add(days: Days, day: date) -> Days:
    return replace(days, dates=days.dates | {day})


def _span(days: Days, start: date | None, end: date | None) -> Days:
    return replace(days, start=start or days.start, end=end or days.end)


def _bounded(days: Days, word: str | None, day: date) -> Days:
    """A day with "after", "before" or "by" in front bounds a span; without, it is the day itself."""
    match (word or "").strip():
        case "after":
            return _span(days, day + timedelta(days=1), None)
        case "before":
            return _span(days, None, day - timedelta(days=1))
        case "by" | "until":
            return _span(days, None, day)
        case "from" | "starting" | "since":
            return _span(days, day, None)
    return _add(days, day)


def _weekday(name: str) -> int:
    return _SHORT[name] if name in _SHORT else WEEKDAYS.index(name)


def _monday(today: date) -> date:
    return today - timedelta(days=today.weekday())


def next_on(weekday: int, today: date) -> date:
    """The next day with this weekday after today: nobody who means today says its name."""
    return today + timedelta(days=(weekday - today.weekday() - 1) % 7 + 1)


def _iso(days: Days, m: re.Match[str], today: date) -> Days | None:
    return _bounded_date(days, m.group(1), int(m.group(2)), int(m.group(3)), int(m.group(4)), today)


def _us(days: Days, m: re.Match[str], today: date) -> Days | None:
    year = int(m.group(4)) if m.group(4) else None
    return _bounded_date(
        days,
        m.group(1),
        year + 2000 if year and year < 100 else year,
        int(m.group(2)),
        int(m.group(3)),
        today,
    )


def _named(days: Days, m: re.Match[str], today: date) -> Days | None:
    return _bounded_date(days, m.group(1), None, _month(m.group(2)), int(m.group(3)), today)


def _named_back(days: Days, m: re.Match[str], today: date) -> Days | None:
    return _bounded_date(days, m.group(1), None, _month(m.group(3)), int(m.group(2)), today)


def _month(name: str) -> int:
    return next(i for i, month in enumerate(_MONTHS, 1) if month.startswith(name[:3]))


def _bounded_date(
    days: Days, word: str | None, year: int | None, month: int, day: int, today: date
) -> Days | None:
    for candidate in (year,) if year else (today.year, today.year + 1):
        try:
            found = date(candidate, month, day)
        except ValueError:
            continue
        if year or found >= today:
            return _bounded(days, word, found)
    return None


def _day_of_month(days: Days, m: re.Match[str], today: date) -> Days | None:
    for ahead in range(3):
        year, month = divmod(today.year * 12 + today.month - 1 + ahead, 12)
        try:
            found = date(year, month + 1, int(m.group(2)))
        except ValueError:
            continue
        if found >= today:
            return _bounded(days, m.group(1), found)
    return None


def _ahead(days: Days, m: re.Match[str], today: date) -> Days | None:
    count = int(m.group(1)) if m.group(1).isdigit() else _COUNTS[m.group(1)]
    unit = m.group(2)
    if unit.startswith("day"):
        return _add(days, today + timedelta(days=count))
    start = today + timedelta(days=count * 7 if unit.startswith("week") else count * 30)
    return _span(days, start, start + timedelta(days=6))


def _week_from(days: Days, m: re.Match[str], today: date) -> Days | None:
    return _add(days, next_on(_weekday(m.group(1)), today) + timedelta(days=7))


def _week(days: Days, m: re.Match[str], today: date) -> Days | None:
    weeks = {"this": 0, "the": 0, "next": 1, "the following": 1}.get(m.group(2) or "the", 0)
    weeks = 2 if m.group(3) else weeks
    monday = _monday(today) + timedelta(days=7 * weeks)
    match (m.group(1) or "").split(" ")[0]:
        case "early" | "beginning":
            return _span(days, max(monday, today), monday + timedelta(days=2))
        case "end" | "late" | "later":
            return _span(days, max(monday + timedelta(days=3), today), monday + timedelta(days=5))
        case "middle" | "mid":
            return _span(days, max(monday + timedelta(days=1), today), monday + timedelta(days=3))
    return _span(days, max(monday, today), monday + timedelta(days=6))


def _weekend(days: Days, m: re.Match[str], today: date) -> Days | None:
    monday = _monday(today) + timedelta(days=7 if m.group(1) == "next " else 0)
    found = replace(days, weekdays=days.weekdays | {5, 6})
    return (
        _span(found, max(monday + timedelta(days=5), today), monday + timedelta(days=6))
        if m.group(1)
        else found
    )


def _day_range(days: Days, m: re.Match[str], today: date) -> Days | None:
    first, last = _weekday(m.group(1)), _weekday(m.group(2))
    return replace(days, weekdays=days.weekdays | {(first + i) % 7 for i in range((last - first) % 7 + 1)})


def _day(days: Days, m: re.Match[str], today: date) -> Days | None:
    word, name = (m.group(1) or "").strip(), _weekday(m.group(2))
    if m.group(2) == "sun" and re.match(r" ?(?:roof|strip|visor|shade)", m.string[m.end() :]):
        return None
    if word == "next":
        monday = _monday(today) + timedelta(days=7)
        return _add(days, monday + timedelta(days=name))
    if word == "this":
        return _add(days, next_on(name, today))
    if word:
        return _bounded(days, word, next_on(name, today))
    return replace(days, weekdays=days.weekdays | {name})


def _whole_month(days: Days, m: re.Match[str], today: date) -> Days | None:
    month = today.month % 12 + 1 if m.group(2) == "next month" else _month(m.group(2))
    first = date(today.year + (month < today.month), month, 1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    cut = {"early": (1, 10), "mid": (11, 20), "late": (21, last.day), "end of": (21, last.day)}
    low, high = cut.get((m.group(1) or "").strip(" -"), (1, last.day))
    return _span(days, max(first.replace(day=low), today), first.replace(day=high))


def _month_end(days: Days, m: re.Match[str], today: date) -> Days | None:
    last = (today.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return _span(days, max(last - timedelta(days=7), today), last)


_BOUND = r"(?:\b(after|before|by|until|from|starting|since) )?(?:on |the )?"
_RULES: tuple[tuple[str, Rule], ...] = (
    (_BOUND + r"\b(20\d\d)-(\d{1,2})-(\d{1,2})\b", _iso),
    (_BOUND + r"(?<![\d/$.])(\d{1,2})/(\d{1,2})(?:/(\d{4}|\d{2}))?(?![\d/])", _us),
    (_BOUND + r"(?<![\d/$.-])(\d{1,2})-(1[3-9]|2\d|3[01])()(?![\d/-])", _us),
    (_BOUND + r"\b" + _MONTH + r" (\d{1,2})(?:st|nd|rd|th)?(?![\d:]| ?[ap]m)", _named),
    (_BOUND + r"\b(\d{1,2})(?:st|nd|rd|th)? (?:of )?" + _MONTH + r"(?![a-z])", _named_back),
    (_BOUND + r"\b(\d{1,2})(?:st|nd|rd|th)\b(?! (?:one|option|time|slot))", _day_of_month),
    (r"\bday after tomorrow\b", lambda d, m, t: _add(d, t + timedelta(days=2))),
    (_BOUND + r"\btomorrow\b", lambda d, m, t: _bounded(d, m.group(1), t + timedelta(days=1))),
    (r"\btoday\b|\bto(?=night\b)|\bthis (?=(?:morning|afternoon|evening)\b)", lambda d, m, t: _add(d, t)),
    (r"\b(?:in |about |maybe )?(?:a|1) week from " + _DAY + r"\b", _week_from),
    (r"\b" + _DAY + r" (?:in a|after next) week\b", _week_from),
    (r"\bin (?:about |like |maybe )?" + _COUNT + r" (days?|weeks?|months?)\b", _ahead),
    (r"\b" + _COUNT + r" (days?|weeks?|months?) (?:from now|out)\b", _ahead),
    (
        r"\b(?:(early|late|later|mid|middle of|end of|beginning of) )?"
        r"(this|next|the following|the) week( after next)?\b",
        _week,
    ),
    (r"\b()()week (after next)\b", _week),
    (r"\b(this |next )?(?:the )?weekends?\b", _weekend),
    (r"\bweekdays?\b|\bduring the week\b", lambda d, m, t: replace(d, weekdays=d.weekdays | set(range(5)))),
    (r"\b" + _DAY + r" ?(?:-|thru|through|to) ?" + _DAY + r"\b", _day_range),
    (r"\b(?:(next|this|after|before|by|until|from|starting) )?(?:on )?" + _DAY + r"\b", _day),
    (r"\bend of (?:the|this) month\b", _month_end),
    (r"\b(?:in |sometime in )?(early |mid[ -]|late |end of )?(next month)\b", _whole_month),
    (r"\b(?:in |sometime in )(early |mid[ -]|late |end of )?" + _MONTH + r"(?![a-z])", _whole_month),
    (r"\b(early |mid[ -]|late |end of )" + _MONTH + r"(?![a-z])", _whole_month),
    (r"\b(?:asap|a\.s\.a\.p|as soon as (?:possible|you can)|soonest|earliest|first available|next available|right away|"
     r"any ?time|any day|sooner)\b", lambda d, m, t: replace(d, soon=True)),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern), rule) for pattern, rule in _RULES)
