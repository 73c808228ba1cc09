"""Shopmonkey as a connector: from "order 17 changed" to a lead, by asking Shopmonkey itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from crm.connectors.base import Change, ConnectorError, LeadContext, NotALead, Verdict
from crm.connectors.shopmonkey import signature
from crm.connectors.shopmonkey.client import Record, ShopmonkeyClient
from crm.connectors.shopmonkey.mapping import SOURCE, lead_context
from crm.connectors.shopmonkey.rules import LeadRules, refuse


class ShopmonkeyConnector:
    """One tenant's Shopmonkey."""

    name = SOURCE

    def __init__(self, client: ShopmonkeyClient, rules: LeadRules) -> None:
        self._client, self._rules = client, rules

    def verify(self, headers: Mapping[str, str], raw: bytes, secret: str | None, now: datetime) -> Verdict:
        """See `signature.verify`."""
        return signature.verify(headers, raw, secret, now)

    def fetch_lead(
        self, change: Change, location_ids: frozenset[str], now: datetime
    ) -> LeadContext | NotALead:
        """Fetch the order and all that belongs to it with the tenant's own key.

        Nothing of the webhook's body is believed but the order's id. Raises ConnectorError.
        """
        if change.table != "order" or change.operation == "DELETE":
            return NotALead(f"{change.operation} of {change.table[:40]}")
        try:
            order = self._client.order(change.record_id)
        except ConnectorError as error:
            if error.status == 404:
                return NotALead("the order is gone")
            raise
        if order.get("id") != change.record_id or order.get("locationId") not in location_ids:
            return NotALead("the order belongs to a location that is none of ours")
        if reason := refuse(order, self._rules, now):
            return NotALead(reason)
        return self._complete(order)

    def _complete(self, order: Record) -> LeadContext | NotALead:
        customer_id = order.get("customerId")
        if not isinstance(customer_id, str):
            return NotALead("the order names no customer")
        customer = self._client.customer(customer_id)
        if customer.get("deleted") is True:
            return NotALead("the customer was deleted")
        services = self._client.order_services(str(order["id"]))
        return lead_context(order, customer, self._vehicle(order.get("vehicleId")), services)

    def _vehicle(self, vehicle_id: object) -> Record | None:
        if not isinstance(vehicle_id, str):
            return None
        try:
            return self._client.vehicle(vehicle_id)
        except ConnectorError as error:
            # A lead without a car is still a lead.
            if error.kind == "permanent":
                return None
            raise
