"""The Claude adapter against answers of the shapes the Messages API gives (LLM facts 1)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.models.base import (
    AssistantStep,
    Item,
    ModelRequest,
    StopReason,
    ToolCall,
    ToolResult,
    ToolResults,
    ToolSpec,
    Usage,
    UserText,
)
from agent.models.claude import ClaudeModel
from agent.models.transcript import CONTINUE_NOTE, EMPTY_MESSAGE, OPENING_NOTE
from tests.unit.model_wire import Wire, strict_rules_of_claude

FIND = ToolSpec(
    "find", "Finds", {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
)
BOOK = ToolSpec("book", "Books", {"type": "object", "properties": {}}, write=True)
REQUEST = ModelRequest(["Policy.", "Shop."], [FIND, BOOK], [UserText("Hi")], cache_key="k")
TEXT = {"type": "text", "text": "Hello"}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "sig"}
CALL = {
    "type": "tool_use",
    "id": "toolu_1",
    "name": "find",
    "input": {"q": "x"},
    "caller": {"type": "direct"},
}


def message(*content: Any, stop: str | None = "end_turn", **more: Any) -> dict[str, Any]:
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-5-5-20261007",
        "content": list(content), "stop_reason": stop, "stop_sequence": None,
        "usage": {
            "input_tokens": 5, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 11, "output_tokens": 3,
        },
        **more,
    }  # fmt: skip


def model_on(*answers: Any) -> tuple[ClaudeModel, Wire]:
    wire = Wire(*answers)
    return ClaudeModel("sk-ant-secret", http_client=wire.client), wire


def sent_for(items: list[Item], **changes: Any) -> dict[str, Any]:
    model, wire = model_on(message(TEXT))
    model.answer(replace(REQUEST, items=items, **changes))
    return wire.sent[0]


def test_request_has_cached_system_tools_in_order_and_no_sampling() -> None:
    model, wire = model_on((200, message(TEXT), {"request-id": "req_9"}))
    reply = model.answer(replace(REQUEST, timeout_s=7.0, max_output_tokens=321))
    body = wire.sent[0]
    strict_rules_of_claude(body)
    assert body["system"] == [
        {"type": "text", "text": "Policy."},
        {"type": "text", "text": "Shop.", "cache_control": {"type": "ephemeral"}},
    ]
    assert [tool["name"] for tool in body["tools"]] == ["find", "book"]
    assert body["tools"][0]["input_schema"] == FIND.schema
    assert body["tool_choice"] == {"type": "auto"}
    assert (body["max_tokens"], body["output_config"]) == (321, {"effort": "low"})
    timeout = wire.requests[0].extensions["timeout"]
    assert (timeout["read"], timeout["connect"]) == (7.0, 5.0)
    assert wire.requests[0].url == "https://api.anthropic.com/v1/messages"
    assert reply.request_id == "req_9"
    assert (reply.requested_model, reply.step.model) == ("claude-haiku-5-5", "claude-haiku-5-5-20261007")
    assert reply.usage == Usage(input=5, cache_read=7, cache_write=11, output=3)


def test_forbidding_tools_leaves_the_list_in_place() -> None:
    body = sent_for([UserText("Hi")], allow_tools=False)
    assert body["tool_choice"] == {"type": "none"}
    assert len(body["tools"]) == 2
    assert "tool_choice" not in sent_for([UserText("Hi")], tools=[])
    without_system = sent_for([UserText("Hi")], system=[])
    assert "system" not in without_system
    assert "cache_control" in without_system["tools"][-1]


def test_older_models_are_not_asked_for_an_effort() -> None:
    wire = Wire(message(TEXT))
    ClaudeModel("k", "claude-haiku-4-5", http_client=wire.client).answer(REQUEST)
    assert "output_config" not in wire.sent[0]


def test_results_come_first_in_one_user_message_and_neighbours_are_merged() -> None:
    calls = (ToolCall("functions.find:0", "find", {"q": "x"}), ToolCall("a|b", "made up!", None, '{"q'))
    items: list[Item] = [
        AssistantStep("Welcome"),
        UserText("one"),
        UserText(" "),
        AssistantStep("", calls),
        UserText("and?"),
        ToolResults((ToolResult("functions.find:0", "find", ""),)),
        AssistantStep("So"),
    ]
    body = sent_for(items)
    strict_rules_of_claude(body)
    texts = [[b.get("text", b["type"]) for b in m["content"]] for m in body["messages"]]
    assert texts == [
        [OPENING_NOTE], ["Welcome"], ["one", EMPTY_MESSAGE], ["tool_use", "tool_use"],
        ["tool_result", "tool_result", "and?"], ["So"], [CONTINUE_NOTE],
    ]  # fmt: skip
    results = body["messages"][4]["content"]
    assert [r.get("is_error") for r in results[:2]] == [False, True]
    used = body["messages"][3]["content"]
    assert used[1]["name"] == "made_up_"
    assert used[1]["input"] == {"unreadable_arguments": '{"q'}
    (only,) = sent_for([])["messages"]
    assert (only["role"], [block["text"] for block in only["content"]]) == ("user", [CONTINUE_NOTE])


def _second_content(**changes: Any) -> list[Any]:
    """The content of the assistant message in the request after a thinking tool call."""
    model, wire = model_on(message(THOUGHT, TEXT, CALL, stop="tool_use"), message(TEXT))
    step = model.answer(REQUEST).step
    step = replace(step, **changes.pop("step", {}))
    items = [*changes.pop("before", REQUEST.items), step, ToolResults((ToolResult("toolu_1", "find", "r"),))]
    changes.pop("model", model).answer(replace(REQUEST, items=items, **changes))
    body = wire.sent[-1]
    strict_rules_of_claude(body)
    content: list[Any] = body["messages"][1]["content"]
    return content


def test_thinking_goes_back_unchanged_to_the_same_model() -> None:
    content = _second_content()
    assert content == [THOUGHT, TEXT, CALL]


@pytest.mark.parametrize(
    "changes",
    [
        {"system": ["Policy.", "Shop, edited."]},
        {"tools": [FIND]},
        {"before": [UserText("Hi, edited")]},
        {"step": {"text": "Hello, edited"}},
        {"step": {"provider": "openai"}},
        {"step": {"provider_state": None}},
        {"step": {"provider_state": "strange"}},
    ],
)
def test_thinking_is_dropped_when_anything_before_or_in_it_changed(changes: dict[str, Any]) -> None:
    content = _second_content(**changes)
    assert [block["type"] for block in content] == ["text", "tool_use"]
    assert content[1]["id"] == "toolu_1"


def test_thinking_is_dropped_for_another_claude() -> None:
    model, _ = model_on(message(THOUGHT, TEXT))
    step = model.answer(REQUEST).step
    wire = Wire(message(TEXT))
    other = ClaudeModel("k", "claude-sonnet-5-5", http_client=wire.client)
    other.answer(replace(REQUEST, items=[UserText("Hi"), step, UserText("more")]))
    assert wire.sent[0]["messages"][1]["content"] == [TEXT]


def test_a_foreign_id_never_takes_one_of_claudes_own() -> None:
    model, wire = model_on(message(CALL, stop="tool_use"), message(TEXT))
    foreign = AssistantStep("", (ToolCall("toolu_1", "find", {"q": "y"}),), "openai", "gpt")
    opening: list[Item] = [UserText("Hi"), foreign, ToolResults((ToolResult("toolu_1", "find", "a"),))]
    step = model.answer(replace(REQUEST, items=opening)).step
    items = [*opening, step, ToolResults((ToolResult("toolu_1", "find", "b"),))]
    model.answer(replace(REQUEST, items=items))
    strict_rules_of_claude(wire.sent[1])


def test_calls_and_text_are_read_by_type() -> None:
    model, _ = model_on(
        message(THOUGHT, {"type": "redacted_thinking", "data": "x"}, TEXT, CALL, stop="tool_use")
    )
    reply = model.answer(REQUEST)
    assert reply.stop is StopReason.TOOLS
    assert reply.step.text == "Hello"
    assert reply.step.calls == (ToolCall("toolu_1", "find", {"q": "x"}, '{"q": "x"}'),)


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        ("end_turn", StopReason.END),
        ("stop_sequence", StopReason.END),
        ("max_tokens", StopReason.LENGTH),
        ("model_context_window_exceeded", StopReason.LENGTH),
        ("refusal", StopReason.REFUSAL),
        ("pause_turn", StopReason.OTHER),
        ("brand_new", StopReason.OTHER),
        (None, StopReason.OTHER),
    ],
)
def test_stop_reasons(stop: str | None, expected: StopReason) -> None:
    model, _ = model_on(message(TEXT, stop=stop))
    reply = model.answer(REQUEST)
    assert reply.stop is expected
    assert reply.step.text == ("" if expected is StopReason.REFUSAL else "Hello")


@pytest.mark.parametrize("stop", ["max_tokens", "refusal", "pause_turn"])
def test_calls_of_an_answer_that_is_not_whole_cannot_be_run(stop: str) -> None:
    model, _ = model_on(message(TEXT, CALL, stop=stop))
    step = model.answer(REQUEST).step
    assert step.calls == ()
    assert step.provider_state is None


def test_an_empty_answer_is_an_answer() -> None:
    model, _ = model_on(message(usage=None), message(THOUGHT))
    empty = model.answer(REQUEST)
    assert (empty.step.text, empty.stop, empty.usage) == ("", StopReason.END, Usage())
    assert model.answer(REQUEST).step.text == ""
