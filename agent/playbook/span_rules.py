"""The rules for weeks, weekends, months, holidays and days counted from another one, and the table of all rules."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta

from agent.playbook.day_rules import (
    BOUND,
    COUNT,
    DATE_RULES,
    DAY,
    MONTH,
    NTH,
    Days,
    Match,
    Rule,
    add,
    apply,
    bounded,
    count,
    last_of_month,
    monday_of,
    month_number,
    next_on,
    span,
    weekday_number,
)
from agent.playbook.holidays import HOLIDAY, holiday

_DATES = tuple((re.compile(pattern), rule) for pattern, rule in DATE_RULES)
_ONE_DATE = (
    rf"((?:the )?(?:{MONTH.replace('(', '(?:', 1)} (?:the )?\d{{1,2}}{NTH}?|\d{{1,2}}/\d{{1,2}}|"
    rf"\d{{1,2}} of {MONTH.replace('(', '(?:', 1)}|\d{{1,2}}{NTH}(?: of {MONTH.replace('(', '(?:', 1)})?))"
)


def _one_date(text: str, today: date) -> date | None:
    found = Days(rest=text)
    for pattern, rule in _DATES:
        found = apply(found, pattern, rule, today)
    return min(found.dates) if found.dates else None


def _date_range(days: Days, m: Match, today: date) -> Days | None:
    first = _one_date(m.group(1), today)
    month = re.match(r"[a-z]+\.?|\d+/", m.group(1))
    last_words = m.group(2)
    if last_words.isdigit():
        last_words = f"{month.group()}{last_words}" if month and month.group().endswith("/") else (
            f"{month.group()} {last_words}" if month else f"{last_words}th")  # fmt: skip
    last = _one_date(last_words, first or today)
    return span(days, first, last) if first and last and first < last else None


def _week_of(days: Days, m: Match, today: date) -> Days | None:
    day = _one_date(m.group(1), today)
    return span(days, max(monday_of(day), today), monday_of(day) + timedelta(days=6)) if day else None


def _weekend_of(days: Days, m: Match, today: date) -> Days | None:
    if not (day := _one_date(m.group(1), today)):
        return None
    saturday = monday_of(day) + timedelta(days=5)
    return span(
        replace(days, weekdays=days.weekdays | {5, 6}), max(saturday, today), saturday + timedelta(days=1)
    )


def _week_of_month(days: Days, m: Match, today: date) -> Days | None:
    """ "The first week of december" is its first seven days, the last week its last seven."""
    month = today.month % 12 + 1 if m.group(2) == "next month" else month_number(m.group(3))
    first = date(today.year + (month < today.month), month, 1)
    weeks = {"first": 0, "second": 7, "third": 14, "last": last_of_month(first).day - 7}
    start = first + timedelta(days=weeks[m.group(1)])
    return span(days, max(start, today), start + timedelta(days=6))


def _days_from_now(days: Days, m: Match, today: date) -> Days | None:
    """ "Two fridays from now"."""
    first = next_on(weekday_number(m.group(2)), today)
    return add(days, first + timedelta(days=7 * (count(m.group(1)) - 1)))


def _holiday(days: Days, m: Match, today: date) -> Days | None:
    day = holiday(m.group(3), today)
    if day is None:
        return None
    if m.group(2):
        return add(days, day + timedelta(days=1 if "after" in m.group(2) else -1))
    return bounded(days, m.group(1), day)


def _ahead(days: Days, m: Match, today: date) -> Days | None:
    unit = m.group(2)
    if unit.startswith("day"):
        return add(days, today + timedelta(days=count(m.group(1))))
    start = today + timedelta(days=count(m.group(1)) * (7 if unit.startswith("week") else 30))
    return span(days, start, start + timedelta(days=6))


def _ahead_between(days: Days, m: Match, today: date) -> Days | None:
    """ "In two or three weeks"."""
    unit = {"d": 1, "w": 7, "m": 30}[m.group(3)[0]]
    last = today + timedelta(days=count(m.group(2)) * unit + (0 if unit == 1 else 6))
    return span(days, today + timedelta(days=count(m.group(1)) * unit), last)


def _beside_holiday(days: Days, m: Match, today: date) -> Days | None:
    """ "The monday after thanksgiving"."""
    day = holiday(m.group(3), today)
    if day is None:
        return None
    found = next_on(weekday_number(m.group(1)), day)
    return add(days, found if m.group(2) == "after" else found - timedelta(days=7))


def _weeks_from(days: Days, m: Match, today: date) -> Days | None:
    """ "A week from friday", "two weeks from today"."""
    name = m.group(2)
    base = {"today": today, "now": today, "tomorrow": today + timedelta(days=1)}.get(name)
    day = base or next_on(weekday_number(m.group(3)), today)
    return add(days, day + timedelta(days=7 * count(m.group(1))))


def _after_next(days: Days, m: Match, today: date) -> Days | None:
    return add(days, next_on(weekday_number(m.group(1)), today) + timedelta(days=7))


def _week(days: Days, m: Match, today: date) -> Days | None:
    weeks = {"this": 0, "the": 0, "next": 1, "the following": 1}.get(m.group(3) or "the", 0)
    weeks = 2 if m.group(4) else weeks
    monday = monday_of(today) + timedelta(days=7 * weeks)
    if m.group(1):
        edge = {"after": monday + timedelta(days=6), "before": monday, "by": monday + timedelta(days=4)}
        return bounded(days, m.group(1), edge.get(m.group(1), monday))
    match (m.group(2) or "").split(" ")[0]:
        case "early" | "beginning":
            return span(days, max(monday, today), monday + timedelta(days=2))
        case "end" | "late" | "later":
            return span(days, max(monday + timedelta(days=3), today), monday + timedelta(days=5))
        case "middle" | "mid":
            return span(days, max(monday + timedelta(days=1), today), monday + timedelta(days=3))
    return span(days, max(monday, today), monday + timedelta(days=6))


def _weekend(days: Days, m: Match, today: date) -> Days | None:
    monday = monday_of(today) + timedelta(days=7 if m.group(2) == "next " else 0)
    saturday, sunday = monday + timedelta(days=5), monday + timedelta(days=6)
    if m.group(1):
        return bounded(days, m.group(1), sunday if m.group(1) == "after" else saturday)
    found = replace(days, weekdays=days.weekdays | {5, 6})
    return span(found, max(saturday, today), sunday) if m.group(2) else found


def _day_range(days: Days, m: Match, today: date) -> Days | None:
    first, last = weekday_number(m.group(1)), weekday_number(m.group(2))
    return replace(days, weekdays=days.weekdays | {(first + i) % 7 for i in range((last - first) % 7 + 1)})


def _day(days: Days, m: Match, today: date) -> Days | None:
    word, name = (m.group(1) or "").strip(), weekday_number(m.group(2))
    after = m.string[m.end() :]
    if m.group(2) == "sun" and re.match(r" ?(?:roof|strip|visor|shade|screen|damage)", after):
        return None
    if m.group(2) == "sat" and re.match(r" (?:down|there|for|in)\b", after):
        return None
    if word == "next":
        return add(days, monday_of(today) + timedelta(days=7 + name))
    if word == "this":
        return add(days, next_on(name, today))
    if word:
        return bounded(days, word, next_on(name, today))
    return replace(days, weekdays=days.weekdays | {name})


def _whole_month(days: Days, m: Match, today: date) -> Days | None:
    month = today.month % 12 + 1 if m.group(2) == "next month" else month_number(m.group(2))
    first = date(today.year + (month < today.month), month, 1)
    last = last_of_month(first).day
    cut = {"early": (1, 10), "mid": (11, 20), "late": (21, last), "end of": (21, last)}
    low, high = cut.get((m.group(1) or "").strip(" -"), (1, last))
    return span(days, max(first.replace(day=low), today), first.replace(day=high))


def _month_end(days: Days, m: Match, today: date) -> Days | None:
    last = last_of_month(today)
    return span(days, max(last - timedelta(days=7), today), last)


_BETWEEN = r" ?(?:-|to|thru|through|until|till?) ?"
RULES: tuple[tuple[str, Rule], ...] = (
    (rf"\b{DAY} (after|before) {HOLIDAY}", _beside_holiday),
    (rf"(?:\b(after|before|by|until) )?(?:the )?(day after |day before )?{HOLIDAY}", _holiday),
    (r"\bweekend of (?:the )?" + _ONE_DATE, _weekend_of),
    (r"\bweek of (?:the )?" + _ONE_DATE, _week_of),
    (r"\b(first|second|third|last) week (?:of|in) (next month|" + MONTH + r")(?![a-z])", _week_of_month),
    (r"\b" + COUNT + " " + DAY + r" from (?:now|today)\b", _days_from_now),
    (r"\bbetween " + _ONE_DATE + r" and " + _ONE_DATE, _date_range),
    (r"(?:\bfrom )?(?<![\d/])" + _ONE_DATE + _BETWEEN + _ONE_DATE, _date_range),
    (r"(?<![\d/])" + _ONE_DATE + r" ?- ?(\d{1,2})(?![\d:/]| ?[ap]m)", _date_range),
    *DATE_RULES,
    (r"\b(?:in |about |maybe )?" + COUNT + r" weeks? from (today|now|tomorrow|" + DAY + r")(?![a-z])", _weeks_from),
    (r"\bday after tomorrow\b", lambda d, m, t: add(d, t + timedelta(days=2))),
    (BOUND + r"\btomorrow\b(?:'s)?", lambda d, m, t: bounded(d, m.group(1), t + timedelta(days=1))),
    (r"\b(?:later )?today\b|\bto(?=night\b)|\bthis (?=(?:morn(?:ing)?|afternoon|evening)\b)", lambda d, m, t: add(d, t)),
    (r"\b" + DAY + r" (?:in a|after next)(?: week)?\b", _after_next),
    (r"\bin " + COUNT + " to " + COUNT + r" (days?|weeks?|months?)\b", _ahead_between),
    (r"\b(?:in|within) (?:about |like |maybe )?" + COUNT + r" (days?|weeks?|months?)\b", _ahead),
    (r"\b" + COUNT + r" (days?|weeks?|months?) (?:from now|out)\b", _ahead),
    (r"\b(?:(after|before|by|from|starting) )?(?:(early|late|later|mid|middle of|end of|beginning of) )?"
     r"(this|next|the following|the) week( after next)?\b", _week),
    (r"\b()()()week (after next)\b", _week),
    (r"\b(?:(after|before) )?(?:the )?(this |next )?(?:the )?weekends?\b", _weekend),
    (r"\b(?:any )?weekdays?\b|\bduring the week\b", lambda d, m, t: replace(d, weekdays=d.weekdays | set(range(5)))),
    (r"\b" + DAY + r" ?(?:-|thru|through|to|till?|until) ?" + DAY + r"\b", _day_range),
    (r"\b(?:(next|this|after|before|by|until|till?|from|starting) )?(?:on |the )?" + DAY + r"\b", _day),
    (r"\blast day of (?:the|this) month\b", lambda d, m, t: add(d, last_of_month(t))),
    (r"\bend of (?:the|this) month\b", _month_end),
    (r"\b(?:in |sometime in )?(early |mid[ -]|late |end of )?(next month)\b", _whole_month),
    (r"\b(?:in |sometime in )(early |mid[ -]|late |end of )?" + MONTH + r"(?![a-z])", _whole_month),
    (r"\b(early |mid[ -]|late |end of )" + MONTH + r"(?![a-z])", _whole_month),
    (r"\b(?:asap|a\.s\.a\.p|as soon as (?:possible|you can)|(?:the )?(?:soonest|earliest)|first available|next available|"
     r"right away|any ?time|any day|sooner|whenever|whatever works|whatever you have|i'?m flexible|flexible)\b",
     lambda d, m, t: replace(d, soon=True)),
)  # fmt: skip
"""All rules for days, in the order in which they take their words out of a text."""
