"""Times of day and weekly hours as they are written in a tenant file."""

from __future__ import annotations

import re
from datetime import time
from itertools import pairwise

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
Stretches = tuple[tuple[time, time], ...]
Week = tuple[Stretches, ...]
CLOSED: Week = ((),) * 7
_CLOCK = re.compile(r"(\d{1,2})(?::(\d{2}))?\s*([ap]m)?", re.IGNORECASE)


def a_time(text: str) -> time:
    """ "9:00", "14:30" or "2:30 PM". Raises ValueError."""
    match = _CLOCK.fullmatch(text.strip())
    if match is None or (match[2] is None and match[3] is None):
        raise ValueError(f"{text!r} is no time of day: write it like 14:30")
    hour, minute, half = int(match[1]), int(match[2] or 0), (match[3] or "").lower()
    if minute > 59 or hour > (12 if half else 23) or (half and hour == 0):
        raise ValueError(f"{text!r} is no time of day")
    return time(hour % 12 + (12 if half == "pm" else 0) if half else hour, minute)


def a_stretch(text: str) -> tuple[time, time]:
    """ "9:00-12:30". Raises ValueError."""
    opens, dash, closes = text.partition("-")
    if not dash:
        raise ValueError(f"{text!r} is no stretch of a day: write it like 9:00-12:30")
    found = a_time(opens), a_time(closes)
    if found[0] >= found[1]:
        raise ValueError(f"{text!r} ends before it starts; a stretch stays within one day")
    return found


def stretches(value: object) -> Stretches:
    """ "9:00-12:30, 13:00-18:00", a list of such texts, or "closed". Raises ValueError."""
    if value is None:
        return ()
    texts = value.split(",") if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise ValueError("write stretches like 9:00-12:30, 13:00-18:00, or closed")
    if [each.strip().lower() for each in texts] in ([], ["closed"]):
        return ()
    found = sorted(a_stretch(each) for each in texts)
    for (_, closes), (opens, _) in pairwise(found):
        if opens <= closes:
            raise ValueError("two of these stretches overlap or touch; write them as one")
    return tuple(found)


def days_of(key: str) -> list[str] | None:
    """ "mon-fri", "sat" or "mon, wed" as the names of the days; None when these are no weekdays."""
    found: list[int] = []
    for part in key.lower().split(","):
        ends = [_day(end.strip()) for end in part.split("-")]
        if None in ends or len(ends) > 2:
            return None
        first, last = ends[0] or 0, ends[-1] or 0
        # fri-mon runs over the end of the week.
        found += [(first + step) % 7 for step in range((last - first) % 7 + 1)]
    return [DAYS[day] for day in sorted(set(found))]


def said(times: Stretches) -> str:
    """Stretches as the file has them: "9:00-12:30, 13:00-18:00" or "closed"."""
    return ", ".join(f"{clock(opens)}-{clock(closes)}" for opens, closes in times) or "closed"


def clock(moment: time) -> str:
    """ "9:00"; seconds are not kept."""
    return f"{moment.hour}:{moment.minute:02d}"


def _day(text: str) -> int | None:
    if len(text) < 3:
        return None
    return next((index for index, day in enumerate(DAYS) if day.startswith(text)), None)
