"""A customer of Shopmonkey's by phone or email, made when there is none (shopmonkey facts 8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import structlog

from crm.connectors.customers import Person
from crm.connectors.errors import ConnectorError, Uncertain
from crm.connectors.shopmonkey.client import Record, ShopmonkeyClient, vanished
from crm.emails import normal_email
from crm.phones import e164

log = structlog.get_logger(__name__)


def customer_for(client: ShopmonkeyClient, person: Person, *, create: bool) -> str | None:
    """See `Customers.customer_for`. Taking the first row of a search attached bookings to strangers at one shop, so each
    is held against the address; of two customers with one phone none is meant."""
    found = _found(client, person)
    if found or not create:
        return found[0] if len(found) == 1 else None
    try:
        made = client.create("customer", _body(person))
    except Uncertain:
        # There is no idempotency key: what was perhaps made is looked for once, and the push is tried again else.
        found = _found(client, person)
        if len(found) == 1:
            return found[0]
        raise
    except ConnectorError as error:
        # Numbers are really validated: somebody with an odd one is booked all the same.
        if error.kind != "permanent":
            raise
        log.info("shopmonkey_customer_refused", status=error.status)
        return None
    made_id = made.get("id")
    return made_id if isinstance(made_id, str) else None


def _found(client: ShopmonkeyClient, person: Person) -> list[str]:
    """Ids of the customers with this phone; with this email when nobody has the phone."""
    by_phone = (
        _search(
            client, "phone_number", {"phoneNumbers": [{"number": person.phone}]}, _has_phone(person.phone)
        )
        if person.phone
        else []
    )
    if by_phone or not person.email:
        return by_phone
    for shape in (person.email, {"email": person.email}):
        try:
            return _search(client, "email", {"emails": [shape]}, _has_email(person.email))
        except ConnectorError as error:
            # Which shape is taken is disputed (shopmonkey facts 8).
            if error.status != 400:
                raise
    return []


def _search(
    client: ShopmonkeyClient, what: str, body: Mapping[str, Any], fits: Callable[[Record], bool]
) -> list[str]:
    try:
        data = client.search(f"customer/{what}/search", body).data
    except ConnectorError as error:
        if error.status == 400 or not vanished(error):
            raise
        return []
    rows = [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []
    return [
        row["id"]
        for row in rows
        if isinstance(row.get("id"), str) and row.get("deleted") is not True and fits(row)
    ]


def _has_phone(phone: str | None) -> Callable[[Record], bool]:
    return lambda row: any(e164(each) == phone for each in _parts(row, "phoneNumbers", "number"))


def _has_email(email: str) -> Callable[[Record], bool]:
    return lambda row: any(normal_email(each) == email for each in _parts(row, "emails", "email"))


def _parts(row: Record, name: str, key: str) -> list[str]:
    parts = row.get(name)
    values = [each.get(key) for each in parts if isinstance(each, dict)] if isinstance(parts, list) else []
    return [value for value in values if isinstance(value, str)]


def _body(person: Person) -> dict[str, Any]:
    """Absent keys are left out: null and empty lists were refused (shopmonkey facts 2)."""
    values = {
        "firstName": person.first_name or (None if person.last_name else "Customer"),
        "lastName": person.last_name,
        "locationId": person.location_external_id,
        "phoneNumbers": [{"number": person.phone, "primary": True}] if person.phone else None,
        "emails": [{"email": person.email, "primary": True}] if person.email else None,
    }
    return {"customerType": "Customer", **{name: value for name, value in values.items() if value}}
