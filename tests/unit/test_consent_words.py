"""What people write when they want no more messages, and what only sounds like it."""

from __future__ import annotations

import pytest

from channels.consent import read_consent, read_message


@pytest.mark.parametrize(
    "words",
    [
        "STOP",
        "stop",
        "Stop.",
        " stop! ",
        "STOPALL",
        "unsubscribe",
        "CANCEL",
        "End",
        "quit",
        "REVOKE",
        "optout",
        '"Stop"',
    ],
)
def test_single_stop_words_are_keywords(words: str) -> None:
    found = read_consent(words)
    assert found is not None
    assert (found.meaning, found.how) == ("stop", "keyword")


@pytest.mark.parametrize(
    "words",
    [
        "please stop texting me", "Stop texting", "don't text me again", "do not contact me", "no more texts please",
        "opt out", "OPT-OUT", "opt me out", "remove me from your list", "take me off this list", "lose my number",
        "wrong number", "You have the wrong person", "leave me alone", "stop please", "please stop", "ok stop it",
        "unsubscribe me", "stop sending me messages", "never text me", "no me escriban", "no más mensajes",
        "dejen de mandarme mensajes", "alto", "quit sending me these texts", "stop all messages",
        "STOP please I do not want this", "STOP I have a shop already", "Stop. I am not interested", "Not interested. STOP",
        "no thanks!\nstop", "stop please I found another shop", "Please STOP these",
    ],
)  # fmt: skip
def test_plain_phrases_are_revocations(words: str) -> None:
    found = read_consent(words)
    assert found is not None
    assert (found.meaning, found.how) == ("stop", "phrase")


@pytest.mark.parametrize(
    "words",
    [
        "can I stop by tomorrow?", "I'll stop in at 3", "please cancel my 3pm", "cancel my appointment",
        "what is the end price", "is there a bus stop nearby", "Can you help me with tint?", "start with the windshield",
        "the film started to peel", "when do you stop taking cars?", "stop light is cracked, do you fix that",
        "YES", "yes", "ok", "", "   ", "how much for a full tint", "I quit my job so I have time",
        "text me the price", "call me", "don't forget me", "STOP BY TOMORROW?", "Stop light is cracked, can you fix it?",
        "Can I stop in? I have a 2019 Civic", "which bus stop? I'll walk",
    ],
)  # fmt: skip
def test_ordinary_talk_is_not(words: str) -> None:
    assert read_consent(words) is None


@pytest.mark.parametrize(
    ("words", "meaning"), [("START", "start"), ("unstop", "start"), ("HELP", "help"), ("Info", "help")]
)
def test_start_and_help(words: str, meaning: str) -> None:
    found = read_consent(words)
    assert found is not None
    assert found.meaning == meaning


@pytest.mark.parametrize("automatic", [False, True])
@pytest.mark.parametrize("subject", ["unsubscribe", "Unsubscribe", " STOP. "])
def test_a_mail_whose_subject_is_a_stop_is_a_stop(subject: str, automatic: bool) -> None:
    found = read_message("This message was automatically generated.", subject, automatic=automatic)
    assert found is not None
    assert found.meaning == "stop"


def test_other_subjects_and_machines_say_nothing() -> None:
    assert read_message("Tuesday works", "Re: unsubscribe", automatic=False) is None
    assert read_message("Tuesday works", "Cancel", automatic=False) is None
    assert read_message("please stop texting me", "Out of office", automatic=True) is None
