"""A vendor's side of the wire for adapter tests: prepared answers out, requests kept."""

from __future__ import annotations

import json
from typing import Any

import httpx2

Answer = tuple[int, Any, dict[str, str]]


class Wire:
    """Answers requests in order with `answers`: a body (JSON value, text, bytes), a (status, body, headers) tuple,
    or an exception of the transport. `sent` holds the request bodies, `requests` the requests."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.requests: list[httpx2.Request] = []
        self.sent: list[dict[str, Any]] = []
        self.client = httpx2.Client(transport=httpx2.MockTransport(self._handle))

    def _handle(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        self.sent.append(json.loads(request.content))
        assert self._answers, "one request more than the test has answers for"
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, body, headers = answer if isinstance(answer, tuple) else (200, answer, {})
        if isinstance(body, (str, bytes)):
            return httpx2.Response(
                status, content=body, headers={"content-type": "application/json", **headers}
            )
        return httpx2.Response(status, json=body, headers=headers)


def strict_rules_of_claude(body: dict[str, Any]) -> None:
    """What the Messages API refuses with a 400 (LLM facts 0.2, 1.3)."""
    assert not {"temperature", "top_p", "top_k"} & set(body)
    messages = body["messages"]
    assert messages
    assert messages[0]["role"] == "user"
    assert messages[-1]["role"] == "user", "an assistant message at the end is a prefill"
    open_ids: list[str] = []
    seen: set[str] = set()
    for before, message in zip([None, *messages], messages, strict=False):
        assert before is None or before["role"] != message["role"], "consecutive messages of one role"
        blocks = message["content"]
        assert blocks
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        kinds = [block["type"] for block in blocks]
        assert kinds[: len(results)] == ["tool_result"] * len(results), "results come first"
        assert results == open_ids, "exactly one result per call, in the message right after it"
        open_ids = [block["id"] for block in blocks if block["type"] == "tool_use"]
        for call_id in open_ids:
            assert call_id not in seen
            assert call_id
            assert set(call_id) <= _ID_ALPHABET
            seen.add(call_id)
        for block in blocks:
            assert block["type"] != "text" or block["text"].strip(), "an empty text block is a 400"
            assert block["type"] != "tool_use" or isinstance(block["input"], dict)
    assert not open_ids
    marks = [block for block in body.get("system", []) if "cache_control" in block]
    assert marks == body.get("system", [])[-1:]


def strict_rules_of_responses(body: dict[str, Any]) -> None:
    """What the Responses API refuses with a 400 (LLM facts 2.3, 4.5)."""
    assert body["store"] is False
    items = body["input"]
    assert items
    calls = [item["call_id"] for item in items if item.get("type") == "function_call"]
    outputs = [item["call_id"] for item in items if item.get("type") == "function_call_output"]
    assert sorted(calls) == sorted(outputs)
    assert len(set(calls)) == len(calls)
    for call_id in calls:
        assert 0 < len(call_id) <= 64
        kinds = [item["type"] for item in items if item.get("call_id") == call_id]
        assert kinds == ["function_call", "function_call_output"]
    for item, after in zip(items, [*items[1:], {}], strict=True):
        if item.get("type") == "reasoning":
            assert item["encrypted_content"]
            assert after.get("type") in ("reasoning", "message", "function_call"), (
                "reasoning lost its follower"
            )
        if item.get("type") == "function_call":
            json.loads(item["arguments"])
        if item.get("type") == "function_call_output":
            assert item["output"]


def strict_rules_of_chat(body: dict[str, Any]) -> None:
    """What Chat Completions refuses with a 400 (LLM facts 2.4)."""
    expected: list[str] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            assert expected, "a tool message without its call"
            assert message["tool_call_id"] == expected.pop(0)
            assert message["content"]
            continue
        assert not expected, "a call without its tool message"
        assert message["content"] or message.get("tool_calls")
        expected = [call["id"] for call in message.get("tool_calls", [])]
        for call in message.get("tool_calls", []):
            json.loads(call["function"]["arguments"])
    assert not expected


_ID_ALPHABET = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
