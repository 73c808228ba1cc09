"""Many locations on one key: the first one's look sees what is new anywhere, and the others come at once for it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from crm.connectors.base import FilterIgnored
from crm.models import Location
from crm.models.intake import CrmCheck
from ops.clock import FixedClock
from scheduler import crm_turns
from scheduler.crm_checks import run_crm_check
from tests.conftest import TestDatabase, World
from tests.integration.crm_checks_help import Site, crm_of
from tests.runtimes import runtime_for


@pytest.fixture
def site(
    test_database: TestDatabase,
    redis_url: str,
    clock: FixedClock,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:
    """North has two locations, and a key so slow that each is looked at once in half an hour only."""
    monkeypatch.setattr(crm_turns, "_SHARE", 4 / 1800 / 1000)
    with crm_of(clock) as crm, runtime_for(test_database, redis_url, clock) as runtime:
        made = Site(runtime, clock, world.north, crm)
        second(made)
        made.connect()
        yield made


def second(site: Site) -> int:
    """Another location of North's, which stands in Shopmonkey, too."""
    place = site.crm.add_location("Second Street")
    with site.runtime.db.tenant(site.shop.tenant_id) as s:
        first = s.get_one(Location, site.shop.location_id)
        names = {column.key for column in Location.__table__.columns} - {"id", "created_at"}
        copied = {name: getattr(first, name) for name in names}
        other = Location(
            **{**copied, "slug": "second", "phone": "+15125550188", "mailbox": "second@north.example"}
        )
        other.crm_location_id = place
        s.add(other)
        s.flush()
        return other.id


def rows(site: Site) -> tuple[CrmCheck, CrmCheck]:
    """The looks for orders at the first location and at the second."""
    with site.runtime.db.tenant(site.shop.tenant_id) as s:
        statement = select(CrmCheck).where(CrmCheck.kind == "orders").order_by(CrmCheck.location_id)
        one, two = s.scalars(statement).all()
        return one, two


def there(site: Site) -> str:
    """The second location's id in Shopmonkey."""
    with site.runtime.db.tenant(site.shop.tenant_id) as s:
        return s.scalars(select(Location.crm_location_id).where(Location.slug == "second")).one() or ""


def look(site: Site, row: CrmCheck) -> str:
    return run_crm_check(site.runtime, site.shop.tenant_id, row.id)


def due(site: Site) -> None:
    """As late as both are due."""
    site.clock.moment = max(row.next_at for row in rows(site))


def both_looked(site: Site) -> None:
    """Everything there was is seen; the first comes again in half a minute, the second in half an hour."""
    due(site)
    for row in rows(site):
        assert look(site, row).startswith("complete")
    one, two = rows(site)
    assert one.next_at - site.clock.now() <= timedelta(seconds=45)
    assert two.next_at - site.clock.now() >= timedelta(minutes=15)
    site.clock.moment = one.next_at


def test_a_new_order_at_another_location_is_found_within_the_first_ones_pace(site: Site) -> None:
    both_looked(site)
    order = site.order(locationId=there(site))
    one, two = rows(site)
    assert look(site, one) == "complete: 0 taken of 0 listed"
    assert site.requested() == [], "it is the other look that takes it"
    assert rows(site)[1].next_at == site.clock.now()
    assert rows(site)[1].watermark == two.watermark
    assert look(site, two) == "complete: 1 taken of 1 listed"
    assert site.requested() == [order]


def test_it_is_called_once_for_one_order(site: Site) -> None:
    both_looked(site)
    order = site.order(locationId=there(site), archived=True)
    for _ in range(3):
        one, two = rows(site)
        site.clock.moment = max(site.clock.now(), one.next_at)
        look(site, one)
        if rows(site)[1].next_at == site.clock.now():
            look(site, two)
        site.crm.change("order", order, note="still archived")
    assert site.orders_read() == [order], "it was looked at once, and is no lead"


def test_what_a_webhook_brought_calls_nobody(site: Site) -> None:
    site.order(locationId=there(site))
    both_looked(site)
    before = rows(site)[1].next_at
    look(site, rows(site)[0])
    assert rows(site)[1].next_at == before


def test_one_that_waits_after_an_error_is_left_alone(site: Site) -> None:
    both_looked(site)
    with site.runtime.db.tenant(site.shop.tenant_id) as s:
        s.get_one(CrmCheck, rows(site)[1].id).failures = 2
    site.order(locationId=there(site))
    before = rows(site)[1].next_at
    look(site, rows(site)[0])
    assert rows(site)[1].next_at == before


def test_a_list_of_all_that_cannot_be_trusted_harms_nobody(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_looked(site)
    mine, theirs = site.order(1), site.order(2, locationId=there(site))
    site.crm.requests.clear()

    def ignored(*_: object) -> Iterator[list[object]]:
        raise FilterIgnored("no")

    with monkeypatch.context() as patched:
        patched.setattr("crm.connectors.shopmonkey.orders.everywhere", ignored)
        assert look(site, rows(site)[0]) == "complete: 1 taken of 1 listed"
    assert site.requested() == [mine]
    site.clock.moment = rows(site)[1].next_at
    assert look(site, rows(site)[1]) == "complete: 1 taken of 1 listed", "its own turn finds it all the same"
    assert site.requested() == [mine, theirs]


def test_two_locations_that_come_often_enough_are_not_called(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crm_turns, "_SHARE", 0.5)
    due(site)
    for row in rows(site):
        look(site, row)
    site.order(locationId=there(site))
    site.clock.moment = rows(site)[0].next_at
    before = rows(site)[1].next_at
    site.crm.requests.clear()
    look(site, rows(site)[0])
    assert rows(site)[1].next_at == before
    assert len(site.crm.requests) == 1
