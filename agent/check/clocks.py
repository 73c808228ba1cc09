"""Times of day as people write them: "9:00 AM", "9am", "14:15", "noon", "half past nine", "a las 9 de la tarde"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from agent.check.patterns import text_of
from agent.check.text import clean

NOON = 12 * 60


@dataclass(frozen=True)
class Clock:
    """One time in a cleaned text. `minutes` are the minutes of the day it may mean: two without am or pm."""

    start: int
    end: int
    minutes: frozenset[int]
    text: str

    def __str__(self) -> str:
        return self.text


# A bare number after "at" is a time only before these; "at 9 Main St" is none.
_PLAIN_END = rf"(?=\s*(?:$|[.,;!?)]|-\s?\d)|\s(?:{text_of('clocks', 'goes_on')})\b)"
_H = r"(?P<h>1[0-2]|0?[1-9])"
_PART = r"(?:de|en|por) la (?P<part>manana|tarde|noche|madrugada)"
_FORMS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?<![\d:.$/]){_H}(?:[:.](?P<m>[0-5]\d))?\s?(?P<half>[ap])m\b",
        rf"(?<![\d:.$/]){_H}(?P<m>[0-5]\d)\s?(?P<half>[ap])m\b",
        rf"(?<![\d:.$/]){_H} (?P<m>[0-5]\d)\s?(?P<half>[ap])m\b",
        rf"(?<![\d:.$/]){_H}(?:[:.](?P<m>[0-5]\d))?(?P<half>[ap])\b(?!')",
        rf"(?<![\d:.$/]){_H}(?:[:.](?P<m>[0-5]\d))?(?: (?:hrs?|horas))? {_PART}",
        rf"(?<![\d:.$/]){_H} y (?P<past>media|cuarto|[0-5]\d)\b(?: {_PART})?",
        rf"\b(?:a |hacia |desde |hasta )las? {_H} (?P<m>[0-5]\d)\b",
        rf"\bat {_H} (?P<m>[0-5]\d)\b",
        rf"\b(?P<rel>half|quarter) (?P<dir>past|to|after|before) {_H}\b(?:\s?(?P<half>[ap])m\b)?",
        r"(?<![\d:.$/])(?P<h>[01]?\d|2[0-3]):(?P<m>[0-5]\d)(?::00)?(?![\d:])",
        rf"(?<![\d:.$/]){_H} o'?clock\b(?: in the (?P<part>morning|afternoon|evening))?",
        rf"(?<![\d:.$/]){_H} (?:in the (?P<part>morning|afternoon|evening)|at (?P<late>night))\b",
        rf"\blas? {_H}(?:\s?(?:h|hrs?|horas))?{_PLAIN_END}",
        rf"(?:\b(?:at|by|around|before|after|from|until|till)|@)\s?{_H}{_PLAIN_END}",
        rf"\bhalf {_H}(?= (?:works?|is|tomorrow|today)\b)".replace("half", "(?P<rel>half)"),
        r"(?<![\d:.$/])(?P<h>[01]?\d|2[0-3])h(?P<m>[0-5]\d)\b",
        rf"(?<![\d:.$/]){_H}\s?-?ish\b",
        rf"\b{_H} menos (?P<less>cuarto|[0-5]\d)\b(?: {_PART})?",
        r"\b(?P<word>noon|midday|midnight|mediodia|medianoche)\b",
    )
)
_HAS_TIME = re.compile(r"\d|noon|midday|midnight|mediodia|medianoche", re.IGNORECASE)
_JOINED = re.compile(
    r"(?<![\d:.$/])(?P<h>1[0-2]|0?[1-9])(?::(?P<m>[0-5]\d))?\s?(?:-|,|to\b|until\b|till\b|and\b|or\b|a\b|y\b|o\b|hasta\b)"
    r"\s?(?:(?:a )?las? )?$",
    re.IGNORECASE,
)
_AFTER_MONTH = re.compile(
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|ene|abr|ago|dic)[a-z]*\s$|(?:option|number|#|for|in)\s?$",
    re.IGNORECASE,
)
_WORDS = {"noon": NOON, "midday": NOON, "mediodia": NOON, "midnight": 0, "medianoche": 0}
_LATE = frozenset({"tarde", "noche", "afternoon", "evening", "night"})


@lru_cache(maxsize=4096)
def clocks_in(text: str) -> tuple[Clock, ...]:
    """The times of a cleaned text in order; a text without digits costs almost nothing."""
    found: list[Clock] = []
    if not _HAS_TIME.search(text):
        return ()
    taken = [False] * (len(text) + 1)
    for form in _FORMS:
        for match in form.finditer(text):
            if not any(taken[match.start() : match.end()]):
                found.append(
                    Clock(match.start(), match.end(), _minutes(match.groupdict()), match.group().strip())
                )
                taken[match.start() : match.end()] = [True] * (match.end() - match.start())
    for clock in list(found):
        for before in _joined_before(text, clock.start, taken):
            found.append(before)
    return tuple(sorted(found, key=lambda one: one.start))


def times_in(text: str) -> set[str]:
    """The clock times in a text as 24-hour HH:MM; both halves of the day where the text does not say which."""
    return {hhmm(minute) for clock in clocks_in(clean(text)) for minute in clock.minutes}


def hhmm(minute: int) -> str:
    """A minute of the day as HH:MM."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _joined_before(text: str, start: int, taken: list[bool]) -> Iterator[Clock]:
    """The first times of "9 or 10 AM" and "9-10 AM", which have no sign of their own."""
    while match := _JOINED.search(text[:start]):
        if taken[match.start()] or _AFTER_MONTH.search(text[: match.start()]):
            return
        end = match.end("m") if match.group("m") else match.end("h")
        yield Clock(match.start(), end, _minutes(match.groupdict()), text[match.start() : end])
        start = match.start()


def _minutes(parts: dict[str, str | None]) -> frozenset[int]:
    if word := parts.get("word"):
        return frozenset({_WORDS[word.lower()]})
    hour, minute = int(parts["h"] or 0), _past(parts)
    if hour > 12 or (parts["h"] or "").startswith("00"):
        return frozenset({(hour * 60 + minute) % 1440})
    base = hour % 12 * 60 + minute
    half = (parts.get("half") or "").lower()
    part = (parts.get("part") or parts.get("late") or "").lower()
    if half or part:
        return frozenset({(base + (NOON if half == "p" or part in _LATE else 0)) % 1440})
    return frozenset({base % 1440, (base + NOON) % 1440})


def _past(parts: dict[str, str | None]) -> int:
    if rel := parts.get("rel"):
        size = 30 if rel.lower() == "half" else 15
        return -size if (parts.get("dir") or "").lower() in ("to", "before") else size
    if less := parts.get("less"):
        return -15 if less.lower() == "cuarto" else -int(less)
    past = (parts.get("past") or "").lower()
    return {"media": 30, "cuarto": 15}.get(past) or int(past or parts.get("m") or 0)
