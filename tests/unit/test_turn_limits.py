"""What one turn may use, and that a limit never costs the customer the answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.limits import LAST_WORDS, SECOND_CHANCE, UNREPORTED_TOKENS, Limits, Meter
from agent.models.base import Json, StopReason, ToolResult, Usage
from agent.models.scripted import ScriptedModel
from agent.outcome import TurnResult
from agent.turn import NO_ANSWER
from agent.usage import Attempt
from crm.db import Database
from ops.clock import FixedClock
from tests.conftest import World
from tests.integration.calendar_help import add_turn, dana
from tests.unit.turn_help import LOOK, SAFE, Player, ask, say

ROUNDS, CALLS = Limits().rounds, Limits().calls
WRONG = ask(("price", {"service": "unknown"}))


@pytest.fixture
def run(db: Database, world: World, clock: FixedClock) -> Player:
    return Player(add_turn(db, clock, dana(world.north), "how much?"))


def allowed(run: Player) -> list[bool]:
    return [request.allow_tools for request in run.requests]


def test_the_last_round_has_no_tools_and_gets_none(run: Player) -> None:
    result = run(*[ask(LOOK)] * (ROUNDS - 1), say("It is $449."))
    assert (result.reply, result.limit) == ("It is $449.", "rounds")
    assert allowed(run) == [True] * (ROUNDS - 1) + [False]


def test_a_model_that_calls_without_permission_gets_no_effect(run: Player) -> None:
    announced = ask(("book", {}), text="One moment, I am booking it.")
    result = run(*[ask(LOOK)] * (ROUNDS - 1), announced, announced)
    assert (result.reply, result.rounds, result.hand_off) == (SAFE, ROUNDS + 1, NO_ANSWER)
    assert "book" not in {name for name, *_ in run.results}


def test_too_many_calls_are_answered_but_not_made(run: Player) -> None:
    many = ask(*[("price", {"service": f"s{n}"}) for n in range(CALLS + 2)])
    result = run(many, say("It is $449."))
    assert (result.reply, result.limit) == ("It is $449.", "calls")
    assert len(run.results) == CALLS + 2, "every call has exactly one result"
    assert [is_error for _, is_error, _ in run.results] == [False] * CALLS + [True] * 2
    assert not run.requests[-1].allow_tools


def test_calls_of_all_rounds_count_together(run: Player) -> None:
    half = ask(*[LOOK] * (CALLS // 2 + 1))
    run(half, half, say("It is $449."))
    assert [is_error for _, is_error, _ in run.results] == [False] * CALLS + [True] * 2


def test_the_same_error_three_times_ends_the_tools(run: Player) -> None:
    result = run(WRONG, WRONG, WRONG, say("A person will quote that."))
    assert (result.reply, result.limit) == ("A person will quote that.", "the same failure again")
    assert allowed(run) == [True, True, True, False]


def test_after_that_no_call_runs_any_more(run: Player) -> None:
    result = run(WRONG, WRONG, WRONG, ask(("book", {})), say("A person will quote that."))
    assert result.reply == "A person will quote that."
    assert [name for name, *_ in run.results] == ["price"] * 3


def test_different_errors_leave_the_tools(run: Player) -> None:
    run(WRONG, WRONG, ask(("price", {})), say("Which service is it?"))
    assert allowed(run) == [True] * 4


def test_when_the_time_is_up_there_are_no_more_tools(run: Player) -> None:
    result = run(say("Which service is it?"), deadline_s=0)
    assert (allowed(run), result.limit) == ([False], "seconds")


@pytest.mark.parametrize(
    ("usage", "limits", "word"),
    [
        (Usage(input=50, cache_read=30, cache_write=10, output=10), Limits(tokens=100), "tokens"),
        (Usage(), Limits(tokens=UNREPORTED_TOKENS), "tokens"),
        (Usage(input=1_000_000, cache_read=0, output=0), Limits(tokens=10**9), "money"),
    ],
)
def test_tokens_and_money_end_the_tools(run: Player, usage: Usage, limits: Limits, word: str) -> None:
    first = replace(ask(LOOK, usage=usage), requested_model="claude-haiku-5-5")
    model = ScriptedModel([first, say("It is $449.")], provider="claude")
    result = run(models=[model], limits=limits)
    assert (result.reply, result.limit) == ("It is $449.", word)
    assert [request.allow_tools for request in model.requests] == [True, False]


def test_below_every_limit_nothing_is_reached(run: Player) -> None:
    result = run(ask(LOOK), say("It is $449."), limits=Limits(tokens=39))
    assert (allowed(run), result.limit) == ([True, True], None)


def test_cut_after_cut_ends(run: Player) -> None:
    """Whatever a broken model does, the number of requests is bounded."""
    cut = say("It is $4", StopReason.LENGTH)
    result = run(*[ask(LOOK)] * (ROUNDS - 1), cut, cut)
    assert (result.reply, result.hand_off) == (SAFE, NO_ANSWER)
    assert result.rounds <= ROUNDS + LAST_WORDS


def test_another_model_gets_rounds_but_not_for_ever(run: Player) -> None:
    looking = [ask(LOOK)] * (ROUNDS - 1)
    first = ScriptedModel([*looking, say(""), say("")], provider="one")
    second = ScriptedModel([*[ask(LOOK)] * (SECOND_CHANCE - 1), say("It is $449.")], provider="two")
    result = run(models=[first, second])
    assert (result.reply, result.hand_off) == ("It is $449.", None)
    assert [request.allow_tools for request in second.requests] == [True] * (SECOND_CHANCE - 1) + [False]


def attempt(usage: Usage, *, ok: bool = True, cost: int | None = 5) -> Attempt:
    kind = None if ok else "transient"
    return Attempt("claude", "m", "m", ok, kind, None, usage, cost, 1)


@pytest.mark.parametrize(
    ("attempts", "reached"),
    [
        ([attempt(Usage(input=9, output=1))], "tokens"),
        ([attempt(Usage(input=8, output=1))], None),
        ([attempt(Usage(input=9, output=1), ok=False)], "tokens"),
        ([attempt(Usage(), ok=False)], None),
        ([attempt(Usage())], "tokens"),
        ([attempt(Usage(input=1, output=1), cost=50)], "money"),
        ([attempt(Usage(input=1, output=1), cost=None)], None),
    ],
)
def test_what_counts(attempts: list[Attempt], reached: str | None) -> None:
    meter = Meter(Limits(tokens=10, cost_microusd=50), 30)
    meter.asked(attempts, answered=True)
    assert meter.reached() == reached


def test_grants_are_counted_even_when_they_are_refused() -> None:
    meter = Meter(Limits(calls=3), 30)
    assert [meter.grant(2), meter.grant(2), meter.grant(1)] == [2, 1, 0]
    assert meter.reached() == "calls"


def test_another_model_starts_with_calls_and_failures_of_its_own() -> None:
    meter = Meter(Limits(calls=2), 30)
    meter.failed([ToolResult("c", "price", "same", is_error=True)] * 3)
    meter.grant(3)
    meter.start_anew()
    assert meter.reached() is None
    assert [meter.grant(2), meter.grant(1)] == [2, 0]


def test_only_failures_count_as_failures() -> None:
    meter = Meter(Limits(), 30)
    good, bad = (ToolResult("c", "price", "same", is_error=error) for error in (False, True))
    meter.failed([good] * 5 + [bad] * 2)
    assert meter.reached() is None
    meter.failed([bad])
    assert meter.reached() == "the same failure again"


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("rm", {}, "no tool with this name"),
        ("parallel", {"tool_uses": []}, "no tool with this name"),
        ("multi_tool_use.parallel", {"tool_uses": []}, "no tool with this name"),
        ("price", None, "must be a JSON object"),
        ("price", {}, "Wrong arguments"),
        ("price", {"service": "tint", "tenant_id": 2}, "Wrong arguments"),
    ],
)
def test_a_wrong_call_is_an_error_the_model_can_read(
    run: Player, name: str, arguments: Json | None, words: str
) -> None:
    result: TurnResult = run(ask((name, arguments)), say("Which service is it?"))
    assert result.reply == "Which service is it?"
    ((_, is_error, text),) = run.results
    assert is_error
    assert words in text
