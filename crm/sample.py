"""A sample shop: what `make run` shows on a laptop and what the tests book at."""

from __future__ import annotations

from datetime import date, time, timedelta
from functools import cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from crm.db import Database
from crm.models import Bay, Location, LocationClosure, LocationHours, Service, Staff
from ops.clock import Clock

SAMPLE_SLUG = "demo"
SAMPLE_NAME = "Lakeside Window Tint"


def ensure_sample_shop(
    db: Database,
    owner_engine: Engine,
    clock: Clock,
    *,
    phone: str = "+13125550100",
    mailbox: str = "leads@lakeside.example",
) -> str:
    """Create the tenant "demo" with one working location unless it is there; returns its slug.

    The tenant's own row is written with the owner's engine: the application role may see only the row of its
    own tenant and may not create tenants. Safe to call at every start and from two processes at once.
    """
    tenant_id = _ensure_tenant(owner_engine)
    with db.tenant(tenant_id) as s:
        # Two first starts at once: the second waits until the first has committed, then finds the location.
        s.execute(text("select pg_advisory_xact_lock(hashtext('sample shop'))"))
        if s.query(Location).filter_by(tenant_id=tenant_id, slug="lakeside").first() is None:
            location = add_sample_location(s, tenant_id, "lakeside", SAMPLE_NAME, phone, mailbox)
            _add_holidays(s, location, clock.now().astimezone(ZoneInfo(location.timezone)).date())
            s.add(
                Staff(
                    tenant_id=tenant_id,
                    location_id=location.id,
                    name="Robin",
                    phone="+13125550110",
                    email="robin@lakeside.example",
                )
            )
    return SAMPLE_SLUG


def add_sample_location(
    s: Session,
    tenant_id: int,
    slug: str,
    name: str,
    phone: str,
    mailbox: str,
    timezone: str = "America/Chicago",
) -> Location:
    """Add one location with hours, two bays and the sample catalogue; returns it flushed, with its id."""
    location = Location(
        tenant_id=tenant_id,
        slug=slug,
        name=name,
        timezone=timezone,
        phone=phone,
        mailbox=mailbox,
        public_phone=phone,
        address="2200 N Lake Shore Service Rd",
        city="Chicago",
        state="IL",
        postal_code="60614",
    )
    s.add(location)
    s.flush()
    owner = {"tenant_id": tenant_id, "location_id": location.id}
    s.add_all(_weekly_hours(owner))
    s.add_all(Bay(**owner, name=bay) for bay in ("Bay 1", "Bay 2"))
    s.add_all(Service(**owner, **row) for row in sample_services())
    s.flush()
    return location


@cache
def sample_services() -> tuple[dict[str, Any], ...]:
    """The rows of crm/sample_services.yaml: columns of service_catalog, prices in cents."""
    raw = resources.files("crm").joinpath("sample_services.yaml").read_text(encoding="utf-8")
    return tuple(yaml.safe_load(raw))


def _weekly_hours(owner: dict[str, int]) -> list[LocationHours]:
    weekdays = [LocationHours(**owner, weekday=day, opens=time(9), closes=time(18)) for day in range(5)]
    return [*weekdays, LocationHours(**owner, weekday=5, opens=time(9), closes=time(14))]


def _ensure_tenant(owner_engine: Engine) -> int:
    with owner_engine.begin() as connection:
        connection.execute(
            text("insert into tenants (slug, name) values (:slug, :name) on conflict (slug) do nothing"),
            {"slug": SAMPLE_SLUG, "name": SAMPLE_NAME},
        )
        found = connection.execute(text("select id from tenants where slug = :slug"), {"slug": SAMPLE_SLUG})
        return int(found.scalar_one())


def _add_holidays(s: Session, location: Location, today: date) -> None:
    holidays = {"Thanksgiving": _next(thanksgiving, today), "Christmas": _next(_christmas, today)}
    for reason, holiday in holidays.items():
        s.add(
            LocationClosure(
                tenant_id=location.tenant_id,
                location_id=location.id,
                starts_on=holiday,
                ends_on=holiday,
                reason=reason,
            )
        )


def thanksgiving(year: int) -> date:
    """The fourth Thursday of November (5 U.S.C. 6103)."""
    first = date(year, 11, 1)
    return first + timedelta(days=(3 - first.weekday()) % 7 + 21)


def _christmas(year: int) -> date:
    return date(year, 12, 25)


def _next(holiday: Any, today: date) -> date:
    this_year: date = holiday(today.year)
    following: date = holiday(today.year + 1)
    return this_year if this_year >= today else following
