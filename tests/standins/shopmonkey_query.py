"""Filter, sort and page as seen live, with all that is ignored silently (Shopmonkey facts 4)."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from tests.standins.shopmonkey_schema import Row

Predicate = Callable[[Row], bool]


class Refused(Exception):
    """The request is answered with this status and message in the error envelope."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message, self.status = message, status


def json_argument(text: str, name: str) -> dict[str, Any]:
    """A query argument that must be a JSON object; empty text is none. Raises Refused."""
    if not text:
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Refused(f"Invalid Usage: Unable to parse {name}")
    return value


def matcher(where: Mapping[str, Any], columns: Mapping[str, str]) -> Predicate:
    """A predicate for `where`; unknown fields, operators and relations let every row pass. Raises Refused."""
    tests = [test for field, wanted in where.items() if (test := _one(field, wanted, columns))]
    return lambda row: all(test(row) for test in tests)


def _one(field: str, wanted: Any, columns: Mapping[str, str]) -> Predicate | None:
    if field in {"AND", "OR", "NOT"}:
        parts = [matcher(part, columns) for part in (wanted if isinstance(wanted, list) else [wanted])]
        if field == "AND":
            return lambda row: all(part(row) for part in parts)
        if field == "OR":
            return lambda row: any(part(row) for part in parts)
        return lambda row: not any(part(row) for part in parts)
    kind = columns.get(field)
    if kind is None:
        return None
    conditions = wanted if isinstance(wanted, dict) else {"equals": wanted}
    fold = conditions.get("mode") == "insensitive"
    tests = [test for op, value in conditions.items() if (test := _test(op, value, field, kind, fold))]
    return (lambda row: all(test(row.get(field)) for test in tests)) if tests else None


def _test(op: str, value: Any, field: str, kind: str, fold: bool) -> Callable[[Any], bool] | None:
    if op not in _OPERATORS:
        return None
    given = value if isinstance(value, list) else [value]
    if kind == "bool" and any(isinstance(each, str) for each in given):
        return None
    if kind == "str" and any(isinstance(each, int | float) for each in given):
        raise Refused(f"Invalid filter value for field '{field}': expected a string")
    if kind == "num" and any(isinstance(each, str) for each in given):
        raise Refused(f"Invalid filter value for field '{field}': expected a number")
    wanted = [_comparable(each, kind, fold) for each in given]
    compare = _OPERATORS[op]

    def test(held: Any) -> bool:
        mine = _comparable(held, kind, fold)
        if mine is None and op not in {"equals", "not", "in", "notIn"}:
            return False
        return compare(mine, wanted)

    return test


_OPERATORS: dict[str, Callable[[Any, list[Any]], bool]] = {
    "equals": lambda mine, wanted: mine == wanted[0],
    "not": lambda mine, wanted: mine != wanted[0],
    "in": lambda mine, wanted: mine in wanted,
    "notIn": lambda mine, wanted: mine not in wanted,
    "gt": lambda mine, wanted: mine > wanted[0],
    "gte": lambda mine, wanted: mine >= wanted[0],
    "lt": lambda mine, wanted: mine < wanted[0],
    "lte": lambda mine, wanted: mine <= wanted[0],
    "contains": lambda mine, wanted: wanted[0] in mine,
    "startsWith": lambda mine, wanted: mine.startswith(wanted[0]),
    "endsWith": lambda mine, wanted: mine.endswith(wanted[0]),
}


def _comparable(value: Any, kind: str, fold: bool) -> Any:
    if value is None:
        return None
    if kind == "date":
        return moment(str(value))
    return value.lower() if fold and isinstance(value, str) else value


@lru_cache(maxsize=50_000)
def moment(text: str) -> datetime:
    """An ISO time; a bare date is UTC midnight. Raises Refused for anything else."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(f"Invalid date: {text}") from None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def arrange(rows: list[Row], orderby: Mapping[str, Any], chance: random.Random) -> list[Row]:
    """Sorted rows, nulls last; in an order by `chance` when nothing is asked for, so that nobody relies on one.

    Raises Refused for a direction that is none.
    """
    if not orderby:
        return chance.sample(rows, len(rows))
    if any(direction not in ("asc", "desc") for direction in orderby.values()):
        raise Refused("Invalid Usage: Unable to parse orderby")
    for field, direction in reversed(list(orderby.items())):
        held = [row for row in rows if row.get(field) is not None]
        held.sort(key=_sort_key(field), reverse=direction == "desc")
        rows = held + [row for row in rows if row.get(field) is None]
    return rows


def _sort_key(field: str) -> Callable[[Row], Any]:
    # Fractions have any length, so dates do not sort as text.
    if field.endswith("Date"):
        return lambda row: moment(str(row[field]))
    return lambda row: row[field]


def page(rows: list[Row], limit: Any, skip: Any) -> tuple[list[Row], dict[str, Any]]:
    """One page and its meta; limit is clamped to 100. Raises Refused when a number is none."""
    try:
        size, start = min(int(limit or 100), 100), int(skip or 0)
    except (TypeError, ValueError):
        raise Refused("body/limit must be number") from None
    shown = rows[start : start + size]
    return shown, {"total": len(rows), "hasMore": start + size < len(rows)}
