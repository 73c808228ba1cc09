"""Webhooks of the Shopmonkey stand-in: documented headers and body, switchable signature (Shopmonkey facts 5)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests

from tests.standins.shopmonkey_people import ShopmonkeyPeople
from tests.standins.shopmonkey_schema import Row


@dataclass(frozen=True)
class HookAttempt:
    """One delivery attempt; `status` is our answer, None when the connection failed."""

    url: str
    headers: dict[str, str]
    body: bytes
    status: int | None


def sign(secret: str, webhook_id: str, timestamp: str, body: bytes) -> str:
    """Standard Webhooks: v1,<base64 HMAC-SHA256 of id.timestamp.body>; a whsec_ secret is base64 key material."""
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class ShopmonkeyWebhooks(ShopmonkeyPeople):
    """Deliveries that a test asks for: what is sent when, how often and in which order.

    Oddities: `api_version_number` sends apiVersion as a number, `extra_event_keys` off leaves only the documented
    keys, `delete_carries` "row" sends the last row of what was deleted.
    """

    def __init__(
        self,
        *,
        api_version_number: bool = False,
        extra_event_keys: bool = True,
        delete_carries: str = "id",
        **kwargs: Any,
    ) -> None:
        self.api_version_number, self.extra_event_keys = api_version_number, extra_event_keys
        self.delete_carries = delete_carries
        self.webhook_log: list[HookAttempt] = []
        self.reach: dict[str, str] = {}
        super().__init__(**kwargs)

    def deliver_webhook(
        self,
        url: str,
        table: str,
        operation: str,
        row: Mapping[str, Any] | str,
        *,
        scheme: str = "standard",
        secret: str = "shopmonkey-secret",
        attempt: int = 1,
        duplicate: int = 0,
        diff: Sequence[str] | None = None,
        version: str = "3",
        age_s: float = 0,
    ) -> requests.Response:
        """Post an event and return our last answer. `row` is a row or its id; a DELETE carries only the id.

        scheme: standard (secret as raw bytes), whsec (secret as base64 after the prefix), none, wrong. `duplicate`
        more deliveries follow, with X-Attempt + 1 and a fresh webhook-id each. version "2" is the older shape,
        which we refuse politely. age_s puts the timestamp that far into the past.
        """
        body = self.event_body(table, operation, row, diff=diff, version=version)
        request_id = secrets.token_hex(16)
        for number in range(attempt, attempt + duplicate + 1):
            headers = self.hook_headers(body, scheme, secret, number, request_id, version, age_s)
            response = self.post_hook(url, headers, body)
        return response

    def event_body(
        self,
        table: str,
        operation: str,
        row: Mapping[str, Any] | str,
        *,
        diff: Sequence[str] | None = None,
        version: str = "3",
    ) -> bytes:
        """The body of an event as it is at this moment."""
        data = self._event_data(table, operation, row)
        if version == "2":
            return json.dumps({"event": f"{table}.{operation.lower()}", "payload": data}).encode()
        shown: str | int = int(version) if self.api_version_number else version
        event: dict[str, Any] = {"apiVersion": shown, "operation": operation, "table": table, "data": data}
        if operation == "UPDATE":
            event["diff"] = list(diff if diff is not None else ["updatedDate"])
        if self.extra_event_keys:
            stamp = int(self.clock().timestamp() * 1000)
            event |= {"companyId": self.company_id, "userId": None, "timestamp": stamp}
        return json.dumps(event).encode()

    def _event_data(self, table: str, operation: str, row: Mapping[str, Any] | str) -> Row:
        row_id = row if isinstance(row, str) else str(row["id"])
        if operation == "DELETE" and (self.delete_carries == "id" or isinstance(row, str)):
            return {"id": row_id}
        held = self.tables[table][row] if isinstance(row, str) else dict(row)
        # Contacts live in other tables and never come with the event.
        away = {"emails", "phoneNumbers"}
        return {name: value for name, value in held.items() if not name.startswith("_") and name not in away}

    def hook_headers(
        self,
        body: bytes,
        scheme: str,
        secret: str,
        attempt: int,
        request_id: str,
        version: str = "3",
        age_s: float = 0,
    ) -> dict[str, str]:
        """The headers of one attempt, with a webhook-id of its own."""
        webhook_id, timestamp = secrets.token_hex(16), str(int(self.clock().timestamp() - age_s))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Shopmonkey (+https://shopmonkey.io)",
            "X-Attempt": str(attempt),
            "X-Request-Id": request_id,
            "webhook-id": webhook_id,
            "webhook-timestamp": timestamp,
            "webhook-version": version,
        }
        signature = _signature(scheme, secret, webhook_id, timestamp, body)
        return headers if signature is None else {**headers, "webhook-signature": signature}

    def post_hook(self, url: str, headers: dict[str, str], body: bytes) -> requests.Response:
        """Post one attempt and keep it in `webhook_log`; raises requests.RequestException when nobody answers."""
        status = None
        try:
            response = requests.post(url, data=body, headers=headers, timeout=5, allow_redirects=False)
            status = response.status_code
            return response
        finally:
            self.webhook_log.append(HookAttempt(url, headers, body, status))

    def real_url(self, url: str) -> str:
        """Where a registered public URL is to be found on this machine, by `reach`."""
        for public, real in self.reach.items():
            if url.startswith(public):
                return real + url[len(public) :]
        return url


def _signature(scheme: str, secret: str, webhook_id: str, timestamp: str, body: bytes) -> str | None:
    match scheme:
        case "standard":
            # Raw bytes even for a secret that looks like whsec_: that is what this scheme name promises.
            raw = "whsec_" + base64.b64encode(secret.encode()).decode()
            return sign(raw, webhook_id, timestamp, body)
        case "whsec":
            prefixed = secret if secret.startswith("whsec_") else "whsec_" + secret
            return sign(prefixed, webhook_id, timestamp, body)
        case "wrong":
            return sign("another secret", webhook_id, timestamp, body)
        case "none":
            return None
    raise ValueError(f"unknown scheme {scheme!r}")
