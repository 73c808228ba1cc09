"""Shopmonkey as a connector: what the rest of the house asks, and which file answers it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from crm.connectors import base
from crm.connectors.base import (
    AppointmentDraft,
    AppointmentList,
    CatalogueItem,
    Change,
    ConnectionState,
    ConnectorError,
    ExternalAppointment,
    LeadContext,
    MessageAuthor,
    Outcome,
    Verdict,
    WebhookState,
)
from crm.connectors.customers import Person
from crm.connectors.shopmonkey import calendar, customers, orders, rows, signature, talk
from crm.connectors.shopmonkey.client import ShopmonkeyClient
from crm.connectors.shopmonkey.mapping import SOURCE, read_change
from crm.connectors.shopmonkey.registration import Registration
from crm.connectors.shopmonkey.rules import LeadRules
from crm.connectors.shopmonkey.settings import ShopmonkeySettings
from crm.connectors.shopmonkey.writes import Writes

_DEFAULTS = ShopmonkeySettings()


class ShopmonkeyConnector:
    """One tenant's Shopmonkey; see `crm.connectors.base.Connector` for what each method promises."""

    name = SOURCE
    capabilities = frozenset(
        {
            base.WEBHOOKS, base.CHANGES, base.LEADS, base.CATALOGUE, base.APPOINTMENTS, base.BOOKING,
            base.CONVERSATION, base.CHECK, base.REGISTRATION,
        }
    )  # fmt: skip

    def __init__(
        self,
        client: ShopmonkeyClient,
        rules: LeadRules,
        settings: ShopmonkeySettings = _DEFAULTS,
        *,
        cache_key: str | None = None,
    ) -> None:
        self._client, self._rules, self._settings, self._cache_key = client, rules, settings, cache_key
        self._writes = Writes(client, settings)
        self._hooks = Registration(client, settings)

    def verify(self, headers: Mapping[str, str], raw: bytes, secret: str | None, now: datetime) -> Verdict:
        """See `signature.verify`."""
        return signature.verify(headers, raw, secret, now)

    def read_webhook(self, raw: bytes) -> Change | None:
        """See `mapping.read_change`."""
        return read_change(raw)

    def changes_since(
        self, location_external_id: str, since: datetime, now: datetime, *, new_only: bool = False
    ) -> Iterator[list[Change]]:
        """Orders made or changed."""
        return orders.changes(self._client, self._rules, location_external_id, since, now, new_only=new_only)

    def new_everywhere(self, since: datetime) -> Iterator[list[tuple[str, Change]]]:
        """Orders of the whole company: the list is that anyway."""
        return orders.everywhere(self._client, since)

    def fetch_lead(self, change: Change, location_ids: frozenset[str], now: datetime) -> Outcome:
        """The order and all that belongs to it, with the tenant's own key."""
        found = orders.fetch(self._client, self._rules, change, location_ids, now)
        if self._settings.false_refuses or not isinstance(found, LeadContext):
            return found
        return replace(found, consents=tuple(one for one in found.consents if not one.refused))

    def catalogue(self, location_external_id: str) -> list[CatalogueItem]:
        """Canned services; the price by the tenant's price rule."""
        rule = self._settings.catalogue.price
        items = [rows.catalogue_item(row, rule) for row in self._client.canned_services(location_external_id)]
        return [item for item in items if item is not None]

    def appointments(self, location_external_id: str, start: datetime, end: datetime) -> AppointmentList:
        """The list and the expanded series, merged."""
        return calendar.appointments(
            self._client, self._settings, location_external_id, start, end, key=self._cache_key
        )

    def fetch_appointment(self, external_id: str) -> ExternalAppointment | None:
        """GET /appointment/<id>; its technicians come only with lists."""
        return calendar.one(self._client, self._settings, external_id)

    def create_appointment(self, draft: AppointmentDraft) -> ExternalAppointment:
        """Looks for our id, then writes once."""
        return self._writes.create(draft)

    def move_appointment(self, external_id: str, draft: AppointmentDraft) -> ExternalAppointment:
        """Changes the times and nothing else."""
        return self._writes.move(external_id, draft)

    def cancel_appointment(self, external_id: str, note: str) -> None:
        """Cancels; deletes where that is not possible."""
        self._writes.cancel(external_id, note)

    def find_appointment(
        self, our_id: str, customer_external_id: str | None, start: datetime
    ) -> ExternalAppointment | None:
        """By our id in note or metadata."""
        return self._writes.find(our_id, customer_external_id, start)

    def customer_for(self, person: Person, *, create: bool) -> str | None:
        """By phone, else by email."""
        return customers.customer_for(self._client, person, create=create)

    def mark_conversation(self, request_external_id: str, note: str) -> bool:
        """Where the tenant's settings say."""
        return talk.mark(self._client, self._settings, request_external_id, note)

    def person_wrote(self, request_external_id: str) -> bool:
        """By the order's messages."""
        return talk.person_wrote(self._client, request_external_id)

    def persons_messages(self, request_external_id: str) -> int:
        """By the order's messages."""
        return talk.persons_messages(self._client, request_external_id)

    def message_author(self, message_external_id: str) -> MessageAuthor | None:
        """GET /message/<id>."""
        return talk.author(self._client, message_external_id)

    def check(self) -> ConnectionState:
        """By the list of locations; a key that may not read it is asked for its status."""
        try:
            found = [rows.location(row) for row in self._client.locations()]
        except ConnectorError as error:
            return self._without_locations(error)
        return ConnectionState(True, tuple(each for each in found if each is not None))

    def webhook_state(self, external_id: str) -> WebhookState | None:
        """GET /webhook/<id>."""
        return self._hooks.state(external_id)

    def register_webhook(self, url: str, secret: str) -> WebhookState:
        """With the first set of trigger names that is taken."""
        return self._hooks.register(url, secret)

    def repair_webhook(self, external_id: str) -> WebhookState:
        """Switched on again."""
        return self._hooks.repair(external_id)

    def remove_webhook(self, external_id: str) -> None:
        """DELETE /webhook/<id>."""
        self._hooks.remove(external_id)

    def close(self) -> None:
        """Forgets the key."""
        self._client.close()

    def _without_locations(self, error: ConnectorError) -> ConnectionState:
        if error.status not in (403, 404) or error.kind == "transient":
            return ConnectionState(False, problem=str(error), kind=error.kind)
        try:
            self._client.key_status()
        except ConnectorError as second:
            return ConnectionState(False, problem=str(second), kind=second.kind)
        return ConnectionState(True, problem=f"the key works, but its locations cannot be read: {error}")
