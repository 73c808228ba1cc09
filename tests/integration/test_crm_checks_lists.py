"""Looks are complete over many pages, lists that cannot be trusted, and several locations of one key."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from crm.connectors.base import Change, ConnectorError, FilterIgnored
from crm.connectors.settings import ConnectorSettings
from crm.connectors.shopmonkey.connector import ShopmonkeyConnector
from crm.models import Lead, Location
from crm.models.intake import CrmCheck
from crm.routing import open_crm_checks
from crm.sample import add_sample_location
from ops.clock import FixedClock
from scheduler import crm_orders
from scheduler.crm_checks import run_crm_check
from scheduler.crm_order_notes import MOST_FAILED, OrderNotes
from scheduler.crm_turns import after_error, calls_others, next_turn, usual
from scheduler.intake import Taken
from tests.conftest import MONDAY_NINE_IN_CHICAGO, TestDatabase, World
from tests.integration.crm_checks_help import FAST, Site, crm_of
from tests.runtimes import runtime_for

EVERY = timedelta(seconds=30)


@pytest.fixture
def site(test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World) -> Iterator[Site]:
    with crm_of(clock) as crm, runtime_for(test_database, redis_url, clock) as runtime:
        made = Site(runtime, clock, world.north, crm)
        made.connect()
        yield made


def test_more_orders_than_a_page_holds_are_all_found(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crm_orders, "LONGEST", timedelta(hours=1))
    fetched: list[str] = []

    def note(*given: Any) -> Any:
        fetched.append(given[-1].record_id)
        return Taken(reason="nobody")

    monkeypatch.setattr(crm_orders, "take_change", note)
    orders = []
    for number in range(230):
        orders.append(site.crm.add_order(None, None, name=f"{number}")["id"])
        site.clock.advance(timedelta(seconds=10))
    assert site.look() == "complete: 0 taken of 230 listed"
    assert sorted(fetched) == sorted(orders)
    assert site.look() == "complete: 0 taken of 230 listed"
    assert len(fetched) == 230


def test_what_a_list_shows_that_cannot_be_trusted_is_taken_and_the_watermark_stays(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.look()
    before = site.check().watermark
    order = site.order(1)
    real = ShopmonkeyConnector.changes_since

    def cut(self: ShopmonkeyConnector, *given: Any, **more: Any) -> Iterator[Any]:
        yield from real(self, *given, **more)
        raise FilterIgnored("Shopmonkey ignores the order of its order list")

    with monkeypatch.context() as patched:
        patched.setattr(ShopmonkeyConnector, "changes_since", cut)
        for _ in range(2):
            site.look()
            row = site.check()
            assert (row.watermark, row.failures) == (before, 0)
            assert row.error == "Shopmonkey ignores the order of its order list"
            assert row.next_at - site.clock.now() == crm_orders.AFTER_IGNORED
    assert site.requested() == [order]
    site.look()
    assert (site.check().watermark, site.check().error) == (site.clock.now(), None)


def test_filters_that_are_ignored_are_walked_around(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """More rows than a page holds, all of them listed whatever is asked: the newest end has what is new."""
    monkeypatch.setattr("tests.standins.shopmonkey.matcher", lambda *_: lambda row: True)
    for _ in range(120):
        site.crm.add_order(None, None)
        site.clock.advance(timedelta(seconds=1))
    site.clock.advance(timedelta(hours=3))
    order = site.order(1)
    assert site.look(later=timedelta(0)) == "complete: 1 taken of 1 listed"
    assert site.requested() == [order]


def test_two_locations_of_one_key_have_their_own_orders_and_watermarks(site: Site, world: World) -> None:
    with site.runtime.db.tenant(site.shop.tenant_id) as s:
        second = add_sample_location(
            s, site.shop.tenant_id, "two", "Two", "+13125550188", "two@north.example"
        )
        second.crm_location_id = site.crm.add_location("Two")
        place = second.crm_location_id
    order = site.order(1, locationId=place)
    assert site.look() == "complete: 0 taken of 0 listed"
    with site.runtime.db.system() as s:
        assert open_crm_checks(s, site.clock.now()) == 2
    with site.runtime.db.tenant(site.shop.tenant_id) as s:
        other = s.query(CrmCheck).filter(CrmCheck.location_id == second.id, CrmCheck.kind == "orders").one()
        assert s.get_one(Location, second.id).crm_location_id == place
    site.clock.advance(timedelta(minutes=1))
    assert run_crm_check(site.runtime, site.shop.tenant_id, other.id) == "complete: 1 taken of 1 listed"
    with site.runtime.db.tenant(site.shop.tenant_id) as s:
        assert [lead.location_id for lead in s.query(Lead) if lead.id != site.shop.lead_id] == [second.id]
    assert site.requested() == [order]


def test_our_own_limit_is_waited_for_and_no_failure_of_an_order(site: Site) -> None:
    orders = [site.order(number) for number in range(6)]
    site.configure(settings={"rate": {**FAST, "per_second": 0.001, "burst": 8}})
    assert "our own limit" in site.look()
    row = site.check()
    assert row.next_at - site.clock.now() > timedelta(minutes=1)
    site.configure(settings={"rate": FAST})
    site.runtime.redis.flushdb()
    site.look()
    site.look(later=timedelta(minutes=31))
    assert (sorted(site.requested()), site.check().error) == (sorted(orders), None)


# Pure


def test_turns_keep_their_pace_and_are_spread() -> None:
    begun = MONDAY_NINE_IN_CHICAGO
    turns = [next_turn(begun, EVERY, number) for number in range(200)]
    assert all(EVERY / 2 <= turn - begun < EVERY * 1.5 for turn in turns)
    second = sorted((turn - begun).total_seconds() % 30 for turn in turns)
    gaps = [b - a for a, b in itertools.pairwise(second)]
    assert max(gaps) < 0.5
    for number, turn in enumerate(turns):
        # However long a look takes, short of half a round, the next one is a round after this one.
        for took in (0.0, 0.4, 14.0):
            following = next_turn(turn + timedelta(seconds=took), EVERY, number)
            assert abs((following - turn - EVERY).total_seconds()) < 0.001


def test_locations_of_one_key_share_its_rate() -> None:
    settings = ConnectorSettings()
    assert usual("orders", settings, 1) == usual("orders", settings, 7) == timedelta(seconds=30)
    assert usual("orders", settings, 200) == timedelta(seconds=800)
    assert usual("orders", settings, 200, calls_others=True) == timedelta(seconds=30)
    asked = [calls_others("orders", settings, many, first=True) for many in (1, 7, 8, 200)]
    assert asked == [False, False, True, True], "only where the others come late"
    assert not calls_others("orders", settings, 200, first=False)
    assert not calls_others("appointments", settings, 200, first=True)
    assert usual("catalogue", settings, 200) == timedelta(hours=settings.looks.catalogue_hours)
    assert usual("webhook", settings, 200) == timedelta(minutes=15)
    slower = ConnectorSettings.model_validate({"looks": {"appointments_seconds": 45}})
    assert usual("appointments", slower, 1) == timedelta(seconds=45)


def test_waits_after_errors() -> None:
    def wait(kind: Any, failures: int, asked: float | None = None) -> float:
        return after_error(ConnectorError("no", kind=kind, retry_after_s=asked), failures).total_seconds()

    assert [wait("transient", number) for number in (1, 2, 3, 4, 99)] == [30, 60, 120, 120, 120]
    assert [wait("transient", 1, asked) for asked in (1, 45, 999_999)] == [30, 45, 3600]
    assert [wait("permanent", 1), wait("misconfigured", 1), wait("misconfigured", 9)] == [3600, 600, 3600]


def test_notes_are_the_same_after_they_were_stored() -> None:
    now, notes = MONDAY_NINE_IN_CHICAGO, OrderNotes()
    taken, failed = (Change("order", "UPDATE", name, "7", now) for name in ("a", "b"))
    notes.take(taken, now)
    assert notes.fail(failed, now)
    again = OrderNotes.read(notes.as_json())
    assert again == notes
    assert again.knows(taken)
    assert again.knows(failed)
    assert (again.due(now), again.due(now + timedelta(seconds=20))) == ([], [failed])
    assert not again.knows(Change("order", "UPDATE", "a", "8", now))
    assert again.forget(now, now) == []
    assert again.knows(taken)
    # What no list shows any more is forgotten, what is still owed is not, until it would be no answer any more.
    assert again.forget(now + timedelta(seconds=1), now) == []
    assert (again.knows(taken), again.knows(failed)) == (False, True)
    assert again.forget(now, now + timedelta(days=9)) == [failed]
    assert again.failed == {}


def test_no_more_than_so_many_failures_are_noted() -> None:
    notes, now = OrderNotes(), MONDAY_NINE_IN_CHICAGO
    given = [Change("order", "INSERT", str(number), None, now) for number in range(MOST_FAILED + 1)]
    assert [notes.fail(change, now) for change in given].count(False) == 1
    assert notes.fail(given[0], now)
