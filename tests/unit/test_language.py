"""The language of short texts: measured on two sets, printed with -s."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml

from agent.language import language_of

SETS = Path(__file__).parents[1] / "language_set"


def labelled(name: str) -> list[tuple[str, str | None]]:
    raw = yaml.safe_load((SETS / f"{name}.yaml").read_text(encoding="utf-8"))
    return [(text, None if code == "none" else code) for code, texts in raw.items() for text in texts]


@pytest.mark.parametrize(("name", "floor"), [("texts", 1.0), ("held_out", 0.8)])
def test_a_language_is_named_rightly_or_not_at_all(name: str, floor: float) -> None:
    """The held-out texts are those that no word list was mended for. A wrong language would be worse than none: it
    turns a whole conversation."""
    right, total, wrong = Counter[str](), Counter[str](), []
    for text, code in labelled(name):
        found = language_of(text)
        total[code or "none"] += 1
        right[code or "none"] += found == code
        if found not in (None, code):
            wrong.append((text, found))
    print(f"\n{name}: " + ", ".join(f"{code} {right[code]}/{total[code]}" for code in total))
    assert wrong == []
    assert right["none"] == total["none"]
    assert right.total() / total.total() >= floor


@pytest.mark.parametrize(
    "text",
    ["", " ", "\x00", "Dana", "$449", "👍👍", "https://example.com/hola", "dana@example.com", "F-150 2019"],
)
def test_what_has_no_language_gets_none(text: str) -> None:
    assert language_of(text) is None


def test_two_languages_at_once_are_not_guessed() -> None:
    assert language_of("hola how much para mi car please gracias") is None


def test_a_long_email_is_read_too() -> None:
    assert language_of("Hello, I would like to know the price of your ceramic tint. " * 200) == "en"
    assert language_of("Hola, quisiera saber el precio de su polarizado de cerámica. " * 200) == "es"
