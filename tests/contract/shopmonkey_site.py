"""Shopmonkey over real sockets, as the contract's tests and those of the client need it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from crm.connectors.base import Change, Connector
from crm.connectors.shopmonkey.client import ShopmonkeyClient
from crm.connectors.shopmonkey.connector import ShopmonkeyConnector
from crm.connectors.shopmonkey.rules import LeadRules
from crm.connectors.shopmonkey.settings import ShopmonkeySettings
from tests.contract.connector_contract import NOW, Delivery, Site, Trouble
from tests.standins.http import Request, Response
from tests.standins.shopmonkey import ShopmonkeyStandIn
from tests.standins.shopmonkey_webhook import sign


class OddShopmonkey(ShopmonkeyStandIn):
    """The stand-in, with ears that can be shut: what is in `deaf_to` ("where", "orderby", or a field of `where`) is
    ignored without a word. `meanwhile` is called before each list is answered."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"clock": lambda: NOW, "rate_limit": None, **kwargs})
        self.deaf_to: set[str] = set()
        self.meanwhile: Callable[[Request], None] = lambda request: None

    def handle(self, request: Request) -> Response:
        """The answer of somebody hard of hearing."""
        if request.method == "GET":
            self.meanwhile(request)
            for name in self.deaf_to & set(request.query):
                del request.query[name]
            if where := request.query.get("where"):
                kept = {k: v for k, v in json.loads(where[0]).items() if k not in self.deaf_to}
                request.query["where"] = [json.dumps(kept)]
        return super().handle(request)

    def asked(self, part: str) -> list[Request]:
        """Requests whose path holds `part`."""
        return [request for request in self.requests if part in request.path]


@contextmanager
def connected(
    shopmonkey: ShopmonkeyStandIn, *, key: str | None = None, **settings: Any
) -> Iterator[ShopmonkeyConnector]:
    """A connector of its own, without limits and without waiting."""
    client = quick_client(shopmonkey, key)
    try:
        yield ShopmonkeyConnector(client, LeadRules(), ShopmonkeySettings(**settings))
    finally:
        client.close()


def quick_client(shopmonkey: ShopmonkeyStandIn, key: str | None = None, **more: Any) -> ShopmonkeyClient:
    """A client that does not wait between two tries."""
    return ShopmonkeyClient(
        key or shopmonkey.api_key, shopmonkey.url, **{"timeout_s": 0.5, "sleep": lambda s: None, **more}
    )


def site_of(shopmonkey: OddShopmonkey, make: Callable[[str], Connector]) -> Site:
    """`make(key)` gives the connector that is looked at."""
    foreign = shopmonkey.add_location("South Street")

    def new_lead(location: str) -> Change:
        made = shopmonkey.add_lead(locationId=location)
        return Change("order", "INSERT", made.order_id, None)

    def in_trouble(trouble: Trouble) -> Connector:
        if trouble == "down":
            shopmonkey.stop()
        elif trouble == "malformed":
            shopmonkey.fail_always("broken_json")
        return make("no such key" if trouble == "bad_key" else shopmonkey.api_key)

    return Site(
        connector=make(shopmonkey.api_key),
        location=shopmonkey.location_id,
        foreign=foreign,
        new_lead=new_lead,
        unknown=Change("order", "INSERT", "5b0a4c1e-0000", None),
        in_trouble=in_trouble,
        deliver=deliver,
        appointments_held=lambda: len(shopmonkey.rows("appointment")),
        private=(shopmonkey.api_key, "no such key"),
    )


def deliver(secret: str, change: Change, at: datetime = NOW) -> Delivery:
    """A delivery of `change`, signed."""
    data = {"id": change.record_id, "meta": {"version": 7}}
    body = {"apiVersion": "3", "operation": change.operation, "table": change.table, "data": data}
    raw, stamp = json.dumps(body).encode(), str(int(at.timestamp()))
    headers = {
        "webhook-id": "m1",
        "webhook-timestamp": stamp,
        "webhook-signature": sign(secret, "m1", stamp, raw),
    }
    return headers, raw, change
