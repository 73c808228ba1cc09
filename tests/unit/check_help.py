"""What the tests of the reply check share: a small shop's records, results of tools, and the check on one reply."""

from __future__ import annotations

import json
from typing import Any

from agent.check import Evidence, Finding, check_reply
from agent.models.base import ToolResult

CERAMIC = {
    "service_id": 3, "name": "Full tint, sedan, ceramic film", "body_style": "sedan", "price": "$449", "price_cents": 44900,
    "duration": "2 h 30 min", "duration_minutes": 150, "description": "Lifetime warranty.", "not_included": "windshield",
}  # fmt: skip
CARBON = {**CERAMIC, "service_id": 4, "name": "Full tint, sedan, carbon film", "price": "$319", "price_cents": 31900,
          "description": "10 year warranty."}  # fmt: skip
TUESDAY = {
    "offer_id": 1,
    "label": "Tue, Nov 24 at 9:00 AM",
    "date": "2026-11-24",
    "time": "09:00",
    "services": [CERAMIC["name"]],
}
WEDNESDAY = {
    "offer_id": 2,
    "label": "Wed, Nov 25 at 1:30 PM",
    "date": "2026-11-25",
    "time": "13:30",
    "services": [CERAMIC["name"]],
}
VISIT = {
    "appointment_id": 7,
    "label": "Mon, Nov 30 at 10:00 AM",
    "date": "2026-11-30",
    "time": "10:00",
    "services": [CARBON["name"]],
    "status": "booked",
}
FACTS: dict[str, Any] = {
    "now_local": "2026-11-23T09:00",
    "language": "en",
    "shop": {
        "name": "North Tint",
        "hours_text": "Mon-Fri 9:00 AM-6:00 PM",
        "phone": "+13125550100",
        "address": "1 Main St, Chicago, IL",
    },
    "appointments": [],
    "offers": [],
}


def said(tool: str, result: dict[str, Any], *, is_error: bool = False) -> ToolResult:
    """What a tool returned."""
    return ToolResult("c", tool, json.dumps(result), is_error)


PRICES = said("find_services", {"services": [CERAMIC, CARBON]})
TIMES = said("find_times", {"offers": [TUESDAY, WEDNESDAY]})
BOOKED = said("book", {"appointment": {**TUESDAY, "appointment_id": 9, "status": "booked"}})


def check(
    reply: str, *results: ToolResult, words: str = "", facts: dict[str, Any] | None = None, **more: Any
) -> list[Finding]:
    """What the check finds in a reply that rests on these results."""
    evidence = Evidence(results=results, facts={**FACTS, **(facts or {})}, customer_words=words, **more)
    return list(check_reply(reply, evidence).findings)


def kinds(reply: str, *results: ToolResult, **more: Any) -> set[str]:
    """The same, only what kinds."""
    return {finding.kind for finding in check(reply, *results, **more)}
