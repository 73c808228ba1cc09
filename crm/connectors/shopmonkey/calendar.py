"""The outside calendar, read: entries from the list, series from the web calendar's own route (shopmonkey facts 12)."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import structlog

from crm.connectors.errors import ConnectorError, FilterIgnored
from crm.connectors.records import AppointmentList, ExternalAppointment
from crm.connectors.shopmonkey import rows
from crm.connectors.shopmonkey.client import Record, ShopmonkeyClient, vanished
from crm.connectors.shopmonkey.lists import LIMIT, Listing
from crm.connectors.shopmonkey.moments import iso, moment
from crm.connectors.shopmonkey.settings import ShopmonkeySettings

log = structlog.get_logger(__name__)

# Where the end cannot be filtered by, entries that began this long before the range are looked through.
LONGEST_ENTRY = timedelta(days=14)
MAX_PAGES = 50
USERS_KEPT_S = 600.0


class Technicians:
    """Ids of a company's users, kept for ten minutes in this process: the series need all of them each time."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._lock = threading.Lock()

    def of(self, client: ShopmonkeyClient, key: str) -> tuple[str, ...]:
        """All user ids. Raises ConnectorError."""
        with self._lock:
            until, ids = self._held.get(key, (0.0, ()))
        if time.monotonic() < until:
            return ids
        ids = tuple(sorted(row["id"] for row in client.users()))
        with self._lock:
            self._held = {name: each for name, each in self._held.items() if each[0] > time.monotonic()}
            self._held[key] = (time.monotonic() + USERS_KEPT_S, ids)
        return ids


_TECHNICIANS = Technicians()


def cache_key(api_key: str, base_url: str) -> str:
    """What stands for a key in the cache of users."""
    return hashlib.sha256(f"{base_url}\0{api_key}".encode("utf-8", "surrogatepass")).hexdigest()


def appointments(
    client: ShopmonkeyClient,
    settings: ShopmonkeySettings,
    location_id: str,
    start: datetime,
    end: datetime,
    *,
    key: str | None = None,
) -> AppointmentList:
    """See `Connector.appointments`. `key`: under which the company's users are kept; None asks each time."""
    listed = _listed(client, location_id, start, end)
    expanded = _expanded(client, start, end, key)
    found = _merged(listed, expanded or [], settings)
    here = [
        each
        for each in found
        # An entry without a location stands in every shop's calendar.
        if each.location_external_id in (None, location_id) and each.starts_at < end and each.ends_at > start
    ]
    here.sort(key=lambda each: (each.starts_at, each.external_id))
    return AppointmentList(here, recurring_included=expanded is not None)


def one(
    client: ShopmonkeyClient, settings: ShopmonkeySettings, external_id: str
) -> ExternalAppointment | None:
    """See `Connector.fetch_appointment`."""
    try:
        row = client.appointment(external_id)
    except ConnectorError as error:
        if error.status == 404:
            return None
        raise
    return rows.appointment(row, empty_note_cancels=settings.empty_note_cancels)


def _listed(client: ShopmonkeyClient, location_id: str, start: datetime, end: datetime) -> list[Record]:
    """Entries without series. First by both ends; where the filter on the end is ignored, by the start alone."""
    both = Listing(
        "appointment",
        "startDate",
        until=end,
        where={"locationId": location_id, "endDate": {"gt": iso(start)}},
        sure=lambda row: (ends := moment(row.get("endDate"))) is None or ends > start - timedelta(seconds=1),
    )
    try:
        return [row for page in client.lists.read(both) for row in page]
    except FilterIgnored:
        return client.everything(Listing("appointment", "startDate", since=start - LONGEST_ENTRY, until=end))


def _expanded(
    client: ShopmonkeyClient, start: datetime, end: datetime, key: str | None
) -> list[Record] | None:
    """Entries and each occurrence of a series; None when the route is not there any more.

    Its count is too high and its last page repeats rows, so a page that adds nothing is the end.
    """
    users = _TECHNICIANS.of(client, key) if key is not None else tuple(row["id"] for row in client.users())
    body: dict[str, Any] = {
        "dateMin": iso(start),
        "dateMax": iso(end),
        "includeUnassigned": True,
        "orderBy": {"startDate": "asc"},
        "limit": LIMIT,
    }
    if users:
        body["technicians"] = list(users)
    found: dict[tuple[str, str], Record] = {}
    skip = 0
    for _ in range(MAX_PAGES):
        answer = _page(client, {**body, "skip": skip})
        if answer is None:
            return None
        data, meta = answer
        known = len(found)
        for row in data:
            if isinstance(row, dict) and isinstance(row.get("id"), str):
                found.setdefault((row["id"], str(row.get("startDate"))), row)
        skip += len(data)
        if len(found) == known or meta.get("hasMore") is False:
            return list(found.values())
    raise ConnectorError("the calendar of Shopmonkey has no end", kind="transient")


def _page(client: ShopmonkeyClient, body: dict[str, Any]) -> tuple[list[Any], dict[str, Any]] | None:
    try:
        answer = client.search("appointment/search_replacement", body)
    except ConnectorError as error:
        if not vanished(error):
            raise
        log.warning("shopmonkey_series_unreadable", status=error.status)
        return None
    if not isinstance(answer.data, list):
        log.warning("shopmonkey_series_unreadable", status=200)
        return None
    return answer.data, answer.meta


def _merged(
    listed: list[Record], expanded: list[Record], settings: ShopmonkeySettings
) -> list[ExternalAppointment]:
    """Each entry once. What the list knows comes from there; the rest are series, or newer than the list."""
    known = {str(row["id"]) for row in listed}
    times = Counter(str(row["id"]) for row in expanded)
    plain = [rows.appointment(row, empty_note_cancels=settings.empty_note_cancels) for row in listed]
    rest = [
        rows.appointment(
            row,
            empty_note_cancels=settings.empty_note_cancels,
            series=bool(row.get("rruleset")) or times[str(row["id"])] > 1,
            alone=True,
        )
        for row in expanded
        if str(row["id"]) not in known
    ]
    return [each for each in (*plain, *rest) if each is not None]
