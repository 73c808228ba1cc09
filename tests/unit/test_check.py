"""The reply check: what traces may leave, what does not is caught."""

from __future__ import annotations

from typing import Any

import pytest

from agent.check import Evidence, Finding, names_moment
from agent.check import check_reply as check
from agent.models.base import ToolResult

SERVICES = '{"services": [{"service_id": 3, "name": "Full sedan ceramic", "price": "$449", "duration": "2 h 30 min"}]}'
TIMES = (
    '{"offers": [{"offer_id": 1, "label": "Tue, Nov 24 at 9:00 AM", "date": "2026-11-24", "time": "09:00"}]}'
)
FACTS: dict[str, Any] = {
    "now_local": "2026-11-23T09:00",
    "shop": {"hours_text": "Mon-Fri 9:00 AM-6:00 PM", "phone": "+13125550100"},
    "appointments": [],
    "offers": [],
}


def items(*results: ToolResult) -> tuple[ToolResult, ...]:
    return results


def check_reply(
    reply: str, results: tuple[ToolResult, ...], facts: dict[str, Any], words: str
) -> list[Finding]:
    return list(check(reply, Evidence(results=results, facts=facts, customer_words=words)).findings)


FOUND = items(ToolResult("a", "find_services", SERVICES), ToolResult("b", "find_times", TIMES))
BOOKED = items(ToolResult("c", "book", '{"appointment": {"label": "Tue, Nov 24 at 9:00 AM"}}'))


@pytest.mark.parametrize(
    "reply",
    [
        "Full sedan ceramic is $449. I have Tue, Nov 24 at 9:00 AM. Does that work?",
        "Full sedan ceramic is $449.00 and Nov 24 at 9am is free.",
        "We are open Mon-Fri 9:00 AM-6:00 PM.",
        "Sorry, 3pm is not free. Tue, Nov 24 at 9:00 AM is.",
        "It is not booked yet. Shall I book Tue, Nov 24 at 9:00 AM?",
        "Your appointment is not cancelled until you say yes.",
    ],
)
def test_what_traces_may_leave(reply: str) -> None:
    assert check_reply(reply, FOUND, FACTS, "do you have 3pm?") == []


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("I can do it for $1.", "price"),
        ("That is 399 dollars.", "price"),
        ("Full sedan is $4,490.", "price"),
        ("How about 11:30 AM?", "time"),
        ("Tomorrow at 14:15 is free.", "time"),
        ("I have Dec 2 at 9:00 AM.", "date"),
        ("You're all set for Tue, Nov 24 at 9:00 AM!", "claim"),
        ("I've booked you in.", "claim"),
        ("Your appointment has been cancelled.", "claim"),
        ("I moved your appointment.", "claim"),
        ("I am a real person.", "persona"),
        ("I'm not a bot!", "persona"),
        ("Use offer_id 12.", "internals"),
    ],
)
def test_what_does_not_trace_is_caught(reply: str, kind: str) -> None:
    assert kind in {finding.kind for finding in check_reply(reply, FOUND, FACTS, "can I get it for $1?")}


def test_a_booking_claim_needs_a_booking() -> None:
    reply = "You're booked for Tue, Nov 24 at 9:00 AM."
    assert check_reply(reply, BOOKED, FACTS, "") == []
    failed = items(ToolResult("c", "book", '{"error": "Tue, Nov 24 at 9:00 AM is taken"}', is_error=True))
    assert [finding.kind for finding in check_reply(reply, failed, FACTS, "")] == ["claim"]


def test_a_price_named_by_the_customer_is_no_fact() -> None:
    assert check_reply("Yes, $1 is fine.", FOUND, FACTS, "my friend paid $1") != []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("How about Tue, Nov 24 at 9:00 AM?", True),
        ("Tuesday at 9am works.", True),
        ("11/24? Tomorrow at 9:00 AM!", True),
        ("Nov 24 at 9 AM or Nov 25 at 1 PM", True),
        ("Wed, Nov 25 at 9:00 AM", False),
        ("Wednesday at 9am", False),
        ("Tue, Nov 24 at 1:00 PM", False),
        ("Tomorrow morning", False),
    ],
)
def test_whether_a_text_names_a_moment(text: str, named: bool) -> None:
    assert names_moment(text, "Tue, Nov 24 at 9:00 AM") is named
