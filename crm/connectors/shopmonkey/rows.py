"""Shopmonkey's appointments, services, locations and webhooks in our words. Pure; nothing raises on odd values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from crm.connectors.records import CatalogueItem, ExternalAppointment, ExternalLocation, WebhookState
from crm.connectors.shopmonkey.moments import iso, moment
from crm.text import storable_or_none

# Both places in which our id stands in an appointment: a person reads the one, the other survives an edited note.
NOTE_MARK = "Lead Orchestrator booking"
METADATA_KEY = "leadOrchestratorBooking"
OUR_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_IN_NOTE = re.compile(re.escape(NOTE_MARK) + r": ([A-Za-z0-9_-]{1,64})")
# An entry whose end cannot be read still blocks something.
_LENGTH_UNKNOWN = timedelta(hours=1)
_MOST_CENTS = 100_000_00
_MOST_HOURS = 24 * 14

Record = Mapping[str, Any]


def appointment(
    row: Record, *, empty_note_cancels: bool = True, series: bool = False, alone: bool = False
) -> ExternalAppointment | None:
    """One entry of the calendar; None when its id or its start cannot be read.

    `series`: one of several occurrences that may share an id, so its start belongs to its id. `alone`: it stands
    only in the expanded calendar, as recurring entries do.
    """
    start, row_id = moment(row.get("startDate")), row.get("id")
    if start is None or not isinstance(row_id, str):
        return None
    note = _text(row.get("note"), 4000) or ""
    ours = our_id(row)
    updated = moment(row.get("updatedDate"))
    return ExternalAppointment(
        external_id=f"{row_id}@{iso(start)}" if series else row_id,
        location_external_id=_text(row.get("locationId")),
        starts_at=start,
        ends_at=_end(row, start),
        title=_text(row.get("name"), 200) or "",
        note=note,
        customer_external_id=_text(row.get("customerId")),
        order_external_id=_text(row.get("orderId")),
        vehicle_external_id=_text(row.get("vehicleId")),
        cancelled=_cancelled(row, empty_note_cancels=empty_note_cancels),
        recurring=(series or alone) and ours is None,
        updated_at=updated,
        technicians=_technicians(row),
        our_id=ours,
        version=version_of(row),
        all_day=row.get("allDay") is True,
    )


def our_id(row: Record) -> str | None:
    """The id we gave an appointment, from its metadata or its note."""
    metadata = row.get("metadata")
    kept = metadata.get(METADATA_KEY) if isinstance(metadata, dict) else None
    if isinstance(kept, str) and OUR_ID.fullmatch(kept):
        return kept
    note = row.get("note")
    found = _IN_NOTE.search(note) if isinstance(note, str) else None
    return found[1] if found else None


def version_of(row: Record) -> str | None:
    """`meta.version`, which only ever increases (shopmonkey facts 7); else the moment of the last change."""
    meta = row.get("meta")
    version = meta.get("version") if isinstance(meta, dict) else None
    version = version if version is not None else row.get("updatedDate")
    return None if version is None else str(version)


def catalogue_item(row: Record, price: Literal["before_tax", "total"]) -> CatalogueItem | None:
    """One canned service; None when it was deleted or cannot be named (shopmonkey facts 11)."""
    row_id, name = row.get("id"), _text(row.get("name"), 200)
    if not isinstance(row_id, str) or name is None or row.get("deleted") is True:
        return None
    labels = [_text(each.get("name")) for each in _dicts(row.get("labels"))]
    return CatalogueItem(
        external_id=row_id,
        name=name,
        price_cents=_price(row, price),
        minutes=_minutes(row),
        labels=tuple(label for label in labels if label),
        bookable=row.get("bookable") is True,
        raw=dict(row),
    )


def location(row: Record) -> ExternalLocation | None:
    """One shop of the company."""
    row_id = row.get("id")
    if not isinstance(row_id, str):
        return None
    zone = _text(row.get("timezone"))
    return ExternalLocation(row_id, _text(row.get("name")) or row_id, zone, row.get("archived") is True)


def webhook(row: Record) -> WebhookState | None:
    """One registration; `error` true comes with a message or without (shopmonkey facts 5.1)."""
    row_id = row.get("id")
    if not isinstance(row_id, str):
        return None
    message = _text(row.get("errorMessage"), 300) or "Shopmonkey reports an error without saying which"
    triggers = row.get("triggers")
    return WebhookState(
        external_id=row_id,
        url=_text(row.get("url"), 2000) or "",
        enabled=row.get("enabled") is not False,
        error=message if row.get("error") is True else None,
        error_at=moment(row.get("errorDate")),
        triggers=tuple(name for name in triggers if isinstance(name, str))
        if isinstance(triggers, list)
        else (),
        secret=_text(row.get("secret"), 500),
        location_external_id=_text(row.get("locationId")),
    )


def _end(row: Record, start: datetime) -> datetime:
    end = moment(row.get("endDate"))
    if end is not None and end > start:
        return end
    return start + (timedelta(days=1) if row.get("allDay") is True else _LENGTH_UNKNOWN)


def _cancelled(row: Record, *, empty_note_cancels: bool) -> bool:
    """A cancelled row is assumed to carry a cancellation note (shopmonkey facts 12); 2023 spelt it with one l."""
    if row.get("deleted") is True:
        return True
    notes = [row.get("cancellationNote"), row.get("cancelationNote")]
    return any(isinstance(note, str) and (note.strip() or empty_note_cancels) for note in notes)


def _technicians(row: Record) -> tuple[str, ...]:
    ids = [each.get("id") for each in _dicts(row.get("technicians"))]
    return tuple(each for each in ids if isinstance(each, str))


def _price(row: Record, rule: Literal["before_tax", "total"]) -> int | None:
    """A zero or null total means that there is no price, and nobody may quote one (shopmonkey facts 11)."""
    total = _cents(row.get("totalCents"))
    if total is None and row.get("pricing") == "FixedPrice":
        return _cents(row.get("fixedPriceCents"))
    tax = _cents(row.get("calculatedTaxCents"))
    if total is None or rule == "total" or tax is None:
        return total
    return total - tax if tax < total else None


def _cents(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return int(value) if value == int(value) and 0 < value <= _MOST_CENTS else None


def _minutes(row: Record) -> int | None:
    hours = [each.get("hours") for each in _dicts(row.get("labors"))]
    known = [value for value in hours if isinstance(value, (int, float)) and not isinstance(value, bool)]
    total = math.fsum(value for value in known if math.isfinite(value) and value > 0)
    return round(total * 60) or None if total <= _MOST_HOURS else None


def _dicts(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(value: object, limit: int = 100) -> str | None:
    return storable_or_none(value, limit)
