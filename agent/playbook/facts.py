"""The facts of a turn in types. What is missing or of a wrong kind reads as unknown, never as an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from agent.playbook.vehicles import Vehicle

LIVE = frozenset({"booked", "confirmed"})


@dataclass(frozen=True)
class Slot:
    """An offer or an appointment: its id, its label as shown, its local start and its services."""

    id: int
    label: str
    day: date | None
    start: time | None
    services: tuple[str, ...] = ()
    status: str = ""


@dataclass(frozen=True)
class OtherDay:
    """A day on which the shop is not open as usual: "closed" or its hours, and why."""

    day: date
    hours: str
    why: str


@dataclass(frozen=True)
class Shop:
    """What the shop says about itself."""

    name: str = "the shop"
    phone: str = ""
    address: str = ""
    hours: str = ""
    assistant: str = ""
    other_days: tuple[OtherDay, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    """What the owner wrote down ("parking", "warranty"), by name."""


@dataclass(frozen=True)
class Facts:
    """Everything a turn knows besides the transcript. `now` is the shop's local time, without a zone on purpose: it is
    only compared with local days."""

    now: datetime
    channel: str
    first_reply: bool
    shop: Shop
    first_name: str
    wish: str
    vehicle: Vehicle
    offers: tuple[Slot, ...]
    appointments: tuple[Slot, ...]
    language: str = ""
    proved: bool = True
    """False: nothing proves that the customer wrote what is to be answered."""
    speaks: str = "en"
    """The language this turn is answered in, "en" or "es"; `language` is what the conversation is known to be in."""


def read_facts(raw: Mapping[str, Any]) -> Facts:
    """Read `ModelRequest.facts`. Never raises."""
    lead = _mapping(raw.get("lead"))
    now = _moment(raw.get("now_local"))
    return Facts(
        now=now,
        channel="email" if raw.get("channel") == "email" else "sms",
        first_reply=bool(raw.get("first_reply")),
        shop=_shop(_mapping(raw.get("shop"))),
        first_name=_text(lead.get("first_name")).strip(),
        wish=_text(lead.get("wish")),
        vehicle=read_vehicle_fact(lead.get("vehicle")),
        offers=read_slots(raw.get("offers"), "offer_id"),
        appointments=tuple(
            slot
            for slot in read_slots(raw.get("appointments"), "appointment_id")
            if slot.status in LIVE and (slot.day is None or slot.day >= now.date())
        ),
        language=_text(raw.get("language")),
        proved=_mapping(raw.get("writer")).get("proved") is not False,
    )


def read_slots(raw: Any, id_key: str) -> tuple[Slot, ...]:
    """Offers (`offer_id`) or appointments (`appointment_id`) of facts or of a tool result, in their order."""
    rows = raw if isinstance(raw, list | tuple) else ()
    return tuple(slot for row in rows if (slot := _slot(_mapping(row), id_key)))


def read_vehicle_fact(raw: Any) -> Vehicle:
    """The lead's vehicle."""
    row = _mapping(raw)
    year = row.get("year")
    return Vehicle(
        year if isinstance(year, int) else None,
        _text(row.get("make")) or None,
        _text(row.get("model")) or None,
        _text(row.get("body_style")) or None,
    )


def _slot(row: Mapping[str, Any], id_key: str) -> Slot | None:
    found, label = row.get(id_key), _text(row.get("label"))
    if not isinstance(found, int) or not label:
        return None
    names = row.get("services")
    services = tuple(_text(name) for name in names) if isinstance(names, list | tuple) else ()
    return Slot(
        found, label, _day(row.get("date")), _clock(row.get("time")), services, _text(row.get("status"))
    )


def _shop(row: Mapping[str, Any]) -> Shop:
    return Shop(
        _text(row.get("name")) or "the shop",
        _text(row.get("phone")),
        _text(row.get("address")),
        _text(row.get("hours_text")),
        _text(row.get("assistant_name")),
        _other_days(row.get("exceptions")),
        tuple((key, value) for key, value in _mapping(row.get("facts")).items() if isinstance(value, str)),
    )


def _other_days(raw: Any) -> tuple[OtherDay, ...]:
    rows = [_mapping(row) for row in raw] if isinstance(raw, list | tuple) else []
    return tuple(
        OtherDay(day, _text(row.get("hours")), _text(row.get("why")))
        for row in rows
        if (day := _day(row.get("date"))) and _text(row.get("hours"))
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _moment(value: Any) -> datetime:
    try:
        return datetime.fromisoformat(_text(value)).replace(tzinfo=None)
    except ValueError:
        # Without a clock no day can be named, but a question can still be answered; any fixed day will do.
        return datetime(2000, 1, 1)  # noqa: DTZ001


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(_text(value))
    except ValueError:
        return None


def _clock(value: Any) -> time | None:
    try:
        return time.fromisoformat(_text(value))
    except ValueError:
        return None
