"""Phrases that were hard, by what they come to: every one of them was once read wrongly or could easily be."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from channels.consent import read_consent, read_message
from channels.consent_typing import mend

GROUPS: dict[str, list[str]] = yaml.safe_load(
    Path(__file__).with_name("consent_phrases.yaml").read_text(encoding="utf-8")
)
LABELLED = [(label, words) for label, group in GROUPS.items() for words in group]


@pytest.mark.parametrize(("label", "words"), LABELLED)
def test_what_a_text_comes_to(label: str, words: str) -> None:
    found = read_consent(words)
    assert (found.label if found else "none") == label


@pytest.mark.parametrize("words", GROUPS["stop"])
def test_a_plain_stop_is_one_in_any_dress(words: str) -> None:
    for dressed in (words.upper(), f"  {words} 😡🙏 ", f"Hi! {words}", f"{words}\nSent from my iPhone"):
        found = read_consent(dressed)
        assert found is not None, dressed
        assert found.meaning == "stop"


@pytest.mark.parametrize(
    ("words", "free", "booked"),
    [
        ("please cancel", "stop", None),
        ("cancel it please", "stop", None),
        ("cancelar", "stop", None),
        ("CANCEL", "stop", "stop"),
        ("stop", "stop", "stop"),
        ("cancel these texts", "stop", "stop"),
    ],
)
def test_booking_words_are_about_the_booking_where_there_is_one(
    words: str, free: str, booked: str | None
) -> None:
    for has_booking, expected in ((False, free), (True, booked)):
        found = read_consent(words, booked=has_booking)
        assert (found.label if found else None) == expected


@pytest.mark.parametrize(
    ("words", "by_text", "by_email"),
    [
        ("stop emailing me", "stop_email", "stop"),
        ("stop texting me", "stop", "stop_sms"),
        ("unsubscribe me", "stop", "stop"),
        ("stop the texts and emails", "stop", "stop"),
        ("please only email me, no more texts", "stop_sms", "stop_sms"),
    ],
)
def test_the_channel_it_came_by_matters(words: str, by_text: str, by_email: str) -> None:
    for channel, expected in (("sms", by_text), ("email", by_email)):
        found = read_consent(words, channel=channel)
        assert found is not None
        assert found.label == expected


@pytest.mark.parametrize(
    ("words", "exact"),
    [("STOP", True), (" stop ", True), ("Stop.", False), ('"stop"', False), ("unsub", False)],
)
def test_the_carrier_acted_only_on_its_bare_word(words: str, exact: bool) -> None:
    found = read_consent(words)
    assert found is not None
    assert found.exact is exact


def test_the_carriers_own_reading_beats_ours() -> None:
    found = read_message("ya no quiero saber de ustedes", None, automatic=False, opt_out_type="STOP")
    assert found is not None
    assert (found.meaning, found.how, found.exact) == ("stop", "keyword", True)
    assert read_message("How much?", None, automatic=False, opt_out_type="nonsense") is None


@pytest.mark.parametrize("words", ["wrong number", "You have the wrong person", "número equivocado"])
def test_a_wrong_number_is_known_as_one(words: str) -> None:
    found = read_consent(words)
    assert found is not None
    assert found.wrong_person


@pytest.mark.parametrize(
    ("words", "wrong"), [("I am not Dana", True), ("I'm not Sure yet", False), ("i'm not ready", False)]
)
def test_a_name_that_is_not_the_writers_is_a_wrong_number(words: str, wrong: bool) -> None:
    found = read_consent(words)
    assert (found is not None and found.wrong_person) is wrong


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("unsubscrieb", "unsubscribe"), ("mesaages", "messages"), ("shop", "shop"), ("tinting", "tinting")],
)
def test_a_slip_of_the_thumb_is_mended_and_an_ordinary_word_is_not(typed: str, meant: str) -> None:
    assert mend(typed) == meant


def test_more_than_the_stop_is_noticed() -> None:
    asks = read_consent("Stop emailing me please. Can I come on Tuesday at 3 instead?")
    assert asks is not None
    assert asks.more
    assert asks.goes_on("sms")
    plain = read_consent("unsubscribe me from the emails but keep texting")
    assert plain is not None
    assert not plain.goes_on("sms")


def test_quoted_words_are_not_the_persons_own() -> None:
    quoted = "Tuesday works\n> Reply STOP to opt out\nOn Mon, Nov 23, 2026 Shop wrote:\nstop texting me"
    assert read_consent(quoted, channel="email") is None
    assert read_consent("I already texted “STOP” twice") is not None


def test_long_and_odd_texts_are_read_quickly_and_without_an_error() -> None:
    for words in (
        "stop " * 4000,
        "a" * 50_000,
        "do not " * 3000,
        "no me " * 5000,
        "\x00\ud800",
        "I " + "no more the " * 900,
    ):
        read_consent(words)


def test_an_end_of_a_long_mail_is_read() -> None:
    assert read_consent("word " * 5000 + "\nPlease take me off your list.", channel="email") is not None
