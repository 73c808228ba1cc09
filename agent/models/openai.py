"""OpenAI by the Responses API (LLM facts 2.3). One request in, one neutral reply out; nothing is stored
there."""

from __future__ import annotations

from datetime import date
from typing import Any, Protocol, cast

import httpx2
from openai import OpenAI
from openai.types import Model as OpenAIListed
from openai.types.responses import Response

from agent.models import openai_chat, responses_input
from agent.models.arguments import make_call, unique_calls, unwrap_parallel
from agent.models.base import (
    AssistantStep,
    Json,
    Model,
    ModelReply,
    ModelRequest,
    StopReason,
    ToolCall,
    Usage,
)
from agent.models.capabilities import capabilities
from agent.models.deadline import bounded
from agent.models.faults import Reason, Vendor, VendorFault, fault
from agent.models.lifecycle import Listing
from agent.models.openai_faults import call_openai, error_fault, read_usage
from agent.models.settings import Key, plain
from agent.models.transcript import step_digest

VENDOR = Vendor("openai", "OpenAI", "OPENAI_API_KEY", "OPENAI_MODEL")
BASE_URL = "https://api.openai.com/v1"


class OpenAISettings(Protocol):
    """What this provider reads from the configuration."""

    @property
    def openai_api_key(self) -> Key: ...
    @property
    def openai_base_url(self) -> str | None: ...
    @property
    def openai_model(self) -> str: ...


def build(settings: OpenAISettings, model: str | None = None) -> Model | None:
    """OpenAI, or the compatible server at OPENAI_BASE_URL; `model` or the configured name. None without a key, which
    only a server of one's own can do without. Raises ValueError for an unknown capability."""
    key, base_url = plain(settings.openai_api_key), settings.openai_base_url
    name = model or settings.openai_model
    flags = capabilities(getattr(settings, "openai_capabilities", None) or ())
    # Not every proxy of OpenAI has its host name; OPENAI_API=responses or chat says so where it does not show.
    chosen = getattr(settings, "openai_api", None)
    api = chosen or ("responses" if openai_chat.is_openai(base_url) else "chat")
    if base_url and api == "chat":
        return openai_chat.OpenAIChatModel(key, name, base_url, flags=flags)
    return OpenAIModel(key, name, base_url) if key else None


class OpenAIModel:
    """The provider `openai`. `http_client` is for tests; `base_url` for a proxy or a stand-in of the
    Responses API."""

    provider = VENDOR.provider

    def __init__(
        self,
        api_key: str,
        model: str = "gpt-6-luna",
        base_url: str | None = None,
        http_client: httpx2.Client | None = None,
    ) -> None:
        self.model = model
        self._client = OpenAI(
            api_key=api_key, base_url=base_url or BASE_URL, max_retries=0, http_client=http_client
        )
        bounded(self._client)

    def answer(self, request: ModelRequest) -> ModelReply:
        """Answer one request within `request.timeout_s`. Raises ProviderError (a VendorFault)."""
        body = responses_input.build(request, self.provider, self.model)
        create = cast(Any, self._client.responses).create
        data, request_id = call_openai(VENDOR, Response, create, body, request.timeout_s)
        return _Reader(request, self.model, data, request_id).reply()

    def listing(self, timeout_s: float = 5.0) -> Listing:
        """What the vendor's list says about this model. Raises ProviderError, of Reason.MODEL for an unknown name."""
        retrieve = cast(Any, self._client.models).retrieve
        data, _ = call_openai(VENDOR, OpenAIListed, retrieve, {"model": self.model}, timeout_s)
        try:
            return Listing(date.fromisoformat(str(data.get("shutdown_date"))[:10]))
        except ValueError:
            return Listing()

    def close(self) -> None:
        """Close the connections kept open for the next request."""
        self._client.close()


class _Reader:
    """One answer, read by item type and phase (facts 2.3, 2.5)."""

    def __init__(self, request: ModelRequest, model: str, data: Json, request_id: str | None) -> None:
        self._tools = {tool.name: tool for tool in request.tools}
        self._model = model
        self._data = data
        self._request_id = request_id
        self._usage: Usage = read_usage(data.get("usage"), "input_tokens", "output_tokens")

    def reply(self) -> ModelReply:
        output = self._output()
        parts = [part for item in output if item["type"] == "message" for part in _parts(item)]
        stop = self._stop(output, refused=any(part.get("type") == "refusal" for part in parts))
        calls = self._calls(output) if stop is StopReason.TOOLS else ()
        text = "" if stop is StopReason.REFUSAL else _customer_text(output)
        answered_by = str(self._data.get("model") or self._model)
        step = AssistantStep(text, calls, VENDOR.provider, answered_by)
        if stop in (StopReason.END, StopReason.TOOLS) and _can_be_replayed(output, calls):
            state = {
                "model": self._model,
                "step": step_digest(step),
                "items": [_without_none(i) for i in output],
            }
            step = AssistantStep(text, calls, VENDOR.provider, answered_by, state)
        return ModelReply(step, stop, self._usage, self._model, self._request_id)

    def _output(self) -> list[Json]:
        status = self._data.get("status")
        if self._data.get("error") or status == "failed":
            raise error_fault(VENDOR, self._data.get("error"), self._request_id, self._usage)
        output = self._data.get("output")
        if status not in ("completed", "incomplete") or not isinstance(output, list):
            raise self._garbled(f"status {status}")
        for item in output:
            if not isinstance(item, dict) or not isinstance(item.get("type"), str):
                raise self._garbled("item without type")
            names = (item.get("call_id"), item.get("name"))
            if item["type"] == "function_call" and not all(isinstance(name, str) and name for name in names):
                raise self._garbled("function_call without id or name")
        return output

    def _stop(self, output: list[Json], *, refused: bool) -> StopReason:
        details = self._data.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        if refused or reason == "content_filter":
            return StopReason.REFUSAL
        called = [item for item in output if item["type"] == "function_call"]
        # A call in a cut answer may hold half its arguments (facts 2.5).
        if self._data["status"] == "incomplete" or any(item.get("status") == "incomplete" for item in called):
            return StopReason.LENGTH
        return StopReason.TOOLS if called else StopReason.END

    def _calls(self, output: list[Json]) -> tuple[ToolCall, ...]:
        calls: list[ToolCall] = []
        for item in output:
            if item["type"] == "function_call":
                call = make_call(item["call_id"], item["name"], item.get("arguments"), self._tools)
                calls += unwrap_parallel(call, self._tools)
        return unique_calls(calls)

    def _garbled(self, what: str) -> VendorFault:
        return fault(
            VENDOR, Reason.GARBLED, status=200, codes=[what], request_id=self._request_id, usage=self._usage
        )


def _parts(item: Json) -> list[Json]:
    content = item.get("content")
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []


def _customer_text(output: list[Json]) -> str:
    """The text meant for the customer: messages of phase commentary are the model thinking aloud."""
    messages = [i for i in output if i["type"] == "message" and i.get("phase") in (None, "final_answer")]
    texts = [
        "".join(p.get("text") or "" for p in _parts(i) if p.get("type") == "output_text") for i in messages
    ]
    return "\n".join(text.strip() for text in texts if text.strip())


def _can_be_replayed(output: list[Json], calls: tuple[ToolCall, ...]) -> bool:
    """Whether the items can go back as they are: with nothing stored at OpenAI a reasoning item must carry
    its own content, and calls that were unwrapped or renamed here no longer match the items."""
    sealed = all(item.get("encrypted_content") for item in output if item["type"] == "reasoning")
    return sealed and [c.id for c in calls] == [i["call_id"] for i in output if i["type"] == "function_call"]


def _without_none(item: Json) -> Json:
    return {key: value for key, value in item.items() if value is not None}
