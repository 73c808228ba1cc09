"""Claude by Anthropic's Messages API (LLM facts 1). One request in, one neutral reply out; no retries
here."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Protocol, cast

import anthropic
import httpx2
from anthropic.types import Message

from agent.models import claude_messages
from agent.models.arguments import make_call, unique_calls
from agent.models.base import (
    AssistantStep,
    Json,
    ModelReply,
    ModelRequest,
    StopReason,
    ToolCall,
    Usage,
)
from agent.models.deadline import bounded, within
from agent.models.faults import Reason, Vendor, VendorFault, fault, reason_for, refuse_foreign
from agent.models.lifecycle import Listing
from agent.models.settings import Key, plain
from agent.models.transcript import step_digest

VENDOR = Vendor("claude", "Claude (Anthropic)", "ANTHROPIC_API_KEY", "ANTHROPIC_MODEL")
BASE_URL = "https://api.anthropic.com"
CONNECT_S = 5.0
_KNOWN_BLOCKS = frozenset(
    {"text", "tool_use", "thinking", "redacted_thinking", "server_tool_use", "container_upload", "fallback"}
)
_COMPLETE = frozenset({"end_turn", "tool_use", "stop_sequence"})
_CUT = frozenset({"max_tokens", "model_context_window_exceeded"})
# These think at medium or high effort unless told otherwise, which a text to a shop does not need (facts
# 1.10).
_THINKING_FAMILIES = ("claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5")


class ClaudeSettings(Protocol):
    """What this provider reads from the configuration."""

    @property
    def anthropic_api_key(self) -> Key: ...
    @property
    def anthropic_base_url(self) -> str | None: ...
    @property
    def anthropic_model(self) -> str: ...


def build(settings: ClaudeSettings, model: str | None = None) -> ClaudeModel | None:
    """The provider's model of this name, or the configured one; None without a key."""
    key = plain(settings.anthropic_api_key)
    return ClaudeModel(key, model or settings.anthropic_model, settings.anthropic_base_url) if key else None


class ClaudeModel:
    """The provider `claude`. `http_client` is for tests; `base_url` for a proxy or a stand-in."""

    provider = VENDOR.provider

    def __init__(
        self,
        api_key: str,
        model: str = "claude-haiku-5-5",
        base_url: str | None = None,
        http_client: httpx2.Client | None = None,
    ) -> None:
        self.model = model
        # The SDK's own retries would multiply with the router's and wait for hours on request (facts 0.6,
        # 1.7).
        self._client = anthropic.Anthropic(
            api_key=api_key, base_url=base_url or BASE_URL, max_retries=0, http_client=http_client
        )
        bounded(self._client)

    def answer(self, request: ModelRequest) -> ModelReply:
        """Answer one request within `request.timeout_s`, whatever the server sends. Raises ProviderError (a
        VendorFault)."""
        body = claude_messages.build(request, self.provider, self.model)
        if self.model.startswith(_THINKING_FAMILIES):
            body["output_config"] = {"effort": "low"}
        timeout = httpx2.Timeout(request.timeout_s, connect=min(CONNECT_S, request.timeout_s))
        with within(request.timeout_s):
            data, request_id = self._create(body, timeout)
        return _Reader(request, self.model, data, request_id).reply(claude_messages.prefix_digest(body))

    def listing(self, timeout_s: float = 5.0) -> Listing:
        """What the vendor's list says about this model. Raises ProviderError, of Reason.MODEL for an unknown name."""
        try:
            with within(timeout_s):
                info = self._client.with_options(timeout=timeout_s).models.retrieve(self.model)
        except anthropic.APIStatusError as error:
            raise _status_fault(error) from None
        except (anthropic.AnthropicError, httpx2.HTTPError, ValueError):
            raise fault(VENDOR, Reason.UNREACHABLE) from None
        retires = getattr(info, "retires_at", None)
        stopped = getattr(info, "lifecycle", None) == "retired"
        return Listing(retires.date() if isinstance(retires, datetime) else None, stopped)

    def close(self) -> None:
        """Close the connections kept open for the next request."""
        self._client.close()

    def _create(self, body: Json, timeout: httpx2.Timeout) -> tuple[Json, str | None]:
        # `from None`: the SDK's exception quotes the body, which may hold the customer's words or half a key.
        try:
            message = cast(Any, self._client.messages).create(**body, timeout=timeout)
        except anthropic.APIStatusError as error:
            raise _status_fault(error) from None
        except anthropic.APITimeoutError:
            raise fault(VENDOR, Reason.TIMEOUT) from None
        except (anthropic.APIConnectionError, httpx2.HTTPError) as error:
            refuse_foreign(error.__cause__)
            raise fault(VENDOR, Reason.UNREACHABLE) from None
        except (anthropic.AnthropicError, json.JSONDecodeError, UnicodeDecodeError) as error:
            raise fault(VENDOR, Reason.GARBLED, codes=[type(error).__name__]) from None
        if not isinstance(message, Message):
            raise fault(VENDOR, Reason.GARBLED, status=200, codes=["not a message"])
        # Without warnings, which would print the parts of the answer they stumble over.
        return message.to_dict(warnings=False), getattr(message, "_request_id", None)


def _status_fault(error: anthropic.APIStatusError) -> VendorFault:
    codes = [error.type, error.error_code]
    text = error.api_message or ""
    reason = reason_for(error.status_code, codes, text)
    return fault(
        VENDOR, reason, text=text, status=error.status_code, codes=codes, headers=error.response.headers,
        request_id=error.request_id or _body_request_id(error.body),
    )  # fmt: skip


def _body_request_id(body: object) -> str | None:
    value = body.get("request_id") if isinstance(body, dict) else None
    return value if isinstance(value, str) else None


class _Reader:
    """One answer, read by block type and never by position (facts 0.8)."""

    def __init__(self, request: ModelRequest, model: str, data: Json, request_id: str | None) -> None:
        self._tools = {tool.name: tool for tool in request.tools}
        self._model = model
        self._data = data
        self._request_id = request_id

    def reply(self, prefix: str) -> ModelReply:
        self._refuse_errors()
        blocks = self._blocks()
        stop = self._stop(blocks)
        complete = stop in (StopReason.END, StopReason.TOOLS)
        text = "" if stop is StopReason.REFUSAL else "".join(b["text"] for b in blocks if b["type"] == "text")
        # Calls of a cut or refused answer may be half written: they are not handed on, so nothing can run
        # them.
        calls = self._calls(blocks) if complete else ()
        answered_by = str(self._data.get("model") or self._model)
        step = AssistantStep(text.strip(), calls, VENDOR.provider, answered_by)
        # Ids made unique here no longer match the vendor's blocks, so those blocks are not replayed then.
        if complete and [call.id for call in calls] == [b["id"] for b in blocks if b["type"] == "tool_use"]:
            state = {"model": self._model, "prefix": prefix, "step": step_digest(step), "content": blocks}
            step = AssistantStep(step.text, calls, VENDOR.provider, answered_by, state)
        return ModelReply(step, stop, read_usage(self._data.get("usage")), self._model, self._request_id)

    def _refuse_errors(self) -> None:
        error = self._data.get("error")
        if self._data.get("type") == "error" or isinstance(error, dict):
            found = error if isinstance(error, dict) else {}
            codes, text = [found.get("type")], str(found.get("message") or "")
            raise fault(
                VENDOR,
                reason_for(200, codes, text),
                text=text,
                status=200,
                codes=codes,
                request_id=self._request_id,
            )

    def _blocks(self) -> list[Json]:
        content = self._data.get("content")
        if not isinstance(content, list):
            raise self._garbled("no content")
        for block in content:
            kind = block.get("type") if isinstance(block, dict) else None
            if not isinstance(kind, str) or (kind not in _KNOWN_BLOCKS and not kind.endswith("_tool_result")):
                raise self._garbled(f"unknown block {kind}")
            if kind == "text" and not isinstance(block.get("text"), str):
                raise self._garbled("text block without text")
            if kind == "tool_use" and not (
                isinstance(block.get("id"), str) and isinstance(block.get("name"), str)
            ):
                raise self._garbled("tool_use block without id or name")
        return content

    def _stop(self, blocks: list[Json]) -> StopReason:
        reason = self._data.get("stop_reason")
        if reason in _CUT:
            return StopReason.LENGTH
        if reason == "refusal":
            return StopReason.REFUSAL
        if reason not in _COMPLETE:
            return StopReason.OTHER
        return StopReason.TOOLS if any(block["type"] == "tool_use" for block in blocks) else StopReason.END

    def _calls(self, blocks: list[Json]) -> tuple[ToolCall, ...]:
        used = [block for block in blocks if block["type"] == "tool_use"]
        return unique_calls([make_call(b["id"], b["name"], b.get("input"), self._tools) for b in used])

    def _garbled(self, what: str) -> VendorFault:
        usage = read_usage(self._data.get("usage"))
        return fault(
            VENDOR, Reason.GARBLED, status=200, codes=[what], request_id=self._request_id, usage=usage
        )


def read_usage(usage: object) -> Usage:
    """Claude's counts are disjoint already (facts 1.5); what was not said stays None."""
    found = usage if isinstance(usage, dict) else {}
    details = found.get("output_tokens_details")

    def count(name: str, where: Json = found) -> int | None:
        value = where.get(name)
        return value if isinstance(value, int) else None

    return Usage(
        input=count("input_tokens"),
        cache_read=count("cache_read_input_tokens"),
        cache_write=count("cache_creation_input_tokens"),
        output=count("output_tokens"),
        thinking=count("thinking_tokens", details) if isinstance(details, dict) else None,
    )
