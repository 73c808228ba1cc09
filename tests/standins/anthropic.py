"""Anthropic on loopback: /v1/messages, count_tokens and models, answered by a script (LLM facts 1)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from tests.standins.anthropic_cache import PromptCache
from tests.standins.anthropic_rules import MODELS, Refused, blocks_of, check
from tests.standins.base import Clock, StandIn, system_clock
from tests.standins.faults import Fault
from tests.standins.http import Request, Response, json_response
from tests.standins.llm_script import Brain, Said, Step, View, as_brain, schemas_of, step_json, tokens
from tests.standins.llm_thinking import ThinkingLedger
from tests.standins.llm_twists import TWISTS, twisted

_ERRORS = {
    400: ("invalid_request_error", "Bad request"),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "Your credit balance is too low to access the Anthropic API."),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "Not found"),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your account's rate limit. Please try again later."),
    500: ("api_error", "Internal server error"),
    504: ("timeout_error", "Request timed out"),
    529: ("overloaded_error", "Overloaded"),
}
_STOPS = {"length": "max_tokens", "refusal": "refusal", "other": "model_context_window_exceeded"}


class AnthropicStandIn(StandIn):
    """One Anthropic workspace.

    `script` is a list of steps or a callable (llm_script). Further fault kinds: overloaded (529), auth (401),
    spend_limit (429 that never succeeds), error_in_200, and the twists of llm_twists. With `thinking_binding`
    a replayed thinking block whose prefix changed is a 400, else it is dropped silently (LLM facts 1.10).
    """

    extra_kinds = TWISTS | {"overloaded", "auth", "spend_limit", "error_in_200"}

    def __init__(
        self,
        api_key: str = "sk-ant-test",
        script: Brain | Sequence[Step | str | Brain] = (),
        *,
        models: Sequence[str] = (),
        thinking_binding: bool = False,
        clock: Clock = system_clock,
    ) -> None:
        super().__init__(clock=clock)
        self.api_key = api_key
        self.brain = as_brain(script)
        self.models = MODELS | set(models)
        self.cache = PromptCache()
        self.thinking = ThinkingLedger(thinking_binding)
        self.views: list[View] = []

    def handle(self, request: Request) -> Response:
        """Check, then answer; every answer carries a request-id."""
        try:
            response = self._route(request)
        except Refused as refused:
            response = self._error(refused.status, refused.kind, refused.message)
        response.headers.setdefault("request-id", "req_" + secrets.token_hex(12))
        return response

    def error_response(self, fault: Fault) -> Response:
        """Anthropic's error body; opts code= is the error type, message= its text."""
        kind, text = _ERRORS.get(
            fault.status, ("api_error" if fault.status >= 500 else "invalid_request_error", "")
        )
        return self._error(fault.status, fault.code or kind, fault.message or text)

    def _route(self, request: Request) -> Response:
        self._authorise(request)
        if request.method == "GET" and request.path.startswith("/v1/models"):
            return self._models(request.path.removeprefix("/v1/models").strip("/"))
        if request.method != "POST" or request.path not in {"/v1/messages", "/v1/messages/count_tokens"}:
            raise Refused("Not found", 404, "not_found_error")
        counting = request.path.endswith("count_tokens")
        check(request.json, self.models, counting=counting)
        self.thinking.check(request.json)
        if counting:
            return json_response(200, {"input_tokens": self.cache.size(request.json)})
        return self._vendor_fault(request) or self._answer_message(request)

    def _authorise(self, request: Request) -> None:
        if self.api_key not in {request.bearer(), request.headers.get("x-api-key")}:
            raise Refused("invalid x-api-key", 401, "authentication_error")
        if not request.headers.get("anthropic-version"):
            raise Refused("anthropic-version: header is required")

    def _vendor_fault(self, request: Request) -> Response | None:
        match request.fault.kind if request.fault else "":
            case "overloaded":
                return self.error_response(Fault("status", status=529))
            case "auth":
                return self.error_response(Fault("status", status=401))
            case "spend_limit":
                details = {"error_code": "enforced_spend_limit_reached"}
                return self._error(429, "rate_limit_error", "Spend limit reached.", details)
            case "error_in_200":
                return self._error(200, "overloaded_error", "Overloaded")
        return None

    def _answer_message(self, request: Request) -> Response:
        view = _view(request.json)
        with self.lock:
            self.views.append(view)
        step = twisted(request.fault, view) or self.brain(view)
        if step.delay_s:
            self.stopping.wait(step.delay_s)
        return json_response(200, self._message(request.json, step, view), self._limits())

    def _message(self, body: dict[str, Any], step: Step, view: View) -> dict[str, Any]:
        content = self._content(body, step, view)
        stop = _STOPS.get(step.stop or "", step.stop)
        refusal = {"type": "refusal", "category": "general_harms", "explanation": "Declined."}
        called = any(block["type"] == "tool_use" for block in content)
        return {
            "model": body["model"],
            "id": "msg_01" + secrets.token_hex(11),
            "type": "message",
            "role": "assistant",
            "content": content,
            "container": None,
            "stop_reason": stop or ("tool_use" if called else "end_turn"),
            "stop_sequence": None,
            "stop_details": refusal if stop == "refusal" else None,
            "usage": self._usage(body, step),
            "diagnostics": None,
        }

    def _content(self, body: dict[str, Any], step: Step, view: View) -> list[dict[str, Any]]:
        content: list[dict[str, Any]] = []
        if step.thinking is not None:
            content.append(self.thinking.block(body, step.thinking))
        text = "\n".join(part for part in (step.commentary, step.text) if part)
        if text:
            content.append({"type": "text", "text": text, "citations": None})
        for name, args in step.calls if view.allow_tools else ():
            made = "toolu_01" + secrets.token_hex(11)
            block = {
                "type": "tool_use",
                "id": made,
                "name": name,
                "input": args,
                "caller": {"type": "direct"},
            }
            content.append(block)
        return content

    def _usage(self, body: dict[str, Any], step: Step) -> dict[str, Any]:
        fresh, written, read, hourly = self.cache.charge(body)
        thinking = tokens(step.thinking) if step.thinking else 0
        return {
            "input_tokens": fresh,
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": 0 if hourly else written,
                "ephemeral_1h_input_tokens": written if hourly else 0,
            },
            "output_tokens": tokens(step_json(step)) + thinking,
            "output_tokens_details": {"thinking_tokens": thinking},
            "service_tier": "standard",
            "inference_geo": "global",
        }

    def _models(self, name: str) -> Response:
        rows = [
            {"type": "model", "id": each, "display_name": each, "created_at": "2026-01-01T00:00:00Z"}
            for each in sorted(self.models)
        ]
        if not name:
            ends = {"has_more": False, "first_id": rows[0]["id"], "last_id": rows[-1]["id"]}
            return json_response(200, {"data": rows, **ends})
        found = [row for row in rows if row["id"] == name]
        if not found:
            raise Refused(f"model: {name}", 404, "not_found_error")
        return json_response(200, found[0])

    def _limits(self) -> dict[str, str]:
        reset = self.clock().strftime("%Y-%m-%dT%H:%M:%SZ")
        kinds = ("requests", "tokens", "input-tokens", "output-tokens")
        values = {"limit": "4000", "remaining": "3999", "reset": reset}
        return {f"anthropic-ratelimit-{kind}-{key}": value for kind in kinds for key, value in values.items()}

    def _error(self, status: int, kind: str, text: str, details: Any = None) -> Response:
        made = "req_" + secrets.token_hex(12)
        error = {"type": kind, "message": text, **({"details": details} if details else {})}
        retry = {"x-should-retry": "false"} if 400 <= status < 500 and status not in {408, 409, 429} else {}
        headers = {"request-id": made, **retry}
        return json_response(status, {"type": "error", "error": error, "request_id": made}, headers)


def _view(body: dict[str, Any]) -> View:
    names = {
        block["id"]: block["name"]
        for message in body["messages"]
        for block in blocks_of(message)
        if block["type"] == "tool_use"
    }
    system = body.get("system") or ""
    if isinstance(system, list):
        system = "\n".join(block.get("text", "") for block in system)
    items = [said for message in body["messages"] for said in _said(message, names)]
    allow = (body.get("tool_choice") or {}).get("type") != "none"
    schemas = schemas_of(body.get("tools") or [])
    return View("anthropic", body["model"], system, schemas, tuple(items), allow and bool(schemas), body)


def _said(message: dict[str, Any], names: dict[str, str]) -> list[Said]:
    blocks = blocks_of(message)
    items = [
        Said(
            "tool",
            text_of(block.get("content")),
            name=names[block["tool_use_id"]],
            is_error=bool(block.get("is_error")),
        )
        for block in blocks
        if block["type"] == "tool_result"
    ]
    text = "\n".join(block["text"] for block in blocks if block["type"] == "text")
    calls = tuple((block["name"], block["input"]) for block in blocks if block["type"] == "tool_use")
    if text or calls or not items:
        items.append(Said(message["role"], text, calls))
    return items


def text_of(content: Any) -> str:
    """Text of a tool result: a string or text blocks."""
    if isinstance(content, str):
        return content
    return "\n".join(str(block.get("text", "")) for block in content or [])
