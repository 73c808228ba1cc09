"""Leaving a model in the middle of a turn, and conversations that are too long for one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.breaker import Breaker
from agent.models.base import AssistantStep, Item, ModelRequest, UserText
from agent.models.faults import Reason, Vendor, VendorFault, fault
from agent.notes import RECORDS
from agent.routing import NoModelAvailable
from tests.unit.test_routing import REQUEST, Clock, claude, openai, playbook, reply, router

VENDOR = Vendor("claude", "Claude", "K", "M")
HISTORY: list[Item] = [UserText("one"), AssistantStep("1"), UserText("two"), AssistantStep("2")]
NOW: list[Item] = [UserText(f"{RECORDS}\n{{}}"), UserText("three")]
LONG = replace(REQUEST, items=(*HISTORY, *NOW))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def too_long() -> VendorFault:
    return fault(VENDOR, Reason.TOO_LONG, status=400)


def said(request: ModelRequest) -> list[str]:
    return [getattr(item, "text", "") for item in request.items]


def test_a_model_that_was_left_is_not_asked_again(clock: Clock) -> None:
    first, second = claude(reply("no")), openai(reply("yes"), reply("still"))
    route = router(clock, first, second)
    assert route.answer(REQUEST, 20)[0].step.text == "no"
    assert route.leave()
    assert route.switched
    assert [route.answer(REQUEST, 20)[0].step.text for _ in range(2)] == ["yes", "still"]
    first.assert_done()


def test_there_is_nothing_behind_the_last_model(clock: Clock) -> None:
    route = router(clock, claude(reply(), reply()))
    assert not route.leave()
    assert not route.switched
    assert route.answer(REQUEST, 20)[0].step.text == "Hi"


def test_a_conversation_that_is_too_long_is_asked_once_more_without_its_older_half(clock: Clock) -> None:
    first = claude(too_long(), reply("fits"))
    answer, attempts = router(clock, first, openai()).answer(LONG, 20)
    assert answer.step.text == "fits"
    assert [said(request) for request in first.requests] == [
        ["one", "1", "two", "2", f"{RECORDS}\n{{}}", "three"],
        ["two", "2", f"{RECORDS}\n{{}}", "three"],
    ]
    assert [attempt.ok for attempt in attempts] == [False, True]


def test_it_stays_trimmed_for_the_rest_of_the_turn_and_for_the_next_model(clock: Clock) -> None:
    first, second = claude(too_long(), too_long()), openai(reply("a"), reply("b"))
    route = router(clock, first, second)
    route.answer(LONG, 20)
    longer = replace(
        LONG, items=(*LONG.items, AssistantStep("x"), UserText("[Note, not from the customer] y"))
    )
    route.answer(longer, 20)
    assert [said(request)[0] for request in second.requests] == ["two", "two"]
    assert said(second.requests[1])[-2:] == ["x", "[Note, not from the customer] y"]


def test_what_cannot_be_shortened_goes_to_the_next_model_at_once(clock: Clock) -> None:
    first, second = claude(too_long()), openai(reply("larger window"))
    answer, attempts = router(clock, first, second).answer(replace(REQUEST, items=NOW), 20)
    assert answer.step.text == "larger window"
    assert [attempt.provider for attempt in attempts] == ["claude", "openai"]


def test_a_request_too_long_for_all_says_so_and_counts_against_nobody(clock: Clock) -> None:
    breaker = Breaker(threshold=1, clock_monotonic=clock)
    with pytest.raises(NoModelAvailable) as caught:
        router(clock, claude(too_long(), too_long()), breaker=breaker).answer(LONG, 20)
    assert len(caught.value.attempts) == 2
    assert not breaker.is_open("claude")


def test_one_misspelt_model_does_not_take_the_provider_from_the_others(clock: Clock) -> None:
    breaker = Breaker(clock_monotonic=clock)
    wrong = claude(fault(VENDOR, Reason.MODEL, status=404))
    wrong.model = "claude-haiku-9"
    router(clock, wrong, playbook(reply()), breaker=breaker).answer(REQUEST, 20)
    assert breaker.is_open("claude/claude-haiku-9")
    again = claude()
    again.model = "claude-haiku-9"
    router(clock, again, playbook(reply("rules")), breaker=breaker).answer(REQUEST, 20)
    assert again.requests == []
    answer, _ = router(clock, claude(reply("fine")), playbook(), breaker=breaker).answer(REQUEST, 20)
    assert answer.step.text == "fine"
    router(clock, claude(fault(VENDOR, Reason.KEY)), playbook(reply()), breaker=breaker).answer(REQUEST, 20)
    assert breaker.is_open("claude")
