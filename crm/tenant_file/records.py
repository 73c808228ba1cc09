"""What a file wants and what the database has, in one shape: records of fields, so that they can be compared.

A record is one thing (a location, a bay, a service) under its Key; its fields have the names of the file and values of
the columns' types.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from typing import Any, Literal

from pydantic import BaseModel

from crm.money import dollars
from crm.tenant_file.times import said

Kind = Literal[
    "tenant", "twilio", "sendgrid", "crm", "location", "special", "closure", "bay", "service", "fact", "staff"
]
Fields = dict[str, Any]

# The columns behind the fields of a file, by kind.
LOCATION = {
    "name": "name",
    "timezone": "timezone",
    "phone": "phone",
    "mailbox": "mailbox",
    "public_phone": "public_phone",
    "address.street": "address",
    "address.city": "city",
    "address.state": "state",
    "address.postal_code": "postal_code",
    "crm_location": "crm_location_id",
    "holidays": "holidays",
    "limits.jobs_per_day": "max_jobs_per_day",
    "limits.labour_minutes_per_day": "max_labour_minutes_per_day",
    "limits.buffer_before": "buffer_before_minutes",
    "limits.buffer_after": "buffer_after_minutes",
    "limits.same_day_until": "same_day_cutoff",
    "limits.notice_minutes": "notice_minutes",
    "limits.horizon_days": "horizon_days",
    "limits.slot_minutes": "slot_minutes",
}
DROP_OFF = "limits.drop_off"
SERVICE = {
    "name": "name",
    "category": "category",
    "body_style": "body_style",
    "price": "price_cents",
    "minutes": "duration_minutes",
    "minutes_by_body_style": "minutes_by_body_style",
    "description": "description",
    "not_included": "not_included",
    "active": "active",
    "visit": "visit",
    "external_id": "external_id",
}
STAFF = {"phone": "phone", "email": "email", "notify": "notify"}
BAY = {"active": "active", "skills": "skills"}
# What a new row cannot do without.
NEEDED: dict[Kind, tuple[str, ...]] = {
    "tenant": ("name",),
    "location": ("name", "timezone"),
    "service": ("name", "category", "minutes"),
    "twilio": ("auth_token",),
    "crm": ("api_key",),
}


class Secret:
    """A secret in plain text, for comparing and encrypting. Nothing prints it. None: a stored one that cannot be read,
    which is like no other."""

    __slots__ = ("plain",)

    def __init__(self, plain: str | None) -> None:
        self.plain = plain

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.plain is not None and self.plain == other.plain

    def __hash__(self) -> int:
        return hash(self.plain)

    def __repr__(self) -> str:
        return "(secret)"


@dataclass(frozen=True, order=True)
class Key:
    """Names one thing: its kind, the location it belongs to (empty: the business), and its own name."""

    kind: Kind
    place: str = ""
    name: str = ""

    def __str__(self) -> str:
        where = f"{self.place}, " if self.place else ""
        if self.kind == "tenant":
            return "business"
        if self.kind == "location":
            return f"location {self.place}"
        words = {"special": "hours of", "closure": "closed", "staff": "person"}.get(self.kind, self.kind)
        return f"{where}{words} {self.name}".rstrip()


Records = dict[Key, Fields]


def flat(prefix: str, model: BaseModel, *, only_written: bool = False) -> Fields:
    """The values of a model under `prefix.name`, those of models in it under `prefix.name.name`, as JSON has them."""
    found: Fields = {}
    dumped = model.model_dump(mode="json")
    for name in type(model).model_fields:
        value = getattr(model, name)
        if only_written and name not in model.model_fields_set:
            continue
        if isinstance(value, BaseModel):
            found |= flat(f"{prefix}.{name}", value, only_written=only_written)
        else:
            found[f"{prefix}.{name}"] = dumped[name]
    return found


def shown(field: str, value: Any) -> str:
    """A value as a person reads it in a diff; of a secret and of long words only that they are there."""
    if value is None:
        return "default" if field == "policy" else "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, time):
        return f"{value.hour}:{value.minute:02d}"
    if field == "price":
        return str(dollars(value))
    if field == "policy":
        return f"{len(value):,} characters"
    if isinstance(value, tuple | list):
        return _listed(field, tuple(value))
    if isinstance(value, dict):
        return ", ".join(f"{key} {shown('', each)}" for key, each in value.items()) or "none"
    text = str(value) if isinstance(value, Secret) else " ".join(str(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def _listed(field: str, value: tuple[Any, ...]) -> str:
    if field == DROP_OFF:
        return said((value,))
    if field.startswith("hours") and len(value) == 7:
        return "; ".join(f"{day} {said(times)}" for day, times in zip(_SHORT, value, strict=True) if times)
    if field.startswith(("hours", "times")):
        return said(value)
    return ", ".join(shown("", each) for each in value) or "none"


_SHORT = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
