"""The wordings that the check looks for, one a line in the YAML files here, a file per kind of statement.

Every line is a regular expression over plain text: no accents, straight quotes, digits for number words, any case.
An entry is a list of alternatives. `words:` stands for alternatives between word boundaries, `starts:` after one,
`ends:` before one, `any:` without. <NAME> is the entry NAME of macros.yaml. Entries that are no list of alternatives
are plain words, or a table from a word to what it stands for.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Any

import yaml

_FRAMES = {
    "words": (r"\b(?:", r")\b"),
    "starts": (r"\b(?:", ")"),
    "ends": ("(?:", r")\b"),
    "any": ("(?:", ")"),
}
_MACRO = re.compile(r"<([A-Z_]+)>")


def pattern(file: str, name: str, *, case: bool = False) -> re.Pattern[str]:
    """The compiled entry `name` of `file`.yaml; `case` makes it tell capitals apart. Raises KeyError for no such entry."""
    return re.compile(text_of(file, name), 0 if case else re.IGNORECASE)


def either(*names: str) -> re.Pattern[str]:
    """The compiled alternatives of several entries, each named "file.entry", in any case."""
    return re.compile("|".join(text_of(*name.split(".", 1)) for name in names), re.IGNORECASE)


def words(file: str, name: str) -> frozenset[str]:
    """The words of an entry that is one line of words."""
    return frozenset(_entries(file)[name].split())


def table(file: str, name: str) -> dict[str, Any]:
    """An entry that is a table."""
    found: dict[str, Any] = _entries(file)[name]
    return found


def text_of(file: str, name: str) -> str:
    """The regular expression of an entry, with its macros filled in."""
    return joined(_entries(file)[name])


def joined(items: list[Any]) -> str:
    """One regular expression out of the alternatives of an entry."""
    return "|".join(_framed(item) for item in items)


def _framed(item: Any) -> str:
    if isinstance(item, str):
        return _MACRO.sub(lambda match: f"(?:{text_of('macros', match[1])})", item)
    [(frame, alternatives)] = item.items()
    before, after = _FRAMES[frame]
    return f"{before}{joined(alternatives)}{after}"


@cache
def _entries(file: str) -> dict[str, Any]:
    raw = resources.files(__name__).joinpath(f"{file}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(raw)
    return loaded
