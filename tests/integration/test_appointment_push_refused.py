"""Pushing what the CRM does not take: deleted there, a key without rights, refused, too late."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from crm.calendar.sync import resume
from crm.db import Database
from crm.models import CrmCheck, TenantCrmConfig
from ops.clock import FixedClock
from scheduler.push_outcome import OWNER_WAIT
from scheduler.push_work import CLAIM
from tests.conftest import TestDatabase, World
from tests.integration.calendar_help import customers, local
from tests.integration.push_help import Site, connected_site, die_before_the_commit, without_pauses

ONE = local(24, 13)
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


def test_an_entry_that_was_deleted_there_is_left_to_be_read_back(site: Site) -> None:
    number = site.book()
    site.push(number)
    config_id, location_id = site.config_id, site.shop.location_id
    with site.db.tenant(site.shop.tenant_id) as s:
        s.add(
            CrmCheck(
                tenant_id=site.shop.tenant_id,
                config_id=config_id,
                location_id=location_id,
                kind="appointments",
                next_at=site.clock.now() + timedelta(hours=1),
            )
        )
    site.shopmonkey.remove("appointment", site.entries()[0]["id"])
    site.move(ONE)
    assert site.push(number) == "gone"
    row = site.row(number)
    assert (row.status, row.starts_at, row.sync_state) == ("booked", ONE, "gone")
    assert (site.entries(), site.posts(), site.owed()) == ([], 1, [])
    assert "Somebody took the entry away" in site.look()[0].reason
    with site.db.tenant(site.shop.tenant_id) as s:
        (check,) = s.query(CrmCheck).all()
        assert check.next_at == site.clock.now()


@pytest.mark.parametrize("asked", [False, True])
def test_an_entry_that_was_cancelled_there_is_not_made_again(
    site: Site, monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    number = site.book()
    die_before_the_commit(site, number, monkeypatch) if asked else site.push(number)
    site.shopmonkey.change("appointment", site.entries()[0]["id"], cancellationNote="no staff")
    if not asked:
        site.move(ONE)
    assert site.push(number, CLAIM + MINUTE) == "gone"
    assert (site.entries(), site.posts()) == ([], 1)
    assert site.row(number).external_id == site.shopmonkey.rows("appointment")[0]["id"]


def test_an_entry_the_shop_moved_before_we_knew_its_id_stays_where_it_is(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = site.book()
    die_before_the_commit(site, number, monkeypatch)
    times = {"startDate": "2026-11-25T16:00:00Z", "endDate": "2026-11-25T18:30:00Z"}
    site.shopmonkey.change("appointment", site.entries()[0]["id"], **times)
    assert site.push(number, CLAIM + MINUTE) == "found"
    assert site.starts() == [local(25, 10)]
    assert site.row(number).external_starts_at == local(25, 10)


def test_a_key_that_was_withdrawn_waits_for_the_owner_who_is_told_once(site: Site) -> None:
    site.shopmonkey.keys = {"another-key"}
    first = site.book()
    (other,) = customers(site.db, site.shop, 1)
    second = site.book(local(25, 9), other)
    assert [site.push(first), site.push(second)] == ["waiting", "waiting"]
    assert len(site.told()) == 1
    assert site.told()[0].startswith("Bookings cannot be written into Shopmonkey: Shopmonkey refuses the API")
    assert [one.state for one in site.look()] == ["waiting", "waiting"]
    assert site.look()[0].reason.startswith("Shopmonkey waits for you: Shopmonkey refuses the API key")
    assert site.push(first, OWNER_WAIT) == "waiting"
    assert len(site.told()) == 1
    with site.db.tenant(site.shop.tenant_id) as s:
        config = s.get_one(TenantCrmConfig, site.config_id)
        config.api_key_encrypted = site.runtime.box.encrypt("another-key")
        assert resume(s, site.clock.now()) == 2
    assert [site.push(number) for number in site.owed()] == ["created", "created"]
    assert site.look() == []


def test_settings_that_make_no_sense_wait_for_the_owner(site: Site) -> None:
    site.settings(no_such_setting=True)
    number = site.book()
    assert site.push(number) == "waiting"
    assert "no_such_setting" in site.told()[0]


def test_what_the_crm_refuses_is_told_with_its_reason(site: Site) -> None:
    number = site.book()
    site.shopmonkey.refuse(422, "the shop is closed that day")
    assert site.push(number) == "failed"
    row = site.row(number)
    assert (row.status, row.sync_state, row.sync_due_at, row.sync_asked_at) == (
        "booked",
        "failed",
        None,
        None,
    )
    assert len(site.told()) == 1
    assert "the shop is closed that day" in site.told()[0]
    assert "the visit of Dana Reyes on Tue, Nov 24 at 9:00 AM" in site.told()[0]
    assert "has to be entered by hand" in site.look()[0].reason
    assert site.owed() == []
    # A new time is a new attempt.
    site.move(ONE)
    assert site.push(number) == "created"


def test_a_visit_that_is_long_over_is_given_up(site: Site) -> None:
    site.shopmonkey.stop()
    number = site.book()
    assert site.push(number, timedelta(days=3)) == "failed"
    assert site.owed() == []


def test_a_slow_down_is_waited_for(site: Site) -> None:
    number = site.book()
    site.shopmonkey.fail_always("retry_after", seconds=700)
    assert site.push(number) == "later"
    due = site.row(number).sync_due_at
    assert due is not None
    assert due >= site.clock.now() + timedelta(seconds=690)
