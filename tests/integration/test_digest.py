"""The owner's morning message: once a day, in the shop's morning, when there is something to tell."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from crm.day_summary import DaySummary
from crm.models import ChatMessage
from ops.clock import FixedClock
from scheduler.digest import words_for, write_digests
from scheduler.runtime import Runtime
from tests.conftest import Shop, TestDatabase, World
from tests.integration.cadence_rows import change, messages
from tests.runtimes import FakeSender, due_jobs, runtime_for

# Tuesday, 8:05 in Chicago; the day before began at 6 in the morning of Monday by UTC.
MORNING = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)
YESTERDAY = datetime(2026, 11, 23, 15, tzinfo=UTC)


@pytest.fixture
def runtime(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World
) -> Iterator[Runtime]:
    clock.moment = MORNING
    with runtime_for(test_database, redis_url, clock, sms=FakeSender(), email=FakeSender()) as made:
        for shop in (world.north, world.south):
            # The leads of the world were made when the test began, by the database's clock.
            change(made.db, shop, "update leads set created_at = :at", at=YESTERDAY - timedelta(days=9))
        yield made


def digests(runtime: Runtime, shop: Shop) -> list[ChatMessage]:
    return [one for one in messages(runtime.db, shop) if (one.dedupe_key or "").startswith("digest:")]


def a_new_lead(runtime: Runtime, shop: Shop, at: datetime = YESTERDAY) -> None:
    change(runtime.db, shop, "update leads set created_at = :at where id = :lead", at=at)


def test_it_comes_once_in_the_morning_and_is_sent(runtime: Runtime, world: World, clock: FixedClock) -> None:
    a_new_lead(runtime, world.north)
    clock.moment = MORNING - timedelta(minutes=6)
    assert write_digests(runtime, clock.now()) == 0, "it is not eight yet"
    clock.moment = MORNING
    assert write_digests(runtime, clock.now()) == 1
    (told,) = digests(runtime, world.north)
    assert (told.kind, told.channel, told.status) == ("notice", "sms", "pending"), "Sam has no mailbox"
    assert told.body == "North Tint, Mon Nov 23: 1 new lead, 0 booked."
    assert ("flush", world.north.tenant_id, str(told.session_id)) in due_jobs(runtime.redis, runtime)
    clock.advance(timedelta(minutes=15))
    assert write_digests(runtime, clock.now()) == 0
    assert digests(runtime, world.south) == [], "nothing happened there"
    assert len(digests(runtime, world.north)) == 1


def test_two_clocks_tell_once(runtime: Runtime, world: World, clock: FixedClock) -> None:
    a_new_lead(runtime, world.north)
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda _: write_digests(runtime, clock.now()), range(4)))
    assert sum(told) == 1
    assert len(digests(runtime, world.north)) == 1


def test_a_morning_that_was_missed_is_not_made_up_for_at_noon(
    runtime: Runtime, world: World, clock: FixedClock
) -> None:
    a_new_lead(runtime, world.north)
    clock.moment = MORNING + timedelta(hours=3)
    assert write_digests(runtime, clock.now()) == 0
    clock.moment = MORNING + timedelta(days=1)
    assert write_digests(runtime, clock.now()) == 0, "that day had nothing of its own"


def test_every_shop_has_its_own_morning_and_may_do_without(
    runtime: Runtime, world: World, clock: FixedClock, owner_engine: Engine
) -> None:
    for shop in (world.north, world.south):
        a_new_lead(runtime, shop)
    change(runtime.db, world.north, "update locations set timezone = 'America/Los_Angeles'")
    assert write_digests(runtime, clock.now()) == 1
    assert digests(runtime, world.north) == []
    clock.advance(timedelta(hours=2))
    assert write_digests(runtime, clock.now()) == 1
    assert len(digests(runtime, world.north)) == 1
    with owner_engine.begin() as connection:
        connection.execute(text("update tenants set settings = settings || '{\"digest_hour\": null}'"))
    clock.moment = MORNING + timedelta(days=1)
    a_new_lead(runtime, world.south, YESTERDAY + timedelta(days=1))
    assert write_digests(runtime, clock.now()) == 0


def test_it_goes_by_mail_where_there_is_an_address(runtime: Runtime, world: World, clock: FixedClock) -> None:
    a_new_lead(runtime, world.north)
    change(runtime.db, world.north, "update staff set email = 'sam@north.example'")
    assert write_digests(runtime, clock.now()) == 1
    (told,) = digests(runtime, world.north)
    assert (told.channel, told.to_address) == ("email", "sam@north.example")
    assert told.subject == "North Tint: news from your assistant"


def test_the_numbers_are_of_that_day_and_that_shop(runtime: Runtime, world: World, clock: FixedClock) -> None:
    shop, other = world.north, world.south
    for at, made in ((YESTERDAY.replace(hour=5, minute=59), 0), (YESTERDAY.replace(hour=6, minute=0), 1)):
        a_new_lead(runtime, shop, at)
        change(
            runtime.db, shop,
            "insert into appointments (tenant_id, location_id, bay_id, lead_id, service_ids, starts_at, ends_at,"
            " blocked_from, blocked_until, labour_minutes, status, source, created_at) values (:tenant, :place, :bay, :lead,"
            " '{}', :starts, :ends, :starts, :ends, 60, 'booked', 'agent', :at)",
            tenant=shop.tenant_id, place=shop.location_id, bay=shop.bay_ids[made], at=at,
            starts=MORNING + timedelta(days=3), ends=MORNING + timedelta(days=3, hours=1),
        )  # fmt: skip
    for status, at in (
        ("failed", YESTERDAY),
        ("undelivered", YESTERDAY),
        ("failed", MORNING),
        ("sent", YESTERDAY),
    ):
        _outgoing(runtime, shop, "reply", status, at)
    _outgoing(runtime, shop, "notice", "failed", YESTERDAY)
    _outgoing(runtime, other, "reply", "failed", YESTERDAY - timedelta(days=1))
    change(
        runtime.db, shop,
        "update chat_sessions set state = 'human', last_inbound_id = 5, last_inbound_at = :at, answered_up_to = 2"
        " where id = :session", at=YESTERDAY - timedelta(days=3),
    )  # fmt: skip
    assert write_digests(runtime, clock.now()) == 1
    (told,) = digests(runtime, shop)
    assert told.body == (
        "North Tint, Mon Nov 23: 1 new lead, 1 booked. 1 conversation for a person (leads list --status human)."
        " 2 messages did not arrive."
    )
    assert digests(runtime, other) == []


def test_it_fits_into_a_text() -> None:
    most = DaySummary(123, 45, 67, 89, 101)
    assert words_for("The Window Tint and Detailing Company", date(2026, 11, 3), most) == (
        "The Window Tint and Detailing Company, Tue Nov 3: 123 new leads, 45 booked. 67 conversations for a person"
        " (leads list --status human). 89 messages did not arrive. 101 jobs failed (leads jobs --failed)."
    )
    assert DaySummary(0, 0, 0, 0, 0).is_empty
    assert not DaySummary(0, 0, 0, 0, 1).is_empty


def _outgoing(runtime: Runtime, shop: Shop, kind: str, status: str, at: datetime) -> None:
    change(
        runtime.db, shop,
        "insert into chat_messages (tenant_id, session_id, lead_id, direction, channel, kind, status, body, from_address,"
        " to_address, created_at) values (:tenant, :session, :lead, 'out', 'sms', :kind, :status, 'Hi', :phone,"
        " '+13125550199', :at)", tenant=shop.tenant_id, kind=kind, status=status, phone=shop.phone, at=at,
    )  # fmt: skip
