"""Tables of the Shopmonkey stand-in: filterable columns, writable keys, required keys (Shopmonkey facts 7 - 12)."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]

_BASE = {"id": "str", "companyId": "str", "createdDate": "date", "updatedDate": "date"}
# Only real columns filter. What is missing here (customer phone, vehicle.customerId, deleted) is ignored silently.
COLUMNS: dict[str, dict[str, str]] = {
    "order": {
        **_BASE,
        **dict.fromkeys(
            ("locationId", "number", "status", "customerId", "vehicleId", "workflowStatusId"), "str"
        ),
        **dict.fromkeys(("name", "complaint", "attributionSource"), "str"),
        **dict.fromkeys(("archived", "authorized", "invoiced", "paid", "imported"), "bool"),
        **dict.fromkeys(("messageCount", "totalCostCents"), "num"),
        "orderCreatedDate": "date",
    },
    "customer": {
        **_BASE,
        **dict.fromkeys(("firstName", "lastName", "companyName", "normalizedName", "customerType"), "str"),
    },
    "vehicle": {
        **_BASE,
        **dict.fromkeys(("make", "model", "submodel", "vin", "licensePlate"), "str"),
        "year": "num",
    },
    "location": {**_BASE, "name": "str"},
    "canned_service": {**_BASE, "locationId": "str", "name": "str", "bookable": "bool", "totalCents": "num"},
    "appointment": {
        **_BASE,
        **dict.fromkeys(("locationId", "name", "note", "color", "customerId", "vehicleId", "orderId"), "str"),
        "startDate": "date",
        "endDate": "date",
        "allDay": "bool",
    },
    "user": {**_BASE, "firstName": "str", "lastName": "str", "active": "bool"},
    "workflow_status": {**_BASE, "locationId": "str", "name": "str"},
    "webhook": {**_BASE, "name": "str", "enabled": "bool"},
    "message": {**_BASE, **dict.fromkeys(("customerId", "conversationId", "authorType"), "str")},
    "conversation": {**_BASE, "customerId": "str", "archived": "bool"},
    "service": {**_BASE, "orderId": "str", "name": "str"},
}
# Keys a create or update takes; all others are dropped with status 200.
WRITABLE: dict[str, frozenset[str]] = {
    "appointment": frozenset(
        [
            *(
                "name",
                "startDate",
                "endDate",
                "color",
                "customerId",
                "vehicleId",
                "orderId",
                "locationId",
                "note",
            ),
            *(
                "technicianIds",
                "allDay",
                "useSMS",
                "useEmail",
                "sendConfirmation",
                "sendReminder",
                "metadata",
            ),
            *("confirmationText", "confirmationSubject", "reminderText", "reminderSubject"),
            *("customerPhoneNumberId", "customerEmailId", "cancellationNote"),
        ]
    ),
    "customer": frozenset(
        [
            *("firstName", "lastName", "companyName", "customerType", "emails", "phoneNumbers", "locationId"),
            *("note", "address1", "address2", "city", "state", "postalCode", "country", "referralSourceId"),
            *("preferredContactMethod", "metadata", "labels"),
        ]
    ),
    "vehicle": frozenset(
        [
            *(
                "customerId",
                "year",
                "make",
                "model",
                "submodel",
                "size",
                "type",
                "color",
                "vin",
                "locationId",
            ),
            *("licensePlate", "licensePlateState", "engine", "mileage", "note"),
        ]
    ),
    "order": frozenset(
        [
            *("customerId", "vehicleId", "workflowStatusId", "status", "name", "locationId", "complaint"),
            *("recommendation", "labels", "metadata", "archived", "authorized"),
        ]
    ),
    "webhook": frozenset(["name", "url", "enabled", "triggers", "secret", "locationId"]),
    "message": frozenset(["text", "sendSms", "sendEmail", "customerId", "conversationId", "locationId"]),
    "conversation": frozenset(["customerId", "archived"]),
}
REQUIRED: dict[str, tuple[str, ...]] = {
    "appointment": ("name", "color", "startDate", "endDate"),
    "vehicle": ("size",),
    "webhook": ("name", "url", "triggers"),
    "message": ("text",),
}
ENUMS: dict[tuple[str, str], frozenset[str]] = {
    ("appointment", "color"): frozenset(
        ["aqua", "black", "blue", "brown", "gray", "green", "orange", "purple", "red", "yellow"]
    ),
    ("vehicle", "size"): frozenset(["LightDuty", "MediumDuty", "HeavyDuty", "Other"]),
    ("order", "status"): frozenset(["Estimate", "RepairOrder", "Invoice"]),
}
TABLE_TRIGGERS = frozenset(
    [
        *(
            "Appointment",
            "Customer",
            "Inspection",
            "Inventory",
            "Message",
            "Order",
            "Payment",
            "PurchaseOrder",
        ),
        *("User", "Vehicle", "Vendor"),
    ]
)
EVENT_TRIGGERS = frozenset(
    table + event for table in TABLE_TRIGGERS for event in ("Insert", "Update", "Delete")
)
