"""One turn: rounds, limits, what a model may get wrong, and what the customer gets all the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import pytest
from pydantic import Field

from agent.context import TurnContext
from agent.models.base import (
    AssistantStep,
    Json,
    ModelReply,
    ModelRequest,
    ProviderError,
    StopReason,
    ToolCall,
    ToolResults,
    Usage,
    UserText,
)
from agent.models.scripted import ScriptedModel, Step
from agent.routing import Router
from agent.tools.base import Toolbox, ToolContext, ToolRefusal, ToolRun, tool
from agent.turn import (
    GO_ON,
    MAX_CALLS,
    MAX_ROUNDS,
    OUTPUT_TOKENS,
    TurnResult,
    as_trace,
    run_turn,
)
from crm.db import Database
from ops.clock import FixedClock
from tests.conftest import World
from tests.integration.calendar_help import add_turn, dana

SAFE = "Thanks for your message! I want to get this right, so a person from North Tint will get back to you shortly."
HOLDING = "Thanks for your message! North Tint has received it and a person will get back to you as soon as possible."
USAGE = Usage(input=10, cache_read=5, cache_write=1, output=3)


@tool(write=False)
def price(run: ToolRun, service: Annotated[str, Field(description="Which one.")]) -> Json:
    """The price of a service."""
    if service == "unknown":
        raise ToolRefusal("There is no such service.")
    return {"service": service, "price": "$449"}


@tool(write=True)
def book(run: ToolRun) -> Json:
    """Book the time."""
    return {"appointment": {"label": "Tue, Nov 24 at 9:00 AM"}}


TOOLBOX = Toolbox([price, book])


def say(text: str, stop: StopReason = StopReason.END, usage: Usage = USAGE) -> ModelReply:
    return ModelReply(
        AssistantStep(text=text, provider="scripted", model="scripted"), stop, usage, "scripted"
    )


def ask(*calls: tuple[str, Json | None], stop: StopReason = StopReason.TOOLS) -> ModelReply:
    made = tuple(
        ToolCall(f"c{n}", name, arguments, str(arguments)) for n, (name, arguments) in enumerate(calls)
    )
    return ModelReply(AssistantStep(calls=made, provider="scripted"), stop, USAGE, "scripted")


def broken(kind: str = "permanent") -> ProviderError:
    return ProviderError("the model is away", kind=kind, provider="scripted")


Run = Callable[..., TurnResult]


@pytest.fixture
def run(db: Database, world: World, clock: FixedClock) -> Run:
    """Play a script as one turn; the model is kept as `run.model`."""
    tools = add_turn(db, clock, dana(world.north), "how much?")

    def play(*steps: Step, deadline_s: float = 30, models: list[Any] | None = None) -> TurnResult:
        model = ScriptedModel(steps)
        play.model = model  # type: ignore[attr-defined]
        router = Router(models or [model], sleep=lambda seconds: None)
        result = run_turn(context(tools), tools, TOOLBOX, router, deadline_s=deadline_s)
        model.assert_done()
        return result

    return play


def context(tools: ToolContext) -> TurnContext:
    return TurnContext(
        tenant_id=tools.tenant_id,
        session_id=tools.session_id,
        lead_id=tools.lead_id,
        location_id=tools.location_id,
        trigger_message_id=tools.trigger_message_id,
        channel="sms",
        system=("policy", "shop"),
        items=(UserText("how much?"),),
        facts={"shop": {"name": "North Tint"}, "appointments": []},
        customer_words="how much?",
        cache_key="k",
    )


def requests(run: Run) -> list[ModelRequest]:
    return list(run.model.requests)  # type: ignore[attr-defined]


def results(run: Run) -> list[tuple[str, bool, str]]:
    """What the tools answered, as the last request showed it."""
    found = [item for item in requests(run)[-1].items if isinstance(item, ToolResults)]
    return [(one.name, one.is_error, one.text) for item in found for one in item.results]


def test_tools_then_a_reply_that_traces(run: Run) -> None:
    result = run(ask(("price", {"service": "tint"})), say(" It is $449. "))
    assert (result.reply, result.hand_off, result.rounds) == ("It is $449.", None, 2)
    assert (result.provider, result.model) == ("scripted", "scripted")
    first, second = requests(run)
    assert (first.system, first.cache_key, first.max_output_tokens) == (
        ("policy", "shop"),
        "k",
        OUTPUT_TOKENS,
    )
    assert [spec.name for spec in first.tools] == ["price", "book"]
    assert second.items[: len(first.items)] == first.items
    assert results(run) == [("price", False, '{"service": "tint", "price": "$449"}')]
    assert as_trace(result) == {"findings": [], "hand_off": None}


def test_the_last_round_has_no_tools_and_gets_none(run: Run) -> None:
    looking = ask(("price", {"service": "tint"}))
    result = run(*[looking] * (MAX_ROUNDS - 1), say("It is $449."))
    assert result.reply == "It is $449."
    assert [request.allow_tools for request in requests(run)] == [True] * (MAX_ROUNDS - 1) + [False]


def test_a_model_that_calls_without_permission_gets_no_effect(run: Run) -> None:
    looking = ask(("price", {"service": "tint"}))
    result = run(*[looking] * (MAX_ROUNDS - 1), ask(("book", {})), ask(("book", {})))
    assert (result.reply, result.rounds) == (SAFE, MAX_ROUNDS + 1)
    assert result.hand_off == "the assistant had no answer that may be sent"
    assert "book" not in {name for name, *_ in results(run)}


def test_too_many_calls_are_answered_but_not_made(run: Run) -> None:
    many = ask(*[("price", {"service": f"s{n}"}) for n in range(MAX_CALLS + 2)])
    result = run(many, say("It is $449."))
    assert result.reply == "It is $449."
    answers = results(run)
    assert len(answers) == MAX_CALLS + 2, "every call has exactly one result"
    assert [is_error for _, is_error, _ in answers] == [False] * MAX_CALLS + [True] * 2
    assert not requests(run)[-1].allow_tools


def test_the_same_error_three_times_ends_the_tools(run: Run) -> None:
    wrong = ask(("price", {"service": "unknown"}))
    result = run(wrong, wrong, wrong, say("A person will quote that."))
    assert result.reply == "A person will quote that."
    assert [request.allow_tools for request in requests(run)] == [True, True, True, False]


def test_after_that_no_call_runs_any_more(run: Run) -> None:
    wrong = ask(("price", {"service": "unknown"}))
    result = run(wrong, wrong, wrong, ask(("book", {})), say("A person will quote that."))
    assert result.reply == "A person will quote that."
    assert [name for name, *_ in results(run)] == ["price"] * 3


def test_different_errors_leave_the_tools(run: Run) -> None:
    run(
        ask(("price", {"service": "unknown"})),
        ask(("price", {"service": "unknown"})),
        ask(("price", {})),
        say("Which service is it?"),
    )
    assert [request.allow_tools for request in requests(run)] == [True] * 4


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("rm", {}, "no tool with this name"),
        ("price", None, "must be a JSON object"),
        ("price", {}, "Wrong arguments"),
        ("price", {"service": "tint", "tenant_id": 2}, "Wrong arguments"),
    ],
)
def test_a_wrong_call_is_an_error_the_model_can_read(
    run: Run, name: str, arguments: Json | None, words: str
) -> None:
    result = run(ask((name, arguments)), say("Which service is it?"))
    assert result.reply == "Which service is it?"
    ((_, is_error, text),) = results(run)
    assert is_error
    assert words in text


def test_a_cut_answer_is_asked_for_again_with_twice_the_room(run: Run) -> None:
    result = run(say("It is $4", StopReason.LENGTH), say("Which service is it?"))
    assert (result.reply, result.hand_off) == ("Which service is it?", None)
    assert [request.max_output_tokens for request in requests(run)] == [OUTPUT_TOKENS, 2 * OUTPUT_TOKENS]


def test_a_cut_call_is_never_run(run: Run) -> None:
    cut = ask(("book", {}), stop=StopReason.LENGTH)
    result = run(cut, cut)
    assert (result.reply, result.hand_off) == (SAFE, "the assistant had no answer that may be sent")
    assert results(run) == []


def test_an_empty_answer_is_nudged_once(run: Run) -> None:
    result = run(say("  "), say("Which service is it?"))
    assert (result.reply, result.hand_off) == ("Which service is it?", None)
    assert requests(run)[-1].items[-1] == UserText(GO_ON)


def test_twice_empty_is_the_safe_line_and_a_person(run: Run) -> None:
    result = run(say(""), say(""))
    assert (result.reply, result.hand_off) == (SAFE, "the assistant had no answer that may be sent")


def test_a_refusal_is_the_safe_line_and_a_person(run: Run) -> None:
    result = run(say("I cannot help with that.", StopReason.REFUSAL))
    assert (result.reply, result.hand_off) == (SAFE, "the model refused to answer")


def test_no_model_is_the_holding_line_and_a_person(run: Run) -> None:
    result = run(broken())
    assert (result.reply, result.hand_off) == (HOLDING, "no model could answer")
    assert [attempt.ok for attempt in result.attempts] == [False]
    assert result.provider is None


def test_a_model_lost_between_rounds_is_the_holding_line_too(run: Run) -> None:
    result = run(ask(("book", {})), broken())
    assert (result.reply, result.rounds) == (HOLDING, 1)
    assert [attempt.ok for attempt in result.attempts] == [True, False]


def test_the_next_provider_goes_on_in_the_middle(run: Run) -> None:
    first = ScriptedModel([ask(("price", {"service": "tint"})), broken()], provider="one")
    second = ScriptedModel([say("It is $449.")], provider="two")
    result = run(models=[first, second])
    assert (result.reply, result.hand_off) == ("It is $449.", None)
    assert [(a.provider, a.ok) for a in result.attempts] == [("one", True), ("one", False), ("two", True)]
    assert any(isinstance(item, ToolResults) for item in second.requests[0].items)


def test_an_untrue_price_is_rewritten_once(run: Run) -> None:
    result = run(ask(("price", {"service": "tint"})), say("It is $99."), say("It is $449."))
    assert (result.reply, result.hand_off) == ("It is $449.", None)
    assert result.findings == ["The amount $99 is in no tool result of this turn."]
    rewrite = requests(run)[-1]
    assert not rewrite.allow_tools
    assert rewrite.items[-2] == AssistantStep(text="It is $99.")
    assert isinstance(rewrite.items[-1], UserText)
    assert "The amount $99" in rewrite.items[-1].text


def test_twice_untrue_never_leaves(run: Run) -> None:
    result = run(say("It is $99."), say("Well, $98."))
    assert (result.reply, result.hand_off) == (SAFE, "the reply stated something that no record supports")
    assert len(result.findings) == 2


@pytest.mark.parametrize("second", [say(""), say("It is $4", StopReason.LENGTH), ask(("book", {}))])
def test_a_rewrite_that_is_no_text_is_the_safe_line(run: Run, second: ModelReply) -> None:
    result = run(say("It is $99."), second)
    assert (result.reply, result.hand_off) == (SAFE, "the assistant had no answer that may be sent")
    assert results(run) == []


def test_a_claim_without_the_deed_never_leaves(run: Run) -> None:
    result = run(say("You're all set!"), ask(("book", {})))
    assert result.reply == SAFE


def test_when_the_time_is_up_there_are_no_more_tools(run: Run) -> None:
    run(say("Which service is it?"), deadline_s=0)
    assert [request.allow_tools for request in requests(run)] == [False]


def test_totals_count_every_answered_request(run: Run) -> None:
    free = ScriptedModel([ask(("price", {"service": "tint"})), say("It is $449.")], provider="playbook")
    assert run(models=[free]).totals() == {
        "input_tokens": 32, "cached_tokens": 10, "output_tokens": 6, "cost_microusd": 0,
    }  # fmt: skip


def test_what_no_vendor_said_stays_unknown(run: Run) -> None:
    result = run(ask(("price", {"service": "tint"})), say("It is $449.", usage=Usage(output=4)))
    assert result.totals() == {
        "input_tokens": None, "cached_tokens": None, "output_tokens": 7, "cost_microusd": None,
    }  # fmt: skip


def test_a_failed_attempt_counts_when_it_was_billed(run: Run) -> None:
    billed = broken("transient")
    billed.usage = Usage(input=100, cache_read=0, output=1)  # type: ignore[attr-defined]
    result = run(billed, say("Hello!"))
    assert result.totals()["input_tokens"] == 116
    unbilled = replace(result, attempts=[replace(result.attempts[0], usage=Usage()), result.attempts[1]])
    assert unbilled.totals()["input_tokens"] == 16


def test_long_after_the_time_nobody_is_asked(run: Run) -> None:
    result = run(deadline_s=-60)
    assert (result.reply, result.hand_off) == (HOLDING, "no model could answer")
