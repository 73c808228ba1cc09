"""Reading the recordings of vendor traffic, and what an adapter has to make of each.

Everything here is worked out from the recorded JSON alone, with none of the code under test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.models.base import (
    AssistantStep,
    Item,
    StopReason,
    ToolCall,
    ToolResult,
    ToolResults,
    Usage,
    UserText,
)

ROOT = Path(__file__).resolve().parents[2].parent / "shared" / "recordings"
# Headers that matter to an SDK; the others are bookkeeping of the recording.
KEPT_HEADERS = ("content-type", "retry-after", "x-should-retry", "request-id", "x-request-id")


@dataclass(frozen=True)
class Interaction:
    """One recorded request with its response."""

    file: str
    case: str
    number: int
    url: str
    request: dict[str, Any]
    status: int
    headers: dict[str, str]
    body: Any

    @property
    def name(self) -> str:
        return f"{self.file}/{self.case}/{self.number}"

    @property
    def endpoint(self) -> str:
        path = self.url.split("?")[0]
        ends = {"/v1/messages": "messages", "/responses": "responses", "/chat/completions": "chat"}
        return next((kind for end, kind in ends.items() if path.endswith(end)), "other")

    @property
    def streamed(self) -> bool:
        return "event-stream" in self.headers.get("content-type", "")


def _all() -> Iterator[Interaction]:
    for vendor in ("anthropic", "openai"):
        for path in sorted((ROOT / vendor).glob("*.json")):
            for case in json.loads(path.read_text(encoding="utf-8"))["cases"]:
                for number, one in enumerate(case["interactions"]):
                    request, response = one["request"], one["response"]
                    headers = {k: v for k, v in response["headers"].items() if k in KEPT_HEADERS}
                    yield Interaction(
                        f"{vendor}/{path.stem}", case["case"], number, request["url"], request["body"] or {},
                        response["status"], headers, response["body"],
                    )  # fmt: skip


ALL = list(_all()) if ROOT.is_dir() else []
ANSWERED = [i for i in ALL if i.endpoint != "other" and not i.streamed]
STREAMED = [i for i in ALL if i.streamed]
BY_NAME = {i.name: i for i in ALL}


def expected_calls(recorded: Interaction) -> list[tuple[str, Any]]:
    body = recorded.body
    if recorded.endpoint == "messages":
        return [(b["name"], b["input"]) for b in body["content"] if b["type"] == "tool_use"]
    if recorded.endpoint == "responses":
        called = [i for i in body["output"] if i["type"] == "function_call"]
        return [(i["name"], json.loads(i["arguments"])) for i in called]
    called = body["choices"][0]["message"].get("tool_calls") or []
    return [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in called]


def expected_text(recorded: Interaction) -> str:
    body = recorded.body
    if recorded.endpoint == "messages":
        return "".join(b["text"] for b in body["content"] if b["type"] == "text").strip()
    if recorded.endpoint == "responses":
        said = [i for i in body["output"] if i["type"] == "message" and i.get("phase") != "commentary"]
        return "".join(part["text"] for i in said for part in i["content"]).strip()
    return (body["choices"][0]["message"].get("content") or "").strip()


def expected_stop(recorded: Interaction) -> StopReason:
    body = recorded.body
    if recorded.endpoint == "messages":
        reasons = {"end_turn": StopReason.END, "tool_use": StopReason.TOOLS, "max_tokens": StopReason.LENGTH}
        return reasons.get(body["stop_reason"], StopReason.REFUSAL)
    if recorded.endpoint == "responses":
        if body["status"] == "incomplete":
            return StopReason.LENGTH
        return StopReason.TOOLS if expected_calls(recorded) else StopReason.END
    if body["choices"][0]["message"].get("refusal"):
        return StopReason.REFUSAL
    reasons = {"stop": StopReason.END, "tool_calls": StopReason.TOOLS, "length": StopReason.LENGTH}
    return reasons[body["choices"][0]["finish_reason"]]


def expected_usage(recorded: Interaction) -> Usage:
    usage = recorded.body["usage"]
    if recorded.endpoint == "messages":
        names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
        return Usage(
            *(usage.get(name) for name in names), _thought(usage, "output_tokens", "thinking_tokens")
        )
    total, out = ("input_tokens", "output_tokens") if recorded.endpoint == "responses" else (
        "prompt_tokens", "completion_tokens",
    )  # fmt: skip
    if usage[total] == usage[out] == 0:
        return Usage()
    details = usage.get(f"{total}_details") or {}
    read, written = details.get("cached_tokens"), details.get("cache_write_tokens")
    thought = _thought(usage, out, "reasoning_tokens")
    return Usage(usage[total] - (read or 0) - (written or 0), read, written, usage[out], thought)


def _thought(usage: dict[str, Any], output: str, name: str) -> Any:
    return (usage.get(f"{output}_details") or {}).get(name)


def neutral(recorded: Interaction) -> list[Item]:
    """The conversation in a recorded request as a neutral transcript."""
    if recorded.endpoint == "messages":
        return [item for message in recorded.request["messages"] for item in _from_claude(message)]
    if recorded.endpoint == "chat":
        return [item for message in recorded.request["messages"] for item in _from_chat(message)]
    sent = recorded.request["input"]
    return [UserText(sent)] if isinstance(sent, str) else [x for item in sent for x in _from_responses(item)]


def _flat(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text") or json.dumps(part) for part in content or [])


def _from_claude(message: dict[str, Any]) -> list[Item]:
    content = message["content"]
    blocks: list[Any] = [{"type": "text", "text": content}] if isinstance(content, str) else content
    text = "".join(block["text"] for block in blocks if block["type"] == "text")
    if message["role"] == "assistant":
        used = [b for b in blocks if b["type"] == "tool_use"]
        return [AssistantStep(text, tuple(ToolCall(b["id"], b["name"], b["input"]) for b in used))]
    results = tuple(
        ToolResult(b["tool_use_id"], "", _flat(b.get("content")), bool(b.get("is_error")))
        for b in blocks
        if b["type"] == "tool_result"
    )
    items: list[Item] = [ToolResults(results)] if results else []
    return items + ([UserText(text)] if text else [])


def _from_chat(message: dict[str, Any]) -> list[Item]:
    content = _flat(message.get("content"))
    if message["role"] == "tool":
        return [ToolResults((ToolResult(message["tool_call_id"], "", content),))]
    if message["role"] != "assistant":
        return [UserText(content)]
    calls = message.get("tool_calls") or []
    made = (ToolCall(c["id"], c["function"]["name"], json.loads(c["function"]["arguments"])) for c in calls)
    return [AssistantStep(content, tuple(made))]


def _from_responses(item: dict[str, Any]) -> list[Item]:
    kind = item.get("type", "message")
    if kind == "function_call":
        return [AssistantStep("", (ToolCall(item["call_id"], item["name"], json.loads(item["arguments"])),))]
    if kind == "function_call_output":
        return [ToolResults((ToolResult(item["call_id"], "", _flat(item["output"])),))]
    if kind != "message":
        return []
    text = _flat(item["content"])
    return [AssistantStep(text)] if item["role"] == "assistant" else [UserText(text)]
