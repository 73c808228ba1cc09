"""Times for people to read. Every customer, owner and model sees a time in exactly these forms.

English names are spelled out here because strftime follows the machine's locale and writes "09:00".
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time
from typing import Protocol
from zoneinfo import ZoneInfo

from crm.models import BayHours, LocationHours

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def label(moment: datetime, timezone: str) -> str:
    """An aware moment in the shop's zone: "Tue, Nov 24 at 9:00 AM"."""
    local = moment.astimezone(ZoneInfo(timezone))
    return f"{day_label(local.date())} at {clock_label(local.time())}"


def local_text(moment: datetime, timezone: str) -> str:
    """A moment as the shop's clock shows it, e.g. `2026-11-24 10:00 America/Chicago`."""
    return f"{moment.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M} {timezone}"


class Visited(Protocol):
    """What has a time a customer is told: a slot, an offer, an appointment."""

    @property
    def starts_at(self) -> datetime:
        """When the work starts."""
        ...

    @property
    def arrives_from(self) -> datetime | None:
        """When a car that is left may be brought, at the earliest; None when the customer waits."""
        ...

    @property
    def arrives_until(self) -> datetime | None:
        """The end of that window."""
        ...


def visit_label(visit: Visited, timezone: str) -> str:
    """When the customer comes: "Tue, Nov 24 at 9:00 AM", or for a car that is left "drop off Tue, Nov 24 between 9:00
    and 10:00 AM"."""
    if visit.arrives_from is None or visit.arrives_until is None:
        return label(visit.starts_at, timezone)
    zone = ZoneInfo(timezone)
    first, last = (moment.astimezone(zone) for moment in (visit.arrives_from, visit.arrives_until))
    start, end = clock_label(first.time()), clock_label(last.time())
    if start[-2:] == end[-2:]:
        start = start[:-3]
    return f"drop off {day_label(first.date())} between {start} and {end}"


def day_label(day: date) -> str:
    """A local day: "Tue, Nov 24"."""
    return f"{WEEKDAYS[day.weekday()]}, {MONTHS[day.month - 1]} {day.day}"


def clock_label(moment: time) -> str:
    """A local time of day: "9:00 AM"."""
    half = "AM" if moment.hour < 12 else "PM"
    return f"{(moment.hour - 1) % 12 + 1}:{moment.minute:02d} {half}"


def duration_label(minutes: int) -> str:
    """Minutes of work: "45 min", "2 h", "2 h 30 min"."""
    hours, rest = divmod(minutes, 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{rest} min" if rest else "") if part)


def hours_text(rows: Iterable[LocationHours | BayHours]) -> str:
    """A week's hours in one line: "Mon-Fri 9:00 AM-6:00 PM; Sat 9:00 AM-2:00 PM; Sun closed"."""
    by_day: dict[int, list[tuple[time, time]]] = {day: [] for day in range(7)}
    for row in rows:
        by_day[row.weekday].append((row.opens, row.closes))
    days = [_day_hours(stretches) for _, stretches in sorted(by_day.items())]
    parts: list[str] = []
    start = 0
    for day in range(1, 8):
        if day == 7 or days[day] != days[start]:
            last = day - 1
            name = WEEKDAYS[start] if start == last else f"{WEEKDAYS[start]}-{WEEKDAYS[last]}"
            parts.append(f"{name} {days[start]}")
            start = day
    return "; ".join(parts)


def _day_hours(stretches: list[tuple[time, time]]) -> str:
    if not stretches:
        return "closed"
    return " and ".join(f"{clock_label(opens)}-{clock_label(closes)}" for opens, closes in sorted(stretches))
