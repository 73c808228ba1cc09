"""Days as customers write them: "tmrw", "next tues", "the 24th", "11/28", "in two weeks", "mon-wed"."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

from agent.playbook.day_rules import COUNT, DAY, MONTH, Days, Doubt, apply, next_on, unsure
from agent.playbook.span_rules import RULES

__all__ = ["Days", "Doubt", "next_on", "read_days", "spelled"]

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
             "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth",
             "nineteenth", "twentieth")  # fmt: skip
_ORDINAL = rf"({'|'.join(_ORDINALS)})"
_TOMORROW = (
    r"\b(?:2mo?r?r?ow?|2moro|tmrw|tmr|tmw|tmrow|tmo?rr?o?w|tmmrw|to?mm?o?r?r?ow|tomoz|tomo|"
    r"tom(?= (?:morn|after|at|am|pm|eve)))\b"
)
_SPELLINGS = (
    (_TOMORROW, "tomorrow"), (r"\bnxt\b", "next"), (r"\bwks?\b", "week"), (r"\bwknd\b", "weekend"),
    (r"\bnext week,? (?:on )?" + DAY + r" (or|and) " + DAY, r"next \1 \2 next \3"),
    (DAY + r" (or|and) " + DAY + r",? (?:of )?next week\b", r"next \1 \2 next \3"),
    (r"\bnext week,? (?:on )?" + DAY, r"next \1"),
    (DAY + r",? (?:of )?next week\b", r"next \1"),
    (r"\bthis coming\b|\bthe coming\b|\bcoming(?= (?:mon|tue|wed|thu|fri|sat|sun))", "this"),
    (r"\b(come|coming|stop|swing|drop|go|roll|pass) by\b", r"\1"),
    (r"\bnot this " + DAY + r",? (?:but )?(?:maybe )?(?:the )?(?:next|following)(?: one)?\b", r"next \1"),
    (r"\b" + DAY + r" (?:the )?(1[3-9]|2\d|3[01])\b(?![%:/-]| ?(?:percent|[ap]m|windows))", r"\1 the \2th"),
    (r"\bin " + COUNT + r" ?(?:or|to|-) ?" + COUNT + r" (days?|weeks?|months?)\b", r"in \1 to \2 \3"),
    # What lies behind us is no wish.
    (r"\byesterday\b(?: at \S+)?|\b(?:last|past) (?:week|month|year|night|" + DAY + "|" + MONTH + r")\b|\b" + COUNT
     + r" (?:days?|weeks?|months?|years?) ago\b", " "),
)  # fmt: skip
_SPELLED = tuple((re.compile(pattern), said) for pattern, said in _SPELLINGS)
_ORDINAL_DATES = (
    re.compile(rf"\b{MONTH} (?:the )?{_ORDINAL}\b"),
    re.compile(rf"\b{_ORDINAL} of {MONTH}\b"),
)


def read_days(text: str, today: date) -> Days:
    """Read days from plain text; `rest` is the text without them, for the times of day. Never raises.

    A weekday beside a date has to be that date's, or the day is in doubt.
    """
    days = Days(rest=spelled(text))
    for pattern, rule in _COMPILED:
        days = apply(days, pattern, rule, today)
    if len(days.dates) == 1 and len(days.weekdays) == 1 and not (days.start or days.end):
        return _together(days, today)
    return days


def _together(days: Days, today: date) -> Days:
    (day,), (weekday,) = days.dates, days.weekdays
    agreed = replace(days, weekdays=frozenset())
    if day.weekday() == weekday:
        return agreed
    return unsure(replace(agreed, dates=frozenset()), Doubt.WEEKDAY_DIFFERS, day, next_on(weekday, today))


def spelled(text: str) -> str:
    """One spelling for what has many, and digits for dates in words. What is spelled so already stays."""
    for pattern, said in _SPELLED:
        text = pattern.sub(said, text)
    text = _ORDINAL_DATES[0].sub(lambda m: f"{m.group(1)} {_ORDINALS.index(m.group(2)) + 1}", text)
    return _ORDINAL_DATES[1].sub(lambda m: f"{_ORDINALS.index(m.group(1)) + 1} of {m.group(2)}", text)


_COMPILED = tuple((re.compile(pattern), rule) for pattern, rule in RULES)
