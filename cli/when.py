"""Dates and times as an owner types them. Everything wrong is one sentence."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from cli.errors import CliError
from crm.calendar.labels import WEEKDAYS

_CLOCK = re.compile(r"(\d{1,2})(?::(\d{2}))?\s*([ap]m)?", re.IGNORECASE)
FARTHEST = timedelta(days=3660)


def local_today(now: datetime, timezone: str) -> date:
    """The shop's day at this moment."""
    return now.astimezone(ZoneInfo(timezone)).date()


def a_date(text: str, today: date) -> date:
    """ "2026-11-24", "today" or "tomorrow". Raises CliError, also for a day ten years away: that is a slip."""
    named = {"today": today, "tomorrow": today + timedelta(days=1)}
    if text.lower() in named:
        return named[text.lower()]
    try:
        found = date.fromisoformat(text)
    except ValueError as error:
        raise CliError(f"{text!r} is no date: write it like {today.isoformat()}") from error
    if abs(found - today) > FARTHEST:
        raise CliError(f"{text} is too far from today")
    return found


def a_time(text: str) -> time:
    """ "9:00", "14:30", "9am" or "2:30 PM". Raises CliError."""
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        raise CliError(f"{text!r} is no time of day: write it like 14:30")
    hour, minute, half = int(match[1]), int(match[2] or 0), (match[3] or "").lower()
    if match[2] is None and not half:
        raise CliError(f"{text!r} is no time of day: write it like {hour}:00 or {hour}am")
    if minute > 59 or hour > (12 if half else 23) or (half and hour == 0):
        raise CliError(f"{text!r} is no time of day")
    return time(hour % 12 + (12 if half == "pm" else 0) if half else hour, minute)


def a_stretch(text: str) -> tuple[time, time]:
    """ "9:00-12:30" as opening and closing time of one day. Raises CliError."""
    opens, dash, closes = text.partition("-")
    if not dash:
        raise CliError(f"{text!r} is no stretch of a day: write it like 9:00-12:30")
    found = a_time(opens), a_time(closes)
    if found[0] >= found[1]:
        raise CliError(f"{text} ends before it starts; a stretch stays within one day")
    return found


def stretches(texts: tuple[str, ...]) -> list[tuple[time, time]]:
    """Several stretches of one day in order; ("closed",) is none. Raises CliError when two of them meet."""
    if [text.lower() for text in texts] == ["closed"]:
        return []
    found = sorted(a_stretch(text) for text in texts)
    for (_, closes), (opens, _) in pairwise(found):
        if opens <= closes:
            raise CliError("two of these stretches overlap or touch; write them as one")
    return found


def weekdays(text: str) -> list[int] | None:
    """ "Mon-Fri", "sat" or "Mon,Wed" as weekdays (0 = Monday); None when these are no weekdays."""
    found: list[int] = []
    for part in text.split(","):
        ends = [_weekday(end) for end in part.split("-")]
        if None in ends or len(ends) > 2:
            return None
        first, last = ends[0] or 0, ends[-1] or 0
        # Fri-Mon runs over the end of the week.
        found += [(first + step) % 7 for step in range((last - first) % 7 + 1)]
    return sorted(set(found))


def _weekday(text: str) -> int | None:
    short = text.strip()[:3].title()
    full = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    known = short in WEEKDAYS and full[WEEKDAYS.index(short)].startswith(text.strip().title())
    return WEEKDAYS.index(short) if known else None


def a_moment(text: str, timezone: str, today: date) -> datetime:
    """ "2026-11-24 09:00" on the shop's clock, in UTC; of an hour that comes twice, the first one.

    Raises CliError, also for a time that the change of the clocks leaves out.
    """
    day, space, clock = text.strip().replace("T", " ").partition(" ")
    if not space:
        raise CliError(f"{text!r} needs a date and a time: write it like {today.isoformat()} 14:30")
    wall = datetime.combine(a_date(day, today), a_time(clock))
    moment = wall.replace(tzinfo=ZoneInfo(timezone)).astimezone(UTC)
    if moment.astimezone(ZoneInfo(timezone)).replace(tzinfo=None) != wall:
        raise CliError(f"{text} does not exist in {timezone}: the clocks are set forward then")
    return moment
