"""Shopmonkey's records in our words. Pure; the records come from `client`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from crm.connectors.base import Change, ConsentEvidence, LeadContext, NotALead
from crm.connectors.shopmonkey.moments import moment
from crm.connectors.shopmonkey.rows import version_of
from crm.emails import normal_email
from crm.leads import LeadData, VehicleData
from crm.phones import e164
from crm.text import storable_or_none

SOURCE = "shopmonkey"
_BODY_STYLES = frozenset({"coupe", "sedan", "hatchback", "suv", "truck", "van", "wagon"})
_PLACEHOLDER_NAMES = ("new quote", "new order", "estimate")

Record = Mapping[str, Any]


def read_change(raw: bytes) -> Change | None:
    """The change a webhook body tells of, or None when it tells none we understand (shopmonkey facts 5.3)."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict):
        return None
    table, operation, record_id = body.get("table"), body.get("operation"), data.get("id")
    if not isinstance(table, str) or operation not in ("INSERT", "UPDATE", "DELETE"):
        return None
    if not isinstance(record_id, str):
        return None
    return Change(table, operation, record_id, version_of(data), customer_id=_text(data.get("customerId")))


def change_of(order: Record) -> Change | None:
    """The change a row of a list shows, told in the same words as a webhook would have told it."""
    record_id = order.get("id")
    if not isinstance(record_id, str):
        return None
    changed, made = moment(order.get("updatedDate")), moment(order.get("createdDate"))
    operation: Literal["INSERT", "UPDATE"] = "INSERT" if changed is None else "UPDATE"
    return Change("order", operation, record_id, version_of(order), changed or made)


def lead_context(
    order: Record, customer: Record, vehicle: Record | None, services: Sequence[Record]
) -> LeadContext | NotALead:
    """The lead in these records.

    No phone and no email that could be valid is no lead: nobody can be written to.
    """
    phone = _contact(customer.get("phoneNumbers"), "number", order.get("phoneNumberId"))
    email = _contact(customer.get("emails"), "email", order.get("emailId"))
    number = e164(_text(phone.get("number"))) if phone else None
    address = normal_email(_text(email.get("email"))) if email else None
    if number is None and address is None:
        return NotALead("the customer has no phone number or email that could be written to")
    order_id = str(order["id"])
    data = LeadData(
        source=SOURCE,
        first_name=_text(customer.get("firstName")),
        last_name=_text(customer.get("lastName")),
        phone=number,
        email=address,
        external_id=order_id,
        external_customer_id=_text(customer.get("id")),
        wish=_wish(order, services),
        language=_language(customer),
        vehicle=_vehicle(vehicle),
    )
    consents = _consents(order_id, customer, (phone, number), (email, address))
    facts = {"shopmonkey_order": order_id, "shopmonkey_complaint": _text(order.get("complaint"), 1000)}
    made_at = moment(order.get("orderCreatedDate")) or moment(order.get("createdDate"))
    return LeadContext(
        str(order["locationId"]), data, consents, {k: v for k, v in facts.items() if v}, made_at
    )


def _consents(
    order_id: str,
    customer: Record,
    phone: tuple[Record | None, str | None],
    email: tuple[Record | None, str | None],
) -> tuple[ConsentEvidence, ...]:
    """An explicit true for texts is evidence, and an explicit false a refusal; absent and null are silence. Whether
    false is also what nobody ever answered is unknown, and to send less is the safe mistake (shopmonkey facts 8)."""
    found = []
    (row, number), (mail, address) = phone, email
    if row is not None and number is not None and isinstance(row.get("optIn"), bool):
        evidence = {
            "order": order_id,
            "customer": customer.get("id"),
            "phone_number": row.get("id"),
            "optIn": row["optIn"],
            "optInVerifiedDate": row.get("optInVerifiedDate"),
        }
        text = json.dumps(evidence, sort_keys=True, default=str)
        found.append(ConsentEvidence("sms", number, text, refused=not row["optIn"]))
    if mail is not None and address is not None and mail.get("subscribed") is False:
        told = {
            "order": order_id,
            "customer": customer.get("id"),
            "email": mail.get("id"),
            "subscribed": False,
        }
        text = json.dumps(told, sort_keys=True, default=str)
        found.append(ConsentEvidence("email", address, text, refused=True))
    return tuple(found)


def _contact(rows: object, key: str, wanted_id: object) -> Record | None:
    """The order's own choice, else a mobile, else the primary one, else the first (shopmonkey facts 8)."""
    given = rows if isinstance(rows, list) else []
    valid = [row for row in given if isinstance(row, dict) and _is_valid(key, row)]

    def rank(row: Record) -> tuple[bool, bool, bool]:
        chosen = wanted_id is not None and row.get("id") == wanted_id
        return (not chosen, row.get("type") != "Mobile", row.get("primary") is not True)

    return min(valid, key=rank, default=None)


def _is_valid(key: str, row: Record) -> bool:
    value = _text(row.get(key))
    return (e164(value) if key == "number" else normal_email(value)) is not None


def _wish(order: Record, services: Sequence[Record]) -> str | None:
    shown = [row for row in services if row.get("hidden") is not True]
    names = [name for row in shown if (name := _text(row.get("name"), 200))]
    if names:
        return ", ".join(dict.fromkeys(names[:5]))
    if complaint := _text(order.get("complaint"), 500):
        return complaint
    name = _text(order.get("name"), 200)
    return None if name is None or name.lower().startswith(_PLACEHOLDER_NAMES) else name


def _vehicle(row: Record | None) -> VehicleData | None:
    if row is None:
        return None
    style = (_text(row.get("type")) or "").lower()
    year = row.get("year")
    return VehicleData(
        year=year if isinstance(year, int) and 1900 <= year <= 2100 else None,
        make=_text(row.get("make")),
        model=_text(row.get("model")),
        submodel=_text(row.get("submodel")),
        body_style=style if style in _BODY_STYLES else None,
        color=_text(row.get("color")),
        external_id=_text(row.get("id")),
    )


def _language(customer: Record) -> str | None:
    return (_text(customer.get("preferredLanguage")) or "").replace("_", "-").split("-")[0].lower() or None


def _text(value: object, limit: int = 100) -> str | None:
    return storable_or_none(value, limit)
