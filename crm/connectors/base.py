"""What every outside system (Shopmonkey first) looks like to the rest of the house.

Adding one is a folder with a class of this shape and a line in `registry`; `tests/contract` holds the test class it
has to pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Protocol, runtime_checkable

from crm.connectors.errors import ConnectorError, ConnectorErrorKind, FilterIgnored, NotSupported, Uncertain
from crm.connectors.records import (
    AppointmentDraft,
    AppointmentList,
    CatalogueItem,
    Change,
    ConnectionState,
    ConsentEvidence,
    ExternalAppointment,
    ExternalLocation,
    LeadContext,
    MessageAuthor,
    NotALead,
    Outcome,
    Verdict,
    WebhookState,
)

__all__ = [
    "APPOINTMENTS", "BOOKING", "CATALOGUE", "CHANGES", "CHECK", "CONVERSATION", "LEADS", "REGISTRATION", "WEBHOOKS",
    "AppointmentDraft", "AppointmentList", "CatalogueItem", "Change", "ConnectionState", "Connector",
    "ConnectorError", "ConnectorErrorKind", "ConsentEvidence", "ExternalAppointment", "ExternalLocation",
    "FilterIgnored", "LeadContext", "MessageAuthor", "NotALead", "NotSupported", "Outcome", "Uncertain", "Unsupported", "Verdict",
    "WebhookState",
]  # fmt: skip

# What a connector may be able to do, and the methods that stand behind each word.
WEBHOOKS = "webhooks"  # verify, read_webhook
CHANGES = "changes"  # changes_since; new_everywhere where one key serves many locations
LEADS = "leads"  # fetch_lead
CATALOGUE = "catalogue"  # catalogue
APPOINTMENTS = "appointments"  # appointments, fetch_appointment
BOOKING = "booking"  # create_appointment, move_appointment, cancel_appointment, find_appointment
CONVERSATION = "conversation"  # mark_conversation, person_wrote, persons_messages, message_author
CHECK = "check"  # check
REGISTRATION = "registration"  # webhook_state, register_webhook, repair_webhook, remove_webhook


@runtime_checkable
class Connector(Protocol):
    """One tenant's outside system.

    Methods that call the network (all but `verify` and `read_webhook`) raise ConnectorError and must not be called
    inside a transaction. What is not in `capabilities` raises NotSupported. Close it when the work is done.
    """

    name: str
    capabilities: frozenset[str]

    def verify(self, headers: Mapping[str, str], raw: bytes, secret: str | None, now: datetime) -> Verdict:
        """Judge a webhook's signature; `headers` have lower-case names. Never raises.

        While a secret is replaced, `secret` may hold the new and the old one with white space between them.
        """
        ...

    def read_webhook(self, raw: bytes) -> Change | None:
        """The change a webhook's body tells of; None when it tells none we understand. Raises only NotSupported."""
        ...

    def changes_since(
        self, location_external_id: str, since: datetime, now: datetime, *, new_only: bool = False
    ) -> Iterator[list[Change]]:
        """Records of this location made or changed at `since` or later, in pages, each record once, oldest first.

        `new_only`: only those made since, in as few requests as it takes; what was changed is left for another time.

        The caller has taken its overlap off `since` already. Raises FilterIgnored when the answers cannot be
        trusted to be complete; pages given before that are real.
        """
        ...

    def new_everywhere(self, since: datetime) -> Iterator[list[tuple[str, Change]]]:
        """Records made at `since` or later at any location of this key, each with its location's id, in pages.

        A hint where to look, in as few requests as it takes. Raises FilterIgnored when it cannot be had like that.
        """
        ...

    def fetch_lead(self, change: Change, location_ids: frozenset[str], now: datetime) -> Outcome:
        """Fetch what `change` is about, as far as it is a lead at one of `location_ids`.

        Nothing but the id is believed of `change`. A record that is gone is a NotALead.
        """
        ...

    def catalogue(self, location_external_id: str) -> list[CatalogueItem]:
        """All services of this location, also those that are not bookable; never a deleted one."""
        ...

    def appointments(self, location_external_id: str, start: datetime, end: datetime) -> AppointmentList:
        """What overlaps [start, end) at this location: series as their occurrences, each entry once, cancelled ones
        marked where the system still shows them. Sorted by start."""
        ...

    def fetch_appointment(self, external_id: str) -> ExternalAppointment | None:
        """One entry as it stands now, also where a list would leave it out; None when it is gone."""
        ...

    def create_appointment(self, draft: AppointmentDraft) -> ExternalAppointment:
        """Put `draft` into the calendar once, however often this is called: an entry with `draft.our_id` is found
        first. Raises Uncertain when the entry may or may not be there; call again later."""
        ...

    def move_appointment(self, external_id: str, draft: AppointmentDraft) -> ExternalAppointment:
        """Give an entry the times of `draft`; safe to repeat. An entry that is gone raises with status 404."""
        ...

    def cancel_appointment(self, external_id: str, note: str) -> None:
        """Cancel an entry, with `note` for the shop; safe to repeat, one that is gone counts as cancelled."""
        ...

    def find_appointment(
        self, our_id: str, customer_external_id: str | None, start: datetime
    ) -> ExternalAppointment | None:
        """The entry with our id, looked for with the customer and around `start`; the first one when there are two."""
        ...

    def mark_conversation(self, request_external_id: str, note: str) -> bool:
        """Leave a note on the request for the shop; False when the system did not keep it."""
        ...

    def person_wrote(self, request_external_id: str) -> bool:
        """Whether a person of the shop wrote to the customer in the outside system."""
        ...

    def persons_messages(self, request_external_id: str) -> int:
        """How many messages persons of the shop wrote to the customer there; more of them later are new ones."""
        ...

    def message_author(self, message_external_id: str) -> MessageAuthor | None:
        """Who wrote one message of the outside system, and to which customer; None when it is gone."""
        ...

    def check(self) -> ConnectionState:
        """Whether the key works, and which locations it sees. Never raises ConnectorError."""
        ...

    def webhook_state(self, external_id: str) -> WebhookState | None:
        """A registered webhook; None when it is gone."""
        ...

    def register_webhook(self, url: str, secret: str) -> WebhookState:
        """Have changes told to `url` (https). One that is registered for this url already is taken over."""
        ...

    def repair_webhook(self, external_id: str) -> WebhookState:
        """Switch a webhook on again. One that is gone raises with status 404: register it anew."""
        ...

    def remove_webhook(self, external_id: str) -> None:
        """Take a registration back; one that is gone is fine."""
        ...

    def close(self) -> None:
        """Give connections back. Nothing may be called afterwards."""
        ...


class Unsupported:
    """A connector that can do nothing: each one inherits it and replaces what it can do."""

    name = "none"
    capabilities: frozenset[str] = frozenset()

    def verify(self, headers: Mapping[str, str], raw: bytes, secret: str | None, now: datetime) -> Verdict:
        """Without webhooks there is nothing that could be signed."""
        return "unsigned"

    def read_webhook(self, raw: bytes) -> Change | None:
        raise NotSupported(self.name, "read a webhook")

    def changes_since(
        self, location_external_id: str, since: datetime, now: datetime, *, new_only: bool = False
    ) -> Iterator[list[Change]]:
        raise NotSupported(self.name, "list changes")

    def new_everywhere(self, since: datetime) -> Iterator[list[tuple[str, Change]]]:
        raise NotSupported(self.name, "list what is new at all locations")

    def fetch_lead(self, change: Change, location_ids: frozenset[str], now: datetime) -> Outcome:
        raise NotSupported(self.name, "fetch a lead")

    def catalogue(self, location_external_id: str) -> list[CatalogueItem]:
        raise NotSupported(self.name, "list services")

    def appointments(self, location_external_id: str, start: datetime, end: datetime) -> AppointmentList:
        raise NotSupported(self.name, "list appointments")

    def fetch_appointment(self, external_id: str) -> ExternalAppointment | None:
        raise NotSupported(self.name, "fetch an appointment")

    def create_appointment(self, draft: AppointmentDraft) -> ExternalAppointment:
        raise NotSupported(self.name, "make an appointment")

    def move_appointment(self, external_id: str, draft: AppointmentDraft) -> ExternalAppointment:
        raise NotSupported(self.name, "move an appointment")

    def cancel_appointment(self, external_id: str, note: str) -> None:
        raise NotSupported(self.name, "cancel an appointment")

    def find_appointment(
        self, our_id: str, customer_external_id: str | None, start: datetime
    ) -> ExternalAppointment | None:
        raise NotSupported(self.name, "find an appointment")

    def mark_conversation(self, request_external_id: str, note: str) -> bool:
        raise NotSupported(self.name, "mark a conversation")

    def person_wrote(self, request_external_id: str) -> bool:
        raise NotSupported(self.name, "say whether a person wrote")

    def persons_messages(self, request_external_id: str) -> int:
        raise NotSupported(self.name, "count what persons wrote")

    def message_author(self, message_external_id: str) -> MessageAuthor | None:
        raise NotSupported(self.name, "say who wrote a message")

    def check(self) -> ConnectionState:
        raise NotSupported(self.name, "check a connection")

    def webhook_state(self, external_id: str) -> WebhookState | None:
        raise NotSupported(self.name, "look at a webhook")

    def register_webhook(self, url: str, secret: str) -> WebhookState:
        raise NotSupported(self.name, "register a webhook")

    def repair_webhook(self, external_id: str) -> WebhookState:
        raise NotSupported(self.name, "repair a webhook")

    def remove_webhook(self, external_id: str) -> None:
        raise NotSupported(self.name, "remove a webhook")

    def close(self) -> None:
        """Nothing is held."""
