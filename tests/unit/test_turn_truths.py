"""What was done reaches the customer whatever a model says about it, and after a stop they read its confirmation alone."""

from __future__ import annotations

import json
from typing import Annotated

import pytest
from pydantic import Field

from agent.after_write import asks_something, changes_told, stop_confirmed
from agent.check import Evidence, check_reply
from agent.fixed import line
from agent.models.base import Json, ModelReply, StopReason, ToolResult
from agent.tools.base import Toolbox, ToolRefusal, ToolRun, tool
from agent.turn import NO_MODEL, UNTRUE
from channels.consent_words import ANSWERS
from crm.db import Database
from ops.clock import FixedClock
from tests.conftest import World
from tests.integration.calendar_help import add_turn, dana
from tests.unit.turn_help import SAFE, Player, ask, book, broken, price, say

LABEL = "Tue, Nov 24 at 9:00 AM"
BOOKED = line("booked", "en", shop="North Tint", label=LABEL)
CANCELLED = line("cancelled", "en", shop="North Tint", label=LABEL)
REST = line("rest", "en", shop="North Tint")
WASH = say(f"You are booked for {LABEL} with a free wash.")
BOOK = ask(("book", {}))
STOPPED = line("stopped", "en", shop="North Tint")
PLEA = say("Sorry to see you go! Our ceramic film is the best in town. Want me to look for times this week?")
OUT = ask(("opt_out", {"channel": "all"}))


@tool(write=True)
def opt_out(run: ToolRun, channel: Annotated[str, Field(description="From what.")]) -> Json:
    """Stop."""
    if channel == "fax":
        raise ToolRefusal("There is no such channel.")
    return {"opted_out": True}


@tool(write=True)
def cancel(run: ToolRun) -> Json:
    """Cancel."""
    return {"appointment": {"label": LABEL, "status": "cancelled"}}


@tool(write=True)
def hand_off(run: ToolRun) -> Json:
    """Get a person."""
    return {"handed_off": True}


MORE = Toolbox([price, book, opt_out, cancel, hand_off])


@pytest.fixture
def run(db: Database, world: World, clock: FixedClock) -> Player:
    return Player(add_turn(db, clock, dana(world.north), "yes please"))


def test_a_booking_is_told_when_no_words_for_it_may_leave(run: Player) -> None:
    result = run(BOOK, WASH, WASH, words="yes please")
    assert (result.reply, result.hand_off) == (BOOKED, None), "nothing is left for a person to do"
    assert result.findings
    assert result.facts == [{"kind": "booking", "text": BOOKED, "source": "book"}]


def test_what_else_was_asked_is_a_persons(run: Player) -> None:
    result = run(BOOK, WASH, WASH, words="yes please. is the wash free?")
    assert (result.reply, result.hand_off) == (f"{BOOKED} {REST}", UNTRUE)
    result = run(BOOK, ask(("hand_off", {})), WASH, WASH, words="yes please", toolbox=MORE)
    assert (result.reply, result.hand_off) == (f"{BOOKED} {REST}", UNTRUE)


@pytest.mark.parametrize(
    "end",
    [[broken()], [say(""), say("")], [say("No.", StopReason.REFUSAL)]],
    ids=["lost", "empty", "refused"],
)
def test_however_the_words_are_lost(run: Player, end: list[ModelReply]) -> None:
    result = run(BOOK, *end, words="yes please")
    assert (result.reply, result.hand_off) == (BOOKED, None)


def test_two_changes_are_told_in_order_and_each_once(run: Player) -> None:
    result = run(
        BOOK, ask(("cancel", {})), ask(("cancel", {})), broken(), words="yes. no, cancel it", toolbox=MORE
    )
    assert result.reply == f"{BOOKED} {CANCELLED}"


def test_without_a_change_it_is_the_safe_line_as_ever(run: Player) -> None:
    result = run(ask(("price", {"service": "tint"})), WASH, WASH, words="yes please")
    assert (result.reply, result.hand_off) == (SAFE, UNTRUE)


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("name", ["book", "move", "cancel"])
@pytest.mark.parametrize("label", [LABEL, "drop off Tue, Nov 24 between 9:00 and 10:00 AM"])
def test_the_fixed_sentences_stand_the_check_of_every_reply(name: str, language: str, label: str) -> None:
    row = {"appointment_id": 1, "label": label, "status": "cancelled" if name == "cancel" else "booked"}
    told = ToolResult("1", name, json.dumps({"appointment": row}))
    (trace,) = changes_told([told], language, "North Tint")
    facts = {"shop": {"name": "North Tint"}, "now_local": "2026-11-23T09:00", "language": language}
    verdict = check_reply(trace["text"], Evidence((told,), facts, "yes", "sms", language, 1))
    assert verdict.findings == ()
    assert (label in trace["text"]) == (language == "en")


@pytest.mark.parametrize("text", ["", "no", "[]", '{"appointment": 1}', '{"appointment": {"label": 2}}'])
def test_a_result_in_another_form_tells_nothing(text: str) -> None:
    assert changes_told([ToolResult("1", "book", text)], "en", "North Tint") == []
    good = json.dumps({"appointment": {"label": LABEL}})
    assert changes_told([ToolResult("1", "book", good, is_error=True)], "en", "North Tint") == []
    assert changes_told([ToolResult("1", "my_appointments", good)], "en", "North Tint") == []


@pytest.mark.parametrize(
    ("words", "asks"),
    [("yes please", False), ("Sí, por favor", False), ("yes. how much is it", True), ("ok and where are you", True),
     ("cuanto cuesta", True), ("ok?", True), ("9:00 works", False)],
)  # fmt: skip
def test_what_counts_as_a_question(words: str, asks: bool) -> None:
    assert asks_something(words) is asks


@pytest.mark.parametrize("end", [[PLEA], [say("It is $99.")], [say(""), say("")], [broken()]])
def test_after_a_stop_its_confirmation_is_all_there_is(run: Player, end: list[ModelReply]) -> None:
    result = run(OUT, *end, words="I found another shop, that was it for us", toolbox=MORE)
    assert (result.reply, result.hand_off, result.confirms_stop) == (STOPPED, None, True)
    assert [one["kind"] for one in result.facts] == ["opt_out"]


def test_a_stop_waits_for_what_was_asked_with_it(run: Player) -> None:
    result = run(OUT, ask(("cancel", {})), PLEA, words="cancel and leave me alone", toolbox=MORE)
    assert (result.reply, run.results[-1][:2]) == (STOPPED, ("cancel", False))


def test_a_stop_that_was_refused_is_none(run: Player) -> None:
    result = run(ask(("opt_out", {"channel": "fax"})), say("Which car is it?"), toolbox=MORE)
    assert (result.reply, result.confirms_stop) == ("Which car is it?", False)


def test_the_confirmation_is_in_the_customers_language_and_of_what_was_stopped(run: Player) -> None:
    out = ask(("opt_out", {"channel": "sms"}))
    result = run(out, PLEA, words="no me escriban", toolbox=MORE, facts={"language": "es"})
    assert result.reply == line("stopped_sms", "es", shop="North Tint")
    both = ask(("opt_out", {"channel": "sms"}), ("opt_out", {"channel": "email"}))
    assert run(both, PLEA, words="leave me alone", toolbox=MORE).reply == STOPPED
    one, other = ask(("opt_out", {"channel": "sms"})), ask(("opt_out", {"channel": "email"}), ids=["x"])
    assert run(one, other, PLEA, words="leave me alone", toolbox=MORE).reply == STOPPED


@pytest.mark.parametrize("language", ["en", "es"])
def test_a_stop_reads_the_same_whoever_heard_it(language: str) -> None:
    ours = [stop_confirmed(one, language, "{shop}") for one in ("all", "sms", "email")]
    theirs = ANSWERS[language]
    assert ours == [theirs.stop_all, theirs.stop_sms, theirs.stop_email]


def test_a_lost_model_after_a_booking_is_no_loss_of_the_news(run: Player) -> None:
    result = run(BOOK, broken())
    assert (result.reply, result.hand_off) == (f"{BOOKED} {REST}", NO_MODEL), "they asked how much"
