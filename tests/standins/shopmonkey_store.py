"""Rows of the Shopmonkey stand-in, and helpers that fill a shop (Shopmonkey facts 6 - 12)."""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.standins.base import StandIn
from tests.standins.shopmonkey_query import moment
from tests.standins.shopmonkey_schema import COLUMNS, Row


@dataclass(frozen=True)
class Lead:
    """Ids of what add_lead made; vehicle_id is None without a vehicle."""

    order_id: str
    customer_id: str
    vehicle_id: str | None
    service_ids: tuple[str, ...]


def iso(at: datetime) -> str:
    """Shopmonkey's date form: UTC, Z, no trailing zeros in the fraction."""
    text = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".")
    return text + "Z"


class ShopmonkeyStore(StandIn):
    """Tables as dictionaries by id. Keys that begin with an underscore are never shown.

    Every `LEGACY_EVERY`th row has a 24-hex id, as rows migrated from v1 have, unless `mixed_ids` is off. `seed` makes
    ids and the order of unsorted lists repeatable.
    """

    LEGACY_EVERY = 4
    order_lag_lists = 0

    def __init__(self, *, seed: int | None = None, mixed_ids: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tables: dict[str, dict[str, Row]] = {name: {} for name in COLUMNS}
        self.chance = random.Random(seed)
        self.mixed_ids = mixed_ids
        self.company_id = self._uuid()
        self._number = 1000
        self._version = 1_770_000_000_000
        self.location_id = self.add_location("Main Street")
        self.lead_status_id = self.add_row("workflow_status", name="New Quotes", position=0)["id"]

    # Any row

    def changed(self, table: str, operation: str, row: Row, diff: Sequence[str] = ()) -> None:
        """Called after every change of a row; subclasses tell webhooks."""

    def add_row(self, table: str, *, legacy: bool | None = None, **values: Any) -> Row:
        """Insert a row; `legacy` says whether its id is 24 hex digits. updatedDate starts as null."""
        self._version += 1
        if legacy is None:
            legacy = self.mixed_ids and self._version % self.LEGACY_EVERY == 0
        row = {
            "id": self._hex(12) if legacy else self._uuid(),
            "companyId": self.company_id,
            "createdDate": iso(self.clock()),
            "updatedDate": None,
            "meta": {"userId": None, "sessionId": None, "version": self._version},
            **values,
        }
        if table not in {"customer", "location", "user"}:
            row.setdefault("locationId", getattr(self, "location_id", None))
        with self.lock:
            self.tables[table][row["id"]] = row
        self.changed(table, "INSERT", row)
        return row

    def change(self, table: str, row_id: str, **values: Any) -> Row:
        """Update a row as a person at the shop would; sets updatedDate and a higher meta.version."""
        with self.lock:
            row = self.tables[table][row_id]
            self._version += 1
            differing = [
                name for name in values if row.get(name) != values[name] and not name.startswith("_")
            ]
            row.update(values, updatedDate=iso(self.clock()), meta={**row["meta"], "version": self._version})
        self.changed(table, "UPDATE", row, [*differing, "updatedDate"])
        return row

    def remove(self, table: str, row_id: str) -> Row:
        """Delete a row and return it as it was last."""
        with self.lock:
            row = self.tables[table].pop(row_id)
        self.changed(table, "DELETE", row)
        return row

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))

    def _hex(self, size: int) -> str:
        return f"{self.chance.getrandbits(8 * size):0{2 * size}x}"

    # A shop

    def add_location(self, name: str, *, timezone: str = "America/Chicago", **more: Any) -> str:
        """A location; business hours do not exist in this API."""
        address = {"address1": "1 Main St", "city": "Austin", "state": "TX", "postalCode": "78701"}
        row = self.add_row("location", name=name, timezone=timezone, **{**address, "country": "US", **more})
        return str(row["id"])

    def add_user(self, first: str, last: str = "") -> str:
        """A technician."""
        return str(self.add_row("user", firstName=first, lastName=last, active=True)["id"])

    def add_canned_service(
        self, name: str, total_cents: int, *, hours: float | None = None, **more: Any
    ) -> str:
        """A catalogue entry priced in integer cents; without hours it has no labor line, so no duration."""
        labors = [{"name": "Install", "hours": hours, "rateCents": 12000}] if hours is not None else []
        values = {
            "note": "",
            "pricing": "FixedPrice",
            "fixedPriceCents": total_cents,
            "bookable": True,
            "recommended": False,
            "deleted": False,
            "labels": [],
            "totalCents": total_cents,
            "calculatedLaborCents": total_cents,
            "calculatedTaxCents": 0,
            "calculatedDiscountCents": 0,
            "labors": labors,
            **{name: [] for name in ("parts", "fees", "subcontracts", "tires")},
        }
        return str(self.add_row("canned_service", name=name, **{**values, **more})["id"])

    def add_customer(
        self,
        first: str | None,
        last: str | None,
        phone: str | None = None,
        email: str | None = None,
        *,
        opt_in: bool | None = None,
        **more: Any,
    ) -> str:
        """A customer. opt_in None leaves the consent fields out altogether, as today's API may."""
        consent = {} if opt_in is None else {"optIn": opt_in, "optInVerifiedDate": None}
        subscribed = {} if opt_in is None else {"subscribed": opt_in}
        phones = [{"id": self._hex(6), "number": phone, "primary": True, "type": "Mobile", **consent}]
        emails = [{"id": self._hex(6), "email": email, "primary": True, **subscribed}]
        values = {
            "customerType": "Customer",
            "firstName": first,
            "lastName": last,
            "companyName": None,
            "normalizedName": " ".join(part for part in (first, last) if part).lower(),
            "email": None,
            "phone": None,
            "phoneNumbers": phones if phone else [],
            "emails": emails if email else [],
            "locationIds": [self.location_id],
            "preferredContactMethod": "SMS",
            "marketingOptIn": False,
            "referralSourceId": None,
            "note": "",
            "labels": [],
            "deleted": False,
            "metadata": None,
        }
        return str(self.add_row("customer", **{**values, **more})["id"])

    def add_vehicle(self, customer_id: str, **values: Any) -> str:
        """A vehicle of a customer: year, make, model, submodel, size, vin, color."""
        fields = {
            "year": None,
            "make": None,
            "model": None,
            "submodel": None,
            "vin": None,
            "size": "LightDuty",
        }
        return str(self.add_row("vehicle", owners=[customer_id], **{**fields, **values})["id"])

    def add_order(self, customer_id: str | None, vehicle_id: str | None, **more: Any) -> Row:
        """An estimate without services in the lead column; `number` is a string."""
        with self.lock:
            self._number += 1
            number = str(self._number)
        now = iso(self.clock())
        flags = ("authorized", "invoiced", "paid", "archived", "deleted", "imported", "readOnly")
        values = {
            "publicId": self._uuid(),
            "number": number,
            "name": "New Quote",
            "coalescedName": "New Quote",
            "status": "Estimate",
            "workflowStatusId": self.lead_status_id,
            "workflowStatusDate": now,
            "customerId": customer_id,
            "vehicleId": vehicle_id,
            "complaint": None,
            "recommendation": None,
            "attributionSource": "WorkRequestForm",
            "phoneNumberId": None,
            "emailId": None,
            **dict.fromkeys(flags, False),
            "appointmentDates": [],
            "assignedTechnicianIds": [],
            "labels": [],
            "messageCount": 0,
            "shopUnreadMessageCount": 0,
            "messagedDate": None,
            "totalCostCents": 0,
            "orderCreatedDate": now,
            "metadata": None,
            "_born": self.clock(),
            "_hidden_lists": 0,
        }
        order = self.add_row("order", **{**values, **self._generated(customer_id, vehicle_id), **more})
        order["_hidden_lists"] = self.order_lag_lists
        return order

    def add_lead(
        self,
        first: str | None = "Dana",
        last: str | None = "Reyes",
        phone: str | None = "+15125550100",
        email: str | None = "dana@example.com",
        *,
        vehicle: Mapping[str, Any] | None = None,
        complaint: str | None = None,
        services: Sequence[str] = (),
        opt_in: bool | None = None,
        **order: Any,
    ) -> Lead:
        """A web-quote lead: customer, vehicle, estimate order and its services (by catalogue name, else unpriced).

        opt_in: consent recorded, refused, or (None) no consent fields. `order` overrides keys of the order row.
        """
        customer_id = self.add_customer(first, last, phone, email, opt_in=opt_in)
        vehicle_id = self.add_vehicle(customer_id, **vehicle) if vehicle else None
        row = self.add_order(customer_id, vehicle_id, complaint=complaint, **order)
        made = [self.add_service(row["id"], name)["id"] for name in services]
        return Lead(row["id"], customer_id, vehicle_id, tuple(made))

    def add_service(self, order_id: str, name: str, **more: Any) -> Row:
        """A service line of an order, priced like the canned service of that name when there is one."""
        canned = next((row for row in self.tables["canned_service"].values() if row["name"] == name), {})
        values = {
            "orderId": order_id,
            "name": name,
            "note": "",
            "authorizationStatus": "NotAuthorized",
            "sourceServiceId": canned.get("id"),
            "totalCents": canned.get("totalCents", 0),
            "labors": canned.get("labors", []),
            "parts": canned.get("parts", []),
            "fees": [],
            "hidden": False,
        }
        return self.add_row("service", **{**values, **more})

    def add_appointment(self, start: str, end: str, *, recurring: bool = False, **more: Any) -> str:
        """An appointment made at the shop; a recurring one (lunch) is missing from list and search.

        Moments are stored, and shown, in UTC whatever offset they came with.
        """
        start, end = (iso(moment(text)) for text in (start, end))
        values = {"name": "Busy", "color": "gray", "note": "", "allDay": False, "origin": "Shop"}
        hidden = {"_recurring": recurring, "_technicianIds": more.pop("technicianIds", [])}
        values["confirmationStatus"] = "NoResponse"
        links = dict.fromkeys(
            ("customerId", "vehicleId", "orderId", "cancellationNote", "metadata", "rruleset")
        )
        row = self.add_row(
            "appointment", startDate=start, endDate=end, **{**values, **links, **hidden, **more}
        )
        return str(row["id"])

    def _generated(self, customer_id: str | None, vehicle_id: str | None) -> dict[str, Any]:
        customer = self.tables["customer"].get(customer_id or "", {})
        vehicle = self.tables["vehicle"].get(vehicle_id or "", {})
        person = [customer.get(name) for name in ("firstName", "lastName")]
        car = [vehicle.get(name) for name in ("year", "make", "model", "submodel")]
        return {
            "generatedCustomerName": " ".join(str(part) for part in person if part) or None,
            "generatedVehicleName": " ".join(str(part) for part in car if part) or None,
        }
