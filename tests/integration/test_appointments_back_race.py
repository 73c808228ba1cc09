"""Several workers at once, and two businesses that know nothing of each other."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, select

from crm.calendar.booking import book
from crm.calendar.refusals import BookingConflict
from crm.db import Database
from crm.models import Appointment, Location, TenantCrmConfig
from ops.clock import FixedClock
from scheduler.crm_appointments import read_appointments
from scheduler.crm_looks import Look
from tests.conftest import TestDatabase, World
from tests.integration.back_help import Back, reading_back
from tests.integration.booking_help import OVERLAPS
from tests.integration.calendar_help import add_offer, customers, local
from tests.integration.push_help import NINE

HOUR = timedelta(hours=1)
LENGTH = timedelta(minutes=150)


@pytest.fixture
def back(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World
) -> Iterator[Back]:
    with reading_back(test_database, redis_url, clock, db, world) as made:
        yield made


def busy(back: Back, start: datetime, hours: float = 1) -> str:
    return back.site.busy(start, hours)


def test_two_looks_at_once_take_each_change_once(back: Back, owner_engine: Engine) -> None:
    number = back.booked()
    for hour in range(5):
        busy(back, NINE + hour * HOUR, 2)
    back.drag(number, local(25, 11))
    now = back.site.clock.now()
    look = Look(1, back.site.config_id, back.site.shop.location_id, None, {}, now)
    with ThreadPoolExecutor(4) as pool:
        looks = [
            pool.submit(read_appointments, back.site.runtime, back.site.shop.tenant_id, look)
            for _ in range(4)
        ]
        assert [one.result(60).error for one in looks] == [None] * 4
    assert back.history(number) == [("agent", "booked"), ("crm", "moved")]
    assert len({one.external_id for one in back.blocks()}) == len(back.blocks()) >= 5
    with owner_engine.connect() as connection:
        assert connection.execute(OVERLAPS).scalar_one() == 0


def test_two_tellings_at_once_write_one_message(back: Back) -> None:
    number = back.booked()
    back.drag(number, local(25, 11))
    back.look()
    back.site.clock.advance(2 * HOUR)
    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(lambda _: back.tell(number, timedelta(0)), range(6)))
    assert sorted(set(outcomes)) == ["not due", "told by email"]
    assert outcomes.count("told by email") == 1
    assert len(back.texts()) == 1


def test_bookings_made_while_the_calendar_is_laid_out_never_meet_it(back: Back, owner_engine: Engine) -> None:
    for hour in range(6):
        busy(back, NINE + hour * HOUR, 1)
    people = customers(back.site.db, back.site.shop, 6)
    offers = [add_offer(back.site.db, who, NINE + n * HOUR) for n, who in enumerate(people)]

    def attempt(n: int) -> None:
        try:
            with back.site.db.tenant(back.site.shop.tenant_id) as s:
                book(s, offers[n], people[n].booker(back.site.clock.now()))
        except BookingConflict:
            pass

    with ThreadPoolExecutor(7) as pool:
        looking = pool.submit(back.look, timedelta(0))
        list(pool.map(attempt, range(6)))
        assert looking.result(60).error is None
    assert back.look(timedelta(0)).error is None
    with owner_engine.connect() as connection:
        assert connection.execute(OVERLAPS).scalar_one() == 0


def test_two_tenants_with_the_same_ids_know_nothing_of_each_other(back: Back, world: World) -> None:
    """South has its own connection to a company whose entries happen to have the same ids."""
    with back.site.db.tenant(world.north.tenant_id) as s:
        config = s.get_one(TenantCrmConfig, back.site.config_id)
        values = {
            "connector": config.connector, "base_url": config.base_url, "api_key_encrypted": config.api_key_encrypted,
            "settings": config.settings,
        }  # fmt: skip
    with back.site.db.tenant(world.south.tenant_id) as s:
        s.add(TenantCrmConfig(tenant_id=world.south.tenant_id, hook_token="south-token", **values))
        s.flush()
        s.get_one(Location, world.south.location_id).crm_location_id = back.site.shopmonkey.location_id
        south_config = s.scalars(select(TenantCrmConfig.id)).one()
    number = back.booked()
    entry = busy(back, local(26, 9))
    back.look()
    look = Look(2, south_config, world.south.location_id, None, {}, back.site.clock.now())
    assert read_appointments(back.site.runtime, world.south.tenant_id, look).error is None
    with back.site.db.tenant(world.south.tenant_id) as s:
        theirs = {one.external_id for one in s.scalars(select(Appointment))}
    assert theirs == {entry, back.row(number).external_id}, "for south north's booking is somebody else's"
    assert [one.external_id for one in back.blocks()] == [entry]
    back.site.shopmonkey.delete_appointment(entry)
    back.look()
    with back.site.db.tenant(world.south.tenant_id) as s:
        assert len(list(s.scalars(select(Appointment)))) == 2
