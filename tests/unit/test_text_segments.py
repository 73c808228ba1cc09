"""Texts in plain characters, counted as the network counts, and shortened without halving a fact."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.sms.segments import measure, segments
from channels.sms.text import MAX_LENGTH, fit, plain_text, sentence_ends, simplified

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=600)


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("It’s “ready” – 9…", 'It\'s "ready" - 9...'),
        ("a\u00a0b\u200b\tc\x00", "a b c"),
        ("Größe für 5 €", "Größe für 5 €"),
        ("6′ 2″ × ２", "6' 2\" x 2"),
        ("e\u0301s", "és"),
        ("one\r\ntwo\u2028three", "one\ntwo\nthree"),
        ("«hola» • á é", '"hola" - á é'),
        (" \u2003 ", ""),
    ],
)
def test_typography_does_not_double_the_price(written: str, stored: str) -> None:
    assert plain_text(written) == stored


@given(ANY_TEXT)
def test_plain_text_of_plain_text_is_itself(text: str) -> None:
    assert plain_text(plain_text(text)) == plain_text(text)


@pytest.mark.parametrize(
    ("text", "encoding", "parts"),
    [
        ("a" * 160, "GSM-7", 1),
        ("a" * 161, "GSM-7", 2),
        ("a" * 306, "GSM-7", 2),
        ("a" * 307, "GSM-7", 3),
        ("€" * 80, "GSM-7", 1),
        ("€" * 81, "GSM-7", 2),
        ("€" * 153, "GSM-7", 3),  # 306 septets, but no escape pair is split: 76 in a part
        ("á" * 70, "UCS-2", 1),
        ("á" * 71, "UCS-2", 2),
        ("😀" * 35, "UCS-2", 1),
        ("😀" * 36, "UCS-2", 2),
        ("😀" * 67, "UCS-2", 3),  # 134 units are two parts by division
        ("", "GSM-7", 1),
    ],
)
def test_parts_are_counted_as_the_network_does(text: str, encoding: str, parts: int) -> None:
    assert (measure(text).encoding, measure(text).parts) == (encoding, parts)


@given(ANY_TEXT, st.integers(1, 10))
def test_what_is_kept_is_a_beginning_in_whole_sentences(text: str, most: int) -> None:
    body = plain_text(text)
    kept = fit(body, most)
    assert len(kept) <= MAX_LENGTH
    assert bool(kept) == bool(body) or simplified(body) == ""
    first = simplified(body)[: sentence_ends(simplified(body))[0]]
    assert segments(kept) <= max(most, segments(first), segments(body[: sentence_ends(body)[0]]))


def test_sentences_go_from_the_end_and_no_fact_is_halved() -> None:
    offer = "A full ceramic tint for your Civic is $449 and takes 2 h 30 min, done in one visit."
    times = "We have Tue Nov 24 at 9 a.m. and Wed Nov 25 at 2:30 p.m. for it."
    extra = "All film is made in the USA and carries a warranty for as long as you own the car. " * 3
    kept = fit(f"{offer} {times} {extra}", 1)
    assert kept == f"{offer} {times}"
    assert fit(f"{offer} {times} {extra}", 1, after=" Reply STOP to opt out.") == offer


def test_a_first_sentence_that_is_too_long_costs_more_and_stays_true() -> None:
    long = "It is $449 " + "and " * 50 + "$499."
    assert fit(f"{long} Bye!", 1) == long


def test_a_list_is_not_announced_without_its_items() -> None:
    times = "\n".join(f"- Tue Nov {day} at 9 a.m. for the whole job" for day in range(1, 9))
    kept = fit(f"Your car is a Civic. We have these times:\n{times}", 1)
    assert kept.startswith("Your car is a Civic. We have these times:\n- Tue Nov 1")
    assert fit(f"{'x' * 140}. We have these times:\n{times}", 1) == f"{'x' * 140}."


def test_emoji_and_accents_give_way_before_words() -> None:
    body = "¡Mañana a las 9 está bien! 😀 " * 5
    kept = fit(plain_text(body), 1)
    assert kept == plain_text("¡Mañana a las 9 esta bien! " * 5)
    assert fit("¡Mañana está bien! 😀", 1) == "¡Mañana está bien! 😀"
    assert simplified("明天九点 ok") == "明天九点 ok"


def test_beyond_what_twilio_takes_it_ends_between_words_without_figures() -> None:
    kept = fit("It is $449 all in and 9 works " * 80, 3)
    assert len(kept) <= MAX_LENGTH
    assert kept.endswith("...")
    assert not re.search(r"[\d$]\S*\.\.\.$", kept)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("We open at 9 a.m. Monday. Ok?", 2),
        ("Ask Dr. Smith. No. 5 is next.", 2),
        ("It is $4.50. Fine!", 2),
        ("1. Tint\n2. Film", 2),
        ("Sure (no charge.) See you.", 2),
        ("", 1),
    ],
)
def test_where_sentences_end(text: str, sentences: int) -> None:
    assert len(sentence_ends(text)) == sentences
