"""Pushing while the CRM is down, answers get lost, workers die and the customer changes their mind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from crm.calendar.sync import mark, our_id
from crm.db import Database
from crm.models import Appointment, Lead
from ops.clock import FixedClock
from scheduler import appointment_push
from scheduler.push_outcome import LATE_TRIES, LONGEST_WAIT, Settled, wait_after
from scheduler.push_work import CLAIM
from tests.conftest import TestDatabase, World
from tests.integration.calendar_help import customers, local
from tests.integration.push_help import (
    NINE,
    Site,
    connected_site,
    die_before_the_commit,
    without_pauses,
)

ONE = local(24, 13)
NEXT_WEEK = local(30, 9)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def site(
    test_database: TestDatabase,
    redis_url: str,
    clock: FixedClock,
    db: Database,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:
    without_pauses(monkeypatch)
    with connected_site(test_database, redis_url, clock, db, world) as made:
        yield made


def in_the_background(site: Site, number: int) -> tuple[threading.Thread, list[str]]:
    """A push in another worker, and what it said."""
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(site.push(number)))
    thread.start()
    return thread, said


def at_the_door(site: Site, path: str = "/v3/appointment", method: str = "POST") -> None:
    """Until a worker's write has arrived at Shopmonkey and is held there."""
    end = threading.Event()
    for _ in range(600):
        if any(each.method == method and each.path == path for each in site.shopmonkey.requests):
            return
        end.wait(0.05)
    raise AssertionError("no request came")


def test_while_the_crm_is_down_the_booking_stands_and_goes_there_later_once(site: Site) -> None:
    site.shopmonkey.stop()
    number = site.book()
    assert site.push(number) == "later"
    row = site.row(number)
    assert (row.status, row.sync_state, row.sync_tries) == ("booked", "pending", 1)
    assert row.sync_due_at == site.clock.now() + wait_after(1)
    (shown,) = site.look()
    assert shown.reason.startswith("Tried once, again in 1 min: Shopmonkey cannot be reached")
    for tries in range(2, LATE_TRIES):
        assert site.push(number, wait_after(tries - 1)) == "later"
    assert site.told() == []
    assert site.push(number, LONGEST_WAIT) == "later"
    assert len(site.told()) == 1, "the shop looks into that calendar, so it has to know after an hour"
    assert "does not show the visit of Dana Reyes on Tue, Nov 24 at 9:00 AM" in site.told()[0]
    site.move(ONE)
    site.shopmonkey.start()
    assert site.push(number) == "created"
    assert (site.starts(), site.posts(), site.look()) == ([ONE], 1, [])


def test_several_bookings_of_an_outage_go_there_in_order_each_once(site: Site) -> None:
    site.shopmonkey.stop()
    people = [site.dana, *customers(site.db, site.shop, 2)]
    numbers = []
    for day, who in enumerate(people, 24):
        numbers.append(site.book(local(day, 9), who))
        assert site.push(numbers[-1]) == "later"
        site.clock.advance(MINUTE / 6)
    site.shopmonkey.start()
    site.clock.advance(LONGEST_WAIT)
    assert site.owed() == numbers
    assert [site.push(number) for number in site.owed()] == ["created"] * 3
    assert (site.starts(), site.posts()) == ([local(day, 9) for day in (24, 25, 26)], 3)


@pytest.mark.parametrize("customer", ["known", "unknown"])
def test_killed_after_the_crm_took_it(site: Site, monkeypatch: pytest.MonkeyPatch, customer: str) -> None:
    number = site.book(who=site.dana if customer == "known" else customers(site.db, site.shop, 1)[0])
    die_before_the_commit(site, number, monkeypatch)
    assert (len(site.entries()), site.row(number).external_id) == (1, None)
    assert site.push(number) == "not due", "the dead worker's claim still holds"
    assert site.push(number, CLAIM + MINUTE) == "found"
    assert (site.posts(), site.row(number).external_id) == (1, site.entries()[0]["id"])


@pytest.mark.parametrize("customer", ["known", "unknown"])
def test_killed_and_moved_by_days_meanwhile(
    site: Site, monkeypatch: pytest.MonkeyPatch, customer: str
) -> None:
    who = site.dana if customer == "known" else customers(site.db, site.shop, 1)[0]
    number = site.book(who=who)
    die_before_the_commit(site, number, monkeypatch)
    site.move(NEXT_WEEK, who)
    assert site.push(number, CLAIM + MINUTE) == "moved"
    assert (site.starts(), site.posts()) == ([NEXT_WEEK], 1)


def test_killed_and_cancelled_meanwhile(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    number = site.book()
    die_before_the_commit(site, number, monkeypatch)
    site.cancel(number)
    assert site.push(number, CLAIM + MINUTE) == "cancelled"
    assert (site.entries(), site.posts(), site.owed()) == ([], 1, [])


def test_a_customer_who_became_known_after_a_crash_is_no_second_entry(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    (who,) = customers(site.db, site.shop, 1)
    number = site.book(who=who)
    die_before_the_commit(site, number, monkeypatch)
    with site.db.tenant(site.shop.tenant_id) as s:
        s.get_one(Lead, who.lead_id).external_customer_id = site.customer_id
    assert site.push(number, CLAIM + MINUTE) == "found"
    assert site.posts() == 1


def test_an_answer_that_is_lost_is_looked_for(site: Site) -> None:
    number = site.book()
    site.shopmonkey.refuse(503, "upstream went away", takes_it=True)
    assert site.push(number) == "created"
    assert (site.posts(), site.starts()) == (1, [NINE])


def test_an_entry_that_shows_late_is_not_made_twice_and_can_be_cancelled(site: Site) -> None:
    number = site.book()
    site.shopmonkey.refuse(503, "upstream went away", takes_it=True)
    site.shopmonkey.blind = True
    assert site.push(number) == "later"
    assert site.row(number).sync_asked_at is not None
    site.cancel(number)
    assert site.push(number) == "later", "it may still show itself"
    site.shopmonkey.blind = False
    assert site.push(number, wait_after(1)) == "cancelled"
    assert (site.entries(), site.posts()) == ([], 1)


def test_an_entry_that_never_shows_was_never_made(site: Site) -> None:
    number = site.book()
    site.change(number, sync_asked_at=site.clock.now())
    site.cancel(number)
    assert site.push(number) == "later"
    assert site.push(number, timedelta(minutes=6)) == "nothing"
    assert (site.shopmonkey.rows("appointment"), site.owed()) == ([], [])


def test_cancelled_before_it_was_ever_pushed_asks_the_crm_nothing(site: Site) -> None:
    number = site.book()
    site.cancel(number)
    site.shopmonkey.requests.clear()
    assert site.push(number) == "it never was there"
    assert (site.shopmonkey.requests, site.owed(), site.look()) == ([], [], [])


def test_two_workers_at_once_make_one_entry(site: Site) -> None:
    number = site.book()
    site.shopmonkey.fail_next(1, "hold", path="/v3/appointment/search")
    thread, said = in_the_background(site, number)
    at_the_door(site, "/v3/appointment/search_replacement")
    assert site.push(number) == "not due"
    site.shopmonkey.release()
    thread.join(30)
    assert (said, site.posts(), len(site.entries())) == (["created"], 1, 1)


def test_a_worker_that_was_only_slow_changes_nothing_of_the_second_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = site.book()
    real = appointment_push.settle

    def slow(*given: Any) -> Settled:
        monkeypatch.setattr(appointment_push, "settle", real)
        assert site.push(number, CLAIM + MINUTE) == "found"
        return real(*given)

    monkeypatch.setattr(appointment_push, "settle", slow)
    assert site.push(number) == "another worker took over"
    assert (site.row(number).sync_state, site.posts()) == ("pushed", 1)


@pytest.mark.parametrize("deed", ["move", "cancel", "there and back"])
def test_a_change_while_the_push_is_on_its_way_wins(site: Site, deed: str) -> None:
    number = site.book()
    site.shopmonkey.hold()
    thread, said = in_the_background(site, number)
    at_the_door(site)
    if deed == "cancel":
        site.cancel(number)
    else:
        site.move(ONE)
    if deed == "there and back":
        site.move(NINE)
    site.shopmonkey.release()
    thread.join(30)
    assert said == ["created" if deed == "there and back" else "created, and changed meanwhile"]
    while site.owed():
        site.push(number)
    expected = {"move": [ONE], "cancel": [], "there and back": [NINE]}[deed]
    assert (site.starts(), site.posts()) == (expected, 1)


def test_a_move_that_may_have_arrived_and_is_taken_back_is_written_again(site: Site) -> None:
    number = site.book()
    site.push(number)
    site.move(ONE)
    site.shopmonkey.fail_next(4, "accept_then_drop", method="PUT")
    assert site.push(number) == "later"
    assert site.starts() == [ONE]
    site.move(NINE)
    assert site.push(number) == "moved"
    assert site.starts() == [NINE]


def test_a_push_does_not_stand_in_the_way_of_who_changes_the_row(site: Site) -> None:
    number = site.book()
    with site.db.tenant(site.shop.tenant_id) as s:
        row = s.get_one(Appointment, number)
        assert site.push(number) == "created"
        row.visit = "drop_off"
        s.flush()
    assert our_id(site.row(number)) in site.entries()[0]["note"]


def test_waits_grow_to_ten_minutes() -> None:
    waits = [wait_after(tries) for tries in range(40)]
    assert waits == sorted(waits)
    assert (waits[1], waits[-1]) == (MINUTE, LONGEST_WAIT)


def test_a_change_that_was_begun_before_the_push_ended_is_owed(site: Site) -> None:
    """The debt is written even when it looks like the one that was read, at the very same moment."""
    number = site.book()
    with site.db.tenant(site.shop.tenant_id) as s:
        row = s.get_one(Appointment, number)
        assert row.sync_due_at == site.clock.now()
        assert site.push(number) == "created"
        row.status = "cancelled"
        mark(s, row, site.clock.now())
    assert site.owed() == [number]
    assert site.push(number) == "cancelled"
