"""Which of several appointments a customer's words ask to cancel."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from agent.tools.cancel_words import Visit, asked_about, asks_to_cancel, work_words
from agent.tools.named import Shown

MONDAY = date(2026, 11, 23)


def visit(number: int, day: int, hour: int, label: str, *services: str) -> Visit:
    moment = datetime(2026, 11, day, hour)  # noqa: DTZ001 - the shop's wall clock, as the reader compares it
    return Visit(Shown(number, label, moment, moment), work_words(services))


TINT = visit(1, 24, 9, "Tue, Nov 24 at 9:00 AM", "Full car tint, sedan, carbon film")
STRIP = visit(2, 27, 13, "Fri, Nov 27 at 1:00 PM", "Sun strip (windshield brow)")
BOTH = (TINT, STRIP)
ASK_TINT = "Do you want me to cancel your appointment on Tue, Nov 24 at 9:00 AM?"
ASK_WHICH = "Which one do you want to cancel: Tue, Nov 24 at 9:00 AM or Fri, Nov 27 at 1:00 PM?"


def reads(said: str, asked: str = "How can I help?") -> tuple[str, list[int]]:
    found = asks_to_cancel([said], BOTH, asked_about(asked, BOTH, MONDAY), MONDAY)
    return found.reading, sorted(found.ids)


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("Please cancel the sun strip appointment", 2), ("cancel the windshield one please", 2),
        ("please cancel the brow strip, I keep the full tint", 2), ("I need to cancel the brow strip and keep the full tint", 2),
        ("cancel my second appointment please", 2), ("cancel the last one", 2), ("cancele la segunda cita", 2),
        ("Please cancel the sun strip on Friday", 2), ("cancel friday please", 2), ("cancel the 1 pm", 2),
        ("cancele mi cita del viernes", 2), ("cancel my appointment, the windshield one", 2),
        ("My friday appointment. Please cancel it", 2), ("Keep tuesday, cancel friday", 2),
        ("don't cancel tuesday, cancel friday", 2),
        ("cancel my tuesday appointment", 1), ("cancel the full tint", 1), ("can you cancel the first one?", 1),
        ("cancel the tint, I can't come on tuesday", 1), ("cancel my next appointment", 1), ("cancel tomorrow please", 1),
        ("cancel my appointment, keep the friday one", 1), ("cancel friday. no wait, cancel tuesday", 1),
    ],
)  # fmt: skip
def test_one_of_two_is_named(words: str, number: int) -> None:
    assert reads(words) == ("yes", [number])


@pytest.mark.parametrize("words", ["cancel both", "please cancel all my appointments", "cancel tuesday and friday",
                                   "cancelen las dos citas"])  # fmt: skip
def test_both_are_asked_for(words: str) -> None:
    assert reads(words) == ("yes", [1, 2])


@pytest.mark.parametrize(
    "words",
    [
        "I need to cancel my appointment", "cancel please", "cancel my car's appointment", "quiero cancelar mi cita",
        "cancel my appointment, that's all", "cancel my appointment, I have to be out of town on friday",
        "to be clear, cancel it",
    ],
)  # fmt: skip
def test_words_that_fit_both_are_asked_back(words: str) -> None:
    assert reads(words) == ("which", [1, 2])


@pytest.mark.parametrize(
    "words", ["cancel monday", "cancel the sun strip on tuesday", "cancel my third appointment"]
)
def test_words_that_fit_neither(words: str) -> None:
    assert reads(words) == ("other", [])


@pytest.mark.parametrize(
    "words", ["don't cancel friday", "keep friday", "cancel friday. no wait, keep it", "what if I cancel friday?", "yes",
              "friday", "the second one"],
)  # fmt: skip
def test_words_that_ask_for_nothing(words: str) -> None:
    assert reads(words) == ("no", [])


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("yes", ("yes", [1])), ("yes please cancel it", ("yes", [1])), ("ok", ("yes", [1])), ("yes, tuesday", ("yes", [1])),
        ("yes, friday", ("other", [])), ("no", ("no", [])), ("no, cancel friday", ("yes", [2])), ("wait", ("no", [])),
    ],
)  # fmt: skip
def test_a_yes_means_the_one_we_asked_about(words: str, found: tuple[str, list[int]]) -> None:
    assert reads(words, ASK_TINT) == found


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("friday", ("yes", [2])), ("the second one", ("yes", [2])), ("the sun strip please", ("yes", [2])),
        ("both", ("yes", [1, 2])),
        ("tuesday is fine", ("yes", [1])), ("yes", ("which", [1, 2])), ("not tuesday, friday", ("yes", [2])),
        ("neither", ("no", [])), ("monday", ("other", [])), ("how much is it?", ("no", [])),
    ],
)  # fmt: skip
def test_the_answer_to_the_question_which(words: str, found: tuple[str, list[int]]) -> None:
    assert reads(words, ASK_WHICH) == found


def test_a_question_counts_for_what_it_named_only() -> None:
    assert asked_about(ASK_TINT, BOTH, MONDAY) == {1}
    assert asked_about("Shall I cancel it?", BOTH, MONDAY) == frozenset()
    assert asked_about("Shall I cancel it?", (STRIP,), MONDAY) == {2}
    assert asked_about(ASK_TINT, (STRIP,), MONDAY) == frozenset()
    found = asks_to_cancel(["yes please cancel it"], (STRIP,), frozenset(), MONDAY)
    assert found.reading == "other", "the one we asked about is gone, and another one was not meant"
