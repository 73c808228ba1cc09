"""Order, retries, deadline, breaker: decided with a clock that only the script moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from agent.models.base import AssistantStep, ModelReply, ModelRequest, ProviderError, StopReason, Usage
from agent.models.faults import Reason, Vendor, fault
from agent.models.scripted import ScriptedModel, Step
from agent.routing import NoModelAvailable, Router

REQUEST = ModelRequest([], [], [], timeout_s=30.0)
USED = Usage(1000, 0, 0, 100)


class Clock:
    """Seconds that pass only when somebody says so."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def reply(text: str = "Hi", model: str = "") -> ModelReply:
    return ModelReply(AssistantStep(text, model=model), StopReason.END, USED, "", "req_ok")


def error(kind: str = "transient", after: float | None = None) -> ProviderError:
    return ProviderError(f"{kind} trouble", kind=kind, provider="x", retry_after_s=after)


def claude(*steps: Step) -> ScriptedModel:
    return ScriptedModel(steps, provider="claude", model="claude-haiku-5-5")


def openai(*steps: Step) -> ScriptedModel:
    return ScriptedModel(steps, provider="openai", model="gpt-6-luna")


def playbook(*steps: Step) -> ScriptedModel:
    return ScriptedModel(steps, provider="playbook", model="playbook")


def router(clock: Clock, *models: ScriptedModel, **more: Any) -> Router:
    return Router(models, clock_monotonic=clock, sleep=clock.sleep, **more)


def takes(clock: Clock, seconds: float, then: ModelReply | Exception) -> Callable[[ModelRequest], ModelReply]:
    def step(request: ModelRequest) -> ModelReply:
        clock.now += seconds
        if isinstance(then, Exception):
            raise then
        return then

    return step


def test_the_first_model_answers_and_the_attempt_is_priced(clock: Clock) -> None:
    first = claude(takes(clock, 1.25, reply(model="claude-haiku-5-5-20261007")))
    route = router(clock, first, openai())
    answer, (attempt,) = route.answer(REQUEST, 20)
    assert answer.step.text == "Hi"
    assert not route.switched
    assert (attempt.provider, attempt.model) == ("claude", "claude-haiku-5-5-20261007")
    assert (attempt.requested_model, attempt.ok, attempt.error_kind) == ("claude-haiku-5-5", True, None)
    assert (attempt.usage, attempt.cost_microusd, attempt.ms, attempt.request_id) == (
        USED,
        150,
        1250,
        "req_ok",
    )


def test_a_transient_error_is_tried_once_more(clock: Clock) -> None:
    first = claude(error(), reply())
    route = router(clock, first, openai())
    _, attempts = route.answer(REQUEST, 20)
    assert [(a.ok, a.error_kind, a.error) for a in attempts] == [
        (False, "transient", "transient trouble"), (True, None, None),
    ]  # fmt: skip
    assert attempts[0].cost_microusd is None
    assert attempts[0].usage == Usage()
    assert len(clock.slept) == 1
    assert 0 < clock.slept[0] <= 1.0
    assert not route.switched


@pytest.mark.parametrize("kind", ["permanent", "misconfigured"])
def test_a_hopeless_error_goes_to_the_next_provider_at_once(clock: Clock, kind: str) -> None:
    route = router(clock, claude(error(kind)), openai(reply("from the other")))
    answer, attempts = route.answer(REQUEST, 20)
    assert answer.step.text == "from the other"
    assert [(a.provider, a.error_kind) for a in attempts] == [("claude", kind), ("openai", None)]
    assert clock.slept == []
    assert route.switched


def test_the_rest_of_the_turn_stays_on_the_fallback(clock: Clock) -> None:
    first, second = claude(error("permanent")), openai(reply("1"), reply("2"))
    route = router(clock, first, second)
    route.answer(REQUEST, 20)
    answer, attempts = route.answer(REQUEST, 20)
    assert (answer.step.text, len(attempts)) == ("2", 1)
    assert route.model is second
    first.assert_done()


def test_retry_after_is_kept_when_there_is_time(clock: Clock) -> None:
    route = router(clock, claude(error(after=4.0), reply()), openai())
    route.answer(REQUEST, 20)
    assert clock.slept == [4.0]


def test_retry_after_beyond_the_budget_goes_to_the_next_provider_at_once(clock: Clock) -> None:
    route = router(clock, claude(error(after=3600.0)), openai(reply()))
    _, attempts = route.answer(REQUEST, 20)
    assert clock.slept == []
    assert [a.provider for a in attempts] == ["claude", "openai"]


def test_no_retry_when_the_time_left_is_too_short_for_one(clock: Clock) -> None:
    first = claude(takes(clock, 9.5, error()))
    route = router(clock, first, playbook(reply("rules")))
    answer, attempts = route.answer(REQUEST, 10)
    assert answer.step.text == "rules"
    assert clock.slept == []
    assert len(attempts) == 2


def test_time_out_of_each_request_fits_the_deadline_and_leaves_some_for_the_next(clock: Clock) -> None:
    first = claude(takes(clock, 12.0, error()))
    second = openai(takes(clock, 8.0, error()))
    third = playbook(reply("rules"))
    answer, _ = router(clock, first, second, third).answer(REQUEST, 20)
    assert answer.step.text == "rules"
    assert [r.timeout_s for r in first.requests] == [pytest.approx(12.0)]
    assert [r.timeout_s for r in second.requests] == [pytest.approx(8.0)], (
        "all that is left: only rules behind it"
    )
    assert clock.now <= 120.0


def test_a_shorter_time_out_of_the_request_is_kept(clock: Clock) -> None:
    first = claude(reply())
    router(clock, first).answer(replace(REQUEST, timeout_s=5.0), 20)
    assert first.requests[0].timeout_s == 5.0


def test_without_time_only_the_playbook_is_asked(clock: Clock) -> None:
    first = claude()
    answer, attempts = router(clock, first, playbook(reply("rules"))).answer(REQUEST, 0.5)
    assert answer.step.text == "rules"
    assert [(a.provider, a.cost_microusd) for a in attempts] == [("playbook", 0)]
    assert first.requests == []


def test_when_all_fail_the_attempts_come_with_the_error(clock: Clock) -> None:
    route = router(clock, claude(error("misconfigured")), openai(error(), error()))
    with pytest.raises(NoModelAvailable) as caught:
        route.answer(REQUEST, 20)
    assert [a.provider for a in caught.value.attempts] == ["claude", "openai", "openai"]
    assert isinstance(caught.value, ProviderError)
    assert "misconfigured trouble" in str(caught.value)


def test_tokens_of_a_failed_attempt_are_billed(clock: Clock) -> None:
    vendor = Vendor("openai", "OpenAI", "K", "M")
    failed = fault(vendor, Reason.REJECTED, usage=USED, request_id="req_bad")
    _, attempts = router(clock, openai(failed), playbook(reply())).answer(REQUEST, 20)
    assert (attempts[0].usage, attempts[0].cost_microusd, attempts[0].request_id) == (USED, 150, "req_bad")


def test_a_script_that_is_over_is_not_mistaken_for_an_outage(clock: Clock) -> None:
    with pytest.raises(AssertionError):
        router(clock, claude(), playbook(reply())).answer(REQUEST, 20)


def test_a_router_needs_a_model() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Router([])


class Door:
    """Counts how often somebody is outside; tells whether somebody is now."""

    def __init__(self) -> None:
        self.times, self.open = 0, False

    @contextmanager
    def waiting(self) -> Iterator[None]:
        self.times, self.open = self.times + 1, True
        try:
            yield
        finally:
            self.open = False


def test_only_a_network_model_and_the_wait_for_a_retry_are_waited_for_outside(clock: Clock) -> None:
    door, where = Door(), []

    def asked(then: ModelReply | Exception) -> Callable[[ModelRequest], ModelReply]:
        def step(request: ModelRequest) -> ModelReply:
            where.append(("asked", door.open))
            return takes(clock, 1.0, then)(request)

        return step

    def sleep(seconds: float) -> None:
        where.append(("slept", door.open))

    first, rules = claude(asked(error()), asked(error("permanent"))), playbook(asked(reply("rules")))
    route = Router([first, rules], clock_monotonic=clock, sleep=sleep, waiting=door.waiting)
    answer, attempts = route.answer(REQUEST, 20)
    assert answer.step.text == "rules"
    assert where == [("asked", True), ("slept", True), ("asked", True), ("asked", False)]
    assert (door.times, door.open) == (3, False)
    assert [one.provider for one in attempts] == ["claude", "claude", "playbook"]


@pytest.mark.parametrize("then", [reply(), error("permanent")], ids=["answer", "error"])
def test_the_way_back_from_waiting_is_not_the_model_s_time(
    clock: Clock, then: ModelReply | Exception
) -> None:
    @contextmanager
    def waiting() -> Iterator[None]:
        try:
            yield
        finally:
            clock.now += 5.0

    route = router(clock, claude(takes(clock, 1.0, then)), playbook(reply()), waiting=waiting)
    _, attempts = route.answer(REQUEST, 20)
    assert attempts[0].ms == 1000
