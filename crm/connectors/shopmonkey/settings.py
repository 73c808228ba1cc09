"""What a connection to Shopmonkey can be told besides what every connection can."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from crm.connectors.settings import ConnectorSettings

# Two vocabularies contradict each other in public code (shopmonkey facts 5.2); the first one was seen in production.
EVENT_TRIGGERS = (
    "OrderInsert",
    "OrderUpdate",
    "AppointmentInsert",
    "AppointmentUpdate",
    "AppointmentDelete",
)
TABLE_TRIGGERS = ("Order", "Appointment")
# That a person of the shop writes to a customer is heard of this way at once, else only with the order's next change. Tried
# first; who refuses the name still gets what leads and visits need.
WITH_MESSAGES = (*EVENT_TRIGGERS, "MessageInsert")
TABLES_WITH_MESSAGES = (*TABLE_TRIGGERS, "Message")

Color = Literal["aqua", "black", "blue", "brown", "gray", "green", "orange", "purple", "red", "yellow"]


class ShopmonkeySettings(ConnectorSettings):
    """`triggers`: sets of trigger names, tried in this order until one is taken.

    `technician_ids`: to whom our entries are given; empty leaves them unassigned. `empty_note_cancels`: whether a
    cancellation note that is there but empty means cancelled (shopmonkey facts 12 assume so). `false_refuses`: whether
    `optIn: false` and `subscribed: false` are a person's no; where they are only what nobody ever answered, say false.
    `mark`: where a note about a conversation is kept.
    """

    triggers: tuple[tuple[str, ...], ...] = (
        WITH_MESSAGES,
        TABLES_WITH_MESSAGES,
        EVENT_TRIGGERS,
        TABLE_TRIGGERS,
    )
    webhook_name: str = Field(default="Lead Orchestrator", min_length=1, max_length=80)
    appointment_color: Color = "blue"
    technician_ids: tuple[str, ...] = ()
    empty_note_cancels: bool = True
    false_refuses: bool = True
    mark: Literal["metadata", "customer_note", "off"] = "metadata"

    @field_validator("triggers")
    @classmethod
    def _some(cls, value: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        if not value or not all(value) or not all(name.isalnum() for names in value for name in names):
            raise ValueError("must be lists of trigger names, none of them empty")
        return value
