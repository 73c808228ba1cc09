"""The circuit breaker, alone and inside a router."""

from __future__ import annotations

import threading

import pytest

from agent.breaker import Breaker
from tests.unit.test_routing import REQUEST, Clock, claude, error, playbook, reply, router


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_repeated_failures_skip_the_provider_in_the_next_turns(clock: Clock) -> None:
    breaker = Breaker(threshold=2, cool_down_s=30, clock_monotonic=clock)
    router(clock, claude(error(), error()), playbook(reply()), breaker=breaker).answer(REQUEST, 20)
    assert breaker.is_open("claude")
    first = claude()
    answer, attempts = router(clock, first, playbook(reply("rules")), breaker=breaker).answer(REQUEST, 20)
    assert answer.step.text == "rules"
    assert [a.provider for a in attempts] == ["playbook"]
    clock.now += 31
    answer, _ = router(clock, claude(reply("back")), playbook(), breaker=breaker).answer(REQUEST, 20)
    assert answer.step.text == "back"
    assert not breaker.is_open("claude")


def test_an_open_breaker_ends_the_retries(clock: Clock) -> None:
    breaker = Breaker(threshold=1, clock_monotonic=clock)
    first = claude(error())
    router(clock, first, playbook(reply()), breaker=breaker).answer(REQUEST, 20)
    first.assert_done()
    assert clock.slept == []


def test_a_misconfigured_provider_is_skipped_at_once_and_longer(clock: Clock) -> None:
    breaker = Breaker(threshold=9, cool_down_s=30, misconfigured_cool_down_s=300, clock_monotonic=clock)
    breaker.failed("claude", "misconfigured")
    breaker.failed("claude", "transient")
    clock.now += 200
    assert not breaker.allows("claude")
    assert breaker.allows("openai")
    clock.now += 101
    assert breaker.allows("claude")


def test_after_the_cool_down_one_request_is_the_trial(clock: Clock) -> None:
    breaker = Breaker(threshold=1, cool_down_s=30, clock_monotonic=clock)
    breaker.failed("claude", "transient")
    clock.now += 30
    assert [breaker.allows("claude") for _ in range(3)] == [True, False, False]
    breaker.failed("claude", "transient")
    clock.now += 29
    assert not breaker.allows("claude")
    clock.now += 1
    assert breaker.allows("claude")
    clock.now += 30
    assert breaker.allows("claude"), "a trial that never reported back does not close the door for good"
    breaker.worked("claude")
    assert [breaker.allows("claude") for _ in range(3)] == [True] * 3


def test_a_rejected_request_says_nothing_against_the_provider(clock: Clock) -> None:
    breaker = Breaker(threshold=2, clock_monotonic=clock)
    for kind in ("transient", "permanent", "transient"):
        breaker.failed("claude", kind)
    assert not breaker.is_open("claude")
    assert not breaker.is_open("never heard of")


def test_many_threads_get_one_trial(clock: Clock) -> None:
    breaker = Breaker(threshold=1, cool_down_s=30, clock_monotonic=clock)
    breaker.failed("claude", "transient")
    clock.now += 31
    start, allowed = threading.Barrier(8), []

    def ask() -> None:
        start.wait()
        if breaker.allows("claude"):
            allowed.append(1)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert allowed == [1]
