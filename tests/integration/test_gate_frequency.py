"""How often the gate lets touches through: over all numbers of a person and all shops of a business."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from channels.outbox import Outbox
from crm.db import Database
from ops.clock import FixedClock
from scheduler.dispatch import write_touch
from scheduler.runtime import Runtime
from tests.conftest import TestDatabase, World
from tests.integration.cadence_rows import start, touch
from tests.integration.gate_help import ask, at_noon, put_touches, second_shop, sent_before
from tests.integration.talking import MINUTE, SlowSender, agree, change, decisions, message_of, put
from tests.runtimes import FakeSender, runtime_for


@pytest.fixture
def sms() -> FakeSender:
    return FakeSender()


@pytest.fixture
def runtime(
    test_database: TestDatabase,
    redis_url: str,
    clock: FixedClock,
    world: World,
    db: Database,
    sms: FakeSender,
) -> Iterator[Runtime]:
    with at_noon(test_database, redis_url, clock, world, db, sms) as made:
        yield made


@pytest.fixture
def outbox(runtime: Runtime) -> Outbox:
    return runtime.outbox


def test_one_touch_a_day_over_all_shops_of_a_business(
    outbox: Outbox, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    west = second_shop(db, world.north, clock)
    first, second = (put(db, shop, clock.now(), kind="touch") for shop in (world.north, west))
    elsewhere = put(db, world.south, clock.now(), kind="touch")
    assert outbox.deliver(world.north.tenant_id, first) == "sent"
    start = clock.now()
    clock.advance(MINUTE)
    assert outbox.deliver(world.north.tenant_id, second) == "pending"
    assert decisions(db, world.north, second) == [("hold", ["this person already got a message today"])]
    assert message_of(db, west, second).send_after == start + timedelta(hours=20)
    assert outbox.deliver(world.south.tenant_id, elsewhere) == "sent", "another business, another sender"
    mail = put(db, west, clock.now(), kind="touch", channel="email")
    assert outbox.deliver(world.north.tenant_id, mail) == "sent", "the cap of a day is per channel"
    reply = put(db, west, clock.now())
    assert outbox.deliver(world.north.tenant_id, reply) == "sent"
    clock.advance(timedelta(hours=24))
    assert outbox.deliver(world.north.tenant_id, second) == "sent"


def test_a_touch_that_is_on_its_way_counts(
    test_database: TestDatabase,
    redis_url: str,
    runtime: Runtime,
    db: Database,
    world: World,
    clock: FixedClock,
) -> None:
    west = second_shop(db, world.north, clock)
    first, second = (put(db, shop, clock.now(), kind="touch") for shop in (world.north, west))
    slow = SlowSender()
    with (
        runtime_for(test_database, redis_url, clock, sms=slow) as busy,
        ThreadPoolExecutor(1) as pool,
    ):
        sending = pool.submit(busy.outbox.deliver, world.north.tenant_id, first)
        assert slow.reached.wait(20)
        try:
            assert runtime.outbox.deliver(world.north.tenant_id, second) == "pending"
        finally:
            slow.may_answer.set()
        assert sending.result(20) == "sent"


def test_two_shops_at_the_same_moment_send_one(
    outbox: Outbox, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    west = second_shop(db, world.north, clock)
    for _ in range(5):
        ids = [put(db, shop, clock.now(), kind="touch") for shop in (world.north, west)]
        with ThreadPoolExecutor(2) as pool:
            seen = list(pool.map(lambda one: outbox.deliver(world.north.tenant_id, one), ids))
        assert sorted(seen) == ["pending", "sent"]
        # The next round begins as if nothing had been sent today.
        change(db, world.north, "update chat_messages set status = 'dropped'")
    assert len(sms.sent) == 5


def test_the_first_day_of_a_cadence_allows_three(
    outbox: Outbox, db: Database, world: World, clock: FixedClock
) -> None:
    """Also for a lead that is days old: the plan counts from its first touch."""
    touches = put_touches(db, world.north, clock.now())
    seen = [outbox.deliver(world.north.tenant_id, one) for one in touches]
    assert seen == ["sent", "sent", "sent", "pending"]


def test_the_shipped_plan_fits_into_the_limits(
    outbox: Outbox, db: Database, world: World, clock: FixedClock
) -> None:
    """Text, mail and text on the first day, the next text a day after the first one, and nothing of it has to wait."""
    ids = start(db, world.north, clock.now())
    channels = []
    for touch_id in ids[:5]:
        clock.moment = max(clock.now(), touch(db, world.north, touch_id).due_at) + timedelta(seconds=2)
        message_id = write_touch(db, world.north.tenant_id, touch_id, clock)
        assert message_id is not None
        assert outbox.deliver(world.north.tenant_id, message_id) == "sent"
        channels.append(message_of(db, world.north, message_id).channel)
    assert channels == ["sms", "email", "sms", "sms", "email"]


def test_a_later_day_of_a_cadence_allows_one(
    outbox: Outbox, db: Database, world: World, clock: FixedClock
) -> None:
    first, *rest = put_touches(db, world.north, clock.now())
    assert outbox.deliver(world.north.tenant_id, first) == "sent"
    clock.advance(timedelta(hours=25))
    assert [outbox.deliver(world.north.tenant_id, one) for one in rest] == ["sent", "pending", "pending"]


def test_a_slow_answer_does_not_stretch_the_first_day(
    outbox: Outbox, db: Database, world: World, clock: FixedClock
) -> None:
    """The first text is recorded when its answer came, so the same hour of the next day may be less than a day later."""
    first, second, third, _ = put_touches(db, world.north, clock.now())
    assert outbox.deliver(world.north.tenant_id, first) == "sent"
    clock.advance(timedelta(hours=4))
    assert outbox.deliver(world.north.tenant_id, second) == "sent"
    clock.advance(timedelta(hours=20, seconds=-1))
    assert outbox.deliver(world.north.tenant_id, third) == "pending"
    clock.advance(timedelta(seconds=1))
    assert outbox.deliver(world.north.tenant_id, third) == "sent"


def test_another_number_of_the_same_person_counts(
    runtime: Runtime, outbox: Outbox, db: Database, world: World, clock: FixedClock
) -> None:
    """They share the email; the text of the other shop would go to their other telephone."""
    west = second_shop(db, world.north, clock, phone="+13125550188")
    sent_before(db, world.north, clock.now(), 1)
    agree(db, west, clock.now(), "+13125550188")
    message_id = put(db, west, clock.now(), kind="touch")
    assert message_of(db, west, message_id).to_address == "+13125550188"
    assert ask(db, west, message_id, clock.now()).reasons == ("this person already got a message today",)


def test_somebody_else_does_not_count(
    runtime: Runtime, outbox: Outbox, db: Database, world: World, clock: FixedClock
) -> None:
    west = second_shop(db, world.north, clock, phone="+13125550188", email="robin@example.com")
    sent_before(db, world.north, clock.now(), 1)
    agree(db, west, clock.now(), "+13125550188")
    assert ask(db, west, put(db, west, clock.now(), kind="touch"), clock.now()).verdict == "allow"


@pytest.mark.parametrize(
    ("hours_ago", "wait"),
    [((21, 1), 19), ((19,), 1), ((20,), 0), ((25, 24.1), 0), ((23, 22, 21), 1), ((23.5, 22, 1), 19)],
)
def test_one_a_day_and_three_in_24_hours(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, hours_ago: tuple[float, ...], wait: float
) -> None:
    sent_before(db, world.north, clock.now(), *hours_ago)
    found = ask(db, world.north, put(db, world.north, clock.now(), kind="touch"), clock.now())
    assert found.hold_until == (clock.now() + timedelta(hours=wait) if wait else None)


def test_three_in_24_hours_holds_on_the_first_day_of_a_cadence_too(
    runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    sent_before(db, world.north, clock.now(), 23, 22, 21)
    first, *_ = start(db, world.north, clock.now())
    message_id = put(db, world.north, clock.now(), kind="touch", touch_point_id=first)
    found = ask(db, world.north, message_id, clock.now())
    assert found.reasons == ("this person already got 3 messages within 24 hours",)
    assert found.hold_until == clock.now() + timedelta(hours=1)


@pytest.mark.parametrize("status", ["withheld", "dropped", "failed", "undelivered"])
def test_what_never_arrived_does_not_count(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, status: str
) -> None:
    sent_before(db, world.north, clock.now(), 1, status=status)
    assert (
        ask(db, world.north, put(db, world.north, clock.now(), kind="touch"), clock.now()).verdict == "allow"
    )


def test_the_shops_own_limit_holds_touches_until_midnight_and_never_answers(
    runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    change(db, world.north, "update tenants set settings = '{\"max_segments_per_day\": 2}'")
    west = second_shop(db, world.north, clock, phone="+13125550188", email="robin@example.com")
    sent_before(db, world.north, clock.now(), 1)
    change(db, world.north, "update chat_messages set segments = 2")
    agree(db, west, clock.now(), "+13125550188")
    found = ask(db, west, put(db, west, clock.now(), kind="touch"), clock.now())
    assert found.reasons == ("the shop's limit of 2 text parts a day is used up",)
    assert found.hold_until == clock.now() + timedelta(hours=12), "midnight in Chicago"
    assert ask(db, west, put(db, west, clock.now()), clock.now()).verdict == "allow"
