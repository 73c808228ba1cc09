"""Creates and updates of the Shopmonkey stand-in: what is required, dropped and refused (Shopmonkey facts 15.5)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.standins.shopmonkey_query import Refused, moment
from tests.standins.shopmonkey_schema import ENUMS, EVENT_TRIGGERS, REQUIRED, TABLE_TRIGGERS, WRITABLE, Row
from tests.standins.shopmonkey_store import iso

if TYPE_CHECKING:
    from tests.standins.shopmonkey import ShopmonkeyStandIn

_MOMENTS = frozenset({"startDate", "endDate"})


def visible(row: Row) -> Row:
    """A row as the API shows it."""
    return {name: value for name, value in row.items() if not name.startswith("_")}


def created(shop: ShopmonkeyStandIn, table: str, body: Any) -> Row:
    """Insert from a request body; raises Refused."""
    values = _checked(shop, table, body)
    for name in REQUIRED.get(table, ()):
        if name not in values:
            raise Refused(f"body must have required property '{name}'")
    if any(value is None or value == [] for value in values.values()):
        raise Refused("body must not have null or empty array properties")
    match table:
        case "customer":
            return _customer(shop, values)
        case "vehicle":
            owner = values.pop("customerId", None)
            return shop.find("vehicle", shop.add_vehicle(owner, **values))
        case "order":
            ids = (values.pop("customerId", None), values.pop("vehicleId", None))
            return shop.add_order(*ids, **{"attributionSource": "Manual", **values})
        case "appointment":
            start, end = values.pop("startDate"), values.pop("endDate")
            return shop.find("appointment", shop.add_appointment(start, end, **{"origin": "HQ", **values}))
        case "webhook":
            return _webhook(shop, values)
        case "message":
            return _message(shop, values)
    return shop.add_row(table, **values)


def written(shop: ShopmonkeyStandIn, table: str, row: Row, body: Any) -> Row:
    """Partial update from a request body; raises Refused."""
    values = _checked(shop, table, body)
    if "technicianIds" in values:
        values["_technicianIds"] = values.pop("technicianIds")
    for name in _MOMENTS & values.keys():
        values[name] = iso(moment(values[name]))
    if table == "webhook":
        _check_webhook(shop, {**row, **values}, row)
    changed = shop.change(table, row["id"], **values)
    if table == "webhook" and values.get("enabled"):
        shop.enable(changed)
    return changed


def _checked(shop: ShopmonkeyStandIn, table: str, body: Any) -> Row:
    if not isinstance(body, dict):
        raise Refused("body must be object")
    values = {name: value for name, value in body.items() if name in WRITABLE.get(table, frozenset())}
    for name, value in values.items():
        allowed = ENUMS.get((table, name))
        if allowed and value not in allowed:
            raise Refused(f"body/{name} must be equal to one of the allowed values")
        if name in _MOMENTS and not re.search(r"(Z|[+-]\d\d:?\d\d)$", str(value)):
            raise Refused(f"body/{name} must match format 'date-time'")
        if name in _MOMENTS:
            moment(str(value))
    for phone in values.get("phoneNumbers") or []:
        _check_number(shop, str(phone.get("number", "")))
    return values


def _check_number(shop: ShopmonkeyStandIn, number: str) -> None:
    fictional = shop.validate_numbers and re.fullmatch(r"\+1\d{3}555\d{4}", number)
    if fictional or not re.fullmatch(r"\+[1-9]\d{7,14}", number):
        raise Refused("Phone number not valid")


def _customer(shop: ShopmonkeyStandIn, values: Row) -> Row:
    location = values.pop("locationId", shop.location_id)
    for name in ("emails", "phoneNumbers"):
        values[name] = [{"id": secrets.token_hex(6), **each} for each in values.get(name, [])]
    first, last = values.pop("firstName", None), values.pop("lastName", None)
    return shop.find("customer", shop.add_customer(first, last, **{"locationIds": [location], **values}))


def _message(shop: ShopmonkeyStandIn, values: Row) -> Row:
    if "customerId" not in values:
        conversation = shop.tables["conversation"].get(values.get("conversationId", ""))
        if conversation is None:
            raise Refused("body must have required property 'customerId'")
        values["customerId"] = conversation["customerId"]
    shop.find("customer", values["customerId"])
    return shop.record_message(values.pop("customerId"), values.pop("text"), "User", **values)


def _webhook(shop: ShopmonkeyStandIn, values: Row) -> Row:
    _check_webhook(shop, values, {})
    state = {"enabled": True, "error": False, "errorMessage": None, "errorDate": None, "version": 3}
    return shop.add_row("webhook", **{**state, "secret": secrets.token_hex(16), "locationId": None, **values})


def _check_webhook(shop: ShopmonkeyStandIn, values: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    if not str(values["url"]).startswith("https://"):
        raise Refused("body/url must be https")
    if any(row["name"] == values["name"] and row["id"] != own.get("id") for row in shop.rows("webhook")):
        raise Refused("A webhook with this name already exists")
    known = {"events": EVENT_TRIGGERS, "tables": TABLE_TRIGGERS}.get(
        shop.triggers, EVENT_TRIGGERS | TABLE_TRIGGERS
    )
    fresh = values["triggers"] if values["triggers"] != own.get("triggers") else []
    if unknown := [each for each in fresh if each not in known - shop.unknown_triggers]:
        raise Refused(f"body/triggers/0 must be equal to one of the allowed values: {unknown[0]}")
