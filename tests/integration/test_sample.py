"""The sample shop of a first start."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from sqlalchemy import Engine, select, text

from crm.calendar.job import Job
from crm.calendar.slots import find_slots
from crm.db import Database
from crm.models import Bay, Location, LocationClosure, Service, Staff
from crm.sample import ensure_sample_shop, thanksgiving
from ops.clock import FixedClock


def test_two_first_starts_make_one_shop(db: Database, owner_engine: Engine, clock: FixedClock) -> None:
    with ThreadPoolExecutor(2) as pool:
        slugs = list(pool.map(lambda _: ensure_sample_shop(db, owner_engine, clock), range(2)))
    assert slugs == ["demo", "demo"]
    assert ensure_sample_shop(db, owner_engine, clock) == "demo"
    with owner_engine.connect() as connection:
        (tenant_id,) = connection.execute(text("select id from tenants where slug = 'demo'")).one()
    with db.tenant(tenant_id) as s:
        location = s.scalars(select(Location)).one()
        assert (location.phone, location.mailbox) == ("+13125550100", "leads@lakeside.example")
        assert len(s.scalars(select(Bay)).all()) == 2
        assert len(s.scalars(select(Staff)).all()) == 1
        services = s.scalars(select(Service)).all()
        assert len(services) > 20
        assert [one.code for one in services if one.price_cents is None] == ["ppf-full"]
        closures = {row.reason: row.starts_on for row in s.scalars(select(LocationClosure))}
        assert closures == {"Thanksgiving": date(2026, 11, 26), "Christmas": date(2026, 12, 25)}
        assert len(find_slots(s, location, Job((1,), 150), clock.now())) == 3


@pytest.mark.parametrize(("year", "day"), [(2025, 27), (2026, 26), (2027, 25), (2028, 23)])
def test_thanksgiving(year: int, day: int) -> None:
    assert thanksgiving(year) == date(year, 11, day)
