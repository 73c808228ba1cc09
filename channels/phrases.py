"""The phrases of `phrases.yaml`, compiled once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import yaml

from channels.needles import Needles

FILE = Path(__file__).with_name("phrases.yaml")


@dataclass(frozen=True)
class Phrase:
    """One way to revoke. `wrong`: it says that the address belongs to somebody else."""

    like: re.Pattern[str]
    wrong: bool = False


@dataclass(frozen=True)
class Phrases:
    """Everything the file holds. `typing` maps a typing error to the word that was meant."""

    keywords: dict[str, frozenset[str]]
    alone: dict[str, frozenset[str]]
    typing: dict[str, str]
    near: tuple[str, ...]
    known_words: frozenset[str]
    notices: tuple[re.Pattern[str], ...]
    harmless: tuple[re.Pattern[str], ...]
    stop: tuple[Phrase, ...]
    start: tuple[re.Pattern[str], ...]
    keeps_booking: re.Pattern[str]
    keep_service: re.Pattern[str]
    reach: dict[str, str]
    kept: tuple[str, ...]
    parts: dict[str, str]

    @cached_property
    def stop_needles(self) -> Needles:
        """Which of `stop` are worth a search."""
        return Needles([phrase.like for phrase in self.stop])

    def compile(self, pattern: str) -> re.Pattern[str]:
        """A pattern with the parts of the file put in for their <names>."""
        return _compile(pattern, self.parts)


@lru_cache(maxsize=1)
def load_phrases() -> Phrases:
    """The phrases that ship. Raises re.error or KeyError for a broken file, which the tests would see first."""
    # BaseLoader: every word is text. YAML itself would read "no" and "off" as false.
    data: dict[str, Any] = yaml.load(FILE.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    pieces: dict[str, str] = data["parts"]
    alone = {
        name: frozenset(map(str, data[name]))
        for name in ("stop_alone", "stop_unless_booked", "start_alone", "help_alone")
    }
    return Phrases(
        keywords={name: frozenset(words) for name, words in data["keywords"].items()},
        alone=alone,
        typing={str(wrong): right for right, wrongs in data["typing"].items() for wrong in wrongs},
        near=tuple(data["near"]),
        known_words=_known_words(data),
        notices=_all(data["notices"], pieces),
        harmless=_all(data["harmless"], pieces),
        stop=tuple(Phrase(_compile(one["like"], pieces), one.get("wrong") == "true") for one in data["stop"]),
        start=_all(data["start"], pieces),
        keeps_booking=_compile(data["only_marketing"]["keeps_booking"], pieces),
        keep_service=_compile(data["only_marketing"]["keep_service"], pieces),
        reach={name: value for name, value in data["reach"].items() if isinstance(value, str)},
        kept=tuple(data["reach"]["kept"]),
        parts=pieces,
    )


def _known_words(data: dict[str, Any]) -> frozenset[str]:
    """Words that are what they are: the ordinary ones of the file, and every word a pattern looks for."""
    patterns = [*data["notices"], *data["harmless"], *data["start"], *data["parts"].values()]
    patterns += [one["like"] for one in data["stop"]]
    # In a pattern a backslash and its letter are no part of a word.
    looked_for = {
        word for pattern in patterns for word in re.findall(r"[a-z]{4,}", re.sub(r"\\.", " ", pattern))
    }
    return frozenset(data["real_words"].split()) | frozenset(data["near"]) | looked_for


def _all(patterns: list[str], pieces: dict[str, str]) -> tuple[re.Pattern[str], ...]:
    return tuple(_compile(pattern, pieces) for pattern in patterns)


def _compile(pattern: str, pieces: dict[str, str]) -> re.Pattern[str]:
    for _ in range(2):
        for name, piece in pieces.items():
            pattern = pattern.replace(f"<{name}>", piece)
    return re.compile(pattern)
