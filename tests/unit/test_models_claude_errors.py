"""What the Claude adapter makes of errors and of answers that cannot be read (LLM facts 1.6, 1.7)."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from agent.models.base import ProviderError
from agent.models.faults import VendorFault
from tests.unit.test_models_claude import REQUEST, TEXT, message, model_on


@pytest.mark.parametrize(
    "answer",
    [
        (200, "<html>maintenance</html>", {"content-type": "text/html"}),
        b'{"id": "msg_1", "content": [',
        b"\xff\xfe",
        message({"type": "hologram", "data": 1}),
        message({"type": "text", "text": None}),
        message({"type": "tool_use", "id": None, "name": "x", "input": {}}),
        message("text"),
        {"id": "m", "type": "message", "content": None},
        {},
        (200, "event: error\n\n", {"content-type": "text/event-stream"}),
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        httpx2.ReadTimeout("slow"),
        httpx2.ConnectError("no route"),
        httpx2.RemoteProtocolError("cut"),
    ],
)
def test_unreadable_answers_and_broken_connections_are_transient(answer: Any) -> None:
    model, wire = model_on(answer)
    with pytest.raises(ProviderError) as caught:
        model.answer(REQUEST)
    assert (caught.value.kind, caught.value.provider) == ("transient", "claude")
    assert len(wire.requests) == 1, "the SDK must not retry by itself"


def error(status: int, kind: str, text: str = "no", code: str | None = None, **headers: str) -> Any:
    details = {"details": {"error_code": code}} if code else {}
    return status, {"type": "error", "error": {"type": kind, "message": text, **details}}, headers


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(400, "invalid_request_error", "prompt is too long: 9 > 8"), "permanent"),
        (
            error(400, "invalid_request_error", "Your credit balance is too low to access the API"),
            "misconfigured",
        ),
        (
            error(400, "invalid_request_error", "You have reached your specified API usage limits."),
            "misconfigured",
        ),
        (error(401, "authentication_error"), "misconfigured"),
        (error(402, "billing_error"), "misconfigured"),
        (error(403, "permission_error"), "misconfigured"),
        (error(404, "not_found_error"), "misconfigured"),
        (error(408, "timeout_error"), "transient"),
        (error(409, "conflict_error"), "transient"),
        (error(413, "request_too_large"), "permanent"),
        (error(422, "invalid_request_error"), "permanent"),
        (error(429, "rate_limit_error"), "transient"),
        (error(429, "rate_limit_error", code="enforced_spend_limit_reached"), "misconfigured"),
        (error(429, "rate_limit_error", code="contract_spend_limit_reached"), "misconfigured"),
        (error(429, "rate_limit_error", code="ramp_limit_exceeded"), "transient"),
        (error(500, "api_error"), "transient"),
        (error(503, "api_error"), "transient"),
        (error(529, "overloaded_error"), "transient"),
        ((502, "<html>bad gateway</html>", {"content-type": "text/html"}), "transient"),
    ],
)
def test_error_kinds(answer: Any, kind: str) -> None:
    model, wire = model_on(answer)
    with pytest.raises(ProviderError) as caught:
        model.answer(REQUEST)
    assert caught.value.kind == kind
    assert str(answer[0]) in str(caught.value)
    assert len(wire.requests) == 1


def test_error_tells_the_owner_what_to_do_and_no_secret() -> None:
    text = "invalid key sk-ant-secret of bob@example.com, +1 415 555 0100"
    model, _ = model_on(error(401, "authentication_error", text, **{"request-id": "req_7"}))
    with pytest.raises(VendorFault) as caught:
        model.answer(REQUEST)
    shown = str(caught.value)
    assert "check ANTHROPIC_API_KEY" in shown
    assert "HTTP 401" in shown
    assert not any(part in shown for part in ("secret", "bob@", "415"))
    assert (caught.value.request_id, caught.value.status) == ("req_7", 401)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_retry_after_is_read_on_errors_only() -> None:
    model, _ = model_on(
        error(429, "rate_limit_error", **{"retry-after": "17"}), (200, message(TEXT), {"retry-after": "9"})
    )
    with pytest.raises(ProviderError) as caught:
        model.answer(REQUEST)
    assert caught.value.retry_after_s == 17.0
    assert model.answer(REQUEST).step.text == "Hello"
