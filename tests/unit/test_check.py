"""The reply check: what traces may leave and says where it is from, what does not is caught."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from agent.check import KINDS, Evidence, Finding, check_reply
from agent.models.base import ToolResult
from tests.check_cases import Case, load_cases
from tests.unit.check_help import (
    FACTS,
    PRICES,
    TIMES,
    check,
    kinds,
)

AUTHORS = load_cases(Path(__file__).parents[1] / "check_author")


@pytest.mark.parametrize("case", AUTHORS, ids=lambda case: case.reply[:40])
def test_what_was_learned_stays_learned(case: Case) -> None:
    found = {finding.kind for finding in check_reply(case.reply, case.evidence).findings}
    assert bool(found) == bool(case.expect), found
    assert not case.expect or found & set(case.expect)


def test_the_language_is_the_customers() -> None:
    spanish = "La película cuesta lo que le dije, ¿le gustaría una cita?"
    assert kinds(spanish, language="en") == {"language"}
    assert kinds("Would you like an appointment with us?", language="es") == {"language"}
    assert check(spanish, language="en", words="hola, quiero una cita por favor") == [], (
        "they just changed it"
    )
    assert check("Would you like an appointment with us?", language="fr") == [], "the playbook has no French"
    assert check("Full tint, sedan, ceramic film: $449.", PRICES, language="es") == [], "names stay English"


def test_a_text_message_is_short_and_an_email_may_be_long() -> None:
    long = "We would love to help you with your car. " * 15
    assert kinds(long) == {"length"}
    assert check(long, channel="email") == []
    assert check("It’s “all” good – really… " * 6) == [], (
        "typographic signs are replaced before they are sent"
    )
    assert kinds("9:00 " * 4000, channel="email") == {"length"}


def test_each_statement_says_where_it_is_from() -> None:
    reply = "Ceramic is $449 and takes about 2.5 hours. Tuesday at 9 AM is free. We are at 1 Main St, call (312) 555-0100."
    verdict = check_reply(reply, Evidence(results=(PRICES, TIMES), facts=FACTS))
    assert verdict.findings == ()
    traced = {(trace.kind, trace.source) for trace in verdict.traces}
    assert ("price", "find_services: Full tint, sedan, ceramic film") in traced
    assert ("duration", "find_services: Full tint, sedan, ceramic film") in traced
    assert ("time", "find_times: Tue, Nov 24 at 9:00 AM") in traced
    assert ("address", "shop address") in traced
    assert ("phone", "shop phone") in traced
    assert set(verdict.traces[0].as_json()) == {"kind", "text", "source"}


def test_every_kind_has_a_sentence_for_the_model() -> None:
    assert Finding("price", "$99").sentence() == "The amount $99 is in no tool result of this turn."
    assert all("xyz" in Finding(kind, "xyz").sentence() for kind in KINDS)
    assert Finding("price", "$9", "Why.").sentence().endswith(" Why.")


def test_no_text_breaks_the_check() -> None:
    """Facts of any shape and replies of any letters are judged, never raised over."""
    chance = random.Random(7)
    signs = "0123456789$%:/.-,?!¿¡ áéñ'\"{}[]<>@#\n\t½٣一😀\u200b\x00"
    odd: list[Any] = [
        {},
        {"shop": None, "offers": "x", "lead": []},
        {"now_local": 3, "appointments": [None, {"label": 5}]},
    ]
    for _ in range(300):
        reply = "".join(chance.choice(signs) for _ in range(chance.randint(0, 60)))
        results = (
            ToolResult("c", "find_times", chance.choice(["", "[]", "{", '{"offers": [3, {"label": null}]}'])),
        )
        verdict = check_reply(
            reply, Evidence(results=results, facts=chance.choice(odd), customer_words=reply[::-1])
        )
        assert {finding.kind for finding in verdict.findings} <= set(KINDS)
