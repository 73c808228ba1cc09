"""Orders as leads: one fetched whole, and all that changed (shopmonkey facts 6, 7)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import chain

import structlog

from crm.connectors.errors import ConnectorError, FilterIgnored
from crm.connectors.records import Change, NotALead, Outcome
from crm.connectors.shopmonkey.client import Record, ShopmonkeyClient
from crm.connectors.shopmonkey.lists import Listing
from crm.connectors.shopmonkey.mapping import change_of, lead_context
from crm.connectors.shopmonkey.moments import moment
from crm.connectors.shopmonkey.rules import LeadRules, ended, refuse, talking

log = structlog.get_logger(__name__)

# Order, customer, services, vehicle.
_REQUESTS = 4


def fetch(
    client: ShopmonkeyClient, rules: LeadRules, change: Change, location_ids: frozenset[str], now: datetime
) -> Outcome:
    """See `Connector.fetch_lead`. Nothing of the webhook's body is believed but the order's id."""
    if change.table != "order" or change.operation == "DELETE":
        return NotALead(f"{change.operation} of {change.table[:40]}")
    # Half a lead is of no use: without booking all of it first, many leads at once would spend the key's limit on
    # orders whose customers then could not be asked for.
    with client.together(_REQUESTS):
        return _whole(client, rules, change, location_ids, now)


def _whole(
    client: ShopmonkeyClient, rules: LeadRules, change: Change, location_ids: frozenset[str], now: datetime
) -> Outcome:
    try:
        order = client.order(change.record_id)
    except ConnectorError as error:
        if error.status == 404:
            return NotALead("the order is gone", "closed")
        raise
    if order.get("id") != change.record_id or order.get("locationId") not in location_ids:
        return NotALead("the order belongs to a location that is none of ours")
    if reason := refuse(order, rules, now):
        return NotALead(reason, ended(order), talking(order, rules))
    return _complete(client, order)


def _complete(client: ShopmonkeyClient, order: Record) -> Outcome:
    """The customer waits: what belongs to the order is asked for at once, not one after the other."""
    customer_id = order.get("customerId")
    if not isinstance(customer_id, str):
        return NotALead("the order names no customer")
    with ThreadPoolExecutor(3, thread_name_prefix="crm") as pool:
        customers = pool.submit(_customer, client, customer_id)
        services = pool.submit(client.order_services, str(order["id"]))
        vehicles = pool.submit(_vehicle, client, order.get("vehicleId"))
        customer, lines, vehicle = customers.result(), services.result(), vehicles.result()
    if customer is None or customer.get("deleted") is True:
        return NotALead("the customer was deleted")
    return lead_context(order, customer, vehicle, lines)


def _customer(client: ShopmonkeyClient, customer_id: str) -> Record | None:
    try:
        return client.customer(customer_id)
    except ConnectorError as error:
        if error.status == 404:
            return None
        raise


def _vehicle(client: ShopmonkeyClient, vehicle_id: object) -> Record | None:
    if not isinstance(vehicle_id, str):
        return None
    try:
        return client.vehicle(vehicle_id)
    except ConnectorError as error:
        # A lead without a car is still a lead.
        if error.kind == "permanent":
            return None
        raise


def changes(
    client: ShopmonkeyClient,
    rules: LeadRules,
    location_id: str,
    since: datetime,
    now: datetime,
    *,
    new_only: bool = False,
) -> Iterator[list[Change]]:
    """See `Connector.changes_since`.

    Two passes, because a row that was never changed has no `updatedDate`, and one that was changed may be old
    (shopmonkey facts 6).
    """
    seen: set[str] = set()
    passes = [_made(client, location_id, since)]
    if not new_only:
        passes.append(_changed(client, rules, location_id, since, now))
    for page in chain.from_iterable(passes):
        new = [row for row in page if row["id"] not in seen and row.get("locationId") == location_id]
        seen.update(row["id"] for row in new)
        if told := [change for row in new if (change := change_of(row)) is not None]:
            yield told


def everywhere(client: ShopmonkeyClient, since: datetime) -> Iterator[list[tuple[str, Change]]]:
    """See `Connector.new_everywhere`."""
    for page in client.lists.read(Listing("order", "createdDate", since=since)):
        told = [(row.get("locationId"), change_of(row)) for row in page]
        yield [(place, change) for place, change in told if isinstance(place, str) and change is not None]


def _made(client: ShopmonkeyClient, location_id: str, since: datetime) -> Iterator[list[Record]]:
    return client.pages(Listing("order", "createdDate", since=since, where={"locationId": location_id}))


def _changed(
    client: ShopmonkeyClient, rules: LeadRules, location_id: str, since: datetime, now: datetime
) -> Iterator[list[Record]]:
    """Where `updatedDate` cannot be filtered by, it cannot be walked by either: its empty values may stand first.

    So all orders that are young enough to be leads are looked through instead.
    """
    try:
        yield from client.lists.read(
            Listing("order", "updatedDate", since=since, where={"locationId": location_id})
        )
    except FilterIgnored:
        log.info("shopmonkey_walks_by_creation", location=location_id)
        oldest = min(since, now - timedelta(hours=rules.max_age_hours))
        young = Listing("order", "createdDate", since=oldest, where={"locationId": location_id})
        for page in client.pages(young):
            yield [row for row in page if (at := moment(row.get("updatedDate"))) is not None and at >= since]
