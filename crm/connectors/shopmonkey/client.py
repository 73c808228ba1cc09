"""Shopmonkey's API v3, as far as a service shop's leads and bookings need it (shopmonkey facts 7-12)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

from crm.connectors.base import ConnectorError
from crm.connectors.errors import FilterIgnored
from crm.connectors.limits import Slots
from crm.connectors.shopmonkey.answers import Answer
from crm.connectors.shopmonkey.http import DEADLINE_S, PATIENCE_S, TIMEOUT_S, USER_AGENT, Transport
from crm.connectors.shopmonkey.lists import Listing, Lists, Record

__all__ = ["TIMEOUT_S", "USER_AGENT", "Record", "ShopmonkeyClient", "vanished"]

# UUIDs, and 24 hex digits for records migrated from version 1: opaque, but never a path.
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ShopmonkeyClient:
    """Requests with one tenant's key. Every method raises ConnectorError.

    `timeout_s` bounds one answer, `deadline_s` a request with its repetitions; `limits` is asked before each one.
    """

    def __init__(
        self,
        api_key: str,
        base_url: str,
        *,
        timeout_s: float = TIMEOUT_S,
        deadline_s: float = DEADLINE_S,
        patience_s: float = PATIENCE_S,
        limits: Slots | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = Transport(api_key, base_url, timeout_s, deadline_s, patience_s, limits, sleep)
        self.lists = Lists(
            lambda path, params: self._transport.call("GET", path, params=params, repeatable=True)
        )

    # Records

    def order(self, order_id: str) -> Record:
        """One order, without its services."""
        return self._record(f"order/{_path(order_id)}")

    def order_services(self, order_id: str) -> list[Record]:
        """The services on an order; they come with no other call."""
        return _rows(self._get(f"order/{_path(order_id)}/service"))

    def customer(self, customer_id: str) -> Record:
        """One customer with `emails` and `phoneNumbers`."""
        return self._record(f"customer/{_path(customer_id)}")

    def vehicle(self, vehicle_id: str) -> Record:
        """One vehicle."""
        return self._record(f"vehicle/{_path(vehicle_id)}")

    def appointment(self, appointment_id: str) -> Record:
        """One appointment, bare: its relations come only with lists."""
        return self._record(f"appointment/{_path(appointment_id)}")

    def message(self, message_id: str) -> Record:
        """One message of a conversation."""
        return self._record(f"message/{_path(message_id)}")

    def webhook(self, webhook_id: str) -> Record:
        """One registered webhook."""
        return self._record(f"webhook/{_path(webhook_id)}")

    # Lists

    def locations(self) -> list[Record]:
        """The locations this key can see; also the test whether a key works."""
        return self.everything(Listing("location", "createdDate"))

    def users(self) -> list[Record]:
        """All users, also those who left: their entries may still stand in the calendar."""
        return self.everything(Listing("user", "createdDate"))

    def canned_services(self, location_id: str) -> list[Record]:
        """The catalogue of one location with what was deleted; the API lists the whole company's."""
        rows = self.everything(Listing("canned_service", "createdDate", where={"locationId": location_id}))
        return [row for row in rows if row.get("locationId") == location_id]

    def webhooks(self) -> list[Record]:
        """All registered webhooks of the company."""
        return self.everything(Listing("webhook", "createdDate"))

    def messages(self, customer_id: str) -> list[Record]:
        """Messages to and from a customer, as far as the API lists them."""
        rows = self.everything(Listing("message", "createdDate", where={"customerId": customer_id}))
        return [row for row in rows if row.get("customerId") == customer_id]

    def everything(self, listing: Listing) -> list[Record]:
        """All rows that fit, each once. Raises FilterIgnored when neither filter nor order can be trusted."""
        return [row for page in self.pages(listing) for row in page]

    def pages(self, listing: Listing) -> Iterator[list[Record]]:
        """The same in pages; with a walk from the newest end where the filter is ignored, so in no sure order."""
        seen: set[str] = set()
        try:
            for page in self.lists.read(listing):
                seen.update(row["id"] for row in page)
                yield page
        except FilterIgnored:
            for page in self.lists.newest_first(listing):
                if new := [row for row in page if row["id"] not in seen]:
                    yield new

    # Anything

    def search(self, path: str, body: Mapping[str, Any]) -> Answer:
        """A POST that only reads."""
        return self._transport.call("POST", path, body=body, repeatable=True)

    def create(self, path: str, body: Mapping[str, Any]) -> Record:
        """POST once. Raises Uncertain when the record may have been made: there is no idempotency key."""
        return _record_in(self._transport.call("POST", path, body=body, repeatable=False))

    def update(self, path: str, record_id: str, body: Mapping[str, Any]) -> Record:
        """PUT of the changed keys. Unknown ones are dropped without a word."""
        answer = self._transport.call("PUT", f"{path}/{_path(record_id)}", body=body, repeatable=True)
        return _record_in(answer)

    def act(self, path: str, record_id: str, action: str, body: Mapping[str, Any]) -> None:
        """PATCH /<path>/<id>/<action>."""
        self._transport.call("PATCH", f"{path}/{_path(record_id)}/{action}", body=body, repeatable=True)

    def delete(self, path: str, record_id: str) -> None:
        """DELETE. An empty object goes along: JSON without a body is refused (shopmonkey facts 2)."""
        self._transport.call("DELETE", f"{path}/{_path(record_id)}", body={}, repeatable=True)

    def key_status(self) -> None:
        """Ask whether the key is valid; any answer is a yes (shopmonkey facts 1)."""
        self._get("auth/api_key/status")

    def together(self, requests: int) -> AbstractContextManager[None]:
        """See `Transport.together`."""
        return self._transport.together(requests)

    def close(self) -> None:
        """Forget the key."""
        self._transport.close()

    def _record(self, path: str) -> Record:
        data = self._get(path)
        if not isinstance(data, dict):
            raise ConnectorError("Shopmonkey answered without a record", kind="transient")
        return data

    def _get(self, path: str) -> object:
        return self._transport.call("GET", path, repeatable=True).data


def vanished(error: ConnectorError) -> bool:
    """Whether an undocumented route is not there any more, or not for us. A firewall's page says nothing of that."""
    blocked = error.status == 403 and error.kind == "transient"
    return error.status in (400, 403, 404, 405, 410, 500, 501) and not blocked


def _path(record_id: str) -> str:
    if not _ID.fullmatch(record_id):
        raise ConnectorError("an id of Shopmonkey with unusual characters", kind="permanent")
    return record_id


def _rows(data: object) -> list[Record]:
    if not isinstance(data, list):
        raise ConnectorError("Shopmonkey answered without a list", kind="transient")
    return [row for row in data if isinstance(row, dict)]


def _record_in(answer: Answer) -> Record:
    """The record in the answer to a write; some writes answer with a list of one (shopmonkey facts 2)."""
    data = answer.data
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    return data if isinstance(data, dict) else {}
