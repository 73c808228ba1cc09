"""Bookings go into Shopmonkey's calendar: made, moved, cancelled, each once, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from crm.calendar import sync
from crm.calendar.booking import Booker, book_directly, move_directly
from crm.calendar.job import Job
from crm.calendar.states import complete, no_show
from crm.db import Database
from crm.models import Location
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.appointment_push import wake_pushes
from tests.conftest import TestDatabase, World
from tests.integration.calendar_help import local
from tests.integration.push_help import NINE, Site, connected_site
from tests.runtimes import due_jobs

ONE = local(24, 13)
HOUR = timedelta(hours=1)
FLAGS = ("sendConfirmation", "sendReminder", "useSMS", "useEmail")


@pytest.fixture
def site(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World
) -> Iterator[Site]:
    with connected_site(test_database, redis_url, clock, db, world) as made:
        yield made


def test_a_booking_stands_in_the_calendar_there(site: Site) -> None:
    number = site.book()
    assert site.owed() == [number]
    assert site.push(number) == "created"
    (entry,) = site.entries()
    row = site.row(number)
    assert (row.external_id, row.sync_state, row.sync_due_at) == (entry["id"], "pushed", None)
    assert site.starts() == [NINE]
    assert (entry["customerId"], entry["orderId"]) == (site.customer_id, site.order_id)
    assert entry["locationId"] == site.shopmonkey.location_id
    assert not any(entry[flag] for flag in FLAGS), "we do the talking"
    assert sync.our_id(row) in entry["note"]
    assert (row.external_starts_at, row.external_ends_at) == (row.starts_at, row.ends_at)
    assert (site.owed(), site.push(number)) == ([], "not due")


def test_the_entry_says_what_the_shop_needs_and_no_more(site: Site) -> None:
    site.push(site.book())
    (entry,) = site.entries()
    assert entry["name"] == "Dana R. / 2019 Honda Civic / Full car tint, sedan, carbon film"
    first, *_ = lines = entry["note"].splitlines()
    assert first == "Full car tint, sedan, carbon film (2 h 30 min)"
    assert "2019 Honda Civic, sedan" in lines
    assert "Booked by the assistant." in lines
    assert "+1312" not in entry["note"], "the shop has the customer's number there"
    assert "dana@" not in entry["note"]


def test_a_move_and_a_cancellation_change_the_same_entry(site: Site) -> None:
    number = site.book()
    site.push(number)
    site.move(ONE)
    assert site.push(number) == "moved"
    assert (site.starts(), site.posts()) == ([ONE], 1)
    site.cancel(number)
    assert site.push(number) == "cancelled"
    assert site.entries() == []
    (entry,) = site.shopmonkey.rows("appointment")
    assert entry["cancellationNote"] == "Cancelled by the customer."
    assert site.row(number).sync_state == "pushed"


def test_the_request_has_one_line_of_ours_that_keeps_up(site: Site) -> None:
    number = site.book()
    site.push(number)
    order = site.shopmonkey.find("order", site.order_id)
    note = order["metadata"]["leadOrchestrator"]
    assert note.startswith("Booked for Tue, Nov 24 at 9:00 AM.")
    site.move(ONE)
    site.push(number)
    assert list(order["metadata"]) == ["leadOrchestrator"]
    assert order["metadata"]["leadOrchestrator"].startswith("Moved to Tue, Nov 24 at 1:00 PM.")


def test_a_note_that_failed_is_made_good_and_the_entry_is_left_alone(site: Site) -> None:
    number = site.book()
    site.shopmonkey.fail_next(4, 503, path=f"/order/{site.order_id}")
    assert site.push(number) == "created"
    assert site.row(number).sync_state == "noting"
    (shown,) = site.look()
    assert "the note on the request is not there yet" in shown.reason
    before = len(site.shopmonkey.requests)
    assert site.push(number, timedelta(minutes=2)) == "kept"
    later = site.shopmonkey.requests[before:]
    assert not [request for request in later if "/appointment" in request.path]
    assert site.shopmonkey.find("order", site.order_id)["metadata"]["leadOrchestrator"]
    assert (site.row(number).sync_state, site.look()) == ("pushed", [])


def test_what_the_owner_does_goes_there_too(site: Site) -> None:
    booker = Booker(site.shop.lead_id, None, "owner", site.clock.now())
    service_id = site.shop.service_ids["tint-full-sedan-carbon"]
    job = Job((service_id,), 150, needs=frozenset({("tint", "tint-full-sedan-carbon")}))
    with site.db.tenant(site.shop.tenant_id) as s:
        location = s.get_one(Location, site.shop.location_id)
        number = book_directly(s, location, site.shop.lead_id, job, NINE, booker).id
    assert site.push(number) == "created"
    assert "Booked by the shop." in site.entries()[0]["note"]
    with site.db.tenant(site.shop.tenant_id) as s:
        move_directly(s, number, ONE, booker)
    assert site.push(number) == "moved"
    assert site.starts() == [ONE]


def test_what_came_from_the_crm_is_not_told_back(site: Site) -> None:
    number = site.book()
    site.push(number)
    booker = Booker(site.shop.lead_id, None, "crm", site.clock.now())
    with site.db.tenant(site.shop.tenant_id) as s:
        move_directly(s, number, ONE, booker)
        location = s.get_one(Location, site.shop.location_id)
        service_id = site.shop.service_ids["tint-full-sedan-carbon"]
        theirs = book_directly(s, location, None, Job((service_id,), 60), local(25, 9), booker).id
    assert (site.owed(), site.row(theirs).sync_due_at) == ([], None)


def test_an_answer_wakes_the_push_at_once(site: Site) -> None:
    number = site.book()
    assert wake_pushes(site.runtime, site.shop.tenant_id, site.shop.session_id) == 1
    assert ("appointment_push", site.shop.tenant_id, str(number)) in due_jobs(
        site.runtime.redis, site.runtime
    )
    site.push(number)
    assert wake_pushes(site.runtime, site.shop.tenant_id, site.shop.session_id) == 0


@pytest.mark.parametrize(("rule", "left"), [("leave", 1), ("cancel", 0)])
def test_who_did_not_come_is_left_or_cancelled_by_rule(
    site: Site, monkeypatch: pytest.MonkeyPatch, rule: str, left: int
) -> None:
    site.settings(monkeypatch, push={"no_show": rule})
    number = site.book()
    site.push(number)
    site.clock.advance(timedelta(days=2))
    booker = Booker(site.shop.lead_id, None, "owner", site.clock.now())
    with site.db.tenant(site.shop.tenant_id) as s:
        no_show(s, booker, number)
    for each in site.owed():
        site.push(each)
    assert len(site.entries()) == left
    with site.db.tenant(site.shop.tenant_id) as s:
        complete(s, booker, number)
    assert site.owed() == []


def test_without_a_connection_a_link_or_the_wish_nothing_is_owed(site: Site) -> None:
    site.settings(push_appointments=False)
    first = site.book()
    assert (site.owed(), site.look()) == ([], [])
    site.settings(push_appointments=True)
    with site.db.tenant(site.shop.tenant_id) as s:
        s.get_one(Location, site.shop.location_id).crm_location_id = None
    site.move(ONE)
    assert site.owed() == []
    (shown,) = site.look()
    assert shown.reason == "North Tint is not linked to a location in Shopmonkey."
    with site.db.tenant(site.shop.tenant_id) as s:
        s.get_one(Location, site.shop.location_id).crm_location_id = site.shopmonkey.location_id
        assert sync.mark_upcoming(s, site.clock.now()) == 1
    assert site.push(first) == "created"
    assert site.starts() == [ONE]


def test_a_connection_that_was_switched_off_meanwhile_is_owed_nothing(site: Site) -> None:
    number = site.book()
    site.settings(push_appointments=False)
    assert site.push(number) == "no connection takes bookings"
    assert (site.owed(), site.entries()) == ([], [])


def test_the_stranger_tenant_sees_and_pushes_nothing(site: Site, world: World) -> None:
    number = site.book()
    assert jobs.JOBS["appointment_push"](site.runtime, world.south.tenant_id, str(number)) == "not due"
    with site.db.tenant(world.south.tenant_id) as s:
        assert sync.pending(s, site.clock.now()) == []
    assert site.entries() == []


def test_our_ids_are_told_apart(site: Site) -> None:
    first, second = site.row(site.book()), None
    assert sync.appointment_id_of(sync.our_id(first)) == first.id
    assert sync.appointment_id_of("lo-1-x") is None
    assert sync.appointment_id_of(second) is None
    assert len(sync.our_id(first)) <= 64
