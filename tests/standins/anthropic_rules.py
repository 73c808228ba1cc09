"""What the Messages API refuses, with messages as recorded or documented (LLM facts 1.2, 1.3, 1.10)."""

from __future__ import annotations

import re
from typing import Any

MODELS = frozenset(
    [
        *("claude-fable-5-2", "claude-mythos-5-2", "claude-haiku-5-5", "claude-sonnet-5-5"),
        *("claude-fable-5-1", "claude-mythos-5-1", "claude-sonnet-5"),
        *("claude-opus-5-5", "claude-fable-5", "claude-mythos-5"),
        *("claude-opus-5", "claude-opus-4-8", "claude-opus-4-7", "claude-opus-4-6", "claude-sonnet-4-6"),
        *("claude-haiku-4-5", "claude-haiku-4-5-20251001", "claude-opus-4-5", "claude-opus-4-5-20251101"),
        *("claude-sonnet-4-5", "claude-sonnet-4-5-20250929"),
    ]
)
_PARAMETERS = frozenset(
    [
        *("model", "max_tokens", "messages", "system", "tools", "tool_choice", "thinking", "output_config"),
        *("cache_control", "service_tier", "speed", "inference_geo", "metadata", "diagnostics"),
        *("stop_sequences", "stream", "container", "user_profile_id", "workspace_id"),
    ]
)
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Refused(Exception):
    """The request is answered with this status and error type."""

    def __init__(self, message: str, status: int = 400, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.message, self.status, self.kind = message, status, kind


def blocks_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The content of a message as blocks; a string is one text block."""
    content = message.get("content")
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or [])


def check(body: Any, models: frozenset[str], *, counting: bool = False) -> None:
    """Raise Refused when the API would refuse this body."""
    if not isinstance(body, dict):
        raise Refused("The request body is not valid JSON")
    _check_parameters(body, models, counting)
    tools = body.get("tools") or []
    _check_tools(tools)
    _check_model_limits(body)
    messages = body["messages"]
    _check_roles(messages)
    for index, message in enumerate(messages):
        _check_content(index, message)
    _check_pairs(messages)
    used = {block["type"] for message in messages for block in blocks_of(message)}
    if used & {"tool_use", "tool_result"} and not tools:
        raise Refused("Requests which include `tool_use` or `tool_result` blocks must define tools")
    _check_breakpoints(body)


def _check_parameters(body: dict[str, Any], models: frozenset[str], counting: bool) -> None:
    required = ["model", "messages"] if counting else ["model", "max_tokens", "messages"]
    for name in required:
        if name not in body:
            raise Refused(f"{name}: Field required")
    for name in ("temperature", "top_p", "top_k"):
        if name in body:
            raise Refused(f"{name}: This parameter is no longer supported. Remove it from the request.")
    for name in body.keys() - _PARAMETERS:
        raise Refused(f"{name}: Extra inputs are not permitted")
    if body["model"] not in models:
        raise Refused(f"model: {body['model']}", 404, "not_found_error")
    if body.get("stream"):
        raise Refused("stream: this stand-in answers whole messages only")


def _check_tools(tools: list[dict[str, Any]]) -> None:
    names = [tool.get("name", "") for tool in tools]
    if len(set(names)) < len(names):
        raise Refused("tools: Tool names must be unique.")
    for index, tool in enumerate(tools):
        where = f"tools.{index}.custom"
        if not _NAME.fullmatch(names[index]):
            raise Refused(f"{where}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
        schema = tool.get("input_schema")
        if not isinstance(schema, dict) or schema.get("type") != "object":
            raise Refused(f"{where}.input_schema.type: Field required")
        if tool.get("strict") and schema.get("additionalProperties") is not False:
            raise Refused(
                f"{where}: For 'object' type, 'additionalProperties' must be explicitly set to false"
            )


def _check_model_limits(body: dict[str, Any]) -> None:
    model, thinking = body["model"], (body.get("thinking") or {}).get("type")
    choice = (body.get("tool_choice") or {}).get("type")
    effort = (body.get("output_config") or {}).get("effort")
    if not re.search(r"-5-5$", model):
        return
    if thinking == "enabled":
        raise Refused("thinking.type: 'enabled' is not supported by this model. Use 'adaptive'.")
    if model == "claude-sonnet-5-5" and choice in {"any", "tool"}:
        raise Refused(f"tool_choice.type: '{choice}' is not supported by this model.")
    if model == "claude-sonnet-5-5" and thinking == "disabled":
        raise Refused("thinking.type: 'disabled' is not supported by this model.")
    if thinking in {"disabled", "between_tools"} and effort in {"xhigh", "max"}:
        raise Refused(f"This model does not support effort level '{effort}' with thinking '{thinking}'.")


def _check_roles(messages: list[dict[str, Any]]) -> None:
    if not messages:
        raise Refused("messages: at least one message is required")
    for index, message in enumerate(messages):
        if message.get("role") not in {"user", "assistant", "system"}:
            raise Refused(f"messages.{index}.role: Input should be 'user', 'assistant' or 'system'")
    if messages[0]["role"] != "user":
        raise Refused('messages: first message must use the "user" role')
    if messages[-1]["role"] == "assistant":
        raise Refused(
            "This model does not support assistant message prefill. "
            "The conversation must end with a user message."
        )


def _check_content(index: int, message: dict[str, Any]) -> None:
    blocks = blocks_of(message)
    if not blocks:
        raise Refused(f"messages.{index}: all messages must have non-empty content")
    for place, block in enumerate(blocks):
        where, kind = f"messages.{index}.content.{place}", block.get("type")
        if kind == "text" and not str(block.get("text") or "").strip():
            raise Refused("messages: text content blocks must contain non-whitespace text")
        if kind in {"tool_use", "thinking"} and message["role"] != "assistant":
            raise Refused(f"{where}: `{kind}` blocks can only be in `assistant` messages")
        if kind == "tool_result" and message["role"] != "user":
            raise Refused(f"{where}: `tool_result` blocks can only be in `user` messages")
        if kind == "document" and message["role"] == "assistant":
            raise Refused(f"{where}: `document` blocks are not permitted in `assistant` messages")
        if kind == "tool_use" and not isinstance(block.get("input"), dict):
            raise Refused(f"{where}.tool_use.input: Input should be a valid dictionary")
        named = {"tool_use": "id", "tool_result": "tool_use_id"}.get(str(kind))
        if named and not _ID.fullmatch(str(block.get(named, ""))):
            raise Refused(f"{where}.{kind}.{named}: String should match pattern '^[a-zA-Z0-9_-]+$'")


def _check_pairs(messages: list[dict[str, Any]]) -> None:
    asked: list[str] = []
    seen: set[str] = set()
    for index, message in enumerate(messages):
        blocks = blocks_of(message)
        _check_results(index, blocks, asked)
        asked = [block["id"] for block in blocks if block["type"] == "tool_use"]
        if len(set(asked)) < len(asked) or seen & set(asked):
            raise Refused("messages: `tool_use` ids must be unique")
        seen.update(asked)


def _check_results(index: int, blocks: list[dict[str, Any]], asked: list[str]) -> None:
    kinds = [block["type"] for block in blocks]
    given = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
    for place, block in enumerate(blocks):
        if block["type"] == "tool_result" and block["tool_use_id"] not in asked:
            raise Refused(
                f"messages.{index}.content.{place}: unexpected `tool_use_id` found in `tool_result` blocks: "
                f"{block['tool_use_id']}. Each `tool_result` block must have a corresponding `tool_use` "
                "block in the previous message."
            )
    if missing := [each for each in asked if each not in given]:
        raise Refused(
            f"messages.{index - 1}: `tool_use` ids were found without `tool_result` blocks immediately "
            f"after: "
            f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in "
            "the next message."
        )
    if len(set(given)) < len(given):
        raise Refused(f"messages.{index}: each tool_use must have a single result.")
    if "tool_result" in kinds[len(given) :]:
        raise Refused(f"messages.{index}: `tool_result` blocks must come first in the content")


def _check_breakpoints(body: dict[str, Any]) -> None:
    system = body.get("system") or []
    places = [*(body.get("tools") or []), *(system if isinstance(system, list) else [])]
    places += [block for message in body["messages"] for block in blocks_of(message)]
    count = sum(1 for place in places if place.get("cache_control")) + bool(body.get("cache_control"))
    if count > 4:
        raise Refused(f"A maximum of 4 blocks with cache_control may be provided. Found {count}.")
