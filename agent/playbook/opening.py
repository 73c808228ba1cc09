"""When the shop is open: the usual week, and the days that differ from it."""

from __future__ import annotations

import re
from datetime import date, timedelta

from agent.playbook.facts import Facts, OtherDay
from agent.playbook.lines import day_words, line, short_weekday, weekday_name
from agent.playbook.when import When
from crm.calendar.labels import WEEKDAYS

_NAMES = "|".join(WEEKDAYS)
_PART = re.compile(rf"\s*({_NAMES})(?:-({_NAMES}))? (.+?)\s*")
_NOT_WHY = frozenset({"", "closed", "special hours"})
_NAMED = 3
_AHEAD = timedelta(days=6)


def hours_answer(facts: Facts, when: When) -> tuple[str, ...]:
    """The hours of the days that were asked about, else of the week with the days that differ in the next one."""
    shop = facts.shop
    if not shop.hours:
        return (line("hours_call", facts.speaks, phone=shop.phone),) if shop.phone else ()
    week = _week(shop.hours)
    if week and (days := _asked(when, facts.now.date())):
        return tuple(_on(facts, day, week) for day in days)
    today = facts.now.date()
    near = [one for one in shop.other_days if today <= one.day <= today + _AHEAD][:_NAMED]
    usual = line("hours_usual" if near else "hours", facts.speaks, hours=_usual(facts, near))
    return (usual, *(_differs(facts, one) for one in near))


def _week(text: str) -> dict[int, str]:
    """Hours by weekday; {} when the text is in no form we know."""
    found: dict[int, str] = {}
    for part in text.split(";"):
        if (m := _PART.fullmatch(part)) is None:
            return {}
        first = WEEKDAYS.index(m.group(1))
        last = WEEKDAYS.index(m.group(2)) if m.group(2) else first
        found |= dict.fromkeys(range(first, last + 1), m.group(3))
    return found


def _asked(when: When, today: date) -> list[date]:
    """The days a question names, at most three; none for a question about the week as a whole."""
    days = when.days
    found = set(days.dates) | {
        day for ahead in range(7) if (day := today + timedelta(days=ahead)).weekday() in days.weekdays
    }
    if days.start and days.end and not found:
        span = (days.end - days.start).days + 1
        found = {days.start + timedelta(days=ahead) for ahead in range(span)} if span <= _NAMED else set()
    return sorted(day for day in found if day >= today)[:_NAMED]


def _on(facts: Facts, day: date, week: dict[int, str]) -> str:
    other = next((one for one in facts.shop.other_days if one.day == day), None)
    return _differs(facts, other or OtherDay(day, week.get(day.weekday(), "closed"), ""))


def _differs(facts: Facts, one: OtherDay) -> str:
    day = day_words(one.day, facts.speaks)
    if one.hours == "closed":
        why = "" if one.why in _NOT_WHY else f" ({one.why})"
        return line("closed_on", facts.speaks, day=day, why=why)
    hours = one.hours
    if facts.speaks == "es":
        hours = " y ".join(f"de {span.replace('-', ' a ')}" for span in hours.split(" and "))
    return line("open_on", facts.speaks, day=day, hours=hours)


def _usual(facts: Facts, near: list[OtherDay]) -> str:
    """The week in one line. A single day that differs this week is named as every such day, or a reader would take it
    for the coming one."""
    differ = {one.day.weekday() for one in near}
    parts: list[str] = []
    for part in facts.shop.hours.split(";"):
        if (m := _PART.fullmatch(part)) is None:
            return facts.shop.hours
        first, last, hours = m.group(1), m.group(2), m.group(3)
        name = _span(facts.speaks, first, last)
        if last is None and WEEKDAYS.index(first) in differ:
            name = _every(facts.speaks, WEEKDAYS.index(first))
        parts.append(f"{name} {_week_hours(facts.speaks, hours)}" if name else "")
    return "; ".join(filter(None, parts))


def _span(speaks: str, first: str, last: str | None) -> str:
    return "-".join(short_weekday(WEEKDAYS.index(name), speaks) for name in (first, last) if name)


def _every(speaks: str, weekday: int) -> str:
    """ "Saturdays"; "" for a Spanish day whose plural reads like one day: the sentence about that day says it."""
    name = weekday_name(weekday, speaks)
    if speaks == "es" and name.endswith("s"):
        return ""
    return f"{name}s"


def _week_hours(speaks: str, hours: str) -> str:
    return hours.replace("closed", "cerrado").replace(" and ", " y ") if speaks == "es" else hours
