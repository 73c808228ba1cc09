"""What POST /v1/responses of the OpenAI stand-in refuses (LLM facts 2.3)."""

from __future__ import annotations

from typing import Any

from tests.standins.openai_rules import (
    Refused,
    check_effort,
    check_function,
    check_known,
    check_sampling,
    unsupported,
)

_PARAMETERS = frozenset(
    [
        *(
            "model",
            "input",
            "instructions",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "max_output_tokens",
        ),
        *("max_tool_calls", "reasoning", "text", "store", "include", "previous_response_id", "conversation"),
        *("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "safety_identifier", "user"),
        *("service_tier", "truncation", "temperature", "top_p", "metadata", "stream", "background"),
        *("top_logprobs", "prompt"),
    ]
)


def check(body: Any, models: frozenset[str], pairs: dict[str, str]) -> None:
    """Raise Refused like the API. `pairs` maps the id of an item to that of its reasoning item."""
    if not isinstance(body, dict) or "model" not in body:
        raise Refused(
            "Missing required parameter: 'model'.", param="model", code="missing_required_parameter"
        )
    if "max_tokens" in body or "max_completion_tokens" in body:
        name = "max_tokens" if "max_tokens" in body else "max_completion_tokens"
        raise unsupported(name, " Use 'max_output_tokens' instead.")
    check_known(body, _PARAMETERS)
    if body["model"] not in models:
        text = f"The requested model '{body['model']}' does not exist."
        raise Refused(text, param="model", code="model_not_found")
    effort = (body.get("reasoning") or {}).get("effort")
    check_effort(body["model"], effort)
    check_sampling(body, effort)
    if body.get("stream"):
        raise Refused("stream: this stand-in answers whole responses only", param="stream")
    if previous := body.get("previous_response_id"):
        text = f"Previous response with id '{previous}' not found."
        raise Refused(text, param="previous_response_id", code="previous_response_not_found")
    for index, tool in enumerate(body.get("tools") or []):
        # Strict is the default of this endpoint, other than on Chat Completions.
        check_function(tool, f"tools[{index}]", strict=tool.get("strict") is not False)
    _check_items(body, items_of(body), pairs)


def items_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Input as items; a string is one user message."""
    given = body.get("input") or []
    items = [{"role": "user", "content": given}] if isinstance(given, str) else list(given)
    return [{"type": "message", **item} for item in items]


def _check_items(body: dict[str, Any], items: list[dict[str, Any]], pairs: dict[str, str]) -> None:
    if not items:
        raise Refused("Input must not be empty.", param="input")
    for index, item in enumerate(items):
        _check_item(index, item)
    calls = [item["call_id"] for item in items if item["type"] == "function_call"]
    outputs = [item["call_id"] for item in items if item["type"] == "function_call_output"]
    for index, item in enumerate(items):
        earlier = {each.get("call_id") for each in items[:index] if each["type"] == "function_call"}
        if item["type"] == "function_call_output" and item["call_id"] not in earlier:
            text = f"No tool call found for function call output with call_id {item['call_id']}."
            raise Refused(text, param="input")
    for call_id in calls:
        if call_id not in outputs:
            raise Refused(f"No tool output found for function call {call_id}.", param="input")
    if len(set(calls)) < len(calls):
        raise Refused("Duplicate 'call_id' found in function_call items.", param="input")
    _check_reasoning(body, items, pairs)


def _check_item(index: int, item: dict[str, Any]) -> None:
    kind, where = item["type"], f"input[{index}]"
    if kind not in {"message", "function_call", "function_call_output", "reasoning", "item_reference"}:
        raise Refused(f"Invalid value: '{kind}'.", param=f"{where}.type", code="invalid_value")
    if kind in {"function_call", "function_call_output"}:
        call_id = item.get("call_id")
        if not call_id:
            name = f"{where}.call_id"
            raise Refused(
                f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter"
            )
        if len(call_id) > 64:
            raise Refused(
                f"Invalid '{where}.call_id': string too long. Expected a string with maximum length 64, "
                f"but got a string with length {len(call_id)} instead.",
                param=f"{where}.call_id",
                code="string_above_max_length",
            )
    prefix = {"function_call": "fc", "reasoning": "rs", "message": "msg"}.get(kind)
    if prefix and item.get("id") and not str(item["id"]).startswith(prefix):
        text = f"Invalid '{where}.id': '{item['id']}'. Expected an ID that begins with '{prefix}'."
        raise Refused(text, param=f"{where}.id", code="invalid_value")
    for name in {"function_call": ("name", "arguments"), "function_call_output": ("output",)}.get(kind, ()):
        if not isinstance(item.get(name), str | list):
            text = f"Invalid type for '{where}.{name}': expected a string."
            raise Refused(text, param=f"{where}.{name}", code="invalid_type")


def _check_reasoning(body: dict[str, Any], items: list[dict[str, Any]], pairs: dict[str, str]) -> None:
    present = {item.get("id") for item in items if item["type"] == "reasoning"}
    for index, item in enumerate(items):
        if item["type"] == "reasoning":
            follower = items[index + 1] if index + 1 < len(items) else {}
            # As recorded: an assistant message retold without its id is not the item the reasoning needs.
            retold = item.get("id") and not follower.get("id")
            own = follower.get("type") == "function_call" or (
                follower.get("role") == "assistant" and not retold
            )
            if not own and follower.get("type") != "reasoning":
                told = "was provided without its required following item."
                raise Refused(f"Item '{item.get('id')}' of type 'reasoning' {told}", param="input")
            if body.get("store") is False and not item.get("encrypted_content"):
                told = "Items are not persisted when `store` is set to false."
                raise Refused(f"Item with id '{item.get('id')}' not found. {told}", param="input", status=404)
        needed = pairs.get(item.get("id") or "")
        if needed and needed not in present:
            told = f"was provided without its required 'reasoning' item: '{needed}'."
            raise Refused(f"Item '{item['id']}' of type '{item['type']}' {told}", param="input")
