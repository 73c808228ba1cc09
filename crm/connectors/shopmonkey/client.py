"""Shopmonkey's API v3, as far as a lead needs it (shopmonkey facts 1-3, 7-9)."""

from __future__ import annotations

import re
from typing import Any

import requests
import structlog
from requests.exceptions import ChunkedEncodingError

from crm.connectors.base import ConnectorError, ConnectorErrorKind

log = structlog.get_logger(__name__)

TIMEOUT_S = 30
USER_AGENT = "lead-orchestrator/1"
# UUIDs, and 24 hex digits for records migrated from version 1: opaque, but never a path.
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

Record = dict[str, Any]


class ShopmonkeyClient:
    """Reads with one tenant's key.

    Every method raises ConnectorError; none retries. Not shared between threads.
    """

    def __init__(self, api_key: str, base_url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._base = base_url.rstrip("/")
        self._timeout_s = timeout_s
        self._http = requests.Session()
        self._http.headers.update({"Authorization": f"Bearer {api_key.strip()}", "User-Agent": USER_AGENT})

    def order(self, order_id: str) -> Record:
        """One order, without its services."""
        return self._record(f"order/{_path(order_id)}")

    def order_services(self, order_id: str) -> list[Record]:
        """The services on an order; they come with no other call."""
        data = self._get(f"order/{_path(order_id)}/service")
        return [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []

    def customer(self, customer_id: str) -> Record:
        """One customer with `emails` and `phoneNumbers`."""
        return self._record(f"customer/{_path(customer_id)}")

    def vehicle(self, vehicle_id: str) -> Record:
        """One vehicle."""
        return self._record(f"vehicle/{_path(vehicle_id)}")

    def locations(self) -> list[Record]:
        """The locations this key can see; also the test whether a key works."""
        data = self._get("location?limit=100")
        return [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def _record(self, path: str) -> Record:
        data = self._get(path)
        if not isinstance(data, dict):
            raise ConnectorError("Shopmonkey answered without a record", kind="transient")
        return data

    def _get(self, path: str) -> object:
        try:
            url = f"{self._base}/v3/{path}"
            response = self._http.get(url, timeout=self._timeout_s, allow_redirects=False)
        except (requests.ConnectionError, requests.Timeout, ChunkedEncodingError) as error:
            name = type(error).__name__
            raise ConnectorError(f"Shopmonkey cannot be reached ({name})", kind="transient") from error
        except (requests.RequestException, UnicodeError) as error:
            raise ConnectorError("the base address or the key is malformed", kind="misconfigured") from error
        request_id = response.headers.get("X-Request-Id")
        log.debug("shopmonkey_answered", path=path, status=response.status_code, request_id=request_id)
        return _unwrap(response)


def _path(record_id: str) -> str:
    if not _ID.fullmatch(record_id):
        raise ConnectorError("that is no id of Shopmonkey's", kind="permanent")
    return record_id


def _unwrap(response: requests.Response) -> object:
    body = _json(response)
    if response.status_code >= 300:
        raise _refusal(response, body)
    if not isinstance(body, (dict, list)):
        raise ConnectorError("Shopmonkey answered with something else than JSON", kind="transient")
    if isinstance(body, list):
        return body
    # A 200 may carry a failure too (shopmonkey facts 2).
    if body.get("success") is False:
        raise ConnectorError(f"Shopmonkey failed: {_said(body)}", kind="transient")
    return body.get("data", body)


def _refusal(response: requests.Response, body: object) -> ConnectorError:
    status, said = response.status_code, _said(body)
    wait = _seconds(response.headers.get("Retry-After")) if status == 429 else None
    kind: ConnectorErrorKind = "permanent"
    text = f"Shopmonkey refuses the request ({status}): {said}"
    if status == 401:
        kind, text = "misconfigured", f"Shopmonkey refuses the API key: {said}"
    elif status == 403 and isinstance(body, dict):
        kind, text = "misconfigured", f"the API key lacks a permission: {said}"
    elif status == 403:
        kind, text = "transient", "a firewall in front of Shopmonkey blocked us"
    elif status == 429:
        kind, text = "transient", "Shopmonkey asks to slow down"
    elif status < 400:
        kind, text = "misconfigured", "the base address of Shopmonkey leads elsewhere (redirect)"
    elif status == 408 or status >= 500:
        kind, text = "transient", f"Shopmonkey failed ({status}): {said}"
    return ConnectorError(text, kind=kind, status=status, retry_after_s=wait)


def _json(response: requests.Response) -> object:
    try:
        body: object = response.json()
    except ValueError:
        return None
    return body


def _said(body: object) -> str:
    message = body.get("message") if isinstance(body, dict) else None
    return message[:300] if isinstance(message, str) else "no reason given"


def _seconds(value: str | None) -> float | None:
    try:
        return max(0.0, float(value)) if value else None
    except ValueError:
        return None
