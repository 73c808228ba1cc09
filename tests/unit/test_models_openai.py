"""The OpenAI adapter against answers of the shapes the Responses API gives (LLM facts 2)."""

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
from agent.models.openai import OpenAIModel
from agent.models.transcript import EMPTY_RESULT, OPENING_NOTE
from tests.unit.model_wire import Wire, strict_rules_of_responses

FIND = ToolSpec(
    "find",
    "Finds",
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {"q": {"type": "string"}, "day": {"type": "string"}},
        "required": ["q"],
    },
)
OPEN = ToolSpec("open", "Open to any key", {"type": "object", "properties": {}})
REQUEST = ModelRequest(["Policy.", "Shop."], [FIND, OPEN], [UserText("Hi")], cache_key="shop-1:v2")
REASON: dict[str, Any] = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [],
    "encrypted_content": "sealed",
    "status": None,
}
CALL = {
    "type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "find", "status": "completed",
    "arguments": '{"q":"x","day":null}',
}  # fmt: skip


def said(text: str, phase: str | None = "final_answer", kind: str = "output_text") -> dict[str, Any]:
    part = (
        {"type": kind, "refusal": text}
        if kind == "refusal"
        else {"type": kind, "text": text, "annotations": []}
    )
    more = {"phase": phase} if phase else {}
    return {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [part],
        **more,
    }


USAGE = {
    "input_tokens": 100, "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
    "output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 4}, "total_tokens": 109,
}  # fmt: skip


def response(*output: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": "resp_1", "object": "response", "status": "completed", "model": "gpt-6-luna-2026-09-22", "error": None,
        "incomplete_details": None, "output": list(output), "usage": USAGE, "tools": [], "parallel_tool_calls": True,
        **more,
    }  # fmt: skip


def model_on(*answers: Any, model: str = "gpt-6-luna") -> tuple[OpenAIModel, Wire]:
    wire = Wire(*answers)
    return OpenAIModel("sk-proj-secret", model, http_client=wire.client), wire


def answer(*output: Any, **more: Any) -> Any:
    model, _ = model_on(response(*output, **more))
    return model.answer(REQUEST)


def test_request_stores_nothing_and_has_flat_tools() -> None:
    model, wire = model_on((200, response(said("Hello")), {"x-request-id": "req_5"}))
    reply = model.answer(replace(REQUEST, timeout_s=3.0, max_output_tokens=5))
    body = wire.sent[0]
    strict_rules_of_responses(body)
    assert body["instructions"] == "Policy.\n\nShop."
    assert body["include"] == ["reasoning.encrypted_content"]
    assert body["prompt_cache_key"] == "shop-1:v2"
    assert body["reasoning"] == {"effort": "low"}
    assert body["max_output_tokens"] == 16, "the smallest the API takes"
    assert body["tool_choice"] == "auto"
    first, second = body["tools"]
    assert (first["name"], first["strict"], first["parameters"]["required"]) == ("find", True, ["q", "day"])
    assert (second["name"], second["strict"], second["parameters"]) == ("open", False, OPEN.schema)
    assert not {"temperature", "previous_response_id", "conversation"} & set(body)
    timeout = wire.requests[0].extensions["timeout"]
    assert (timeout["read"], timeout["connect"]) == (3.0, 3.0)
    assert wire.requests[0].url == "https://api.openai.com/v1/responses"
    assert (reply.request_id, reply.requested_model) == ("req_5", "gpt-6-luna")
    assert reply.step.model == "gpt-6-luna-2026-09-22"
    assert reply.usage == Usage(input=10, cache_read=60, cache_write=30, output=9, thinking=4)


def test_request_variants() -> None:
    model, wire = model_on(*[response(said("Hello"))] * 3)
    model.answer(replace(REQUEST, allow_tools=False, cache_key="k" * 65))
    assert wire.sent[0]["tool_choice"] == "none"
    assert len(wire.sent[0]["tools"]) == 2
    assert len(wire.sent[0]["prompt_cache_key"]) == 64
    model.answer(ModelRequest([], [], []))
    assert wire.sent[1]["input"] == [{"role": "user", "content": OPENING_NOTE}]
    assert not {"instructions", "tools", "tool_choice", "prompt_cache_key"} & set(wire.sent[1])
    old, old_wire = model_on(response(said("Hello")), model="gpt-4o")
    old.answer(REQUEST)
    assert not {"include", "reasoning"} & set(old_wire.sent[0]), "gpt-4o does not reason and refuses both"


def test_commentary_is_not_for_the_customer() -> None:
    reply = answer(REASON, said("I will look.", "commentary"), CALL)
    assert (reply.step.text, reply.stop) == ("", StopReason.TOOLS)
    assert reply.step.calls == (ToolCall("call_1", "find", {"q": "x"}, '{"q":"x","day":null}'),)
    both = answer(said("Looked.", "commentary"), said("It is 5 pm. "), said("Bye", None))
    assert (both.step.text, both.stop) == ("It is 5 pm.\nBye", StopReason.END)
    assert answer(REASON).step.text == ""


def test_refusals_are_told_apart_from_answers() -> None:
    reply = answer(said("I cannot help", kind="refusal"), CALL)
    assert (reply.stop, reply.step.text, reply.step.calls) == (StopReason.REFUSAL, "", ())
    filtered = answer(said("half"), status="incomplete", incomplete_details={"reason": "content_filter"})
    assert (filtered.stop, filtered.step.text) == (StopReason.REFUSAL, "")


@pytest.mark.parametrize(
    "more",
    [
        {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
        {"status": "incomplete"},
        {"output": [REASON, said("Half a"), {**CALL, "status": "incomplete", "arguments": '{"q'}]},
    ],
)
def test_calls_of_a_cut_answer_cannot_be_run(more: dict[str, Any]) -> None:
    reply = answer(REASON, said("Half a"), CALL, **more)
    assert (reply.stop, reply.step.calls, reply.step.text) == (StopReason.LENGTH, (), "Half a")
    assert reply.step.provider_state is None


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, Usage()),
        ({"input_tokens": 0, "output_tokens": 0}, Usage()),
        ({"input_tokens": 5, "output_tokens": 2}, Usage(5, None, None, 2)),
        (
            {"input_tokens": 5, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 9}},
            Usage(0, 9, None, 2),
        ),
    ],
)
def test_usage_that_is_not_said_is_unknown(usage: Any, expected: Usage) -> None:
    assert answer(said("Hello"), usage=usage).usage == expected


def _second(first: dict[str, Any], **changes: Any) -> list[Any]:
    """The input of the request after a first answer with one call."""
    model, wire = model_on(first, response(said("Done")))
    step = model.answer(REQUEST).step
    results = tuple(ToolResult(c.id, c.name, "r") for c in step.calls)
    items = [*REQUEST.items, replace(step, **changes), ToolResults(results)]
    model.answer(replace(REQUEST, items=items))
    strict_rules_of_responses(wire.sent[1])
    return list(wire.sent[1]["input"])


def test_own_items_go_back_whole_and_in_order() -> None:
    commentary = said("I will look.", "commentary")
    sent = _second(response(REASON, commentary, CALL))
    bare = {key: value for key, value in REASON.items() if value is not None}
    assert sent[1:] == [
        bare,
        commentary,
        CALL,
        {"type": "function_call_output", "call_id": "call_1", "output": "r"},
    ]


@pytest.mark.parametrize("changes", [{"text": "edited"}, {"provider": "claude"}, {"provider_state": None}])
def test_reasoning_is_left_out_with_everything_that_belongs_to_it(changes: dict[str, Any]) -> None:
    sent = _second(response(REASON, CALL), **changes)
    assert "reasoning" not in [item.get("type") for item in sent]
    call = next(item for item in sent if item.get("type") == "function_call")
    assert call == {"type": "function_call", "call_id": "call_1", "name": "find", "arguments": '{"q": "x"}'}


def test_reasoning_without_its_content_is_not_replayed() -> None:
    unsealed = {key: value for key, value in REASON.items() if key != "encrypted_content"}
    assert "reasoning" not in [item.get("type") for item in _second(response(unsealed, CALL))]


def test_wrapped_calls_are_unwrapped_and_answered_one_by_one() -> None:
    wrapper = {
        **CALL, "name": "parallel",
        "arguments": '{"tool_uses":[{"recipient_name":"functions.find","parameters":{"q":"x","day":null}},'
        '{"recipient_name":"functions.open","parameters":{}}]}',
    }  # fmt: skip
    sent = _second(response(REASON, wrapper))
    assert [(i["name"], i["call_id"]) for i in sent if i.get("type") == "function_call"] == [
        ("find", "call_1_0"), ("open", "call_1_1"),
    ]  # fmt: skip


def test_foreign_history_is_translated() -> None:
    long_id = "x" * 90
    items: list[Item] = [
        UserText("Hi"),
        AssistantStep("Let me see", (ToolCall(long_id, "find", None, "{"),), "claude", "m", {"content": []}),
        ToolResults((ToolResult(long_id, "find", " ", is_error=True),)),
        AssistantStep("", (ToolCall("a", "find", {"q": "x"}),)),
        ToolResults((ToolResult("a", "find", ""),)),
    ]
    model, wire = model_on(response(said("Done")))
    model.answer(replace(REQUEST, items=items))
    strict_rules_of_responses(wire.sent[0])
    sent = wire.sent[0]["input"]
    assert sent[1] == {"role": "assistant", "content": "Let me see"}
    assert "id" not in sent[2]
    assert sent[3]["output"] == f"Error: {EMPTY_RESULT}"
    assert sent[5]["output"] == EMPTY_RESULT
