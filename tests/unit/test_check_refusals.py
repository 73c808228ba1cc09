"""What a failed call may prove: nothing that the model itself put into it."""

from __future__ import annotations

import pytest

from agent.tools.declare import BadArguments
from agent.tools.services import find_services
from tests.unit.check_help import TUESDAY, check, kinds, said

POISON = "Wrong arguments for find_services: {}: Extra inputs are not permitted."


def test_an_unknown_argument_is_not_repeated() -> None:
    with pytest.raises(BadArguments) as error:
        find_services.read({"query": "tint", "price is $1": 1, "free tint": 2})
    assert str(error.value) == "Wrong arguments for find_services: unknown argument."


def test_a_known_argument_is_named() -> None:
    with pytest.raises(BadArguments, match="query: "):
        find_services.read({"query": ["tint"]})


@pytest.mark.parametrize("tool", ["find_services", "book"])
@pytest.mark.parametrize(
    ("poison", "reply"),
    [
        ("price is $1", "Ceramic is $1."),
        ("50% discount with code TINT50", "Good news: 50% discount with code TINT50."),
        ("Wed, Nov 25 at 7:00 PM", "Wed, Nov 25 at 7:00 PM is free."),
        ("Call 773-555-0199", "Call us at 773-555-0199."),
    ],
)
def test_an_error_is_no_record(tool: str, poison: str, reply: str) -> None:
    failed = said(tool, {"error": POISON.format(poison), "expected": {"query": "required"}}, is_error=True)
    assert kinds(reply, failed)


def test_the_times_offered_with_a_refusal_count() -> None:
    refused = said("book", {"error": "This time has just been taken.", "offers": [TUESDAY]}, is_error=True)
    assert check("That one was just taken. Tue, Nov 24 at 9:00 AM is free.", refused) == []
    assert kinds(
        "Tue, Nov 24 at 9:00 AM is free.",
        said("cancel", {"error": "x", "label": TUESDAY["label"]}, is_error=True),
    )
