"""What a connector may offer besides `Connector`: finding, or making, a customer in the outside system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Person:
    """Somebody who booked here. `phone` is E.164, `email` lower case; at least one of them is there."""

    first_name: str | None
    last_name: str | None
    phone: str | None
    email: str | None
    location_external_id: str | None


@runtime_checkable
class Customers(Protocol):
    """A connector with customers of its own."""

    def customer_for(self, person: Person, *, create: bool) -> str | None:
        """The external id of this person: found by an address that surely is theirs alone, else made when `create` says
        so; None when there is none, or more than one. Safe to repeat. Raises ConnectorError."""
        ...
