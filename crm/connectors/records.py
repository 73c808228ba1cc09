"""What passes between an outside system and the rest of the house. Frozen; times are aware UTC, money is cents."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from crm.connectors.errors import ConnectorErrorKind
from crm.leads import LeadData

Verdict = Literal["valid", "invalid", "unsigned"]
# What became of a request that is none to be asked about any more: the work was paid for, it was dropped, or the person
# and the shop agreed without us.
Ended = Literal["won", "closed", "booked"]


@dataclass(frozen=True)
class ConsentEvidence:
    """Where the outside system says that a person agreed to a channel, word for word; or, `refused`, that they did
    not want it, which is more than silence.

    `fresh`: they said it with this very request, and it is no field that may have stood there for years; `said_at`: when,
    where the system tells, else with the request.
    """

    channel: Literal["sms", "email"]
    address: str
    evidence: str
    refused: bool = False
    fresh: bool = False
    said_at: datetime | None = None


@dataclass(frozen=True)
class LeadContext:
    """A lead as the outside system knows it, at the location with its own id `location_external_id`."""

    location_external_id: str
    data: LeadData
    consents: tuple[ConsentEvidence, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    # When the person asked, as far as the outside system says so.
    made_at: datetime | None = None


@dataclass(frozen=True)
class NotALead:
    """Why an event leads to no conversation. Fit to be shown to an owner. `ended`: what became of the request, where it
    is over; `talking`: a person of the shop writes with the customer there."""

    reason: str
    ended: Ended | None = None
    talking: bool = False


Outcome = LeadContext | NotALead


@dataclass(frozen=True)
class Change:
    """One change an outside system told us about, or that was found by looking.

    Only ids are taken from it: the record itself is fetched. `version` grows with each change of the record where
    the system says so. `at` is when the change was made, known only of changes that were found by looking. `customer_id`:
    whose record it is said to be; good for leaving a change alone, never for acting on it.
    """

    table: str
    operation: Literal["INSERT", "UPDATE", "DELETE"]
    record_id: str
    version: str | None
    at: datetime | None = None
    customer_id: str | None = None


@dataclass(frozen=True)
class CatalogueItem:
    """A service the outside system sells. `price_cents` None: it names none, so nobody may quote one.

    `minutes` is labour, None when the system says nothing of it. `raw` is the record as it came.
    """

    external_id: str
    name: str
    price_cents: int | None
    minutes: int | None
    labels: tuple[str, ...] = ()
    bookable: bool = True
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ExternalAppointment:
    """An entry of the outside calendar. `external_id` of an occurrence of a series names its start too.

    `our_id` is the id we gave when the entry is ours. `technicians` are external ids.
    """

    external_id: str
    location_external_id: str | None
    starts_at: datetime
    ends_at: datetime
    title: str
    note: str = ""
    customer_external_id: str | None = None
    order_external_id: str | None = None
    cancelled: bool = False
    recurring: bool = False
    updated_at: datetime | None = None
    technicians: tuple[str, ...] = ()
    vehicle_external_id: str | None = None
    our_id: str | None = None
    version: str | None = None
    all_day: bool = False


class AppointmentList(list[ExternalAppointment]):
    """Appointments of a range. `recurring_included` False: the series could not be read, so a block that was known
    and is missing here may well still stand."""

    def __init__(self, rows: Iterable[ExternalAppointment] = (), *, recurring_included: bool = True) -> None:
        super().__init__(rows)
        self.recurring_included = recurring_included


@dataclass(frozen=True)
class AppointmentDraft:
    """What is to stand in the outside calendar. `our_id` finds it again: letters, digits, '-' and '_', 64 at most,
    unique over all tenants. Nothing in it lets the outside system write to the customer."""

    our_id: str
    location_external_id: str
    title: str
    starts_at: datetime
    ends_at: datetime
    note: str = ""
    customer_external_id: str | None = None
    vehicle_external_id: str | None = None
    order_external_id: str | None = None


@dataclass(frozen=True)
class MessageAuthor:
    """A message in the outside system: to or from which customer, and whether a person of the shop wrote it."""

    customer_external_id: str | None
    by_person: bool


@dataclass(frozen=True)
class ExternalLocation:
    """A shop as the outside system knows it. `timezone` is what it says, not checked."""

    external_id: str
    name: str
    timezone: str | None = None
    archived: bool = False


@dataclass(frozen=True)
class ConnectionState:
    """Whether the stored key works. `problem` is a sentence for the owner, None when all is well."""

    works: bool
    locations: tuple[ExternalLocation, ...] = ()
    problem: str | None = None
    kind: ConnectorErrorKind | None = None


@dataclass(frozen=True)
class WebhookState:
    """A webhook as it is registered at the outside system. `healthy`: switched on and without an error.

    `secret` is what it signs with, when it says so; it may differ from the one that was asked for.
    """

    external_id: str
    url: str
    enabled: bool
    error: str | None = None
    error_at: datetime | None = None
    triggers: tuple[str, ...] = ()
    secret: str | None = None
    location_external_id: str | None = None

    @property
    def healthy(self) -> bool:
        """Switched on and not in the error state."""
        return self.enabled and self.error is None
