"""When a shop is open in the coming days, for what goes out in its own hours only."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from channels.hours import SEARCH_DAYS, next_allowed
from channels.places import whereabouts
from crm.calendar.hours import OpeningHours, Stretch, Times, open_stretches
from crm.calendar.public_holidays import holidays_of
from crm.models import Lead, Location, Tenant
from crm.tenants import settings_of

_READ = "select weekly, special, closures from shop_hours(%(location)s, %(since)s)"


class Hours(NamedTuple):
    """A location's hours as JSON, the way `shop_hours` (migrations/sql/0006_gate.sql) gives them; None is an empty list.
    As text they are a key: what they come to is remembered, and changed hours are another key."""

    timezone: str
    holidays: str
    weekly: str | None
    special: str | None
    closures: str | None


def open_stretches_ahead(hours: Hours, now: datetime) -> tuple[Stretch, ...] | None:
    """The open stretches of a location from today on, as far as a hold looks ahead; closures and holidays are none.
    None for a shop that never told its hours: nothing can be kept to."""
    return _from_day(hours, now.astimezone(ZoneInfo(hours.timezone)).date())


def touch_hold(
    session: Session, lead: Lead, location: Location, now: datetime, *, first: bool = False
) -> datetime | None:
    """Until when the gate would hold a text of a touch that is written now; None: it would go at once. For whoever
    writes touches, so that what is promised to expire is counted from the moment it can leave. `first`: the first touch
    answers somebody who has just asked, so it has longer hours and does not wait for the shop to open."""
    where = whereabouts(
        lead.phone,
        location.timezone,
        shop_state=location.state,
        postal_code=lead.postal_code,
        state=lead.state,
    )
    if first:
        return next_allowed(now, where.zones, where.states, "first_touch")
    settings = settings_of(session.get_one(Tenant, lead.tenant_id))
    shop_open = _open_ahead(session, location, now) if settings.touches_in_shop_hours else None
    return next_allowed(now, where.zones, where.states, "touch", shop_open=shop_open)


def opening_hours(session: Session, location: Location, now: datetime) -> OpeningHours | None:
    """A location's hours from now on, for whoever plans touches far ahead; None for a shop that never told its hours."""
    return _opening(_read(session, location, now), now.astimezone(ZoneInfo(location.timezone)).date())


def _open_ahead(session: Session, location: Location, now: datetime) -> tuple[Stretch, ...] | None:
    return open_stretches_ahead(_read(session, location, now), now)


def _read(session: Session, location: Location, now: datetime) -> Hours:
    session.flush()
    parameters = {"location": location.id, "since": (now - timedelta(days=1)).date()}
    row = session.connection().exec_driver_sql(_READ, parameters).one()
    return Hours(location.timezone, json.dumps(location.holidays), row.weekly, row.special, row.closures)


@lru_cache(maxsize=4096)
def _from_day(hours: Hours, today: date) -> tuple[Stretch, ...] | None:
    known = _opening(hours, today)
    return None if known is None else tuple(open_stretches(known, today, today + timedelta(days=SEARCH_DAYS)))


@lru_cache(maxsize=1024)
def _opening(hours: Hours, today: date) -> OpeningHours | None:
    weekly: dict[int, Times] = {}
    for weekday, opens, closes in json.loads(hours.weekly or "[]"):
        weekly[weekday] = (*weekly.get(weekday, ()), _times(opens, closes))
    special: dict[date, Times] = {}
    for day, opens, closes in json.loads(hours.special or "[]"):
        if (on := date.fromisoformat(day)) >= today:
            special[on] = (*special.get(on, ()), _times(opens, closes))
    if not weekly and not special:
        return None
    closures = json.loads(hours.closures or "[]")
    return OpeningHours(
        timezone=ZoneInfo(hours.timezone),
        weekly=weekly,
        closures=tuple((date.fromisoformat(first), date.fromisoformat(last)) for first, last in closures),
        special=special,
        holidays=holidays_of(json.loads(hours.holidays)),
    )


def _times(opens: str, closes: str) -> tuple[time, time]:
    return time.fromisoformat(opens), time.fromisoformat(closes)
