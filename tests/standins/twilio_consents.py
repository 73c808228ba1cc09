"""The Consent API of the Twilio stand-in: `POST /v1/Consents/Bulk` of accounts.twilio.com (messaging facts 2.8)."""

from __future__ import annotations

import json
import re
from typing import Any, Protocol

from tests.standins.http import Request, Response, json_response

PATH = "/v1/Consents/Bulk"
MOST_ITEMS = 25
SOURCES = frozenset({"website", "offline", "opt-in-message", "opt-out-message", "others"})
BAD_CONTACT, BAD_SENDER, BAD_VALUE = 20001, 20002, 20003


class HasBlocks(Protocol):
    """What of the stand-in a consent record changes."""

    numbers: set[str] | None
    services: dict[str, list[str]]
    blocked: set[tuple[str, str]]
    consents: list[dict[str, str]]


def take_consents(standin: HasBlocks, request: Request) -> Response:
    """Answer every item with its error code; a good one blocks or opens the pair, a Service its whole pool."""
    items = [json.loads(raw) for raw in request.form_lists.get("Items", [])]
    if not 1 <= len(items) <= MOST_ITEMS:
        return json_response(
            400, {"code": 20001, "message": "Items must hold 1 to 25 objects", "status": 400}
        )
    return json_response(201, {"items": [_take(standin, item) for item in items]})


def _take(standin: HasBlocks, item: dict[str, Any]) -> dict[str, Any]:
    code, why = _fault(standin, item)
    if code == 0:
        standin.consents.append({name: str(value) for name, value in item.items()})
        for number in standin.services.get(item["sender_id"], [item["sender_id"]]):
            pair = (str(item["contact_id"]), number)
            (standin.blocked.add if item["status"] == "opt-out" else standin.blocked.discard)(pair)
    return {
        "correlation_id": item.get("correlation_id"),
        "error_code": code,
        "error_messages": [why] if why else [],
    }


def _fault(standin: HasBlocks, item: dict[str, Any]) -> tuple[int, str | None]:
    sender = str(item.get("sender_id", ""))
    ours = sender in standin.services or standin.numbers is None or sender in standin.numbers
    checks = (
        (not re.fullmatch(r"\+[1-9]\d{7,14}", str(item.get("contact_id", ""))), BAD_CONTACT, "contact_id"),
        (not sender or not ours, BAD_SENDER, "sender_id"),
        (not re.fullmatch(r"[0-9a-f]{32}", str(item.get("correlation_id", ""))), BAD_VALUE, "correlation_id"),
        (item.get("status") not in ("opt-in", "opt-out"), BAD_VALUE, "status"),
        (item.get("source") not in SOURCES, BAD_VALUE, "source"),
    )
    for failed, code, name in checks:
        if failed:
            return code, f"{name} is not valid"
    return 0, None
