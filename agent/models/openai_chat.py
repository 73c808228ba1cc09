"""OpenAI-compatible servers by Chat Completions (LLM facts 2.4, 2.10): vLLM, llama.cpp, Ollama, Groq,
OpenRouter.

Only what every such server knows is sent; strict, store, cache key and the like go where a capability flag says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, cast

import httpx2
from openai import OpenAI
from openai.types.chat import ChatCompletion

from agent.models.arguments import arguments_object, make_call, safe_name, unique_calls, unwrap_parallel
from agent.models.base import (
    AssistantStep,
    Item,
    Json,
    ModelReply,
    ModelRequest,
    StopReason,
    ToolCall,
    ToolSpec,
    UserText,
)  # fmt: skip
from agent.models.capabilities import Capabilities
from agent.models.deadline import bounded
from agent.models.faults import Reason, Vendor, VendorFault, fault
from agent.models.ids import IdMap
from agent.models.openai_faults import call_openai, error_fault, read_usage
from agent.models.responses_input import cache_key, result_text
from agent.models.schema import strict_schema
from agent.models.transcript import EMPTY_MESSAGE, OPENING_NOTE, repaired

VENDOR = Vendor(
    "openai-compatible", "OpenAI-compatible server", "OPENAI_API_KEY", "OPENAI_MODEL or OPENAI_BASE_URL"
)
NO_KEY = "not-needed"
NONE = Capabilities()
_THOUGHT = re.compile(r"^\s*<think>.*?</think>", re.S)
# A server without the right parser prints the call as text (facts 2.10); no customer may ever read that.
_PRINTED_CALL = re.compile(
    r"<tool_call>|<\|python_tag\|>|^\s*<think>|^\s*\{\s*\"name\"\s*:.*\"(?:arguments|parameters)\"", re.S
)


class OpenAIChatModel:
    """A compatible server at `base_url` (ending in /v1). Local ones want no key, the SDK does: one is made
    up."""

    provider = VENDOR.provider

    def __init__(
        self,
        api_key: str | None,
        model: str,
        base_url: str,
        http_client: httpx2.Client | None = None,
        *,
        flags: Capabilities = NONE,
    ) -> None:
        self.model = model
        self._flags = flags
        # OpenAI itself renamed the limit and refuses the old name; compatible servers know the old one for
        # certain.
        newer = flags.max_completion_tokens or is_openai(base_url)
        self._limit = "max_completion_tokens" if newer else "max_tokens"
        self._client = OpenAI(
            api_key=api_key or NO_KEY, base_url=base_url, max_retries=0, http_client=http_client
        )
        bounded(self._client)

    def answer(self, request: ModelRequest) -> ModelReply:
        """Answer one request within `request.timeout_s`. Raises ProviderError (a VendorFault)."""
        body: Json = {
            "model": self.model,
            "messages": render(request),
            self._limit: request.max_output_tokens,
        }
        if request.tools:
            body["tools"] = [_tool(tool, strict=self._flags.strict) for tool in request.tools]
            body["tool_choice"] = "auto" if request.allow_tools else "none"
        body.update(_extras(request, self._flags))
        create = cast(Any, self._client.chat.completions).create
        data, request_id = call_openai(VENDOR, ChatCompletion, create, body, request.timeout_s)
        return _read(request, self.model, data, request_id)

    def close(self) -> None:
        """Close the connections kept open for the next request."""
        self._client.close()


def is_openai(base_url: str | None) -> bool:
    """Whether this address is OpenAI's own, where the Responses API is the one to use."""
    host = httpx2.URL(base_url).host if base_url else "api.openai.com"
    return host == "openai.com" or host.endswith(".openai.com")


def _tool(tool: ToolSpec, *, strict: bool) -> Json:
    schema = strict_schema(tool.schema) if strict else None
    function = {"name": tool.name, "description": tool.description, "parameters": schema or tool.schema}
    return {"type": "function", "function": {**function, "strict": True} if schema else function}


def _extras(request: ModelRequest, flags: Capabilities) -> Json:
    extras: Json = {}
    if flags.store:
        extras["store"] = False
    if flags.prompt_cache_key and request.cache_key:
        extras["prompt_cache_key"] = cache_key(request.cache_key)
    if flags.parallel_tool_calls and request.tools:
        extras["parallel_tool_calls"] = False
    if flags.reasoning_effort:
        extras["reasoning_effort"] = "low"
    return extras


def render(request: ModelRequest) -> list[Json]:
    """The messages: one system message, then the conversation with one tool message per result."""
    system = "\n\n".join(part for part in request.system if part.strip())
    messages: list[Json] = [{"role": "system", "content": system}] if system else []
    messages += _conversation(repaired(request.items), IdMap()) or [{"role": "user", "content": OPENING_NOTE}]
    return messages


def _conversation(steps: Sequence[Item], ids: IdMap) -> list[Json]:
    messages: list[Json] = []
    call_ids: list[str] = []
    for step in steps:
        if isinstance(step, UserText):
            messages.append({"role": "user", "content": step.text.strip() or EMPTY_MESSAGE})
        elif isinstance(step, AssistantStep):
            call_ids = [ids.assign(call.id) for call in step.calls]
            messages.append(_assistant(step, call_ids))
        else:
            pairs = zip(step.results, call_ids, strict=True)
            messages += [{"role": "tool", "tool_call_id": i, "content": result_text(one)} for one, i in pairs]
    return messages


def _assistant(step: AssistantStep, call_ids: Sequence[str]) -> Json:
    message: Json = {"role": "assistant", "content": step.text or None}
    if step.calls:
        message["tool_calls"] = [
            {
                "id": call_id,
                "type": "function",
                "function": {
                    "name": safe_name(call.name),
                    "arguments": json.dumps(arguments_object(call), ensure_ascii=False),
                },
            }
            for call, call_id in zip(step.calls, call_ids, strict=True)
        ]
    return message


def _read(request: ModelRequest, model: str, data: Json, request_id: str | None) -> ModelReply:
    usage = read_usage(data.get("usage"), "prompt_tokens", "completion_tokens")

    def garbled(what: str) -> VendorFault:
        return fault(VENDOR, Reason.GARBLED, status=200, codes=[what], request_id=request_id, usage=usage)

    choices = data.get("choices")
    if data.get("error"):
        raise error_fault(VENDOR, data["error"], request_id, usage)
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise garbled("no choice")
    stop = _stop(choice.get("finish_reason"), message)
    calls = _calls(message, request, str(data.get("id") or "")) if stop is StopReason.TOOLS else ()
    if calls is None:
        raise garbled("tool call without a name")
    text = "" if stop is StopReason.REFUSAL else _text(message)
    if _PRINTED_CALL.search(text):
        raise garbled("a tool call or thoughts printed as text")
    step = AssistantStep(text, calls, VENDOR.provider, str(data.get("model") or model))
    return ModelReply(step, stop, usage, model, request_id)


def _text(message: Json) -> str:
    content = message.get("content")
    return _THOUGHT.sub("", content).strip() if isinstance(content, str) else ""


def _stop(reason: object, message: Json) -> StopReason:
    if message.get("refusal") or reason == "content_filter":
        return StopReason.REFUSAL
    if reason == "length":
        return StopReason.LENGTH
    # Servers differ in the reason they give beside calls ("stop", "tool_calls", nothing), so the calls
    # decide.
    if message.get("tool_calls"):
        return StopReason.TOOLS
    return StopReason.END if reason in ("stop", None, "tool_calls", "eos") else StopReason.OTHER


def _calls(message: Json, request: ModelRequest, answer_id: str) -> tuple[ToolCall, ...] | None:
    tools = {tool.name: tool for tool in request.tools}
    calls: list[ToolCall] = []
    sent = message["tool_calls"]
    for number, one in enumerate(sent if isinstance(sent, list) else []):
        function = one.get("function") if isinstance(one, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(function, dict) or not isinstance(name, str) or not name:
            return None
        call_id = str(one.get("id") or f"call_{answer_id}_{number}")
        calls += unwrap_parallel(make_call(call_id, name, function.get("arguments"), tools), tools)
    return unique_calls(calls) or None
