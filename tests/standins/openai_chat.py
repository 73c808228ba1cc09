"""POST /v1/chat/completions of the OpenAI stand-in (LLM facts 2.4)."""

from __future__ import annotations

import json
import re
import secrets
from typing import Any

from tests.standins.llm_script import Said, Step, View, schemas_of
from tests.standins.openai_output import arguments, cut
from tests.standins.openai_rules import (
    Refused,
    check_effort,
    check_function,
    check_known,
    check_sampling,
    reasons,
    unsupported,
)

_PARAMETERS = frozenset(
    [
        *(
            "model",
            "messages",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "max_tokens",
            "stop",
            "n",
            "seed",
        ),
        *("max_completion_tokens", "reasoning_effort", "verbosity", "temperature", "top_p", "store", "user"),
        *("prompt_cache_key", "prompt_cache_options", "safety_identifier", "service_tier", "metadata"),
        *("response_format", "stream", "stream_options", "logprobs", "top_logprobs", "presence_penalty"),
        *("frequency_penalty", "logit_bias", "prediction", "modalities"),
    ]
)


def check(body: Any, models: frozenset[str], *, compatible: bool) -> None:
    """Raise Refused when the API would refuse this body; a compatible server knows no model names."""
    if not isinstance(body, dict) or "model" not in body:
        raise Refused("you must provide a model parameter")
    if not compatible:
        _check_model(body, models)
    check_known(body, _PARAMETERS)
    if body.get("stream"):
        raise Refused("stream: this stand-in answers whole completions only", param="stream")
    for index, tool in enumerate(body.get("tools") or []):
        spec = tool.get("function") or {}
        check_function(spec, f"tools[{index}].function", strict=bool(spec.get("strict")))
    _check_messages(body.get("messages") or [])


def _check_model(body: dict[str, Any], models: frozenset[str]) -> None:
    model, effort = body["model"], body.get("reasoning_effort")
    if model not in models:
        text = f"The model `{model}` does not exist or you do not have access to it."
        raise Refused(text, code="model_not_found", status=404)
    if not reasons(model):
        return
    if "max_tokens" in body:
        raise unsupported("max_tokens", " Use 'max_completion_tokens' instead.")
    if body.get("stop"):
        raise unsupported("stop")
    check_effort(model, effort)
    check_sampling(body, effort)
    if body.get("tools") and effort != "none" and re.match(r"gpt-(5\.6|6)", model):
        raise Refused(
            f"Function tools with reasoning_effort are not supported for {model} in /v1/chat/completions. "
            "Please use /v1/responses instead or set reasoning_effort to 'none'.",
            param="reasoning_effort",
        )


def _check_messages(messages: list[dict[str, Any]]) -> None:
    if not messages:
        raise Refused("Invalid 'messages': empty array.", param="messages", code="empty_array")
    open_calls: list[str] = []
    for index, message in enumerate(messages):
        role = message.get("role")
        if role not in {"system", "developer", "user", "assistant", "tool"}:
            raise Refused(f"Invalid value: '{role}'.", param=f"messages[{index}].role", code="invalid_value")
        if role == "tool":
            if message.get("tool_call_id") not in open_calls:
                raise Refused(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message "
                    "with 'tool_calls'.",
                    param=f"messages.[{index}].role",
                )
            open_calls.remove(message["tool_call_id"])
            continue
        _check_answered(open_calls)
        open_calls = [call["id"] for call in message.get("tool_calls") or []]
        if role == "assistant" and message.get("content") is None and not open_calls:
            text = "Invalid value for 'content': expected a string, got null."
            raise Refused(text, param=f"messages.[{index}].content")
    _check_answered(open_calls)


def _check_answered(open_calls: list[str]) -> None:
    if open_calls:
        raise Refused(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            "'tool_call_id'. The following tool_call_ids did not have response messages: "
            + ", ".join(open_calls),
            param="messages",
        )


def view_of(body: dict[str, Any]) -> View:
    """The neutral view of a checked body."""
    names: dict[str, str] = {}
    said: list[Said] = []
    system: list[str] = []
    for message in body["messages"]:
        text = _text(message.get("content"))
        if message["role"] in {"system", "developer"} and not said:
            system.append(text)
            continue
        calls = message.get("tool_calls") or []
        names |= {call["id"]: call["function"]["name"] for call in calls}
        made = tuple((call["function"]["name"], arguments(call["function"]["arguments"])) for call in calls)
        name = names.get(message.get("tool_call_id") or "", "")
        role = "system" if message["role"] == "developer" else message["role"]
        said.append(Said(role, text, made, name))
    schemas = schemas_of(body.get("tools") or [])
    allow = bool(schemas) and body.get("tool_choice") != "none"
    return View("openai-chat", body["model"], "\n".join(system), schemas, tuple(said), allow, body)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content or [])


def completion(
    body: dict[str, Any], step: Step, view: View, usage: dict[str, Any], now: int
) -> dict[str, Any]:
    """The chat.completion object; `now` is unix seconds."""
    calls = _calls(step) if view.allow_tools else []
    refused = step.stop == "refusal"
    words = "\n".join(part for part in (step.commentary, step.text) if part)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if refused or (calls and not words) else words,
        "refusal": (words or "I'm sorry, but I can't help with that.") if refused else None,
        "annotations": [],
    }
    if calls:
        message["tool_calls"] = calls
    # A refusal still ends with "stop" on this endpoint.
    finish = {"length": "length", "other": "content_filter"}.get(
        step.stop or "", "tool_calls" if calls else "stop"
    )
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return {
        "id": "chatcmpl-" + secrets.token_urlsafe(21),
        "object": "chat.completion",
        "created": now,
        "model": body["model"],
        "choices": [choice],
        "usage": usage,
        "service_tier": "default",
        "system_fingerprint": "fp_" + secrets.token_hex(5),
    }


def _calls(step: Step) -> list[dict[str, Any]]:
    made = []
    for place, (name, args) in enumerate(step.calls):
        text = step.raw_calls.get(name, json.dumps(args))
        if step.cut_arguments and place == len(step.calls) - 1:
            text = cut(text)
        call_id = "call_" + secrets.token_hex(12)
        made.append({"id": call_id, "type": "function", "function": {"name": name, "arguments": text}})
    return made
