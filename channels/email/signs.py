"""The words of machines (`machines.yaml`), compiled once, and the plain text they are looked for in."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

FILE = Path(__file__).with_name("machines.yaml")
# Machines say what they are at the top; a person's long mail costs no more than a short one.
MOST_READ = 4000
_QUOTES = str.maketrans(
    {"’": "'", "‘": "'", "`": "'", "´": "'", "“": '"', "”": '"', "–": "-", "—": "-", "ß": "ss"}
)

Patterns = tuple[re.Pattern[str], ...]


@dataclass(frozen=True)
class Signs:
    """Everything the file holds, by its names."""

    subject_away: Patterns
    subject_auto: Patterns
    subject_bounced: Patterns
    away: Patterns
    formal: dict[str, Patterns]
    challenge: Patterns
    bounced: Patterns
    delayed: Patterns
    gone: Patterns
    this_once: Patterns


@lru_cache(maxsize=1)
def load_signs() -> Signs:
    """The patterns that ship. Raises re.error or KeyError for a broken file, which the tests would see first."""
    data = yaml.load(FILE.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    parts = {name: lines.strip() for name, lines in data["parts"].items()}
    lists = {name: _compile(data[name], parts) for name in Signs.__dataclass_fields__ if name != "formal"}
    return Signs(formal={name: _compile(lines, parts) for name, lines in data["formal"].items()}, **lists)


def plain(text: str, most: int = MOST_READ) -> str:
    """Small letters without accents, straight quotes, one space between words; at most `most` characters are read."""
    letters = unicodedata.normalize("NFKD", text[:most].translate(_QUOTES).casefold())
    kept = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(unicodedata.normalize("NFC", kept).translate(_QUOTES).split())


def any_of(patterns: Patterns, text: str) -> bool:
    """Whether one of the patterns stands in a plain text."""
    return any(pattern.search(text) for pattern in patterns)


def _compile(lines: str, parts: dict[str, str]) -> Patterns:
    """The patterns of a block of lines, with the parts of the file put in for their <names>."""
    whole = re.sub(r"<(\w+)>", lambda found: parts[found.group(1)], lines)
    return tuple(re.compile(line.strip()) for line in whole.splitlines() if line.strip())
