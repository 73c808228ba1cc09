"""Waiting times and the owner's words, apart from any vendor."""

from __future__ import annotations

import pytest

from agent.models.base import AssistantStep, ModelReply, ModelRequest, StopReason, Usage
from agent.models.faults import Reason, Vendor, fault, retry_after_s
from agent.models.scripted import ScriptedModel

VENDOR = Vendor("v", "Vendor", "V_KEY", "V_MODEL")
DATE = {"date": "Sun, 22 Nov 2026 11:00:00 GMT", "retry-after": "Sun, 22 Nov 2026 11:01:30 GMT"}


@pytest.mark.parametrize(
    ("headers", "text", "expected"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, "", 1.5),
        ({"retry-after": "9"}, "", 9.0),
        ({"retry-after": "-3"}, "", 0.0),
        (DATE, "", 90.0),
        ({"retry-after": "Sun, 22 Nov 1998 11:01:30 GMT"}, "", 0.0),
        ({"retry-after": "soon"}, "", None),
        ({}, "Please try again in 174ms. Visit", 0.174),
        ({}, "Please try again in 1m2.5s.", 62.5),
        ({}, "Please try again in 2s", 2.0),
        ({}, "Please try again in 7m", 420.0),
        ({}, "Please try again in a while", None),
        (None, "", None),
    ],
)
def test_waiting_time(headers: dict[str, str] | None, text: str, expected: float | None) -> None:
    assert retry_after_s(headers, text) == expected


def test_only_an_error_worth_a_retry_has_a_waiting_time() -> None:
    assert fault(VENDOR, Reason.BUSY, headers={"retry-after": "4"}).retry_after_s == 4.0
    assert fault(VENDOR, Reason.KEY, headers={"retry-after": "4"}).retry_after_s is None


def test_message_names_the_setting_and_is_short() -> None:
    error = fault(VENDOR, Reason.MODEL, text="no " * 500, status=404, codes=["x", None, "x"], request_id="r")
    assert str(error).startswith("Vendor: the model or address is not known to this account; check V_MODEL")
    assert "(HTTP 404, x, request r)" in str(error)
    assert len(str(error)) < 500
    assert error.kind == "misconfigured"


def test_model_names_and_numbers_of_tokens_stay_readable() -> None:
    text = "model claude-haiku-4-5-20251001: prompt is too long: 3333404 tokens > 200000 maximum"
    assert text in str(fault(VENDOR, Reason.TOO_LONG, text=text))


REQUEST = ModelRequest([], [], [])
REPLY = ModelReply(AssistantStep("Hi"), StopReason.END, Usage(), "scripted")


def test_script_is_played_in_order_and_to_the_end() -> None:
    error = fault(VENDOR, Reason.BUSY)
    model = ScriptedModel([REPLY, error, lambda request: REPLY])
    with pytest.raises(AssertionError, match="3 of 3 steps"):
        model.assert_done()
    assert model.answer(REQUEST) is REPLY
    with pytest.raises(type(error)):
        model.answer(REQUEST)
    assert model.answer(REQUEST) is REPLY
    model.assert_done()
    assert model.requests == [REQUEST] * 3
    with pytest.raises(AssertionError, match="request 4"):
        model.answer(REQUEST)
