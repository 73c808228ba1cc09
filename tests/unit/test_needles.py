"""What patterns cannot do without: never a match in a text that holds no needle."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from channels.consent_text import plain, sentences
from channels.needles import Needles, needles_of
from channels.phrases import load_phrases

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("pattern", "needles"),
    [
        (r"\bstop (?:texting|calling)\b", {"texting", "calling"}),
        (r"(?:texting|calling) me", {"texting", "calling"}),
        (r"\bun(?=sub)subscribe", {"unsubscribe"}),
        (r"stop+ing", {"sto"}),
        (r"(?:remove )+me", {"remove "}),
        (r"(?:remove )?me", {"me"}),
        (r"(?:remove )?", None),
        (r"[sz]top|halt", {"top", "halt"}),
        (r"halt|[a-z]+", None),
        (r"(?i:STOP)", None),
        (r"(?i:STOP) texting", {" texting"}),
        (r"(?<!bus )stop(?! by)", {"stop"}),
    ],
)
def test_needles_of_a_pattern(pattern: str, needles: set[str] | None) -> None:
    assert needles_of(re.compile(pattern)) == needles


def test_a_pattern_that_minds_no_case_is_always_worth_a_search() -> None:
    patterns = [re.compile("stop", re.IGNORECASE), re.compile("halt"), re.compile("no")]
    assert Needles(patterns).worth("go on") == [0, 2], "too short a needle is none"
    assert Needles(patterns).worth("please halt") == [0, 1, 2]
    assert Needles(patterns).worth("") == [0, 2]


def test_no_phrase_that_revokes_is_ever_passed_over() -> None:
    """Over every labelled text there is, and every pattern that ships."""
    patterns = [phrase.like for phrase in load_phrases().stop]
    index = Needles(patterns)
    seen = matched = 0
    for text in _texts():
        for sentence in sentences(plain(text)):
            worth = index.worth(sentence)
            found = [place for place, pattern in enumerate(patterns) if pattern.search(sentence)]
            assert set(found) <= set(worth), sentence
            seen, matched = seen + len(patterns), matched + len(worth)
    assert seen > 10_000
    assert matched * 5 < seen, "most patterns are passed over"


def _texts() -> list[str]:
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, str):
            found.append(value)
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(inner)

    for file in sorted(TESTS.glob("consent_*/*.yaml")):
        walk(yaml.safe_load(file.read_text(encoding="utf-8")))
    return found
