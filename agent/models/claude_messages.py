"""The neutral transcript as a request to Anthropic's Messages API (LLM facts 1.2, 1.3, 1.8, 1.10)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.models.arguments import arguments_object, safe_name
from agent.models.base import AssistantStep, Item, Json, ModelRequest, ToolResults, UserText, is_records
from agent.models.ids import IdMap
from agent.models.transcript import (
    CONTINUE_NOTE,
    EMPTY_MESSAGE,
    EMPTY_RESULT,
    OPENING_NOTE,
    digest,
    kept_state,
    repaired,
)

_CACHED = {"type": "ephemeral"}
# A block's message and its place in it.
_Place = tuple[int, int]


def build(request: ModelRequest, provider: str, model: str) -> Json:
    """The body of one request; sampling parameters no longer exist (facts 0.2) and are not sent.

    Cache marks (facts 1.8), three of the four that are allowed: the end of tools + system, which all conversations of
    a shop share; the last block of the append-only history, which this conversation's next turn reads; the last block
    of all, which the next round of this turn reads. Forbidding tools changes only `tool_choice`, because a history
    with tool blocks needs the list and the cache needs it unchanged.
    """
    body: Json = {"model": model, "max_tokens": request.max_output_tokens}
    system: list[Json] = [{"type": "text", "text": part} for part in request.system if part.strip()]
    tools: list[Json] = [
        {"name": tool.name, "description": tool.description, "input_schema": tool.schema}
        for tool in request.tools
    ]
    if system:
        system[-1]["cache_control"] = _CACHED
        body["system"] = system
    elif tools:
        tools[-1]["cache_control"] = _CACHED
    if tools:
        body["tools"] = tools
        body["tool_choice"] = {"type": "auto" if request.allow_tools else "none"}
    renderer = _Renderer(body, provider, model)
    body["messages"] = renderer.render(request.items)
    _mark(body["messages"], renderer.history_ends)
    return body


def _mark(messages: list[Json], history_ends: _Place | None) -> None:
    last = (len(messages) - 1, len(messages[-1]["content"]) - 1)
    for message, block in {last, history_ends or last}:
        blocks = messages[message]["content"]
        # A thinking block takes no mark. Copied, because a replayed block belongs to the transcript.
        if blocks[block]["type"] not in ("thinking", "redacted_thinking"):
            blocks[block] = {**blocks[block], "cache_control": _CACHED}


def _unmarked(message: Json) -> Json:
    content = [
        {key: value for key, value in block.items() if key != "cache_control"} for block in message["content"]
    ]
    return {**message, "content": content}


def prefix_digest(body: Json, messages: Sequence[Json] | None = None) -> str:
    """The fingerprint of everything in front of an answer.

    A thinking block is bound to it and is a 400 when it changed (facts 1.10), so state is replayed only
    behind the very prefix it was made with. Cache marks are no part of it: they move forward with each round.
    """
    before = body["messages"] if messages is None else messages
    return digest([body.get("system"), body.get("tools"), [_unmarked(message) for message in before]])


class _Renderer:
    """Builds the messages of one request: roles alternate, each role's neighbours are merged."""

    def __init__(self, body: Json, provider: str, model: str) -> None:
        self._body = body
        self._provider = provider
        self._model = model
        self._messages: list[Json] = []
        self._ids = IdMap()
        self.history_ends: _Place | None = None

    def render(self, items: Sequence[Item]) -> list[Json]:
        steps = repaired(items)
        own = self._own_states(steps)
        call_ids: list[str] = []
        border = max((index for index, item in enumerate(steps) if is_records(item)), default=0)
        for index, item in enumerate(steps):
            if index == border and self._messages:
                self.history_ends = (len(self._messages) - 1, len(self._messages[-1]["content"]) - 1)
            if isinstance(item, UserText):
                self._add("user", [_text(item.text.strip() or EMPTY_MESSAGE)])
            elif isinstance(item, ToolResults):
                self._add("user", _results(item, call_ids))
            else:
                state = own.get(index)
                call_ids = [call.id if state else self._ids.assign(call.id) for call in item.calls]
                self._add("assistant", self._step(item, state, call_ids))
        # Newer models take an assistant message at the end for a prefilled answer and refuse it (facts 0.2).
        if not self._messages or self._messages[-1]["role"] == "assistant":
            self._add("user", [_text(CONTINUE_NOTE)])
        return self._messages

    def _own_states(self, steps: Sequence[Item]) -> dict[int, dict[str, Any]]:
        own: dict[int, dict[str, Any]] = {}
        for index, item in enumerate(steps):
            state = kept_state(item, self._provider, self._model) if isinstance(item, AssistantStep) else None
            if (
                state
                and isinstance(item, AssistantStep)
                and self._ids.reserve([call.id for call in item.calls])
            ):
                own[index] = state
        return own

    def _step(self, step: AssistantStep, state: dict[str, Any] | None, call_ids: Sequence[str]) -> list[Json]:
        if state and state.get("prefix") == prefix_digest(self._body, self._messages):
            return [
                block for block in state["content"] if block.get("type") != "text" or block["text"].strip()
            ]
        blocks = [_text(step.text)] if step.text.strip() else []
        return blocks + [
            {"type": "tool_use", "id": call_id, "name": safe_name(call.name), "input": arguments_object(call)}
            for call, call_id in zip(step.calls, call_ids, strict=True)
        ]

    def _add(self, role: str, blocks: list[Json]) -> None:
        if not self._messages and role == "assistant":
            self._add("user", [_text(OPENING_NOTE)])
        if self._messages and self._messages[-1]["role"] == role:
            self._messages[-1]["content"] += blocks
        else:
            self._messages.append({"role": role, "content": list(blocks)})


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


def _results(item: ToolResults, call_ids: Sequence[str]) -> list[Json]:
    return [
        {
            "type": "tool_result",
            "tool_use_id": call_id,
            "content": one.text or EMPTY_RESULT,
            "is_error": one.is_error,
        }
        for one, call_id in zip(item.results, call_ids, strict=True)
    ]
