"""Dates as people and spreadsheets write them, in the shop's own time unless they say otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Order = Literal["mdy", "dmy"]

_TIME = r"(?:[ ,T]+(?:at |a las )?(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*([ap])?\.?\s*(?:m\.?)?)?"
_SIGNS = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})" + _TIME, re.IGNORECASE)
_YEAR_FIRST = re.compile(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})" + _TIME, re.IGNORECASE)
_MONTH_FIRST = re.compile(r"([a-záéíóú]{3,10})\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})" + _TIME, re.IGNORECASE)
_DAY_FIRST = re.compile(
    r"(\d{1,2})[ -](?:de )?([a-záéíóú]{3,10})\.?[ -](?:de )?(\d{4})" + _TIME, re.IGNORECASE
)
_WEEKDAY = re.compile(r"(?:[a-záéíóú]{2,10})\.?, ", re.IGNORECASE)
_SERIAL = re.compile(r"\d{5}(\.\d+)?")
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("jan", "ene"), ("feb",), ("mar",), ("apr", "abr"), ("may",), ("jun",), ("jul",), ("aug", "ago"),
            ("sep", "set"), ("oct",), ("nov",), ("dec", "dic"),
        ),
        start=1,
    )
    for name in names
}  # fmt: skip
# Day 0 of a spreadsheet's calendar.
_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001


def order_of(values: Iterable[str]) -> Order:
    """Whether a column writes the month or the day first; the month when nothing tells."""
    month_first = day_first = 0
    for value in values:
        found = _SIGNS.match(value.strip())
        if found is not None:
            month_first += int(found[3]) > 12 >= int(found[1])
            day_first += int(found[1]) > 12 >= int(found[3])
    return "dmy" if day_first > month_first else "mdy"


def moment_of(value: str, zone: ZoneInfo, order: Order) -> datetime | None:
    """The moment a cell means, in UTC, or None when it is none. A day alone is its first moment."""
    text = " ".join(value.split())
    if not text or len(text) > 60:
        return None
    try:
        local = _read(text, order)
        if local is None:
            return None
        return (local.replace(tzinfo=zone) if local.tzinfo is None else local).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _read(text: str, order: Order) -> datetime | None:
    if (found := _SIGNS.fullmatch(text)) is not None:
        first, second = int(found[1]), int(found[3])
        month, day = (first, second) if order == "mdy" else (second, first)
        return _at(int(found[4]), month, day, found.groups()[4:])
    if (found := _YEAR_FIRST.fullmatch(text)) is not None:
        return _at(int(found[1]), int(found[2]), int(found[3]), found.groups()[3:])
    words = _WEEKDAY.sub("", text, count=1)
    if (found := _MONTH_FIRST.fullmatch(words)) is not None:
        return _at(int(found[3]), _month(found[1]), int(found[2]), found.groups()[3:])
    if (found := _DAY_FIRST.fullmatch(words)) is not None:
        return _at(int(found[3]), _month(found[2]), int(found[1]), found.groups()[3:])
    if _SERIAL.fullmatch(text) is not None:
        # To the second: a part of a day is never exact.
        return (
            _EPOCH + timedelta(seconds=round(float(text) * 86400)) if 20_000 <= float(text) < 80_000 else None
        )
    return datetime.fromisoformat(text) if len(text) >= 10 else None


def _month(name: str) -> int:
    return _MONTHS.get(name[:3].lower(), 0)


def _at(year: int, month: int, day: int, time: tuple[str | None, ...]) -> datetime:
    hours, minutes, seconds, half = time
    hour = int(hours or 0)
    if half is not None:
        if not 1 <= hour <= 12:
            raise ValueError("no hour of half a day")
        hour = hour % 12 + (12 if half.lower() == "p" else 0)
    year = year + 2000 if year < 100 else year
    return datetime(year, month, day, hour, int(minutes or 0), int(seconds or 0))  # noqa: DTZ001
