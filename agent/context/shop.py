"""The shop as the agent may speak of it: address, usual hours, the days that differ, and what the owner wrote down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.calendar.hours import OpeningHours, Times
from crm.calendar.hours_card import closures
from crm.calendar.labels import clock_label, day_label, hours_text
from crm.calendar.public_holidays import holidays_of
from crm.models import Location, LocationClosure, LocationHours, LocationSpecialHours
from crm.tenants import TenantSettings

# As far as the default calendar offers times: who may book a day may also ask whether the shop is open on it.
LOOK_AHEAD_DAYS = 60
SPECIAL = "special hours"


def shop_facts(
    session: Session, location: Location, settings: TenantSettings, now: datetime
) -> dict[str, Any]:
    """Everything about the shop, read in three queries. `facts` are the tenant's under the location's own;
    `exceptions` are the days of the next weeks whose hours are not the usual ones."""
    today = now.astimezone(ZoneInfo(location.timezone)).date()
    last = today + timedelta(days=LOOK_AHEAD_DAYS - 1)
    weekly = session.scalars(
        select(LocationHours)
        .where(LocationHours.location_id == location.id)
        .order_by(LocationHours.weekday, LocationHours.opens)
    ).all()
    closed = closures(session, location, today, last)
    hours = _opening_hours(session, location, weekly, closed, today)
    return {
        "name": location.name,
        "phone": location.public_phone or location.phone or "",
        "address": ", ".join(filter(None, (location.address, location.city, location.state))),
        "hours_text": hours_text(weekly),
        "assistant_name": settings.assistant_name,
        "facts": merged_facts(settings.shop_facts, location.facts),
        "exceptions": exceptions(hours, closed, today, last),
    }


def merged_facts(tenant: Mapping[str, str], location: Mapping[str, Any]) -> dict[str, str]:
    """What the tenant says about all its shops, with a location's own word over it, in the order of the keys."""
    both = {**tenant, **{key: str(value) for key, value in location.items()}}
    return {key: both[key] for key in sorted(both)}


def exceptions(
    hours: OpeningHours, closed: Sequence[LocationClosure], first: date, last: date
) -> list[dict[str, str]]:
    """The days from `first` to `last`, both included, on which the shop is not open as it usually is, and why."""
    found = []
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        times = hours.of_day(day)
        if times != hours.weekly.get(day.weekday(), ()):
            found.append(
                {
                    "date": day.isoformat(),
                    "label": day_label(day),
                    "hours": _said(times),
                    "why": _why(hours, closed, day),
                }
            )
    return found


def shop_text(shop: Mapping[str, Any]) -> str:
    """The shop's facts as the last system part: the same bytes until somebody changes the shop, or a day with other
    hours comes into sight or passes, which is at midnight of the shop and on few days of a year."""
    lines = [
        "# The shop",
        f"Name: {shop['name']}",
        f"Address: {shop['address']}",
        f"Phone for people: {shop['phone']}",
        f"Usual hours: {shop['hours_text']}",
        f"Days with other hours: {_grouped(shop['exceptions']) or 'none in the next weeks'}",
        f"You call yourself: {shop['assistant_name']}",
    ]
    if shop["facts"]:
        lines.append("What the shop says about itself; you may say it too:")
        lines += [f"- {key}: {value}" for key, value in shop["facts"].items()]
    return "\n".join(lines)


def _opening_hours(
    session: Session,
    location: Location,
    weekly: Sequence[LocationHours],
    closed: Sequence[LocationClosure],
    today: date,
) -> OpeningHours:
    special: dict[date, list[tuple[Any, Any]]] = {}
    for row in session.scalars(
        select(LocationSpecialHours).where(
            LocationSpecialHours.location_id == location.id, LocationSpecialHours.on_date >= today
        )
    ):
        special.setdefault(row.on_date, []).append((row.opens, row.closes))
    usual: dict[int, list[tuple[Any, Any]]] = {}
    for one in weekly:
        usual.setdefault(one.weekday, []).append((one.opens, one.closes))
    return OpeningHours(
        timezone=ZoneInfo(location.timezone),
        weekly={day: tuple(sorted(times)) for day, times in usual.items()},
        closures=tuple((row.starts_on, row.ends_on) for row in closed),
        special={day: tuple(sorted(times)) for day, times in special.items()},
        holidays=holidays_of(location.holidays),
    )


def _why(hours: OpeningHours, closed: Sequence[LocationClosure], day: date) -> str:
    for row in closed:
        if row.starts_on <= day <= row.ends_on:
            return row.reason or "closed"
    holiday = hours.holidays.on(day) if hours.holidays else None
    return holiday or SPECIAL


def _said(times: Times) -> str:
    return " and ".join(f"{clock_label(opens)}-{clock_label(closes)}" for opens, closes in times) or "closed"


def _grouped(days: Sequence[Mapping[str, str]]) -> str:
    """Neighbouring days with the same hours and reason as one: "Thu, Dec 24 to Sat, Jan 2 closed (holidays)". Days
    between them on which the shop never works do not part them."""
    groups: list[list[Mapping[str, str]]] = []
    for day in days:
        if groups and _belongs(groups[-1][-1], day):
            groups[-1].append(day)
        else:
            groups.append([day])
    return "; ".join(
        f"{_span(group)} {group[0]['hours']}" + (f" ({why})" if (why := group[0]["why"]) != "closed" else "")
        for group in groups
    )


def _belongs(before: Mapping[str, str], day: Mapping[str, str]) -> bool:
    gap = date.fromisoformat(day["date"]) - date.fromisoformat(before["date"])
    alike = (before["hours"], before["why"]) == (day["hours"], day["why"])
    # One weekend at most lies between two working days of one closure.
    return alike and before["why"] != SPECIAL and gap <= timedelta(days=3)


def _span(group: Sequence[Mapping[str, str]]) -> str:
    return group[0]["label"] if len(group) == 1 else f"{group[0]['label']} to {group[-1]['label']}"
