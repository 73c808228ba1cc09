"""OpenAI on loopback: /v1/responses, /v1/chat/completions and models, answered by a script (LLM facts 2)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from tests.standins import openai_chat, openai_output, openai_responses
from tests.standins.base import Clock, StandIn, system_clock
from tests.standins.faults import Fault
from tests.standins.http import Request, Response, json_response
from tests.standins.llm_script import Brain, Step, View, as_brain, step_json, tokens
from tests.standins.llm_twists import TWISTS, twisted
from tests.standins.openai_rules import MODELS, Refused

_ERRORS: dict[int, tuple[str, str | None, str]] = {
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("invalid_request_error", None, "You are not allowed to do this."),
    404: ("invalid_request_error", None, "Not found."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached. Please try again in 1s."),
    500: (
        "server_error",
        "server_error",
        "The server had an error while processing your request. Sorry about that!",
    ),
    503: ("server_error", "slow_down", "The engine is currently overloaded, please try again later."),
}


class OpenAIStandIn(StandIn):
    """One OpenAI project.

    `script` is a list of steps or a callable (llm_script). With `compatible` it plays a local server: any
    model, any key, Chat Completions without usage details. Further fault kinds: overloaded (503), auth (401),
    quota (429 insufficient_quota, never succeeds), error_in_200, failed (a Response with status failed), and
    the twists of llm_twists.
    """

    extra_kinds = TWISTS | {"overloaded", "auth", "quota", "error_in_200", "failed"}

    def __init__(
        self,
        api_key: str = "sk-test",
        script: Brain | Sequence[Step | str | Brain] = (),
        *,
        models: Sequence[str] = (),
        compatible: bool = False,
        clock: Clock = system_clock,
    ) -> None:
        super().__init__(clock=clock)
        self.api_key = api_key
        self.brain = as_brain(script)
        self.models = MODELS | set(models)
        self.compatible = compatible
        self.views: list[View] = []
        self._pairs: dict[str, str] = {}
        self._prompts: list[str] = []

    def forget(self) -> None:
        """Let the prompt cache run out."""
        with self.lock:
            self._prompts = []

    def handle(self, request: Request) -> Response:
        """Check, then answer; every answer carries an x-request-id."""
        try:
            response = self._route(request)
        except Refused as refused:
            kind = "invalid_request_error"
            response = self._error(refused.status, kind, refused.code, refused.message, refused.param)
        response.headers.setdefault("x-request-id", "req_" + secrets.token_hex(16))
        response.headers.setdefault("openai-version", "2020-10-01")
        return response

    def error_response(self, fault: Fault) -> Response:
        """OpenAI's error body; opts code= and message= override the usual ones."""
        kind, code, text = _ERRORS.get(fault.status, ("invalid_request_error", None, "Error."))
        return self._error(fault.status, kind, fault.code or code, fault.message or text)

    def _route(self, request: Request) -> Response:
        if not self.compatible and request.bearer() != self.api_key:
            raise Refused(_ERRORS[401][2], code="invalid_api_key", status=401)
        if request.method == "GET" and request.path.startswith("/v1/models"):
            return self._models(request.path.removeprefix("/v1/models").strip("/"))
        match request.method, request.path:
            case "POST", "/v1/responses":
                openai_responses.check(request.json, self.models, self._pairs)
                return self._vendor_fault(request) or self._respond(request)
            case "POST", "/v1/responses/input_tokens":
                openai_responses.check(request.json, self.models, self._pairs)
                size = tokens(_prompt(request.json))
                return json_response(200, {"object": "response.input_tokens", "input_tokens": size})
            case "POST", "/v1/chat/completions":
                openai_chat.check(request.json, self.models, compatible=self.compatible)
                return self._vendor_fault(request) or self._complete(request)
        raise Refused(f"Invalid URL ({request.method} {request.path})", status=404)

    def _vendor_fault(self, request: Request) -> Response | None:
        match request.fault.kind if request.fault else "":
            case "overloaded":
                return self.error_response(Fault("status", status=503))
            case "auth":
                return self.error_response(Fault("status", status=401))
            case "quota":
                told = "You exceeded your current quota, please check your plan and billing details."
                return self._error(429, "insufficient_quota", "insufficient_quota", told)
            case "error_in_200":
                return self._error(200, "server_error", "server_error", "The upstream provider failed.")
        return None

    def _respond(self, request: Request) -> Response:
        body = request.json
        view = openai_output.view_of(body)
        step = self._step(request, view)
        with self.lock:
            output = openai_output.output_of(step, view, self._pairs)
        usage, read, written, thought = self._counts(body, step)
        usage_block = {
            "input_tokens": usage[0],
            "input_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
            "output_tokens": usage[1],
            "output_tokens_details": {"reasoning_tokens": thought},
            "total_tokens": sum(usage),
        }
        answer = openai_output.envelope(body, step, output, usage_block, int(self.clock().timestamp()))
        if request.fault and request.fault.kind == "failed":
            error = {"code": "server_error", "message": "The model failed to answer."}
            answer |= {"status": "failed", "output": [], "error": error}
        return json_response(200, answer, self._limits())

    def _complete(self, request: Request) -> Response:
        body = request.json
        view = openai_chat.view_of(body)
        step = self._step(request, view)
        counts, read, written, thought = self._counts(body, step)
        usage: dict[str, Any] = {
            "prompt_tokens": counts[0],
            "completion_tokens": counts[1],
            "total_tokens": sum(counts),
        }
        if not self.compatible:
            usage["prompt_tokens_details"] = {"cached_tokens": read, "cache_write_tokens": written}
            usage["completion_tokens_details"] = {"reasoning_tokens": thought}
        answer = openai_chat.completion(body, step, view, usage, int(self.clock().timestamp()))
        return json_response(200, answer, {} if self.compatible else self._limits())

    def _step(self, request: Request, view: View) -> Step:
        with self.lock:
            self.views.append(view)
        step = twisted(request.fault, view) or self.brain(view)
        if step.delay_s:
            self.stopping.wait(step.delay_s)
        return step

    def _counts(self, body: dict[str, Any], step: Step) -> tuple[tuple[int, int], int, int, int]:
        """(input, output) as totals, then the parts: cached, written, reasoning (LLM facts 2.8)."""
        prompt = _prompt(body)
        with self.lock:
            shared = max((_shared(prompt, old) for old in self._prompts), default=0)
            self._prompts = [*self._prompts[-20:], prompt]
        size = tokens(prompt)
        # The cache works from 1024 tokens on, in pieces of 128.
        read = tokens("x" * shared) // 128 * 128 if shared >= 4096 else 0
        written = size - read if size >= 1024 else 0
        thought = tokens(step.thinking) if step.thinking else 0
        return (size, tokens(step_json(step)) + thought), read, written, thought

    def _models(self, name: str) -> Response:
        rows = [
            {
                "id": each,
                "object": "model",
                "created": 1780000000,
                "owned_by": "openai",
                "shutdown_date": None,
            }
            for each in sorted(self.models)
        ]
        if not name:
            return json_response(200, {"object": "list", "data": rows})
        found = [row for row in rows if row["id"] == name]
        if not found:
            raise Refused(
                f"The model '{name}' does not exist", param="model", code="model_not_found", status=404
            )
        return json_response(200, found[0])

    def _limits(self) -> dict[str, str]:
        values = {"limit-requests": "5000", "remaining-requests": "4999", "reset-requests": "12ms"}
        values |= {"limit-tokens": "2000000", "remaining-tokens": "1999999", "reset-tokens": "0s"}
        return {f"x-ratelimit-{name}": value for name, value in values.items()}

    def _error(self, status: int, kind: str, code: Any, text: str, param: str | None = None) -> Response:
        return json_response(status, {"error": {"message": text, "type": kind, "param": param, "code": code}})


def _prompt(body: dict[str, Any]) -> str:
    # Order of the cached prefix: tools, instructions, conversation.
    parts = (body.get("tools"), body.get("instructions"), body.get("input"), body.get("messages"))
    return "".join(repr(part) for part in parts if part)


def _shared(one: str, other: str) -> int:
    """Characters both prompts begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low
