"""The neutral transcript as a request to OpenAI's Responses API (LLM facts 2.3, 4.5)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from agent.models.arguments import arguments_object, safe_name
from agent.models.base import AssistantStep, Item, Json, ModelRequest, ToolResult, ToolSpec, UserText
from agent.models.ids import IdMap
from agent.models.schema import strict_schema
from agent.models.transcript import EMPTY_MESSAGE, EMPTY_RESULT, OPENING_NOTE, kept_state, repaired

MIN_OUTPUT_TOKENS = 16
_MAX_CACHE_KEY = 64
# Models before GPT-5 do not reason: they refuse both an effort and a request for encrypted reasoning.
_NOT_REASONING = ("gpt-3", "gpt-4", "chatgpt-4")
# These think at medium effort unless told otherwise, which a text to a shop does not need (facts 2.9).
_LOW_EFFORT = ("gpt-5.6", "gpt-6")


def build(request: ModelRequest, provider: str, model: str) -> Json:
    """The body of one request: the whole conversation each time, as nothing is kept at OpenAI (facts 2.3)."""
    body: Json = {
        "model": model,
        "input": render(request.items, provider, model),
        "max_output_tokens": max(MIN_OUTPUT_TOKENS, request.max_output_tokens),
        "store": False,
    }
    instructions = "\n\n".join(part for part in request.system if part.strip())
    if instructions:
        body["instructions"] = instructions
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        body["tool_choice"] = "auto" if request.allow_tools else "none"
    if not model.startswith(_NOT_REASONING):
        body["include"] = ["reasoning.encrypted_content"]
    if model.startswith(_LOW_EFFORT):
        body["reasoning"] = {"effort": "low"}
    if request.cache_key:
        body["prompt_cache_key"] = cache_key(request.cache_key)
    return body


def cache_key(key: str) -> str:
    """A cache key of a length OpenAI takes, the same for the same input."""
    return key if len(key) <= _MAX_CACHE_KEY else hashlib.sha256(key.encode()).hexdigest()


def _tool(tool: ToolSpec) -> Json:
    strict = strict_schema(tool.schema)
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": strict or tool.schema,
        "strict": strict is not None,
    }


def render(items: Sequence[Item], provider: str, model: str) -> list[Any]:
    """The input items. A step of this very model goes back as the items it came as, reasoning included: a
    reasoning item without what followed it, or a call without its reasoning, is a 400 (facts 2.3)."""
    steps = repaired(items)
    ids = IdMap()
    own = {
        index: state
        for index, step in enumerate(steps)
        if isinstance(step, AssistantStep)
        and (state := kept_state(step, provider, model))
        and ids.reserve([call.id for call in step.calls])
    }
    result: list[Any] = []
    call_ids: list[str] = []
    for index, step in enumerate(steps):
        if isinstance(step, UserText):
            result.append({"role": "user", "content": step.text.strip() or EMPTY_MESSAGE})
        elif isinstance(step, AssistantStep):
            state = own.get(index)
            call_ids = [call.id if state else ids.assign(call.id) for call in step.calls]
            result += state["items"] if state else _step(step, call_ids)
        else:
            outputs = zip(step.results, call_ids, strict=True)
            result += [
                {"type": "function_call_output", "call_id": call_id, "output": result_text(one)}
                for one, call_id in outputs
            ]
    return result or [{"role": "user", "content": OPENING_NOTE}]


def _step(step: AssistantStep, call_ids: Sequence[str]) -> list[Json]:
    """A foreign or changed step: words and calls only, without the item ids that belong to another answer."""
    said: list[Json] = [{"role": "assistant", "content": step.text}] if step.text.strip() else []
    return said + [
        {
            "type": "function_call",
            "call_id": call_id,
            "name": safe_name(call.name),
            "arguments": json.dumps(arguments_object(call), ensure_ascii=False),
        }
        for call, call_id in zip(step.calls, call_ids, strict=True)
    ]


def result_text(result: ToolResult) -> str:
    """A result's text for a vendor without an error flag: the flag becomes a prefix, nothing becomes a
    placeholder."""
    text = result.text if result.text.strip() else EMPTY_RESULT
    return f"Error: {text}" if result.is_error and not text.startswith("Error") else text
