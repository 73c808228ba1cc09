"""What a tenant may say about a catalogue, and patterns that cannot keep a worker busy."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from crm.catalogue_rules import CatalogueRules, matches, words_of
from crm.connectors.settings import ConnectorSettings


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("ceramic - * full", "Ceramic - Sedan FULL", True),
        ("ceramic * full", "ceramic full", True),
        ("ceramic full", "Ceramic - Sedan full", False),
        ("* ceramic *", "Window Tint - Full Sedan - Ceramic", True),
        ("* ceramic", "Ceramic coating", False),
        ("ceramic *", "Nano-Ceramic coating", False),
        ("* tint * sedan *", "Window Tint, full (sedan)", True),
        ("* a b", "a b a b", True),
        ("* a b *", "a a c a b", True),
        ("*", "anything", True),
        ("tint", "tinting", False),
        ("cerámica *", "CERÁMICA completa", True),
        ("tint_full", "tint full", True),
    ],
)
def test_patterns_are_words_and_stars(pattern: str, name: str, fits: bool) -> None:
    assert matches(pattern, words_of(name)) is fits


def _slowly(parts: list[str], words: list[str]) -> bool:
    """The same by trying everything, which is how it must not be done."""
    if not parts:
        return not words
    if parts[0] == "*":
        return any(_slowly(parts[1:], words[at:]) for at in range(len(words) + 1))
    return bool(words) and words[0] == parts[0] and _slowly(parts[1:], words[1:])


@given(
    st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=7),
    st.lists(st.sampled_from(["a", "b"]), max_size=8),
)
def test_a_pattern_matches_what_trying_everything_matches(parts: list[str], words: list[str]) -> None:
    assert matches(" ".join(parts), tuple(words)) is _slowly(parts, words)


@contextmanager
def _steps_of_matches() -> Iterator[list[int]]:
    """Counts the lines that `matches` runs, which is no clock."""
    counted = [0]

    def trace(frame: Any, event: str, argument: Any) -> Any:
        if frame.f_code is not matches.__code__:
            return None
        counted[0] += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield counted
    finally:
        sys.settrace(before)


def test_the_worst_pattern_takes_few_steps() -> None:
    """A backtracking matcher takes longer than the universe for this one."""
    pattern, words = " ".join(["* a"] * 30) + " b", ("a",) * 400
    with _steps_of_matches() as steps:
        assert not matches(pattern, words)
    assert steps[0] < 20 * len(words_of(pattern)) * len(words)


def test_the_stored_rules_are_read_with_the_connections_settings() -> None:
    stored = {
        "services": [{"match": "* full", "name": "{film} window tint", "body_style": "named"}],
        "prices": "ours",
    }
    rules = ConnectorSettings.model_validate({"catalogue": stored}).catalogue
    assert rules.services[0].name == "{film} window tint"
    assert rules.prices == "ours"
    assert ConnectorSettings().catalogue == CatalogueRules()


@pytest.mark.parametrize(
    "wrong",
    [
        {"patterns": []},
        {"services": [{"match": "* full", "film": "ceramic"}]},
        {"services": [{"match": " - "}]},
        {"services": [{"match": "a" * 121}]},
        {"services": [{"name": "{film.__class__} tint"}]},
        {"services": [{"name": "{0} tint"}]},
        {"services": [{"name": "{} tint"}]},
        {"services": [{"name": "{film!r} tint"}]},
        {"services": [{"name": "{film:>99999999} tint"}]},
        {"services": [{"name": "{film tint"}]},
        {"services": [{"body_style": "spaceship"}]},
        {"services": [{"minutes": 0}]},
        {"services": [{}] * 201},
        {"include_names": ["--"]},
        {"other_vehicles": ["*"]},
        {"films": {"ceramic": ["nano"], "carbon": ["Nano"]}},
        {"body_styles": {"suv": ["jeep"], "truck": ["jeep"]}},
        {"default_minutes": 0},
        {"by_hand": "sometimes"},
    ],
)
def test_nonsense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CatalogueRules.model_validate(wrong)
