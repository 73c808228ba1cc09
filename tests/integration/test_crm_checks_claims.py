"""Looks are done by one worker at a time, come back after a crash, and each tenant has its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from crm.connectors.shopmonkey.connector import ShopmonkeyConnector
from crm.models import TenantCrmConfig
from crm.models.intake import CrmCheck
from crm.routing import open_crm_checks, owed
from ops.clock import FixedClock
from scheduler import crm_checks, crm_orders, jobs
from scheduler.crm_claims import CLAIM
from tests.conftest import TestDatabase, World
from tests.integration.crm_checks_help import Site, crm_of, instead, run
from tests.runtimes import due_jobs, runtime_for


@pytest.fixture
def sites(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World
) -> Iterator[list[Site]]:
    """North and south, each with a Shopmonkey of its own."""
    with ExitStack() as stack:
        runtime = stack.enter_context(runtime_for(test_database, redis_url, clock))
        made = [
            Site(runtime, clock, shop, stack.enter_context(crm_of(clock)))
            for shop in (world.north, world.south)
        ]
        for each in made:
            each.connect()
        yield made


@pytest.fixture
def site(sites: list[Site]) -> Site:
    return sites[0]


class Crash(BaseException):
    """A worker that is no more."""


def test_two_tenants_with_the_same_customer_know_nothing_of_each_other(sites: list[Site]) -> None:
    orders = [each.order(7) for each in sites]
    for each in sites:
        assert each.look() == "complete: 1 taken of 1 listed"
    assert [each.requested() for each in sites] == [[order] for order in orders]
    assert [each.phones() for each in sites] == [["+13125550207"]] * 2
    # A look of one tenant is nothing the other one could do.
    north, south = sites
    north.clock.advance(timedelta(minutes=5))
    assert crm_checks.run_crm_check(north.runtime, south.shop.tenant_id, north.check().id) == "not due"


def test_two_workers_at_once_look_once(site: Site) -> None:
    site.order()
    site.crm.fail_next(1, "hold", path="/order")
    site.clock.advance(timedelta(minutes=1))
    said: list[str] = []
    first = threading.Thread(target=lambda: said.append(run(site)))
    first.start()
    site.crm.wait_for_requests(1, path="/order")
    assert run(site) == "not due"
    site.crm.release()
    first.join(20)
    assert said == ["complete: 1 taken of 1 listed"]
    assert run(site) == "not due"


def test_after_a_crash_the_look_comes_again_and_goes_on_where_it_was(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [site.order(number) for number in range(crm_orders.SAVED_EVERY + 3)]

    def crash_at_the_last(real: Any, given: tuple[Any, ...]) -> Any:
        if given[-1].record_id == orders[-1]:
            raise Crash
        return real(*given)

    instead(monkeypatch, crash_at_the_last)
    with pytest.raises(Crash):
        site.look()
    monkeypatch.undo()
    assert run(site) == "not due"
    mine = ("crm_check", str(site.check().id))
    with site.runtime.db.system() as s:
        assert mine not in [(row.job, row.row_id) for row in owed(s, site.clock.now())]
    site.crm.requests.clear()
    site.clock.advance(CLAIM + timedelta(seconds=1))
    with site.runtime.db.system() as s:
        assert mine in [(row.job, row.row_id) for row in owed(s, site.clock.now())]
    assert run(site) == f"complete: 1 taken of {len(orders)} listed"
    assert (site.requested(), site.orders_read()) == (orders, orders[-1:])


def test_whoever_stood_still_for_longer_than_the_claim_gives_up(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, said = site.order(), []

    def frozen(real: Any, given: tuple[Any, ...]) -> Any:
        taken = real(*given)
        monkeypatch.undo()
        site.clock.advance(CLAIM + timedelta(seconds=1))
        said.append(run(site))
        return taken

    instead(monkeypatch, frozen)
    assert site.look() == "taken over by another worker"
    after = site.check()
    assert said == ["complete: 0 taken of 1 listed"]
    assert (site.requested(), after.claim_token, after.watermark) == ([order], None, site.clock.now())


def test_a_look_that_stood_still_and_found_nothing_writes_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, said = ShopmonkeyConnector.changes_since, []

    def frozen(self: ShopmonkeyConnector, *given: Any, **more: Any) -> Any:
        monkeypatch.undo()
        site.clock.advance(CLAIM + timedelta(seconds=1))
        said.append(run(site))
        return real(self, *given, **more)

    monkeypatch.setattr(ShopmonkeyConnector, "changes_since", frozen)
    assert site.look() == "taken over by another worker"
    assert said == ["complete: 0 taken of 0 listed"]
    assert site.check().watermark == site.clock.now()


def test_a_look_that_takes_long_keeps_its_claim(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(crm_orders.SAVED_EVERY + 1):
        site.order(number)
    monkeypatch.setattr(crm_orders, "LONGEST", timedelta(hours=1))
    held: list[bool] = []

    def slow(real: Any, given: tuple[Any, ...]) -> Any:
        taken = real(*given)
        site.clock.advance(CLAIM / (crm_orders.SAVED_EVERY + 0.5))
        until = site.check().claimed_until
        held.append(until is not None and until > site.clock.now() and run(site) == "not due")
        return taken

    instead(monkeypatch, slow)
    assert (
        site.look() == f"complete: {crm_orders.SAVED_EVERY + 1} taken of {crm_orders.SAVED_EVERY + 1} listed"
    )
    assert held == [True] * (crm_orders.SAVED_EVERY + 1)


def test_a_look_that_takes_too_long_stops_and_comes_again_soon(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [site.order(number) for number in range(4)]
    begun = site.clock.now()

    def slow(real: Any, given: tuple[Any, ...]) -> Any:
        site.clock.advance(timedelta(seconds=30))
        return real(*given)

    instead(monkeypatch, slow)
    assert site.look() == "out of time: 2 taken of 4 listed"
    row = site.check()
    assert (row.next_at - site.clock.now(), row.watermark) == (crm_orders.SOON, begun + timedelta(minutes=1))
    assert site.look(later=timedelta(0)) == "complete: 2 taken of 4 listed"
    assert sorted(site.requested()) == sorted(orders)


def test_who_made_it_due_meanwhile_is_heeded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.order()
    asked = site.clock.now() + timedelta(minutes=1, seconds=1)

    def told(real: Any, given: tuple[Any, ...]) -> Any:
        with site.runtime.db.tenant(site.shop.tenant_id) as s:
            s.execute(update(CrmCheck).where(CrmCheck.kind == "orders").values(next_at=asked))
        return real(*given)

    instead(monkeypatch, told)
    site.look()
    assert site.check().next_at == asked


def test_the_clock_opens_the_looks_and_each_one_wakes_the_next(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site.runtime.db.tenant(site.shop.tenant_id) as s:
        s.execute(update(CrmCheck).values(claimed_until=None))
        for row in s.query(CrmCheck):
            s.delete(row)
    monkeypatch.setattr(jobs, "get_runtime", lambda: site.runtime)
    order = site.order()
    site.clock.advance(timedelta(minutes=1))
    jobs.tick()
    site.clock.advance(timedelta(seconds=30))
    jobs.tick()
    mine = str(site.check().id)
    assert ("crm_check", site.shop.tenant_id, mine) in due_jobs(site.runtime.redis, site.runtime)
    assert jobs.run("crm_check", site.shop.tenant_id, mine) == "complete: 1 taken of 1 listed"
    assert site.requested() == [order]
    assert not [one for one in due_jobs(site.runtime.redis, site.runtime) if one[2] == mine]
    # No tick is needed for the next one.
    site.clock.moment = site.check().next_at
    assert ("crm_check", site.shop.tenant_id, mine) in due_jobs(site.runtime.redis, site.runtime)


def test_a_connection_made_twice_opens_its_looks_once(site: Site) -> None:
    with site.runtime.db.system() as s:
        assert open_crm_checks(s, site.clock.now()) == 0
    with site.runtime.db.tenant(site.shop.tenant_id) as s:
        assert s.query(TenantCrmConfig).count() == 1
        assert sorted(row.kind for row in s.query(CrmCheck)) == [
            "appointments",
            "catalogue",
            "orders",
            "webhook",
        ]
