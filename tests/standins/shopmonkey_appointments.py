"""Appointment lists of the Shopmonkey stand-in and their gaps (Shopmonkey facts 12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.standins.shopmonkey_query import Refused, arrange, matcher, moment, page
from tests.standins.shopmonkey_schema import COLUMNS, Row
from tests.standins.shopmonkey_write import visible

if TYPE_CHECKING:
    from tests.standins.shopmonkey import ShopmonkeyStandIn

_SEARCHABLE = frozenset({"startDate", "endDate", "customerId", "orderId"})


def hydrated(shop: ShopmonkeyStandIn, row: Row) -> Row:
    """A list row with its relations; the detail row has none of them."""
    technicians = [
        shop.tables["user"][each] for each in row.get("_technicianIds", []) if each in shop.tables["user"]
    ]
    links = {
        name: shop.tables[name].get(row.get(f"{name}Id") or "") for name in ("customer", "vehicle", "order")
    }
    return {
        **visible(row),
        "technicians": [visible(each) for each in technicians],
        **{name: visible(each) if each else None for name, each in links.items()},
    }


def listed(shop: ShopmonkeyStandIn) -> list[Row]:
    """What list and search know of: no recurring rows; cancelled ones unless `cancelled_listed` is off."""
    rows = [row for row in shop.rows("appointment") if not row.get("_recurring")]
    return [row for row in rows if shop.cancelled_listed or row["cancellationNote"] is None]


def appointment_page(shop: ShopmonkeyStandIn, body: Mapping[str, Any]) -> tuple[list[Row], dict[str, Any]]:
    """POST /appointment/search: other where fields are dropped, recurring rows are missing."""
    where = body.get("where") or {}
    columns = {name: kind for name, kind in COLUMNS["appointment"].items() if name in _SEARCHABLE}
    keep = matcher(where, columns)
    rows = [row for row in listed(shop) if keep(row)]
    rows = [row for row in rows if _staffed(row, where, default=True)]
    shown, meta = page(
        arrange(rows, body.get("orderBy") or {}, shop.chance), body.get("limit"), body.get("skip")
    )
    return [hydrated(shop, row) for row in shown], meta


def calendar_page(shop: ShopmonkeyStandIn, body: Mapping[str, Any]) -> tuple[list[Row], dict[str, Any]]:
    """POST /appointment/search_replacement: recurring rows too; total counts too many, the tail page repeats rows.

    Without `technicians` only unassigned rows come.
    """
    if "dateMin" not in body or "dateMax" not in body:
        raise Refused("body must have required property 'dateMin'")
    first, last = moment(body["dateMin"]), moment(body["dateMax"])
    rows = [
        row
        for row in shop.rows("appointment")
        if moment(row["startDate"]) <= last and (shop.cancelled_listed or row["cancellationNote"] is None)
    ]
    rows = [row for row in rows if moment(row["endDate"]) >= first and _staffed(row, body, default=False)]
    rows = arrange(rows, body.get("orderBy") or {"startDate": "asc"}, shop.chance)
    size, start = min(int(body.get("limit") or 100), 100), int(body.get("skip") or 0)
    shown = rows[start : start + size]
    if shop.calendar_overcounts and start and len(shown) < size:
        shown = rows[max(0, start - 2) : start + size]
    total = len(rows) + len(rows) // 2 + 1 if shop.calendar_overcounts else len(rows)
    return [hydrated(shop, row) for row in shown], {"total": total, "hasMore": start + size < total}


def _staffed(row: Row, where: Mapping[str, Any], *, default: bool) -> bool:
    wanted, own = where.get("technicians"), row.get("_technicianIds") or []
    if not own:
        return bool(where.get("includeUnassigned", default))
    return default if wanted is None else bool(set(own) & set(wanted))
