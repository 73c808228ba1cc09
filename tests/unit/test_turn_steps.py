"""The calls of one step: what runs beside what, in which order results come back, and what stops them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from rq.timeouts import JobTimeoutException
from sqlalchemy import select

from agent import steps
from agent.models.base import AssistantStep, Json, ToolCall, ToolResult, ToolResults, UserText
from agent.models.scripted import ScriptedModel
from agent.models.transcript import repaired
from agent.routing import Router
from agent.steps import READERS, run_calls, with_new_ids
from agent.tools.base import Toolbox, ToolContext, ToolRun, tool
from agent.turn import run_turn
from crm.db import Database
from crm.models import ToolCallRow
from ops.clock import FixedClock
from tests.conftest import World
from tests.integration.calendar_help import add_turn, dana
from tests.unit.turn_help import LOOK, TOOLBOX, Player, ask, context, price, say


@pytest.fixture
def tools(db: Database, world: World, clock: FixedClock) -> ToolContext:
    return add_turn(db, clock, dana(world.north), "how much?")


class Yard:
    """Tools that note when they begin and end; `look` waits until `together` of them are under way."""

    def __init__(self, together: int = 1) -> None:
        self.events: list[str] = []
        self._meeting = threading.Barrier(together)

    def toolbox(self) -> Toolbox:
        yard = self

        def look_tool(run: ToolRun, name: str) -> Json:
            """Look."""
            yard.events.append(f"look {name}")
            yard._meeting.wait(10)
            yard.events.append(f"seen {name}")
            return {"name": name}

        def put_tool(run: ToolRun, name: str) -> Json:
            """Put."""
            yard.events.append(f"put {name}")
            return {"name": name}

        return Toolbox([tool(write=False)(look_tool), tool(write=True)(put_tool)])


def calls(*names: str) -> list[ToolCall]:
    """look and put by their first letter: "l1" looks for 1."""
    kinds = {"l": "look", "p": "put"}
    return [ToolCall(f"id-{n}", kinds[name[0]], {"name": name[1:]}) for n, name in enumerate(names)]


def never() -> str | None:
    return None


def texts(results: tuple[ToolResult, ...]) -> list[tuple[str, str]]:
    return [(one.call_id, one.text) for one in results]


def test_reads_run_beside_each_other_and_answer_in_call_order(tools: ToolContext) -> None:
    yard = Yard(together=3)
    results, stop = run_calls(yard.toolbox(), tools, calls("l1", "l2", "l3"), allowed=3, watch=never)
    assert sorted(yard.events[:3]) == ["look 1", "look 2", "look 3"], "all began before one had ended"
    assert texts(results) == [(f"id-{n}", f'{{"name": "{n + 1}"}}') for n in range(3)]
    assert stop is None


def test_writes_wait_for_the_reads_before_them_and_go_in_order(tools: ToolContext) -> None:
    yard = Yard()
    run_calls(yard.toolbox(), tools, calls("l1", "p2", "p3", "l4", "p5"), allowed=5, watch=never)
    assert yard.events == ["look 1", "seen 1", "put 2", "put 3", "look 4", "seen 4", "put 5"]


def test_more_reads_than_readers_are_all_answered(tools: ToolContext) -> None:
    many = calls(*[f"l{n}" for n in range(2 * READERS + 3)])
    results, _ = run_calls(Yard().toolbox(), tools, many, allowed=99, watch=never)
    assert [one.call_id for one in results] == [call.id for call in many]
    assert not any(one.is_error for one in results)


def test_no_reader_is_lost(tools: ToolContext) -> None:
    for _ in range(READERS + 1):
        yard = Yard(together=READERS + 1)
        run_calls(
            yard.toolbox(), tools, calls(*[f"l{n}" for n in range(READERS + 1)]), allowed=99, watch=never
        )
        assert len(yard.events) == 2 * (READERS + 1)


def test_a_toolbox_of_one_transaction_reads_one_after_the_other(tools: ToolContext) -> None:
    yard = Yard()
    toolbox = yard.toolbox()
    toolbox.parallel = False
    run_calls(toolbox, tools, calls("l1", "l2"), allowed=2, watch=never)
    assert yard.events == ["look 1", "seen 1", "look 2", "seen 2"]


def test_a_read_that_hangs_is_given_up(tools: ToolContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "READ_TIMEOUT_S", 0.05)
    may_end = threading.Event()

    def hang_tool(run: ToolRun, name: str) -> Json:
        """Hang."""
        if name == "1":
            may_end.wait(20)
        return {"name": name}

    toolbox = Toolbox([tool(write=False)(hang_tool)])
    try:
        wanted = [ToolCall(f"id-{n}", "hang", {"name": n}) for n in "12"]
        results, _ = run_calls(toolbox, tools, wanted, allowed=2, watch=never)
    finally:
        may_end.set()
    assert [(one.call_id, one.is_error) for one in results] == [("id-1", True), ("id-2", False)]
    assert "too long" in results[0].text


def reasons(*said: str | None) -> Callable[[], str | None]:
    """A watch that says these, one each time it is asked, the last one for ever."""
    left: Iterator[str | None] = iter(said)
    last = [said[-1]]

    def watch() -> str | None:
        return next(left, last[0])

    return watch


def test_nothing_is_done_any_more_once_a_person_took_over(tools: ToolContext) -> None:
    yard = Yard()
    watch = reasons(None, "a person took over", None)
    results, stop = run_calls(yard.toolbox(), tools, calls("l1", "p2", "l3", "p4"), allowed=3, watch=watch)
    assert yard.events == ["look 1", "seen 1"]
    assert stop == "a person took over"
    assert [one.call_id for one in results] == ["id-0", "id-1", "id-2", "id-3"], "one result for every call"
    assert [one.is_error for one in results] == [False, True, True, True]
    assert "a person took over" in results[1].text


def test_a_turn_that_is_stopped_asks_nothing_more(tools: ToolContext) -> None:
    run = Player(tools)
    result = run(ask(LOOK), ask(("book", {}), LOOK), watch=reasons(None, "the customer wrote again"))
    assert (result.stopped, result.reply, result.hand_off) == ("the customer wrote again", "", None)
    with tools.db.tenant(tools.tenant_id) as session:
        assert list(session.scalars(select(ToolCallRow.tool))) == ["price"]


def test_the_same_id_in_two_rounds_becomes_two(tools: ToolContext) -> None:
    run = Player(tools)
    same = ["call_0", "call_0_1"]
    run(ask(LOOK, LOOK, ids=same), ask(LOOK, LOOK, ids=same), ask(LOOK, ids=same[:1]), say("It is $449."))
    found = [item for item in run.requests[-1].items if isinstance(item, AssistantStep | ToolResults)]
    asked = [call.id for item in found if isinstance(item, AssistantStep) for call in item.calls]
    answered = [one.call_id for item in found if isinstance(item, ToolResults) for one in item.results]
    assert asked == answered
    assert len(set(asked)) == len(asked) == 5
    assert asked[:2] == same, "the first ones keep theirs"


def test_new_ids_drop_the_vendors_blocks_that_hold_the_old_ones() -> None:
    step = AssistantStep("", (ToolCall("a", "look", {}),), "claude", "m", {"content": []})
    assert with_new_ids(step, []) is step
    again = with_new_ids(step, [step])
    assert again.calls[0].id != "a"
    assert (again.provider, again.provider_state) == ("claude", None)


def test_every_request_is_a_whole_transcript(tools: ToolContext) -> None:
    """An orphan of an older step, wherever it comes from, never reaches a model."""
    orphan = ToolResults((ToolResult("ghost", "look", "{}"),))
    unanswered = AssistantStep("", (ToolCall("open", "look", {}),))
    whole = repaired([UserText("x"), unanswered, orphan])
    assert [type(item) for item in whole] == [UserText, AssistantStep, ToolResults]

    model = ScriptedModel([say("Which service is it?")])
    broken = replace(context(tools), items=(UserText("x"), unanswered, orphan, UserText("how much?")))
    result = run_turn(broken, tools, TOOLBOX, Router([model]), deadline_s=30)
    assert result.reply == "Which service is it?"
    (request,) = model.requests
    assert list(request.items) == repaired(broken.items)


class _Ends:
    """A model whose job is out of time."""

    provider = model = "playbook"

    def answer(self, request: object) -> None:
        raise JobTimeoutException


def test_the_end_of_the_jobs_time_goes_through(tools: ToolContext) -> None:
    @tool(write=False)
    def slow(run: ToolRun) -> Json:
        """Slow."""
        raise JobTimeoutException

    run = Player(tools)
    with pytest.raises(JobTimeoutException):
        run(ask(("slow", {})), toolbox=Toolbox([slow]))
    with pytest.raises(JobTimeoutException):
        run(models=[_Ends()])


def test_a_broken_tool_beside_others_is_one_error_among_results(tools: ToolContext) -> None:
    @tool(write=False)
    def bad(run: ToolRun) -> Json:
        """Bad."""
        raise RuntimeError("a bug of ours")

    wanted = [ToolCall("a", "bad", {}), ToolCall("b", "price", {"service": "tint"}), ToolCall("c", "bad", {})]
    results, _ = run_calls(Toolbox([bad, price]), tools, wanted, allowed=3, watch=never)
    assert [(one.call_id, one.is_error) for one in results] == [("a", True), ("b", False), ("c", True)]
    assert "bug" not in results[0].text
