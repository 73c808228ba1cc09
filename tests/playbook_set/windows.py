"""The notation of when.yaml: windows of days and times as one short text, and `find_times` arguments in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
WEEKDAYS = ("mo", "tu", "we", "th", "fr", "sa", "su")
NOTHING = "nothing"


def rows(name: str) -> list[tuple[str, list[Any]]]:
    """(group, row) of every row of one file of this folder."""
    groups: dict[str, list[list[Any]]] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8"))
    return [(group, row) for group, listed in groups.items() for row in listed]


def ordered(expected: str) -> str:
    """Alternatives in alphabetic order, since nobody asks for an order; every span begins today at the earliest."""
    return " | ".join(sorted(expected.replace("11-23..", "..").split(" | ")))


def window(
    start: date | None = None,
    end: date | None = None,
    weekdays: Iterable[int] = (),
    after: time | None = None,
    before: time | None = None,
) -> str:
    """One window in the notation. Two equal bounds are exactly that time."""
    days = f"{start:%m-%d}" if start and start == end else _span(start, end)
    names = ",".join(WEEKDAYS[day] for day in sorted(weekdays))
    return " ".join(filter(None, (days, names, _clock(after, before))))


def _span(start: date | None, end: date | None) -> str:
    if not start and not end:
        return ""
    return f"{start:%m-%d}.." if start and not end else _closed(start, end)


def _closed(start: date | None, end: date | None) -> str:
    return f"{start.strftime('%m-%d') if start else ''}..{end.strftime('%m-%d') if end else ''}"


def _clock(after: time | None, before: time | None) -> str:
    if after and after == before:
        return f"{after:%H:%M}"
    if not after and not before:
        return ""
    return f"{after.strftime('%H:%M') if after else ''}-{before.strftime('%H:%M') if before else ''}"


def of_arguments(arguments: Mapping[str, Any], today: date) -> str:
    """Arguments of `find_times` in the notation. Without a first day the search starts today."""
    start, end = (_day(arguments.get(key)) for key in ("from_date", "to_date"))
    if end == today:
        start = today
    after, before = (_time(arguments.get(key)) for key in ("after", "before"))
    return window(start, end, arguments.get("weekdays", ()), after, before)


def of_searches(searches: Sequence[Mapping[str, Any]], today: date) -> str:
    """Several searches in the notation; "any" stands for a search without limits."""
    return ordered(" | ".join(of_arguments(one, today) or "any" for one in searches)) or NOTHING


def _day(value: object) -> date | None:
    return date.fromisoformat(value) if isinstance(value, str) else None


def _time(value: object) -> time | None:
    return time.fromisoformat(value) if isinstance(value, str) else None
