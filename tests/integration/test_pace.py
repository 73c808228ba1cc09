"""How fast texts leave one number: shared through Redis, answers first, and no flood when Redis is away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import redis

from channels.carrier import CarrierError
from channels.outbox import PACED, Outbox
from channels.sms.pace import Pace
from crm.db import Database
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import TestDatabase, World
from tests.integration.talking import decisions, message_of, put
from tests.runtimes import FakeSender, runtime_for

NOW = datetime(2026, 11, 23, 15, tzinfo=UTC)
OURS = "+13125550101"
Make = Callable[..., Pace]


@pytest.fixture(params=["redis", "local"])
def make(request: pytest.FixtureRequest) -> Make:
    client = request.getfixturevalue("redis_client") if request.param == "redis" else None
    return lambda rate=1.0, burst=10.0: Pace(rate, client, burst)


def ask(
    pace: Pace, at: float = 0, segments: int = 1, *, first: bool = True, returning: bool = False
) -> float:
    moment = NOW + timedelta(seconds=at)
    return round(pace.wait_s(OURS, segments, moment, first=first, returning=returning), 3)


def test_a_burst_goes_at_once_and_the_rest_lines_up(make: Make) -> None:
    pace = make()
    assert [ask(pace, segments=2) for _ in range(5)] == [0] * 5
    assert [ask(pace, segments=2) for _ in range(3)] == [2, 4, 6]
    assert ask(pace, 2, 2, returning=True) == 0
    assert ask(pace, 4, 2, returning=True) == 0
    assert ask(pace, 6, 2, returning=True) == 0
    assert ask(pace, 6, 2, returning=True) == 2


def test_touches_wait_while_an_answer_waits(make: Make) -> None:
    pace = make()
    ask(pace, segments=10)
    assert [ask(pace, first=False) for _ in range(4)] == [1, 2, 3, 4]
    assert ask(pace, segments=2) == 2, "behind no touch"
    assert ask(pace, 1.5, first=False, returning=True) == 2.5, "not before the answer had its time"
    assert ask(pace, 2, 2, returning=True) == 0
    assert ask(pace, 4, first=False, returning=True) == 0


def test_numbers_have_their_own_pace(make: Make) -> None:
    pace = make()
    ask(pace, segments=10)
    assert pace.wait_s("+13125550102", 10, NOW, first=True, returning=False) == 0


def test_a_text_larger_than_the_bucket_goes_when_the_bucket_is_full(make: Make) -> None:
    pace = make(burst=3.0)
    assert ask(pace, segments=9) == 0
    assert ask(pace, segments=9) == 3
    assert ask(pace, 3, segments=9, returning=True) == 0


def test_when_the_carrier_asks_for_patience_nothing_leaves(make: Make) -> None:
    pace = make()
    pace.rest(OURS, 30, NOW)
    assert ask(pace) == 30
    assert ask(pace, 30, returning=True) == 0


def test_a_clock_that_ran_ahead_does_not_stop_the_others(make: Make) -> None:
    pace = make()
    assert ask(pace, 3600, 10) == 0
    assert ask(pace, 0) == 1
    assert ask(pace, 1.0, returning=True) == 0


def test_many_workers_keep_one_rate(redis_client: redis.Redis) -> None:
    paces = [Pace(1.0, redis_client) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda n: ask(paces[n % 4]), range(40)))
    assert sorted(waits) == [0.0] * 10 + [float(n) for n in range(1, 31)]


def test_a_lost_redis_is_left_alone_for_a_while_and_the_pace_goes_on_here() -> None:
    seconds = [0.0]
    gone = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.2)
    pace = Pace(1.0, gone, 2.0, monotonic=lambda: seconds[0])
    assert [ask(pace) for _ in range(3)] == [0, 0, 1]
    assert pace.lost == 1
    seconds[0] = 11.0
    ask(pace)
    assert pace.lost == 2
    gone.close()


@pytest.fixture
def sms() -> FakeSender:
    return FakeSender()


@pytest.fixture
def runtime(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, sms: FakeSender
) -> Iterator[Runtime]:
    with runtime_for(test_database, redis_url, clock, sms=sms, email=FakeSender()) as made:
        yield made


@pytest.fixture
def paced(runtime: Runtime) -> Outbox:
    return replace(runtime.outbox, pace=Pace(1.0, runtime.redis), wake=runtime.queue.wake)


def test_what_must_wait_is_pending_with_a_reason_and_goes_at_its_time(
    runtime: Runtime, paced: Outbox, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    assert paced.pace is not None
    paced.pace.wait_s(world.north.phone, 10, clock.now(), first=True, returning=False)
    message_id = put(db, world.north, clock.now(), "Hello!", kind="confirmation")
    assert paced.deliver(world.north.tenant_id, message_id) == "pending"
    row = message_of(db, world.north, message_id)
    assert (row.tries, row.claimed_until, sms.sent) == (0, None, [])
    assert row.segments is not None
    assert row.send_after == clock.now() + timedelta(seconds=row.segments)
    assert decisions(db, world.north, message_id) == [("allow", ["every check passed"]), ("hold", [PACED])]
    clock.advance(timedelta(seconds=row.segments))
    assert runtime.queue.take_due(clock.now()) == [("deliver", world.north.tenant_id, str(message_id))]
    assert paced.deliver(world.north.tenant_id, message_id) == "sent"


def test_a_busy_carrier_lets_the_whole_number_rest(
    paced: Outbox, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    first, second = (put(db, world.north, clock.now(), kind="confirmation") for _ in range(2))
    sms.errors = [CarrierError("slow", kind="transient", code="20429", retry_after_s=30, slow_down=True)]
    assert paced.deliver(world.north.tenant_id, first) == "pending"
    assert paced.deliver(world.north.tenant_id, second) == "pending"
    held = message_of(db, world.north, second).send_after
    assert held is not None
    assert held >= clock.now() + timedelta(seconds=30)
    assert sms.sent == []


def test_email_has_no_pace(paced: Outbox, db: Database, world: World, clock: FixedClock) -> None:
    for _ in range(12):
        message_id = put(db, world.north, clock.now(), channel="email", kind="confirmation")
        assert paced.deliver(world.north.tenant_id, message_id) == "sent"
