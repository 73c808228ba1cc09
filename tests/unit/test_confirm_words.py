"""What confirms a visit, what does not, and that no word of the carriers' is taken for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.confirm_words import is_confirmation
from channels.consent_words import ANSWERS
from channels.phrases import load_phrases

YES = [
    "C", "c", " c ", "C.", "(c)", '"C"', "C!", "confirm", "Confirmed!", "CONFIRM", "yes", "YES", "Yes.", "y", "yep",
    "yess", "si", "Sí", "SÍ!", "confirmo", "sí, confirmo", "yes, I confirm", "yes please", "Yes thank you", "C thanks",
    "ok, confirm", "Hi, yes", "confirmo mi cita", "I confirm", "Gracias, confirmo", "yes\nthanks",
]  # fmt: skip
NO = [
    "", " ", "C?", "yes?", "cancel", "CANCEL", "end", "stop", "no", "ok", "thanks", "yes but later", "yes, at 3",
    "c u later", "can't", "see you", "👍", "yes 👍", "C4", "1", "not yes", "no confirm", "I can't confirm", "yes no",
    "confirm?", "do I have to confirm", "si puedo", "si hay otro dia", "yes yes but", "confirm and cancel", "yeah right",
    "Liked “Reply C to confirm”", "c" * 61, "yes to the ceramic", "ce", "cc",
]  # fmt: skip


@pytest.mark.parametrize("words", YES)
def test_a_plain_word_confirms(words: str) -> None:
    assert is_confirmation(words)


@pytest.mark.parametrize("words", NO)
def test_everything_else_is_talk(words: str) -> None:
    assert not is_confirmation(words)


def test_no_word_of_the_carriers_confirms() -> None:
    keywords = load_phrases().keywords
    assert not [word for words in keywords.values() for word in words if is_confirmation(word)]
    assert not [line for answers in ANSWERS.values() for line in answers if is_confirmation(line)]


@given(st.text(max_size=80))
def test_any_text_is_read(words: str) -> None:
    assert is_confirmation(words) in (True, False)
    assert not is_confirmation(f"{words} but not this week")
