"""Where Claude's cache marks stand, and that they change nothing else (LLM facts 1.8, 1.10)."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from agent.models import claude_messages
from agent.models.base import AssistantStep, Item, ModelRequest, ToolResult, ToolResults, UserText
from agent.models.claude import ClaudeModel
from agent.models.openai import OpenAIModel
from agent.notes import RECORDS
from tests.unit.test_models_claude import BOOK, CALL, FIND, TEXT, THOUGHT, message, model_on

HISTORY: list[Item] = [UserText("hello"), AssistantStep("which car?")]
RECORD = UserText(f"{RECORDS}\n{{}}")
OPEN = UserText("a civic")
REQUEST = ModelRequest(["Policy."], [FIND, BOOK], [*HISTORY, RECORD, OPEN])


def marked(body: dict[str, Any]) -> list[str]:
    blocks = [*body["tools"], *body["system"], *(b for m in body["messages"] for b in m["content"])]
    return [b.get("text") or b.get("content") or b["type"] for b in blocks if "cache_control" in b]


def body_of(items: list[Item]) -> dict[str, Any]:
    return claude_messages.build(replace(REQUEST, items=items), "claude", "claude-haiku-5-5")


def test_the_shop_the_history_and_the_end_are_marked() -> None:
    assert marked(body_of([*HISTORY, RECORD, OPEN])) == ["Policy.", "which car?", "a civic"]
    assert marked(body_of([RECORD, OPEN])) == ["Policy.", "a civic"]
    assert marked(body_of([OPEN])) == ["Policy.", "a civic"]


def test_history_is_the_same_bytes_in_the_next_turn() -> None:
    first = body_of([*HISTORY, RECORD, OPEN])["messages"]
    later = body_of(
        [*HISTORY, OPEN, AssistantStep("Nice car"), UserText(f"{RECORDS}\n{{1}}"), UserText("ok")]
    )
    bare = [claude_messages._unmarked(one) for one in later["messages"]]
    assert bare[:2] == [claude_messages._unmarked(one) for one in first[:2]]
    assert marked(later) == ["Policy.", "Nice car", "ok"]


def test_marks_move_and_thinking_still_fits_its_prefix() -> None:
    model, wire = model_on(message(THOUGHT, TEXT, CALL, stop="tool_use"), message(TEXT))
    step = model.answer(REQUEST).step
    before = copy.deepcopy(step.provider_state)
    items = [*REQUEST.items, step, ToolResults((ToolResult("toolu_1", "find", "found"),))]
    model.answer(replace(REQUEST, items=items))
    assert marked(wire.sent[0]) == ["Policy.", "which car?", "a civic"]
    assert marked(wire.sent[1]) == ["Policy.", "which car?", "found"]
    assert wire.sent[1]["messages"][-2]["content"] == [THOUGHT, TEXT, CALL]
    assert step.provider_state == before


def test_a_thinking_block_takes_no_mark() -> None:
    model, wire = model_on(message(THOUGHT), message(TEXT))
    step = replace(model.answer(replace(REQUEST, items=[UserText("hello")])).step, text="")
    body = claude_messages.build(
        replace(REQUEST, items=[UserText("hello"), step, RECORD, OPEN]), "claude", "m"
    )
    assert "thinking" not in marked(body)
    assert len(wire.sent) == 1


class CutOff(Exception):
    """What a job's time-out puts into a thread, whatever it is doing."""


@pytest.mark.parametrize("make", [ClaudeModel, OpenAIModel])
def test_an_interruption_of_the_job_is_not_taken_for_a_lost_connection(make: Any) -> None:
    def handle(_: httpx2.Request) -> httpx2.Response:
        raise CutOff

    model = make("key", http_client=httpx2.Client(transport=httpx2.MockTransport(handle)))
    with pytest.raises(CutOff):
        model.answer(REQUEST)


def test_thinking_is_counted_as_part_of_the_output() -> None:
    usage = {"input_tokens": 1, "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}}
    model, _ = model_on(message(TEXT, usage=usage))
    assert model.answer(REQUEST).usage.thinking == 4
    model, _ = model_on(message(TEXT))
    assert model.answer(REQUEST).usage.thinking is None
