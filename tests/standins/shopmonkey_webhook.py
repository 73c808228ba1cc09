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

from tests.standins.shopmonkey_schema import Row
from tests.standins.shopmonkey_store import ShopmonkeyStore


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


class ShopmonkeyWebhooks(ShopmonkeyStore):
    """Deliveries are explicit: a test says what is sent when, how often and in which order."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.webhook_log: list[HookAttempt] = []
        self.reach: dict[str, str] = {}

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
        data = self._event_data(table, operation, row)
        body = self._event_body(table, operation, data, diff, version)
        request_id = secrets.token_hex(16)
        for number in range(attempt, attempt + duplicate + 1):
            headers = self._headers(body, scheme, secret, number, request_id, version, age_s)
            response = self._post_hook(url, headers, body)
        return response

    def emit(self, table: str, operation: str, row_id: str, **opts: Any) -> list[requests.Response]:
        """Deliver to every registered, enabled webhook whose triggers match; `reach` maps its public URL to us."""
        answers = []
        for hook in list(self.tables["webhook"].values()):
            if not hook["enabled"] or not _wants(hook["triggers"], table, operation):
                continue
            secret = {"secret": hook["secret"]} if hook.get("secret") else {}
            answers.append(
                self.deliver_webhook(self._real(hook["url"]), table, operation, row_id, **{**secret, **opts})
            )
            if not answers[-1].ok:
                self.change("webhook", hook["id"], error=True, errorMessage=str(answers[-1].status_code))
        return answers

    def _event_data(self, table: str, operation: str, row: Mapping[str, Any] | str) -> Row:
        row_id = row if isinstance(row, str) else str(row["id"])
        if operation == "DELETE":
            return {"id": row_id}
        held = self.tables[table][row] if isinstance(row, str) else dict(row)
        # Contacts live in other tables and never come with the event.
        away = {"emails", "phoneNumbers"}
        return {name: value for name, value in held.items() if not name.startswith("_") and name not in away}

    def _event_body(
        self, table: str, operation: str, data: Row, diff: Sequence[str] | None, version: str
    ) -> bytes:
        if version == "2":
            return json.dumps({"event": f"{table}.{operation.lower()}", "payload": data}).encode()
        event: dict[str, Any] = {"apiVersion": version, "operation": operation, "table": table, "data": data}
        if operation == "UPDATE":
            event["diff"] = list(diff if diff is not None else ["updatedDate"])
        return json.dumps(event).encode()

    def _headers(
        self, body: bytes, scheme: str, secret: str, attempt: int, request_id: str, version: str, age_s: float
    ) -> dict[str, str]:
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
        match scheme:
            case "standard":
                # Raw bytes even for a secret that looks like whsec_: that is what this scheme name promises.
                raw = "whsec_" + base64.b64encode(secret.encode()).decode()
                headers["webhook-signature"] = sign(raw, webhook_id, timestamp, body)
            case "whsec":
                prefixed = secret if secret.startswith("whsec_") else "whsec_" + secret
                headers["webhook-signature"] = sign(prefixed, webhook_id, timestamp, body)
            case "wrong":
                headers["webhook-signature"] = sign("another secret", webhook_id, timestamp, body)
            case "none":
                pass
            case _:
                raise ValueError(f"unknown scheme {scheme!r}")
        return headers

    def _post_hook(self, url: str, headers: dict[str, str], body: bytes) -> requests.Response:
        status = None
        try:
            response = requests.post(url, data=body, headers=headers, timeout=5, allow_redirects=False)
            status = response.status_code
            return response
        finally:
            self.webhook_log.append(HookAttempt(url, headers, body, status))

    def _real(self, url: str) -> str:
        for public, real in self.reach.items():
            if url.startswith(public):
                return real + url[len(public) :]
        return url


def _wants(triggers: Sequence[str], table: str, operation: str) -> bool:
    name = "".join(part.capitalize() for part in table.split("_"))
    return name in triggers or name + operation.capitalize() in triggers
