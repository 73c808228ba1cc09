"""Public holidays by country and state, each of which a shop may work on.

The days come from the `holidays` library; what a location observes is its column `holidays`:
`{"country": "US", "subdivision": "IL", "open_on": ["Columbus Day"]}`, and `{}` when it observes none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import holidays
from pydantic import BaseModel, ConfigDict, ValidationError

OBSERVED = "(observed)"


class BadHolidays(ValueError):
    """What a location observes cannot be read. The message is a sentence for the owner."""


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    country: str
    subdivision: str | None = None
    open_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class Holidays:
    """The public holidays a shop is closed on."""

    country: str
    subdivision: str | None = None
    open_on: frozenset[str] = frozenset()

    def on(self, day: date) -> str | None:
        """The holiday that closes the shop on this day, or None. A day may carry several names; it is open only
        when the shop works on all of them."""
        named = _names(self.country, self.subdivision, day.year).get(day, ())
        return next((name for name in named if _plain(name) not in self.open_on), None)


def holidays_of(config: Mapping[str, Any]) -> Holidays | None:
    """Read a location's `holidays`. None for {}. Raises BadHolidays for an unknown key, country or state."""
    if not config:
        return None
    try:
        read = _Config.model_validate(dict(config))
        _names(read.country, read.subdivision, 2026)
    except ValidationError as error:
        raise BadHolidays(f"The holidays of the shop cannot be read: {error.errors()[0]['msg']}.") from None
    except NotImplementedError:
        where = " ".join(filter(None, (config.get("country"), config.get("subdivision"))))
        raise BadHolidays(f"There are no public holidays known for {where}.") from None
    return Holidays(read.country, read.subdivision, frozenset(map(_plain, read.open_on)))


def holidays_between(known: Holidays, first: date, last: date) -> dict[date, str]:
    """The days that close the shop from `first` to `last`, both included, with the name of each."""
    years = range(first.year, last.year + 1)
    days = sorted(day for year in years for day in _names(known.country, known.subdivision, year))
    closed = {day: known.on(day) for day in days if first <= day <= last}
    return {day: name for day, name in closed.items() if name is not None}


@lru_cache(maxsize=256)
def _names(country: str, subdivision: str | None, year: int) -> Mapping[date, tuple[str, ...]]:
    # A holiday of this year may be observed in the last days of the year before.
    found = holidays.country_holidays(country, subdiv=subdivision, years=(year, year + 1))
    return {day: tuple(found.get_list(day)) for day in found if day.year == year}


def _plain(name: str) -> str:
    return name.casefold().replace(OBSERVED, "").strip()
