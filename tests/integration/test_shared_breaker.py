"""One breaker for all processes, through a real Valkey; and what is left of it when that is away."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import redis

from agent.models.faults import Reason, Vendor, fault
from agent.routing import Router
from agent.shared_breaker import LEAVE_ALONE_S, PREFIX, SharedBreaker
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import TestDatabase
from tests.runtimes import runtime_for
from tests.unit.test_routing import REQUEST, Clock, claude, error, playbook, reply, router


@dataclass
class Fleet:
    """Two processes with the same Redis."""

    client: redis.Redis

    def process(self, **given: float) -> SharedBreaker:
        return SharedBreaker(self.client, threshold=2, **given)

    def the_pause_is_over(self, key: str) -> None:
        """Time is Redis' own, so the test moves the moment instead of the clock."""
        self.client.hset(PREFIX + key, "until", 1)


@pytest.fixture
def fleet(redis_client: redis.Redis) -> Fleet:
    return Fleet(redis_client)


def test_what_one_process_learns_the_others_know(fleet: Fleet) -> None:
    one, two = fleet.process(), fleet.process()
    one.failed("claude", "transient")
    assert two.allows("claude")
    two.failed("claude", "transient")
    assert not one.allows("claude")
    assert not two.allows("claude")
    state = fleet.process().status("claude")
    assert (state.failures, state.kind, state.skipping) == (2, "transient", True)
    assert 0 < state.seconds_left <= 30
    assert one.allows("openai")


def test_misconfigured_is_skipped_at_once_and_longer(fleet: Fleet) -> None:
    one = fleet.process()
    one.failed("claude", "misconfigured")
    assert 200 < fleet.process().status("claude").seconds_left <= 300
    one.failed("claude", "transient")
    assert fleet.process().status("claude").seconds_left > 200, "a later failure must not shorten the pause"
    one.failed("openai", "permanent")
    assert fleet.process().allows("openai")


def test_after_the_pause_one_process_gets_the_trial(fleet: Fleet) -> None:
    for _ in range(2):
        fleet.process().failed("claude", "transient")
    fleet.the_pause_is_over("claude")
    barrier = threading.Barrier(8)

    def ask(_: int) -> bool:
        breaker = fleet.process()
        barrier.wait(10)
        return breaker.allows("claude")

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(ask, range(8))) == [False] * 7 + [True]
    fleet.process().worked("claude")
    assert all(fleet.process().allows("claude") for _ in range(3))


def test_nothing_is_kept_for_ever(fleet: Fleet) -> None:
    fleet.process().failed("claude", "transient")
    assert 0 < int(fleet.client.pttl(PREFIX + "claude")) <= 24 * 3600 * 1000  # type: ignore[arg-type]


def test_a_turn_elsewhere_goes_straight_to_the_next_provider(fleet: Fleet) -> None:
    clock = Clock()
    router(clock, claude(error(), error()), playbook(reply()), breaker=fleet.process()).answer(REQUEST, 20)
    unasked = claude()
    answer, _ = router(clock, unasked, playbook(reply("rules")), breaker=fleet.process()).answer(REQUEST, 20)
    assert answer.step.text == "rules"
    assert unasked.requests == []


def test_a_wrong_model_name_is_known_everywhere_and_hurts_no_other_model(fleet: Fleet) -> None:
    wrong = fault(Vendor("claude", "Claude", "K", "M"), Reason.MODEL, status=404)
    Router([claude(wrong), playbook(reply())], breaker=fleet.process()).answer(REQUEST, 20)
    assert not fleet.process().allows("claude/claude-haiku-5-5")
    assert fleet.process().allows("claude")


@pytest.fixture
def nowhere() -> Iterator[redis.Redis]:
    """A Redis that refuses connections: the port is taken, and nobody listens on it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        client = redis.Redis(host="127.0.0.1", port=taken.getsockname()[1], socket_connect_timeout=1)
        yield client
        client.close()


def test_without_redis_it_is_this_process_own_breaker(nowhere: redis.Redis) -> None:
    clock = Clock()
    breaker = SharedBreaker(nowhere, threshold=2, cool_down_s=30, clock_monotonic=clock)
    assert breaker.allows("claude")
    for _ in range(2):
        breaker.failed("claude", "transient")
    assert not breaker.allows("claude")
    assert breaker.status("claude").seconds_left == 30
    clock.now += 31
    assert breaker.allows("claude")
    assert not breaker.allows("claude"), "the trial is claimed"
    breaker.worked("claude")
    assert breaker.allows("claude")


def test_a_redis_that_fails_is_left_alone_for_a_while(
    nowhere: redis.Redis, redis_client: redis.Redis
) -> None:
    clock = Clock()
    breaker = SharedBreaker(nowhere, threshold=1, clock_monotonic=clock)
    breaker.failed("claude", "transient")
    breaker._redis = redis_client
    assert breaker.is_open("claude"), "still its own word"
    clock.now += LEAVE_ALONE_S
    assert breaker.allows("claude"), "the others know nothing of it"


def test_the_runtime_shares_its_breaker(
    test_database: TestDatabase, redis_url: str, clock: FixedClock
) -> None:
    def trip(runtime: Runtime) -> None:
        runtime.breaker.failed("claude", "misconfigured")

    with (
        runtime_for(test_database, redis_url, clock) as one,
        runtime_for(test_database, redis_url, clock) as two,
    ):
        trip(one)
        assert two.breaker.is_open("claude")
