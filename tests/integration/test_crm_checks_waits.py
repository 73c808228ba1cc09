"""Looks that have nothing to look at, or may not: what the owner reads, and when the next one comes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from crm.models import Location
from ops.clock import FixedClock
from scheduler import crm_checks
from scheduler.crm_looks import Looked
from tests.conftest import TestDatabase, World
from tests.integration.crm_checks_help import Site, crm_of, instead, run
from tests.runtimes import runtime_for


@pytest.fixture
def site(test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World) -> Iterator[Site]:
    with crm_of(clock) as crm, runtime_for(test_database, redis_url, clock) as runtime:
        made = Site(runtime, clock, world.north, crm)
        made.connect()
        yield made


def test_a_switched_off_connection_is_left_alone_and_begins_anew(site: Site) -> None:
    site.look()
    site.configure(enabled=False)
    missed = site.order(1)
    site.crm.requests.clear()
    assert site.look() == "idle: the connection is switched off"
    site.look(later=timedelta(hours=2))
    assert site.crm.requests == []
    site.configure(enabled=True)
    order = site.order(2)
    site.look()
    assert (site.requested(), missed in site.orders_read()) == ([order], False)


def test_a_location_that_is_not_connected_any_more_is_left_alone(site: Site) -> None:
    with site.runtime.db.tenant(site.shop.tenant_id) as s:
        s.get_one(Location, site.shop.location_id).crm_location_id = None
    assert site.look() == "idle: the location is not connected"
    assert (site.crm.requests, site.check().error) == ([], None)


def test_a_connector_that_lists_nothing_is_left_alone(site: Site) -> None:
    site.configure(connector="csv", settings={})
    for kind in ("orders", "webhook"):
        assert site.look(kind).startswith("idle: csv cannot do this")
    assert site.crm.requests == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"settings": {"unheard": 1}}, "unheard"),
        ({"api_key_encrypted": b"not encrypted"}, "ENCRYPTION_KEY"),
        ({"connector": "nobody"}, "there is no connector 'nobody'"),
    ],
)
def test_what_an_owner_has_to_mend_is_told_and_asked_less_often(
    site: Site, change: dict[str, Any], told: str
) -> None:
    good = {name: getattr(site.config(), name) for name in change}
    site.configure(**change)
    waits = []
    for _ in range(5):
        site.look()
        waits.append(site.check().next_at - site.clock.now())
    row = site.check()
    assert told in (row.error or "")
    assert row.failures == 5
    assert waits == [timedelta(minutes=each) for each in (10, 20, 40, 60, 60)]
    site.configure(**good)
    assert site.look().startswith("complete")
    assert (site.check().error, site.check().failures) == (None, 0)


def test_what_the_vendor_asks_to_wait_is_waited(site: Site) -> None:
    site.crm.fail_next(1, "retry_after", seconds=400)
    assert "slow down" in site.look()
    assert site.check().next_at - site.clock.now() == timedelta(seconds=400)


def test_a_failure_of_ours_is_told_and_looked_at_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Looked:
        raise ZeroDivisionError

    monkeypatch.setitem(crm_checks.LOOKS, "orders", broken)
    with pytest.raises(ZeroDivisionError):
        site.look()
    row = site.check()
    assert (row.error, row.claim_token) == ("ZeroDivisionError; see the worker's log", None)
    assert row.next_at > site.clock.now()


def test_a_database_that_is_away_is_no_orders_fault(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    order = site.order()

    def away(*_: Any) -> Any:
        raise OperationalError("select", {}, ConnectionError())

    instead(monkeypatch, away)
    with pytest.raises(OperationalError):
        site.look()
    monkeypatch.undo()
    row = site.check()
    assert (row.notes, row.watermark) == ({}, site.clock.now())
    site.look()
    assert site.requested() == [order]


def test_a_vendor_that_hangs_does_not_get_every_thread(site: Site) -> None:
    places = crm_checks._places(site.runtime.settings.worker_threads)
    held = [places.acquire(blocking=False) for _ in range(site.runtime.settings.worker_threads)]
    try:
        # A quarter of the threads, and no more.
        assert held.count(True) == site.runtime.settings.worker_threads // crm_checks.THREADS_PER_LOOK
        assert site.look() == "later: other looks are under way"
        low, high = crm_checks.BUSY_S
        row = site.check()
        assert timedelta(seconds=low) <= row.next_at - site.clock.now() <= timedelta(seconds=high)
        assert (site.crm.requests, row.claim_token, run(site)) == ([], None, "not due")
    finally:
        for _ in range(held.count(True)):
            places.release()
    assert site.look() == "complete: 0 taken of 0 listed"
