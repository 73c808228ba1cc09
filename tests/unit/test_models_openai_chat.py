"""The adapter for compatible servers against the shapes they really give (LLM facts 2.4, 2.10)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.models.base import (
    AssistantStep,
    Item,
    ModelReply,
    ModelRequest,
    ProviderError,
    StopReason,
    ToolCall,
    ToolResult,
    ToolResults,
    ToolSpec,
    Usage,
    UserText,
)
from agent.models.openai_chat import OpenAIChatModel, is_openai
from tests.unit.model_wire import Wire, strict_rules_of_chat

FIND = ToolSpec(
    "find", "Finds", {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
)
REQUEST = ModelRequest(["Policy.", "Shop."], [FIND], [UserText("Hi")])


def completion(message: Any, reason: str | None = "stop", **more: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "model": "served", "created": 1,
        "choices": [{"index": 0, "finish_reason": reason, "message": message}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 5}}, **more,
    }  # fmt: skip


def call(arguments: Any, name: Any = "find", **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **more}


def ask(
    body: Any, request: ModelRequest = REQUEST, url: str = "http://127.0.0.1:1/v1"
) -> tuple[ModelReply, Wire]:
    wire = Wire(body)
    return OpenAIChatModel(None, "local", url, http_client=wire.client).answer(request), wire


def test_only_what_every_server_knows_is_sent() -> None:
    reply, wire = ask(completion({"role": "assistant", "content": " Hello "}))
    body = wire.sent[0]
    strict_rules_of_chat(body)
    assert set(body) == {"model", "messages", "max_tokens", "tools", "tool_choice"}
    assert body["messages"][0] == {"role": "system", "content": "Policy.\n\nShop."}
    assert body["tools"][0]["function"]["parameters"] == FIND.schema
    assert "strict" not in body["tools"][0]["function"]
    assert (reply.step.text, reply.stop, reply.step.provider) == (
        "Hello",
        StopReason.END,
        "openai-compatible",
    )
    assert (reply.step.model, reply.requested_model) == ("served", "local")
    assert reply.usage == Usage(15, 5, None, 3)


def test_openais_own_address_gets_the_new_name_of_the_limit() -> None:
    _, wire = ask(completion({"content": "Hi"}), url="https://api.openai.com/v1")
    assert "max_completion_tokens" in wire.sent[0]
    assert "max_tokens" not in wire.sent[0]
    assert is_openai(None)
    assert is_openai("https://eu.api.openai.com/v1")
    assert not is_openai("https://api.openai.com.example.org/v1")
    assert not is_openai("https://notopenai.com/v1")


def test_conversation_with_calls() -> None:
    calls = (ToolCall("a|b", "find", {"q": "x"}), ToolCall("c", "find", None, "{"))
    items: list[Item] = [
        UserText("Hi"),
        AssistantStep("", calls),
        ToolResults((ToolResult("a|b", "find", "r"), ToolResult("c", "find", "bad", is_error=True))),
    ]
    _, wire = ask(completion({"content": "Done"}), replace(REQUEST, items=items, allow_tools=False))
    strict_rules_of_chat(wire.sent[0])
    assert wire.sent[0]["tool_choice"] == "none"
    assert [m.get("content") for m in wire.sent[0]["messages"][2:]] == [None, "r", "Error: bad"]


@pytest.mark.parametrize("reason", ["tool_calls", "stop", None, "function_call"])
def test_calls_decide_whatever_the_reason_says(reason: str | None) -> None:
    sent = [call('{"q":"x"}', id="call_1"), call({"q": "y"}), call("", id="")]
    reply, _ = ask(completion({"content": None, "tool_calls": sent}, reason))
    assert reply.stop is StopReason.TOOLS
    assert [c.arguments for c in reply.step.calls] == [{"q": "x"}, {"q": "y"}, None]
    assert len({c.id for c in reply.step.calls}) == 3


@pytest.mark.parametrize(
    ("message", "reason", "stop", "text"),
    [
        ({"content": "Half", "tool_calls": [call('{"q', id="x")]}, "length", StopReason.LENGTH, "Half"),
        ({"content": "", "tool_calls": []}, "length", StopReason.LENGTH, ""),
        ({"content": None, "refusal": "No."}, "stop", StopReason.REFUSAL, ""),
        ({"content": "So"}, "content_filter", StopReason.REFUSAL, ""),
        ({"content": "So"}, "odd", StopReason.OTHER, "So"),
        ({"content": None, "tool_calls": []}, "stop", StopReason.END, ""),
        ({"content": "<think>hm</think>\nHello"}, "stop", StopReason.END, "Hello"),
    ],
)
def test_answers_without_calls_to_run(message: Any, reason: str, stop: StopReason, text: str) -> None:
    reply, _ = ask(completion(message, reason))
    assert (reply.stop, reply.step.text, reply.step.calls) == (stop, text, ())


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (completion({"content": '<tool_call>{"name": "find"}</tool_call>'}), "transient"),
        (completion({"content": '{"name": "find", "arguments": {}}'}), "transient"),
        (completion({"content": "<think>never closed"}), "transient"),
        (completion({"tool_calls": [call("{}", name=None)]}), "transient"),
        (completion({"tool_calls": ["x"]}), "transient"),
        (completion(None), "transient"),
        ({"choices": []}, "transient"),
        ({"choices": None}, "transient"),
        ({"error": {"code": 429, "message": "busy"}}, "transient"),
        ({"error": {"code": 401, "message": "key"}}, "misconfigured"),
        ((200, "<html></html>", {"content-type": "text/html"}), "transient"),
        ((400, {"error": {"code": "tool_use_failed", "failed_generation": "private"}}, {}), "transient"),
        ((404, {"error": "model not found"}, {}), "misconfigured"),
        ((404, {"detail": "Not Found"}, {}), "misconfigured"),
    ],
)
def test_what_cannot_be_used_is_an_error(body: Any, kind: str) -> None:
    with pytest.raises(ProviderError) as caught:
        ask(body)
    assert (caught.value.kind, caught.value.provider) == (kind, "openai-compatible")
    assert "private" not in str(caught.value)


def test_usage_may_be_missing() -> None:
    reply, _ = ask(completion({"content": "Hi"}, usage=None))
    assert reply.usage == Usage()
