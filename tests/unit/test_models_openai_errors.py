"""What the OpenAI adapter makes of errors, also of those inside a 200 (LLM facts 2.5, 2.6)."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from agent.models.base import ProviderError, Usage
from agent.models.faults import VendorFault
from tests.unit.test_models_openai import CALL, REQUEST, model_on, response


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (response(status="failed", error={"code": "server_error", "message": "x"}), "transient"),
        (response(status="failed", error={"code": "rate_limit_exceeded", "message": "x"}), "transient"),
        (response(status="failed", error={"code": "invalid_prompt", "message": "x"}), "permanent"),
        (response(status="failed", error={"code": "insufficient_quota", "message": "x"}), "misconfigured"),
        (response(status="failed"), "transient"),
        ({"error": {"code": 402, "message": "no credit"}}, "misconfigured"),
        (response(status="in_progress"), "transient"),
        (response(status="cancelled"), "transient"),
        (response({**CALL, "name": ""}), "transient"),
        (response("text"), "transient"),
        ({}, "transient"),
        ((200, "<html>busy</html>", {"content-type": "text/html"}), "transient"),
        (b'{"id": ', "transient"),
        (httpx2.ReadTimeout("slow"), "transient"),
        (httpx2.ConnectError("no route"), "transient"),
    ],
)
def test_a_200_is_not_a_success_by_itself(body: Any, kind: str) -> None:
    model, wire = model_on(body)
    with pytest.raises(ProviderError) as caught:
        model.answer(REQUEST)
    assert (caught.value.kind, caught.value.provider) == (kind, "openai")
    assert len(wire.requests) == 1, "the SDK must not retry by itself"


def test_a_failed_answer_keeps_its_tokens_for_the_bill() -> None:
    model, _ = model_on(response(status="failed", error={"code": "server_error", "message": "x"}))
    with pytest.raises(VendorFault) as caught:
        model.answer(REQUEST)
    assert caught.value.usage == Usage(10, 60, 30, 9, 4)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"code": "context_length_exceeded", "type": "invalid_request_error"}, "permanent"),
        (400, {"code": "model_not_found", "type": "invalid_request_error"}, "misconfigured"),
        (400, {"code": None, "type": "invalid_request_error"}, "permanent"),
        (401, {"code": "invalid_api_key", "type": "invalid_request_error"}, "misconfigured"),
        (403, {"code": "unsupported_country_region_territory"}, "misconfigured"),
        (404, {"code": "model_not_found"}, "misconfigured"),
        (409, {}, "transient"),
        (429, {"code": "insufficient_quota", "type": "insufficient_quota"}, "misconfigured"),
        (429, {"code": "project_spend_limit_exceeded"}, "misconfigured"),
        (429, {"code": "credit_balance_exhausted"}, "misconfigured"),
        (429, {"code": "slow_down"}, "transient"),
        (429, {"code": "rate_limit_exceeded", "message": "Request too large for gpt-6"}, "permanent"),
        (500, {"code": "server_error"}, "transient"),
        (529, {}, "transient"),
    ],
)
def test_error_kinds(status: int, error: dict[str, Any], kind: str) -> None:
    model, wire = model_on((status, {"error": {"message": "m", **error}}, {"x-request-id": "req_1"}))
    with pytest.raises(VendorFault) as caught:
        model.answer(REQUEST)
    assert caught.value.kind == kind
    assert "OpenAI: " in str(caught.value)
    assert caught.value.request_id == "req_1"
    assert len(wire.requests) == 1
