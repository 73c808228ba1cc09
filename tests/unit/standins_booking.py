"""Three tools of a tiny shop, for the tests of the model stand-ins."""

from __future__ import annotations

import json
from typing import Any

_TEXT = {"type": "string"}


def _schema(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


TOOLS: dict[str, dict[str, Any]] = {
    "find_services": _schema(query=_TEXT, vehicle={"type": ["string", "null"]}),
    "find_times": _schema(service_ids={"type": "array", "items": _TEXT}, when={"type": ["string", "null"]}),
    "book": _schema(offer_id=_TEXT),
}
OFFERS = [
    {"offer_id": "o1", "label": "Tue Nov 24 at 9:00 AM"},
    {"offer_id": "o2", "label": "Tue Nov 24 at 2:30 PM"},
]


def play_tool(name: str, args: Any) -> str:
    """The JSON result of a call; a booking needs an offer that was shown."""
    if name == "find_services":
        return json.dumps({"services": [{"service_id": "s1", "name": "Ceramic tint", "price": "$449.00"}]})
    if name == "find_times":
        return json.dumps({"offers": OFFERS if args["service_ids"] == ["s1"] else []})
    offer = next((each for each in OFFERS if each["offer_id"] == args["offer_id"]), None)
    return json.dumps({"appointment": {"label": offer["label"]}} if offer else {"error": "unknown offer"})
