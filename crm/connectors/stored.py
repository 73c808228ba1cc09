"""Enquiries that lie here already: rows of a file and filled-in forms, in our own field names.

A record is a flat mapping; all fields are optional and every value may be of any type. Text fields: `location` (our
external id of the shop), `first_name`, `last_name`, `name` (of the person, when the two are not apart), `phone`,
`email`, `wish`, `language`, `customer_id`, `vehicle_year`, `vehicle_make`, `vehicle_model`, `vehicle_submodel`,
`vehicle_style`, `vehicle_color`. Also `made_at` (ISO 8601 with a zone), `sms_consent` and `email_consent` (only a real
true counts) with `sms_consent_text` and `email_consent_text` (what the person agreed to), and `facts` (a mapping).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from crm.connectors import base
from crm.connectors.base import Change, ConsentEvidence, LeadContext, NotALead, Outcome, Unsupported
from crm.connectors.kinds import Stored
from crm.emails import normal_email
from crm.leads import LeadData, VehicleData
from crm.phones import e164
from crm.text import storable_or_none

TABLE = "enquiry"
_BODY_STYLES = frozenset({"coupe", "sedan", "hatchback", "suv", "truck", "van", "wagon"})

Record = Mapping[str, Any]


class StoredConnector(Unsupported):
    """A connector whose records were stored when they came in. It fetches leads and can do nothing else.

    `stored(record_id)` gives a record or None; `default_location` is where records belong that name no shop.
    """

    capabilities = frozenset({base.LEADS})

    def __init__(self, name: str, stored: Stored | None, default_location: str | None = None) -> None:
        self.name, self._stored, self._default = name, stored, default_location

    def fetch_lead(self, change: Change, location_ids: frozenset[str], now: datetime) -> Outcome:
        """The lead in the stored record `change.record_id`, at one of `location_ids`."""
        if change.table != TABLE or change.operation == "DELETE":
            return NotALead(f"{change.operation} of {change.table[:40]}")
        # Where it was stored may hold anything, whatever the type says.
        record: object = self._stored(change.record_id) if self._stored is not None else None
        if record is None:
            return NotALead("the enquiry is gone")
        if not isinstance(record, Mapping):
            return NotALead("the enquiry cannot be read")
        location = _text(record.get("location")) or self._default
        if location is None or location not in location_ids:
            return NotALead("the enquiry belongs to a location that is none of ours")
        return enquiry(record, self.name, change.record_id, location)


def enquiry(record: Record, source: str, record_id: str, location: str) -> LeadContext | NotALead:
    """The lead in a record. No phone and no email that could be valid is no lead."""
    number, address = e164(_text(record.get("phone"))), normal_email(_text(record.get("email"), 320))
    if number is None and address is None:
        return NotALead("there is no phone number or email that could be written to")
    first, last = _name(record)
    data = LeadData(
        source=source,
        first_name=first,
        last_name=last,
        phone=number,
        email=address,
        external_id=record_id,
        external_customer_id=_text(record.get("customer_id")),
        wish=_text(record.get("wish"), 500),
        language=_text(record.get("language"), 16),
        vehicle=_vehicle(record),
    )
    facts = record.get("facts")
    return LeadContext(
        location,
        data,
        _consents(record, source, record_id, number, address),
        dict(facts) if isinstance(facts, Mapping) else {},
        _made_at(record.get("made_at")),
    )


def _name(record: Record) -> tuple[str | None, str | None]:
    first, last = _text(record.get("first_name")), _text(record.get("last_name"))
    whole = _text(record.get("name"))
    if first or last or whole is None:
        return first, last
    head, _, rest = whole.partition(" ")
    return head or None, rest.strip() or None


def _vehicle(record: Record) -> VehicleData | None:
    given = {name: record.get(f"vehicle_{name}") for name in ("make", "model", "submodel", "color")}
    words = {name: _text(value) for name, value in given.items()}
    style = (_text(record.get("vehicle_style")) or "").lower()
    body_style, year = style if style in _BODY_STYLES else None, _year(record.get("vehicle_year"))
    if not any((*words.values(), body_style, year)):
        return None
    return VehicleData(year=year, body_style=body_style, **words)


def _year(value: object) -> int | None:
    text = str(value).strip() if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdigit() and 1900 <= int(text[:6]) <= 2100 else None


def _consents(
    record: Record, source: str, record_id: str, number: str | None, address: str | None
) -> tuple[ConsentEvidence, ...]:
    """Only an explicit true is evidence; absent, "yes" and 1 are silence. Who reads a file decides what means true."""
    channels: list[tuple[Literal["sms", "email"], str | None]] = [("sms", number), ("email", address)]
    found = []
    for channel, to in channels:
        if to is None or record.get(f"{channel}_consent") is not True:
            continue
        words = _text(record.get(f"{channel}_consent_text"), 1000)
        evidence = {"source": source, "enquiry": record_id, "agreed": True, "text": words}
        found.append(ConsentEvidence(channel, to, json.dumps(evidence, sort_keys=True)))
    return tuple(found)


def _made_at(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo is not None else None
    try:
        parsed = datetime.fromisoformat(value) if isinstance(value, str) else None
        return parsed.astimezone(UTC) if parsed is not None and parsed.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _text(value: object, limit: int = 100) -> str | None:
    return storable_or_none(value, limit)
