"""Reactions that phones send as texts, and what only looks like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.sms.tapback import Tapback, read_tapback

ASKED = "Would Tue, Nov 24 at 9:00 AM work? Reply STOP to opt out."
SAID = "You are booked. Reply STOP to opt out."
HAIR, ADDED, TAKEN = "\u200a", "\u200b", "\u200c"


@pytest.mark.parametrize(
    ("text", "sign", "quoted", "removed"),
    [
        (f"Liked “{SAID}”", "👍", SAID, False),
        (f'Liked "{SAID}"', "👍", SAID, False),
        (f"Loved “{SAID}”", "❤️", SAID, False),
        (f"Disliked “{SAID}”", "👎", SAID, False),
        (f"Laughed at “{SAID}”", "😂", SAID, False),
        (f"Emphasized “{SAID}”", "‼️", SAID, False),
        (f"Questioned “{SAID}”", "❓", SAID, False),
        ("Loved “two\nlines”", "❤️", "two\nlines", False),
        ("Liked “a long text that the phone cut…", "👍", "a long text that the phone cut", False),
        ("Loved an image", "❤️", None, False),
        ("Liked a photo", "👍", None, False),
        ("Laughed at a movie", "😂", None, False),
        ("Emphasized an attachment", "‼️", None, False),
        (f"Reacted 🔥 to “{SAID}”", "🔥", SAID, False),
        (f"Reacted with 👍🏽 to “{SAID}”", "👍🏽", SAID, False),
        ("Reacted ❤️ to an image", "❤️", None, False),
        (f"Reacted with a sticker to “{SAID}”", "", SAID, False),
        (f"Removed a like from “{SAID}”", "", SAID, True),
        (f"Removed a question mark from “{SAID}”", "", SAID, True),
        (f"Removed 🔥 from “{SAID}”", "", SAID, True),
        ("Removed a heart from an image", "", None, True),
        (f"Le gustó “{SAID}”", "👍", SAID, False),
        (f"Le encantó “{SAID}”", "❤️", SAID, False),
        (f"Le encantó «{SAID}»", "❤️", SAID, False),
        (f"No le gustó “{SAID}”", "👎", SAID, False),
        (f"Le dio risa “{SAID}”", "😂", SAID, False),
        (f"Exclamó por “{SAID}”", "‼️", SAID, False),
        (f"Dudó sobre “{SAID}”", "❓", SAID, False),
        ("Le gustó una imagen", "👍", None, False),
        (f"Reaccionó con 🔥 a “{SAID}”", "🔥", SAID, False),
        (f"Quitó un corazón de “{SAID}”", "", SAID, True),
        (f"👍 to “{SAID}”", "👍", SAID, False),
        (f"👍 a “{SAID}”", "👍", SAID, False),
        (f"{ADDED}👍{ADDED} to “{HAIR}{SAID}{HAIR}”", "👍", SAID, False),
        (f"{HAIR}Reacted {ADDED}👍{ADDED} to {HAIR}{SAID}{HAIR}{HAIR}", "👍", SAID, False),
        (f"{HAIR}Removed {TAKEN}👍{TAKEN} from {HAIR}{SAID}{HAIR}{HAIR}", "👍", SAID, True),
        (f"{HAIR}{ADDED}❤️{ADDED} a {HAIR}two\nlines{HAIR} {HAIR}", "❤️", "two\nlines", False),
    ],
)
def test_reactions_are_read(text: str, sign: str, quoted: str | None, removed: bool) -> None:
    assert read_tapback(text) == Tapback(sign, quoted, removed)


@pytest.mark.parametrize(
    "text",
    [
        "", "👍", "ok", "Liked", "Loved it!", "Loved the photo", "Liked the price, book me", "I liked “Dune”", "liked an image",
        "Liked “that” but can we do 4 instead?", "Loved “A” and “B”", "Removed the old tint from the car",
        "Reacted badly to “that”", "Removed “it”", "Questioned my wife, she says yes", "STOP", "Stop “texting” me",
        "No le gustó el precio", "Le gustó a mi esposa", "Emphasized", "\u200b", "\u200a\u200b\u200b\u200a",
    ],
)  # fmt: skip
def test_what_a_person_typed_is_none(text: str) -> None:
    assert read_tapback(text) is None


@pytest.mark.parametrize(
    ("text", "answered"),
    [
        (f"Liked “{ASKED}”", True),
        (f"Loved “{ASKED}”", True),
        (f"Disliked “{ASKED}”", True),
        (f"Le gustó “{ASKED}”", True),
        (f"Reacted 👍🏿 to “{ASKED}”", True),
        (f"Questioned “{SAID}”", True),
        (f"Reacted 🤔 to “{SAID}”", True),
        (f"Liked “{SAID}”", False),
        (f"Laughed at “{ASKED}”", False),
        (f"Emphasized “{ASKED}”", False),
        (f"Removed a like from “{ASKED}”", False),
        ("Loved an image", False),
        ("Questioned an image", False),
        (f"Reacted 🦖 to “{ASKED}”", False),
    ],
)
def test_only_a_yes_no_or_question_mark_is_answered(text: str, answered: bool) -> None:
    found = read_tapback(text)
    assert found is not None
    assert found.wants_answer is answered


@given(
    st.sampled_from(["Liked “{}”", "Reacted 👍 to “{}”", "\u200a\u200b👍\u200b to \u200a{}\u200a\u200a"]),
    st.text(max_size=80),
)
def test_no_word_of_ours_is_taken_for_the_customers(form: str, quoted: str) -> None:
    found = read_tapback(form.format(quoted))
    if found is not None:
        assert found.words == f"[reacted with {found.sign}]"


@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    assert read_tapback(text) is None or isinstance(read_tapback(text), Tapback)
