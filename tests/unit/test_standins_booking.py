"""How the booking brain reads words, without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.standins.booking_words import choose
from tests.standins.llm_script import BookingScript, Said, Step, View
from tests.unit.standins_booking import OFFERS, TOOLS


@pytest.mark.parametrize(
    ("text", "offer_id"),
    [
        ("the first one", "o1"),
        ("9 am works", "o1"),
        ("9:00 please", "o1"),
        ("2:30pm", "o2"),
        ("at 2:30", "o2"),
        ("the second", "o2"),
        ("2", "o2"),
        ("yes", "o1"),
        ("Tuesday at 9", "o1"),
        ("Wednesday?", None),
        ("neither works", None),
        ("11 am", None),
        ("what does it cost", None),
        ("I have a 2021 Civic", None),
    ],
)
def test_picks(text: str, offer_id: str | None) -> None:
    chosen = choose(OFFERS, text)
    assert (chosen["offer_id"] if chosen else None) == offer_id


def view(*items: Said, tools: dict[str, Any] = TOOLS, allow: bool = True) -> View:
    return View("test", "m", "", tools, items, allow)


TIMES = Said("tool", json.dumps({"offers": OFFERS}), name="find_times")


def calls(step: Step) -> list[tuple[str, dict[str, Any]]]:
    return list(step.calls)


def test_a_taken_time_leads_to_new_times_once() -> None:
    refused = Said("tool", '{"error": "taken"}', name="book", is_error=True)
    asked = Said("assistant", calls=(("find_times", {"service_ids": ["s1"], "when": None}),))
    start = (Said("user", "tint"), asked, TIMES, Said("assistant", "Which?"), Said("user", "first"))
    brain = BookingScript()
    assert calls(brain(view(*start))) == [("book", {"offer_id": "o1"})]
    assert calls(brain(view(*start, refused)))[0] == ("find_times", {"service_ids": ["s1"], "when": None})
    assert "is taken. I can offer Tue" in brain(view(*start, refused, TIMES)).text


def test_a_pick_without_offers_in_the_history_is_matched_against_fresh_ones() -> None:
    talk = (Said("user", "tint"), Said("assistant", "9:00 AM or 2:30 PM?"), Said("user", "2:30 pm"))
    assert calls(BookingScript()(view(*talk, TIMES))) == [("book", {"offer_id": "o2"})]


def test_without_tools_it_only_talks() -> None:
    step = BookingScript()(view(Said("user", "tint please"), allow=False))
    assert calls(step) == []
    assert step.text


def test_arguments_follow_the_schema() -> None:
    tools = {
        "find_services": {"properties": {"query": {}, "limit": {"type": "integer"}}, "required": ["limit"]}
    }
    step = BookingScript()(view(Said("user", "tint"), tools=tools))
    assert calls(step) == [("find_services", {"query": "tint", "limit": 0})]
