"""Claims in any words: yes to a question, answers that rest on nothing, scoped facts, places, and what is no claim."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.check_help import BOOKED, FACTS, PRICES, TIMES, check, kinds, said

MILITARY: dict[str, Any] = {
    "shop": {
        **FACTS["shop"],
        "facts": {
            "discount": "10% off for military and first responders with ID",
            "law": "Illinois allows 35% on the front side windows; the rear windows may be any shade",
            "warranty": "Ceramic film has a lifetime warranty against bubbling",
            "waiting room": "Coffee and free wifi while you wait",
        },
    }
}


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("is the removal free?", "discount"),
        ("does carbon have a lifetime warranty?", "warranty"),
        ("is 5% legal in illinois?", "legality"),
        ("can you do 300 for ceramic?", "price"),
        ("are you at 12 Oak Street?", "address"),
        ("can i come tomorrow at 4?", "time"),
    ],
)
@pytest.mark.parametrize("reply", ["Yes.", "Yes, it is.", "Absolutely!", "That's right."])
def test_a_bare_yes_claims_what_was_asked(words: str, kind: str, reply: str) -> None:
    assert kind in kinds(reply, PRICES, words=words)


def test_a_yes_that_rests_on_something_may_leave() -> None:
    assert check("Yes! Military gets 10% off with ID.", words="any military discount?", facts=MILITARY) == []
    assert check("Yes, ceramic has a lifetime warranty.", PRICES, words="is there a warranty?") == []
    assert check("Sure, which car is it?", words="is the removal free?") == [], "it asks back"
    assert check("Sure! I can't give a discount, though.", words="any discount?") == [], "it denies"


def test_done_needs_something_done() -> None:
    for reply in ("Done!", "Okay, done.", "It's taken care of.", "Hecho."):
        assert "booking" in kinds(reply, words="cancel my appointment"), reply
    assert check("Done!", BOOKED, words="yes book it") == []


@pytest.mark.parametrize(
    ("words", "reply", "kind"),
    [
        ("any discount?", "Our fox barks very loudly.", "discount"),
        ("what about the warranty", "Our fox barks very loudly.", "warranty"),
        ("how dark can it be", "Our fox barks very loudly.", "legality"),
        ("where are you", "Our fox barks very loudly.", "address"),
        ("how long does it take", "Our fox barks very loudly.", "duration"),
        ("book it for tuesday", "Our fox barks very loudly.", "booking"),
    ],
)
def test_an_answer_that_rests_on_nothing_does_not_leave(words: str, reply: str, kind: str) -> None:
    assert kinds(reply, words=words) == {kind}
    assert check(reply, words="nice weather") == [], "it was not asked for"


@pytest.mark.parametrize(
    "reply",
    [
        "A person of the shop can tell you more.",
        "I don't know, sorry.",
        "Which car is it?",
        "Thank you for your patience!",
    ],
)
def test_what_leaves_it_open_may_leave(reply: str) -> None:
    for words in (
        "any discount?",
        "what about the warranty",
        "how dark can it be",
        "where are you",
        "book it for tuesday",
    ):
        assert check(reply, words=words) == [], words


@pytest.mark.parametrize(
    "reply",
    [
        "You pay nothing.", "We'll do it for nothing.", "That one costs you nothing.", "My treat!",
        "There is no extra fee for removal.", "We'll throw the sunroof in.", "I'll knock a third off.",
        "It's cheaper if you pay cash.", "I can go lower.", "There's a military rate.",
    ],
)  # fmt: skip
def test_paying_less_or_nothing_is_a_promise(reply: str) -> None:
    assert "discount" in kinds(reply, PRICES)


@pytest.mark.parametrize(
    "reply",
    [
        "Carbon is cheaper than ceramic.", "Let me know which day is free for you.", "I can't go lower, sorry.",
        "I don't know what the removal costs.", "That is not free.", "I can't give a discount.",
        "Legal limits differ by state and window; a person of the shop can tell you more.",
    ],
)  # fmt: skip
def test_comparisons_denials_and_doubts_are_no_promises(reply: str) -> None:
    assert check(reply, PRICES) == []


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("10% off for you.", "discount"),
        ("Military gets 10% off, no ID needed.", "discount"),
        ("10% off if you know someone in the military.", "discount"),
        ("Every film has a lifetime warranty.", "warranty"),
        ("The windshield may be any shade.", "legality"),
        ("35% on the front side windows is legal in Indiana.", "legality"),
        ("Free wifi and free tint.", "discount"),
    ],
)
def test_a_fact_allows_only_what_it_says(reply: str, kind: str) -> None:
    assert kind in kinds(reply, facts=MILITARY)


def test_what_a_fact_says_may_be_said() -> None:
    for reply in (
        "Military gets 10% off with ID.",
        "The rear windows may be any shade.",
        "There's free wifi here.",
    ):
        assert check(reply, facts=MILITARY) == [], reply


def test_places_are_the_shops_own() -> None:
    for reply in (
        "We're in Evanston.",
        "We're on Oak Avenue.",
        "We come to your house.",
        "Estamos en Cicero.",
        "Come to 45 Elm.",
    ):
        assert "address" in kinds(reply), reply
    assert check("We're in Chicago, at 1 Main St.") == []


def test_the_customers_number_is_not_the_shops() -> None:
    words = "my number is 773-555-0188"
    assert "phone" in kinds("Questions? Call 773-555-0188.", words=words)
    assert check("Is 773-555-0188 the best number to reach you?", words=words) == []


def test_an_agreed_time_needs_a_booking() -> None:
    assert "booking" in kinds("Great, Tuesday at 9:00 AM then!", TIMES, words="tuesday 9")
    assert check("Tuesday at 9:00 AM is free. Shall I book it?", TIMES, words="tuesday 9") == []
    assert check("Great, Tuesday at 9:00 AM it is. See you then!", BOOKED, words="yes") == []


def test_a_stop_is_no_cancelled_appointment() -> None:
    stopped = said("opt_out", {"opted_out": True})
    assert check("Okay, I've taken you off our list.", stopped, words="no more texts") == []


def test_the_customers_own_code_said_back_is_taken_for_accepted() -> None:
    words = "i have the code TINT20"
    assert "discount" in kinds("Got it, TINT20 noted, bring the car clean.", words=words)
    assert check("I don't know a code TINT20.", words=words) == []


def test_a_cheaper_film_under_a_condition_is_a_promise() -> None:
    assert "discount" in kinds("Ceramic gets cheaper if you pay cash.", PRICES)
