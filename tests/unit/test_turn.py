"""One turn: what a model may get wrong, and what the customer gets all the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.check import Evidence, Trace, Verdict
from agent.fixed import line
from agent.models.base import Json, ModelReply, StopReason, ToolResults, Usage, UserText
from agent.models.scripted import ScriptedModel
from agent.tools.base import Toolbox, ToolRun, tool
from agent.turn import GO_ON, NO_ANSWER, OUTPUT_TOKENS, REFUSED, UNTRUE, as_trace
from crm.db import Database
from ops.clock import FixedClock
from tests.conftest import World
from tests.integration.calendar_help import add_turn, dana
from tests.unit.turn_help import HOLDING, LOOK, SAFE, Player, ask, broken, say

WRONG = say("It is $99.")
CUT = say("It is $4", StopReason.LENGTH)
REFUSAL = say("I cannot help with that.", StopReason.REFUSAL)


@pytest.fixture
def run(db: Database, world: World, clock: FixedClock) -> Player:
    return Player(add_turn(db, clock, dana(world.north), "how much?"))


def test_tools_then_a_reply_that_traces(run: Player) -> None:
    result = run(ask(LOOK), say(" It is $449. "))
    assert (result.reply, result.hand_off, result.rounds) == ("It is $449.", None, 2)
    assert (result.provider, result.model, result.limit) == ("scripted", "scripted", None)
    first, second = run.requests
    assert (first.system, first.cache_key, first.max_output_tokens) == (
        ("policy", "shop"), "k", OUTPUT_TOKENS,
    )  # fmt: skip
    assert [spec.name for spec in first.tools] == ["price", "book"]
    assert second.items[: len(first.items)] == first.items
    assert run.results == [("price", False, '{"service": "tint", "price": "$449"}')]


def test_what_the_check_saw_goes_into_the_trace(run: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Evidence] = []

    def check(reply: str, evidence: Evidence) -> Verdict:
        seen.append(evidence)
        return Verdict((), (Trace("price", "$449", "find_services"),))

    monkeypatch.setattr("agent.turn.check_reply", check)
    result = run(ask(LOOK), say("It is $449."), facts={"language": "es"}, max_segments=2)
    assert as_trace(result)["facts"] == [{"kind": "price", "text": "$449", "source": "find_services"}]
    (evidence,) = seen
    assert [one.name for one in evidence.results] == ["price"]
    assert (evidence.customer_words, evidence.channel) == ("how much?", "sms")
    assert (evidence.language, evidence.max_segments) == ("es", 2)


def test_the_trace_says_what_happened(run: Player) -> None:
    result = run(WRONG, ask(LOOK), say("It is $449."))
    trace = as_trace(result)
    assert trace["findings"] == result.findings
    assert trace["findings"]
    assert trace["facts"] == result.facts
    assert [trace[key] for key in ("hand_off", "limits", "refused_by")] == [None, None, []]


def test_a_cut_answer_is_asked_for_again_with_twice_the_room(run: Player) -> None:
    result = run(CUT, say("Which service is it?"))
    assert (result.reply, result.hand_off) == ("Which service is it?", None)
    assert [request.max_output_tokens for request in run.requests] == [OUTPUT_TOKENS, 2 * OUTPUT_TOKENS]


def test_a_cut_call_is_never_run(run: Player) -> None:
    cut = ask(("book", {}), stop=StopReason.LENGTH)
    result = run(cut, cut)
    assert (result.reply, result.hand_off) == (SAFE, NO_ANSWER)
    assert run.results == []


def test_twice_cut_goes_to_the_next_model(run: Player) -> None:
    first, second = ScriptedModel([CUT, CUT]), ScriptedModel([say("Which service is it?")], provider="two")
    result = run(models=[first, second])
    assert (result.reply, result.hand_off) == ("Which service is it?", None)
    assert second.requests[0].max_output_tokens == OUTPUT_TOKENS


@pytest.mark.parametrize("empty", [say("  "), say("half", StopReason.OTHER)])
def test_an_empty_answer_is_nudged_once(run: Player, empty: ModelReply) -> None:
    result = run(empty, say("Which service is it?"))
    assert (result.reply, result.hand_off) == ("Which service is it?", None)
    assert run.requests[-1].items[-1] == UserText(GO_ON)


def test_twice_empty_goes_to_the_next_model_once(run: Player) -> None:
    models = [ScriptedModel([say(""), say("")], provider=name) for name in ("one", "two")]
    third = ScriptedModel([], provider="three")
    result = run(models=[*models, third])
    assert (result.reply, result.hand_off) == (SAFE, NO_ANSWER)
    assert [len(model.requests) for model in (*models, third)] == [2, 2, 0]


def test_another_model_knows_what_was_done_and_not_what_failed(run: Player) -> None:
    wrong = ask(("price", {"service": "unknown"}))
    first = ScriptedModel([ask(("book", {}), LOOK), wrong, wrong, wrong, say(""), say("")], provider="one")
    second = ScriptedModel([ask(LOOK), say("It is $449.")], provider="two")
    result = run(models=[first, second])
    assert (result.reply, result.hand_off, result.limit) == ("It is $449.", None, "the same failure again")
    request = second.requests[0]
    assert request.allow_tools
    done = [one.name for item in request.items if isinstance(item, ToolResults) for one in item.results]
    assert done == ["book", "price"]
    assert UserText(GO_ON) not in request.items


def test_twice_empty_is_the_safe_line_and_a_person(run: Player) -> None:
    result = run(say(""), say(""))
    assert (result.reply, result.hand_off) == (SAFE, NO_ANSWER)


def test_a_refusal_is_the_safe_line_and_a_person(run: Player) -> None:
    result = run(REFUSAL)
    assert (result.reply, result.hand_off, result.refused_by) == (SAFE, REFUSED, ["scripted"])
    assert as_trace(result)["refused_by"] == ["scripted"]


def test_a_refusal_is_tried_on_one_other_model_without_the_refused_words(run: Player) -> None:
    first, second = ScriptedModel([REFUSAL]), ScriptedModel([say("Which service is it?")], provider="two")
    result = run(models=[first, second])
    assert (result.reply, result.hand_off, result.refused_by) == ("Which service is it?", None, ["scripted"])
    assert second.requests[0].items == first.requests[0].items


def test_nobody_goes_round_until_one_complies(run: Player) -> None:
    models = [ScriptedModel([REFUSAL], provider=name) for name in ("one", "two")]
    third = ScriptedModel([], provider="three")
    result = run(models=[*models, third])
    assert (result.reply, result.hand_off) == (SAFE, REFUSED)
    assert third.requests == []


def test_no_model_is_the_holding_line_and_a_person(run: Player) -> None:
    result = run(broken())
    assert (result.reply, result.hand_off) == (HOLDING, "no model could answer")
    assert [attempt.ok for attempt in result.attempts] == [False]
    assert result.provider is None


def test_a_model_lost_between_rounds_is_the_holding_line_too(run: Player) -> None:
    result = run(ask(LOOK), broken())
    assert (result.reply, result.rounds) == (HOLDING, 1)
    assert [attempt.ok for attempt in result.attempts] == [True, False]


def test_long_after_the_time_nobody_is_asked(run: Player) -> None:
    result = run(deadline_s=-60)
    assert (result.reply, result.hand_off) == (HOLDING, "no model could answer")


def test_the_next_provider_goes_on_in_the_middle(run: Player) -> None:
    first = ScriptedModel([ask(LOOK), broken()], provider="one")
    second = ScriptedModel([say("It is $449.")], provider="two")
    result = run(models=[first, second])
    assert (result.reply, result.hand_off) == ("It is $449.", None)
    assert [(a.provider, a.ok) for a in result.attempts] == [("one", True), ("one", False), ("two", True)]
    assert any(isinstance(item, ToolResults) for item in second.requests[0].items)


def test_an_untrue_price_is_rewritten_once(run: Player) -> None:
    result = run(ask(LOOK), WRONG, say("It is $449."))
    assert (result.reply, result.hand_off, len(result.findings)) == ("It is $449.", None, 1)
    note = run.requests[-1].items[-1]
    assert isinstance(note, UserText)
    assert "not sent" in note.text
    assert '"It is $99."' in note.text
    assert result.findings[0] in note.text


def test_the_rewrite_may_look_up_what_it_needs(run: Player) -> None:
    result = run(say("It is $449."), ask(LOOK), say("It is $449."))
    assert (result.reply, result.hand_off, len(result.findings)) == ("It is $449.", None, 1)


def test_twice_untrue_never_leaves(run: Player) -> None:
    result = run(WRONG, say("Well, $98."))
    assert (result.reply, result.hand_off) == (SAFE, UNTRUE)
    assert len(result.findings) == 2
    assert result.facts == []


@pytest.mark.parametrize("second", [say(""), CUT])
def test_a_rewrite_that_is_no_text_is_the_safe_line(run: Player, second: ModelReply) -> None:
    result = run(WRONG, second, second)
    assert (result.reply, result.hand_off) == (SAFE, NO_ANSWER)


def test_a_claim_without_the_deed_never_leaves(run: Player) -> None:
    result = run(say("You're all booked!"), say("You're all booked!"))
    assert (result.reply, result.hand_off) == (SAFE, UNTRUE)


@pytest.mark.parametrize(
    ("words", "facts", "language"),
    [
        ("hola, cuánto cuesta el polarizado?", {}, "es"),
        ("ok", {"language": "es"}, "es"),
        ("hola", {"language": "en"}, "en"),
        ("ok", {}, "en"),
        ("bonjour", {"language": "fr"}, "en"),
    ],
)
def test_our_own_lines_are_in_the_customers_language(
    run: Player, words: str, facts: dict[str, str], language: str
) -> None:
    held = run(broken(), words=words, facts=facts).reply
    assert held == line("holding", language, shop="North Tint")
    assert run(REFUSAL, words=words, facts=facts).reply == line("safe", language, shop="North Tint")


def test_a_language_chosen_in_this_very_turn_counts(run: Player) -> None:
    @tool(write=True)
    def set_language(run: ToolRun) -> Json:
        """Choose."""
        return {"language": "es"}

    result = run(ask(("set_language", {})), REFUSAL, words="spanish please", toolbox=Toolbox([set_language]))
    assert result.reply == line("safe", "es", shop="North Tint")


def test_totals_count_every_answered_request(run: Player) -> None:
    free = ScriptedModel([ask(LOOK), say("It is $449.")], provider="playbook")
    assert run(models=[free]).totals() == {
        "input_tokens": 32, "cached_tokens": 10, "output_tokens": 6, "cost_microusd": 0,
    }  # fmt: skip


def test_what_no_vendor_said_stays_unknown(run: Player) -> None:
    result = run(ask(LOOK), say("It is $449.", usage=Usage(output=4)))
    assert result.totals() == {
        "input_tokens": None, "cached_tokens": None, "output_tokens": 7, "cost_microusd": None,
    }  # fmt: skip


def test_a_failed_attempt_counts_when_it_was_billed(run: Player) -> None:
    billed = broken("transient")
    billed.usage = Usage(input=100, cache_read=0, output=1)  # type: ignore[attr-defined]
    result = run(billed, say("Hello!"))
    assert result.totals()["input_tokens"] == 116
    unbilled = replace(result, attempts=[replace(result.attempts[0], usage=Usage()), result.attempts[1]])
    assert unbilled.totals()["input_tokens"] == 16
