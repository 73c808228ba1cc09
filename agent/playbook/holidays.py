"""Days that customers name by their holiday: "black friday", "after thanksgiving", "christmas eve"."""

from __future__ import annotations

import re
from datetime import date, timedelta

# Month and day of those that stand still; the others are computed.
_FIXED = {
    "christmas eve": (12, 24),
    "christmas": (12, 25),
    "xmas": (12, 25),
    "new year's eve": (12, 31),
    "new year's": (1, 1),
    "valentine's": (2, 14),
    "halloween": (10, 31),
    "veterans day": (11, 11),
    "juneteenth": (6, 19),
}
HOLIDAY = (
    r"\b(christmas eve|christmas|xmas|new year'?s eve|new year'?s|valentine'?s|halloween|veterans day|juneteenth|"
    r"thanksgiving|black friday|labor day|memorial day)(?: day)?\b(?! special| sale| deal| discount)"
)
"""The pattern of their names, with the name as its one group. A holiday's sale is no day."""


def holiday(name: str, today: date) -> date | None:
    """The next day of that holiday, today included, or None for a name that is none."""
    name = re.sub(r"\b(year|valentine)s\b", r"\1's", name)
    return next(
        (day for year in (today.year, today.year + 1) if (day := _in(name, year)) and day >= today), None
    )


def _in(name: str, year: int) -> date | None:
    if name in _FIXED:
        return date(year, *_FIXED[name])
    match name:
        case "thanksgiving":
            return _nth(year, 11, 3, 4)
        case "black friday":
            return _nth(year, 11, 3, 4) + timedelta(days=1)
        case "labor day":
            return _nth(year, 9, 0, 1)
        case "memorial day":
            return _nth(year, 6, 0, 1) - timedelta(days=7)
    return None


def _nth(year: int, month: int, weekday: int, nth: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))
