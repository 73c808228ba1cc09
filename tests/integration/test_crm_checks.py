"""Orders that no webhook told of are found in Shopmonkey's list, once, and again when something failed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update

from crm.models.intake import CrmCheck
from ops.clock import FixedClock
from scheduler import crm_orders
from scheduler.crm_order_notes import OrderNotes
from tests.conftest import TestDatabase, World
from tests.integration.crm_checks_help import Site, crm_of
from tests.runtimes import runtime_for


@pytest.fixture
def site(test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World) -> Iterator[Site]:
    """North is connected; nothing tells it of anything."""
    with crm_of(clock) as crm, runtime_for(test_database, redis_url, clock) as runtime:
        made = Site(runtime, clock, world.north, crm)
        made.connect()
        yield made


def test_an_order_no_webhook_told_of_becomes_a_lead_once(site: Site) -> None:
    order = site.order()
    assert site.look() == "complete: 1 taken of 1 listed"
    first = site.check()
    assert (site.requested(), site.phones(), site.counts()) == ([order], ["+13125550200"], (2, 1))
    assert (first.watermark, first.error, first.claim_token) == (site.clock.now(), None, None)
    assert timedelta(seconds=15) <= first.next_at - site.clock.now() <= timedelta(seconds=45)
    site.crm.requests.clear()
    assert site.look() == "complete: 0 taken of 1 listed"
    assert (site.orders_read(), site.requested(), site.counts()) == ([], [order], (2, 1))
    assert site.check().watermark == site.clock.now()


def test_an_order_that_became_a_lead_by_its_webhook_is_not_fetched_again(site: Site) -> None:
    order = site.order()
    site.look()
    forget_notes(site)
    site.crm.requests.clear()
    assert site.look() == "complete: 0 taken of 1 listed"
    assert site.orders_read() == []
    # Whatever was changed since is looked at again.
    site.crm.change("order", order, complaint="And the back?")
    assert site.look() == "complete: 1 taken of 1 listed"
    assert (site.orders_read(), site.requested()) == ([order], [order])


def test_an_order_that_is_listed_half_an_hour_late_is_found(site: Site) -> None:
    site.crm.order_delay_s = 30 * 60
    order = site.order()
    for _ in range(29):
        site.look()
    assert site.requested() == []
    site.look(later=timedelta(minutes=2))
    assert site.requested() == [order]


def test_a_quiet_look_costs_one_request_and_changes_are_looked_for_now_and_then(site: Site) -> None:
    order = site.order(status="Invoice")
    site.look()
    asked = []
    for _ in range(10):
        site.crm.requests.clear()
        site.look(later=timedelta(seconds=30))
        asked.append(len(site.crm.requests))
    assert sorted(asked)[:8] == [1] * 8
    assert sum(asked) in (11, 12)
    site.crm.change("order", order, status="Estimate")
    for _ in range(11):
        site.look(later=timedelta(seconds=30))
    assert site.requested() == [order]


def test_a_change_that_makes_a_lead_of_an_old_order_is_found(site: Site) -> None:
    order = site.order(status="Invoice")
    assert site.look() == "complete: 0 taken of 1 listed"
    site.look(later=timedelta(hours=3))
    site.crm.change("order", order, status="Estimate")
    assert site.look(later=timedelta(minutes=6)) == "complete: 1 taken of 1 listed"
    assert site.requested() == [order]


def test_orders_of_before_the_first_overlap_are_nobodys_to_write_to(site: Site) -> None:
    old = site.order(1)
    site.clock.advance(timedelta(minutes=61))
    young = site.order(2)
    site.look(later=timedelta(0))
    assert site.requested() == [young]
    assert old not in site.orders_read()


def test_a_first_look_that_fails_for_hours_still_reaches_back_to_when_it_began(site: Site) -> None:
    order = site.order()
    site.crm.fail_always(401)
    assert "refuses the API key" in site.look()
    site.clock.advance(timedelta(hours=5))
    site.crm.clear_faults()
    site.look()
    assert site.requested() == [order]


def test_one_order_that_cannot_be_fetched_is_told_tried_again_and_keeps_nobody_waiting(site: Site) -> None:
    bad, good = site.order(1), site.order(2)
    site.crm.fail_always(500, path=f"order/{bad}")
    site.look()
    row = site.check()
    assert site.requested() == [good]
    assert row.error is not None
    assert "1 orders could not be fetched yet" in row.error
    assert (row.watermark, row.failures) == (site.clock.now(), 0)
    for _ in range(4):
        site.look(later=timedelta(minutes=20))
    # By now no list shows it any more: only the note remembers it.
    site.crm.clear_faults()
    site.look(later=timedelta(minutes=31))
    assert sorted(site.requested()) == sorted([bad, good])
    assert (site.check().error, OrderNotes.read(site.check().notes).failed) == (None, {})


def test_when_everything_fails_the_watermark_stays_and_nothing_is_lost(site: Site) -> None:
    site.look()
    before = site.check().watermark
    orders = [site.order(number) for number in range(8)]
    site.crm.fail_always(500, path="/customer/")
    for failures in (1, 2):
        assert "Shopmonkey failed (500)" in site.look(later=timedelta(minutes=6))
        row = site.check()
        assert (row.watermark, row.failures) == (before, failures)
        assert "Shopmonkey failed (500)" in (row.error or "")
    site.crm.clear_faults()
    site.look(later=timedelta(hours=2))
    site.look(later=timedelta(minutes=31))
    assert (sorted(site.requested()), site.check().failures, site.check().error) == (sorted(orders), 0, None)


def test_what_breaks_over_one_order_does_not_keep_the_others_from_being_found(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd, plain = site.order(1), site.order(2)
    real = crm_orders.take_change

    def brittle(*given: object) -> object:
        if odd == given[-1].record_id:  # type: ignore[attr-defined]
            raise ValueError("odd")
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(crm_orders, "take_change", brittle)
    site.look()
    assert site.requested() == [plain]
    assert "ValueError; see the worker's log" in (site.check().error or "")
    monkeypatch.undo()
    site.look()
    assert sorted(site.requested()) == sorted([odd, plain])


def forget_notes(site: Site) -> None:
    with site.runtime.db.tenant(site.shop.tenant_id) as s:
        s.execute(update(CrmCheck).where(CrmCheck.kind == "orders").values(notes={}))
