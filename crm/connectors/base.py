"""What every outside system (Shopmonkey first) looks like to the rest of the house."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from crm.leads import LeadData

Verdict = Literal["valid", "invalid", "unsigned"]
ConnectorErrorKind = Literal["permanent", "transient", "misconfigured"]


class ConnectorError(Exception):
    """An outside system did not give what was asked.

    permanent: asking again gives the same (the record is gone); transient: ask again, after `retry_after_s`
    seconds if it says so; misconfigured: an owner has to act (key, permission, address). The message is fit
    to be shown.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: ConnectorErrorKind,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class ConsentEvidence:
    """Where the outside system says that a person agreed to a channel, word for word."""

    channel: Literal["sms", "email"]
    address: str
    evidence: str


@dataclass(frozen=True)
class LeadContext:
    """A lead as the outside system knows it, at the location with its own id `location_external_id`."""

    location_external_id: str
    data: LeadData
    consents: tuple[ConsentEvidence, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NotALead:
    """Why an event leads to no conversation. Fit to be shown to an owner."""

    reason: str


Outcome = LeadContext | NotALead


@dataclass(frozen=True)
class Change:
    """One change an outside system told us about.

    Only ids are taken from it: the record itself is fetched.
    """

    table: str
    operation: Literal["INSERT", "UPDATE", "DELETE"]
    record_id: str
    version: str | None


class Connector(Protocol):
    """One outside system."""

    name: str

    def verify(self, headers: Mapping[str, str], raw: bytes, secret: str | None, now: datetime) -> Verdict:
        """Judge a webhook's signature; `headers` have lower-case names. Never raises."""
        ...

    def fetch_lead(self, change: Change, location_ids: frozenset[str], now: datetime) -> Outcome:
        """Fetch what `change` is about, as far as it is a lead at one of `location_ids`.

        Calls the network, so never inside a transaction. Raises ConnectorError.
        """
        ...
