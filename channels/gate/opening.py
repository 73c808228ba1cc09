"""When a shop is open in the coming days, for what goes out in its own hours only."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from channels.hours import SEARCH_DAYS, next_allowed
from channels.places import whereabouts
from crm.calendar.hours import Stretch, load_hours, open_stretches
from crm.models import Lead, Location, Tenant
from crm.tenants import settings_of


def open_ahead(session: Session, location: Location, now: datetime) -> tuple[Stretch, ...] | None:
    """The open stretches of a location from today on, as far as a hold looks ahead; closures and holidays are none.
    None for a shop that never told its hours: nothing can be kept to."""
    today = now.astimezone(ZoneInfo(location.timezone)).date()
    hours = load_hours(session, location, since=today)
    if not hours.weekly and not hours.special:
        return None
    return tuple(open_stretches(hours, today, today + timedelta(days=SEARCH_DAYS)))


def touch_hold(session: Session, lead: Lead, location: Location, now: datetime) -> datetime | None:
    """Until when the gate would hold a text of a touch that is written now; None: it would go at once. For whoever
    writes touches, so that what is promised to expire is counted from the moment it can leave."""
    where = whereabouts(
        lead.phone,
        location.timezone,
        shop_state=location.state,
        postal_code=lead.postal_code,
        state=lead.state,
    )
    settings = settings_of(session.get_one(Tenant, lead.tenant_id))
    shop_open = open_ahead(session, location, now) if settings.touches_in_shop_hours else None
    return next_allowed(now, where.zones, where.states, "touch", shop_open=shop_open)
