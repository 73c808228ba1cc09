"""Which models retire, when, and what takes their place (LLM facts 1.10, 2.9)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib import resources
from typing import Any

import yaml

_DATED = re.compile(r"-(20\d{6}|20\d\d-\d\d-\d\d|latest)$")
SOON_DAYS = 30


@dataclass(frozen=True)
class Retirement:
    """The last day of a model; `instead` is our advice, None where the date came from the vendor."""

    on: date
    instead: str | None = None

    def days_left(self, today: date) -> int:
        """Days until it stops; 0 or less: it has stopped."""
        return (self.on - today).days


@dataclass(frozen=True)
class Listing:
    """What a vendor's own list says about a model it knows."""

    retires: date | None = None
    stopped: bool = False


def retirement(provider: str, model: str) -> Retirement | None:
    """What our table knows about a model; a dated name is its family unless it has a row of its own."""
    rows = {
        row["model"]: Retirement(row["last_day"], row["instead"])
        for row in _data()["retires"]
        if row["provider"] == provider
    }
    return rows.get(model) or rows.get(_DATED.sub("", model))


def warning(provider: str, model: str, today: date) -> str | None:
    """A sentence for the owner when a model has retired or will within SOON_DAYS days; else None."""
    found = retirement(provider, model)
    if found is None or found.days_left(today) > SOON_DAYS:
        return None
    verb = "stopped" if found.days_left(today) <= 0 else "stops"
    return f"{model} {verb} answering on {found.on:%Y-%m-%d}; use {found.instead} instead"


def small_model(provider: str) -> str | None:
    """The smallest living model of a provider; None where we know of none."""
    found: str | None = _data()["small"].get(provider)
    return found


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    text = resources.files("agent.models").joinpath("lifecycle.yaml").read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    return data
