"""Shopmonkey's answers: the envelope, and what each refusal means (shopmonkey facts 2, 3)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from crm.connectors.errors import ConnectorError, ConnectorErrorKind

PASSING = frozenset({408, 429, 502, 503, 504})


@dataclass(frozen=True)
class Answer:
    """What stood in the envelope; `data` is the whole body where there was none."""

    data: object
    meta: dict[str, Any] = field(default_factory=dict)
    request_id: str | None = None


class Refusal(ConnectorError):
    """An answer that is none. `passing`: the same request may work in a moment. `unclear`: a write may have happened."""

    passing = False
    unclear = False


def answer_of(status: int, headers: Mapping[str, str], raw: bytes) -> Answer:
    """The answer in a response. Raises Refusal."""
    body = _json(raw)
    request_id = headers.get("X-Request-Id")
    if status >= 300:
        raise _refusal(status, headers, body)
    if isinstance(body, list):
        return Answer(body, {}, request_id)
    if not isinstance(body, dict):
        # A write may be answered with nothing at all; anything else is a page of somebody in between.
        if not raw.strip() and status in (202, 204):
            return Answer({}, {}, request_id)
        raise _made(
            "Shopmonkey answered with something else than JSON", "transient", passing=True, unclear=True
        )
    # A 200 may carry a failure too (shopmonkey facts 2).
    if body.get("success") is False:
        raise _made(f"Shopmonkey failed: {_said(body)}", "transient", status=status, unclear=True)
    meta = body.get("meta")
    data = body.get("data", body)
    return Answer(data, meta if isinstance(meta, dict) and data is not body else {}, request_id)


def _refusal(status: int, headers: Mapping[str, str], body: object) -> Refusal:
    said = _said(body)
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
    wait = _seconds(headers.get("Retry-After"), headers.get("Date")) if status in (429, 503) else None
    unclear = status == 408 or status >= 500
    return _made(text, kind, status=status, wait=wait, passing=status in PASSING, unclear=unclear)


def _made(
    text: str,
    kind: ConnectorErrorKind,
    *,
    status: int | None = None,
    wait: float | None = None,
    passing: bool = False,
    unclear: bool = False,
) -> Refusal:
    error = Refusal(text, kind=kind, status=status, retry_after_s=wait)
    error.passing, error.unclear = passing, unclear
    return error


def _json(raw: bytes) -> object:
    try:
        body: object = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return body


def _said(body: object) -> str:
    message = body.get("message") if isinstance(body, dict) else None
    return message[:300] if isinstance(message, str) and message else "no reason given"


def _seconds(value: str | None, date: str | None) -> float | None:
    """Retry-After is a number of seconds or a moment (RFC 9110, 10.2.3); a moment counts from the answer's Date."""
    if not value:
        return None
    try:
        number = float(value)
        return max(0.0, number) if math.isfinite(number) else None
    except ValueError:
        then, since = _http_date(value), _http_date(date or "")
    return max(0.0, (then - since).total_seconds()) if then and since else None


def _http_date(value: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
