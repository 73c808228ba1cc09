"""Times of day as customers write them: "after 3", "9ish", "between 9 and 11", "sat morning"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time

_MERIDIEM = r"(?:a\.?m\b\.?|p\.?m\b\.?|(?<=\d)[ap]\b)"
_T = rf"(?:(\d{{1,2}})(?::?([0-5]\d))?\s*({_MERIDIEM})?|(noon|midday|midnight))(?![\d/%])"
_UNIT = (
    r"(?!\s*(?:days?|weeks?|months?|hours?|hrs?|min|windows?|doors?|cars?|people|miles?|dollars?|bucks|"
    r"percent|series|years?)\b)"
)
_RANGE = re.compile(
    rf"(?:between|from|btw)?\s*(?<![\d$/#.:-]){_T}\s*(?:-|to|and|until|till|through)\s*{_T}{_UNIT}"
)
_AFTER = re.compile(
    rf"\b(?:after|past|later than|from|starting(?: at)?)\s+{_T}{_UNIT}|(?<![\d$/#.:-]){_T}\s*(?:or later|onwards?|\+)"
)
_BEFORE = re.compile(
    rf"\b(?:before|by|earlier than|until|till|no later than)\s+{_T}{_UNIT}|(?<![\d$/#.:-]){_T}\s*or earlier"
)
_AT = re.compile(rf"(?:\b(?:at|around|about|like)|@|~)\s*{_T}{_UNIT}")
_CLEAR = re.compile(
    rf"(?<![\d$/#.:-])(\d{{1,2}})(?::?([0-5]\d))?\s*({_MERIDIEM})|(?<![\d$/#.:-])(\d{{1,2}}):([0-5]\d)\b|\b(noon|midday)\b"
)
_ISH = re.compile(r"(?<![\d$/#.:-])(\d{1,2})(?::?([0-5]\d))?\s*-?\s*(?:ish|o'?clock)\b")
_LOOSE = re.compile(
    rf"(?<![\d$/#.:,'-])\b(\d{{1,2}})(?:\s(15|30|45))?\b(?![\d:/%-]|\.\d|,\d|st|nd|rd|th){_UNIT}"
)
_NUMBERS = dict(
    zip(
        ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
        range(2, 13),
        strict=True,
    )
)
_PARTS: tuple[tuple[str, time | None, time | None], ...] = (
    (r"\bearly (?:in the )?morning\b|\bfirst thing\b", None, time(10)),
    (r"\b(?:late|mid)[ -]morning\b", time(10), time(12)),
    (r"\blate (?:in the )?afternoon\b", time(15), None),
    (r"\bearly (?:in the )?afternoon\b", time(12), time(15)),
    (r"\bafter work\b|\bevenings?\b|\bnight\b|\bend of (?:the )?day\b", time(16), None),
    (r"\blunch(?:time| time| break)?\b", time(11, 30), time(14)),
    (r"\bmornings?\b|\b(?<!\d)(?<!\d )am\b", None, time(12)),
    (r"\bafternoons?\b|\b(?<!\d)(?<!\d )pm\b", time(12), None),
)  # fmt: skip


@dataclass(frozen=True)
class Clock:
    """What a text says about the time of day, in local time.

    `at` are exact starts; `after`/`before` bound the start; `loose` are bare numbers that are a time only in context.
    """

    at: tuple[time, ...] = ()
    after: time | None = None
    before: time | None = None
    loose: tuple[time, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.at or self.after or self.before)


def read_clock(text: str) -> Clock:
    """Read times of day from plain text whose dates were already taken out. Never raises."""
    text = _with_digits(text)
    after, before, text = _bounds(text)
    at, text = _exact(text)
    part_after, part_before = _part_of_day(text)
    if at and part_after and part_after >= time(16):
        at = tuple(time(t.hour + 12, t.minute) if 5 <= t.hour < 12 else t for t in at)
    loose = tuple(found for m in _LOOSE.finditer(text) if (found := _time(m.group(1), m.group(2), None)))
    return Clock(at, after or (None if at else part_after), before or (None if at else part_before), loose)


def _with_digits(text: str) -> str:
    text = re.sub(r"\b(?:" + "|".join(_NUMBERS) + r")\b", lambda m: str(_NUMBERS[m.group()]), text)
    text = re.sub(r"\b(at|after|before|around|by) one\b", r"\1 1", text)
    text = re.sub(r"\b(\d{1,2}) (?:thirty)\b", r"\1:30", text)
    text = re.sub(r"\bhalf past (\d{1,2})\b", r"\1:30", text)
    text = re.sub(r"\bquarter past (\d{1,2})\b", r"\1:15", text)
    return re.sub(r"\bquarter to (\d{1,2})\b", lambda m: f"{(int(m.group(1)) - 2) % 12 + 1}:45", text)


def _bounds(text: str) -> tuple[time | None, time | None, str]:
    if (m := _RANGE.search(text)) and (span := _range(m)):
        return (*span, _without(text, m))
    after = before = None
    if m := _AFTER.search(text):
        after = _first_time(m)
        text = _without(text, m) if after else text
    if m := _BEFORE.search(text):
        before = _first_time(m)
        text = _without(text, m) if before else text
    return after, before, text


def _range(m: re.Match[str]) -> tuple[time, time] | None:
    first_meridiem = m.group(3)
    late = m.group(7)
    if late and not first_meridiem and m.group(1) and m.group(5) and int(m.group(1)) < int(m.group(5)) < 12:
        first_meridiem = late
    first = _time(m.group(1), m.group(2), first_meridiem, m.group(4))
    second = _time(m.group(5), m.group(6), late, m.group(8))
    return (first, second) if first and second and first < second else None


def _first_time(m: re.Match[str]) -> time | None:
    groups = m.groups()
    for start in range(0, len(groups) - 3, 4):
        hour, minute, meridiem, word = groups[start : start + 4]
        if hour or word:
            return _time(hour, minute, meridiem, word)
    return None


def _exact(text: str) -> tuple[tuple[time, ...], str]:
    found: list[time] = []
    for pattern in (_CLEAR, _ISH, _AT):
        for m in list(pattern.finditer(text)):
            if value := _any_time(m):
                found.append(value)
                text = _without(text, m)
    return tuple(dict.fromkeys(found)), text


def _any_time(m: re.Match[str]) -> time | None:
    if m.re is _CLEAR:
        hour, minute, meridiem, bare_hour, bare_minute, word = m.groups()
        return _time(hour or bare_hour, minute or bare_minute, meridiem, word)
    return _time(m.group(1), m.group(2), None) if m.re is _ISH else _first_time(m)


def _part_of_day(text: str) -> tuple[time | None, time | None]:
    for pattern, after, before in _PARTS:
        if re.search(pattern, text):
            return after, before
    return None, None


def _time(hour: str | None, minute: str | None, meridiem: str | None, word: str | None = None) -> time | None:
    """A shop is open by day: a bare 7 to 12 is that hour, a bare 1 to 6 is the afternoon."""
    if word:
        return time(0) if word == "midnight" else time(12)
    if hour is None or int(hour) > 23:
        return None
    value = int(hour)
    if meridiem and value <= 12:
        value = value % 12 + (12 if meridiem.startswith("p") else 0)
    elif not meridiem and 1 <= value <= 6:
        value += 12
    return time(value, int(minute or 0))


def _without(text: str, m: re.Match[str]) -> str:
    """The text with the match blanked out, so that other matches keep their places."""
    return text[: m.start()] + " " * (m.end() - m.start()) + text[m.end() :]
