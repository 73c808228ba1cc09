"""What is known in a turn, read once into typed records: services, free times, appointments, and plain texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from agent.check.days import Day

SHOWN_BEFORE = "offer shown before"
"""Where a free time is from that the customer has read in an earlier message."""


@dataclass(frozen=True)
class Text:
    """A text that may be trusted, cleaned, and where it is from."""

    source: str
    text: str


@dataclass(frozen=True)
class Service:
    """A row of the catalogue as a tool returned it. `cents` None: only a person may quote it."""

    name: str
    cents: int | None
    minutes: int | None
    style: str | None
    description: str
    not_included: str
    source: str


@dataclass(frozen=True)
class Moment:
    """A time somebody may come: `minutes` are those its label names, the first one is the start."""

    day: date | None
    minutes: tuple[int, ...]
    label: str
    source: str
    services: tuple[str, ...] = ()
    id: int | None = None
    also: tuple[date, ...] = ()
    """Other days of the same visit: when a car that was left is done."""
    ends: int | None = None
    """The minute of the day at which a waiting customer can leave."""

    def at(self, minutes: frozenset[int]) -> bool:
        """Whether it happens at one of these minutes of the day."""
        return bool(minutes & set(self.minutes))

    def on(self, day: Day) -> bool:
        """Whether a mentioned day is a day of this visit."""
        return any(day.fits(one) for one in (self.day, *self.also) if one is not None)


@dataclass
class Records:
    """Everything a reply is compared with."""

    now: datetime | None = None
    services: list[Service] = field(default_factory=list)
    offers: list[Moment] = field(default_factory=list)
    visits: list[Moment] = field(default_factory=list)
    past: list[Moment] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    amounts: list[tuple[str, str]] = field(default_factory=list)
    done: frozenset[str] = frozenset()
    tried: frozenset[str] = frozenset()
    words: str = ""
    shop: Mapping[str, Any] = field(default_factory=dict)
    lead: Mapping[str, Any] = field(default_factory=dict)
    touches: list[Mapping[str, Any]] = field(default_factory=list)
    echoes: str = ""
    gone: frozenset[str] = frozenset()
    """States in which an earlier appointment is known to be: "cancelled"."""

    @property
    def today(self) -> date | None:
        """The shop's local day."""
        return self.now.date() if self.now else None

    def texts_of(self, *prefixes: str) -> list[Text]:
        """The trusted texts whose source starts with one of these words."""
        return [one for one in self.texts if one.source.startswith(prefixes)]
