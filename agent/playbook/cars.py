"""Makes, models and shapes of cars as customers spell them.

The table is the shop side's own (crm/body_styles.yaml), so both guess the same style.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib import resources
from typing import Any, TypeVar

import yaml

from agent.playbook.tables import word_list

_JOINED = (
    r"\b(?!(?:bmw|gmc|ram|vw|kia|is|it|at|for|by|the|a|an|on|my|or|and|in|to|of|i|no|y|un|mi|es|las|los|el|del)\b)"
    r"([a-z]{1,3})[ -](?!(?:19|20)\d\d\b)(\d{1,4}[a-z]?)\b"
)
# Longer or other names that people give to a model, with the model's own words.
_SPELLINGS: tuple[tuple[str, str], ...] = (
    (_JOINED, r"\1\2"),
    (r"\b(\w)[ -](series|class|type|pace|tron|v|max|hr)\b", r"\1\2"),
    (r"\b([ch]r)[ -]v\b", r"\1v"),
    (r"\brav[ -]4\b", "rav4"),
    (r"\b4 ?-?runner\b", "4runner"),
    (r"\btesla (?:model )?([3sxy])\b", r"tesla model \1"),
    (r"\bdodge ram (?=[123]500)", "ram "),
    (r"\b(chevy|chevrolet) (?:[123]500)\b", r"\1 silverado"),
    (r"\bgmc [123]500\b", "gmc sierra"),
    (r"\bford ([1234]50)\b", r"ford f\1"),
)
_SPELLED = tuple((re.compile(pattern), said) for pattern, said in _SPELLINGS)
_NICKNAMES = {"chev": "chevrolet", "beemer": "bmw", "bimmer": "bmw", "beamer": "bmw", "subie": "subaru",
              "range rover": "land rover", "tesle": "tesla", "chebby": "chevrolet", "lambo": "lamborghini"}  # fmt: skip
_STYLE_WORDS = {"suvs": "suv", "pick-up": "truck", "pick up truck": "truck", "mini van": "van", "estate": "wagon",
                "4x4": "suv", "troca": "truck", "troka": "truck", "trokita": "truck", "furgoneta": "van"}  # fmt: skip
_PLAIN = frozenset({"fit", "air", "rio", "leaf", "ion", "fe", "car", "and", "ram", "van"})
_CAPITALS = {"bmw": "BMW", "gmc": "GMC", "mini": "MINI"}
_TITLES = {"4runner": "4Runner"}


@dataclass(frozen=True)
class Catalogue:
    """Names in lower case, the longer ones first. A model has (make, model, usual body style); `everyday` are models
    whose names are also ordinary words."""

    makes: dict[str, str]
    models: dict[str, tuple[str, str, str]]
    everyday: frozenset[str]
    styles: dict[str, str]


def squeeze(said: str) -> str:
    """One spelling for "f-150", "f 150" and "f150"; "3-series" and "3 series"; "chevy 1500" and "silverado"."""
    for pattern, spelled in _SPELLED:
        said = pattern.sub(spelled, said)
    return said


@functools.cache
def catalogue() -> Catalogue:
    data: dict[str, Any] = yaml.safe_load(
        resources.files("crm").joinpath("body_styles.yaml").read_text("utf-8")
    )
    makes = {make: _title(make) for make in data["styles"]}
    nicknames = {**data["make_names"], **_NICKNAMES}
    makes |= {nick: makes.get(make, _title(make)) for nick, make in nicknames.items()}
    models = {
        squeeze(str(model).lower()): (_title(make), _model_title(str(model)), style)
        for make, styles in data["styles"].items()
        for style, names in styles.items()
        for model in names
    }
    everyday = word_list("everyday_models") | {squeeze(str(word)) for word in data["ordinary_words"]}
    styles = {str(word): style for word, style in data["words"].items()} | _STYLE_WORDS
    return Catalogue(_longest_first(makes), _longest_first(models), everyday, _longest_first(styles))


_Value = TypeVar("_Value")


def _longest_first(words: dict[str, _Value]) -> dict[str, _Value]:
    """Longer names first, so that "mustang mach-e" is found before "mustang"."""
    return dict(sorted(words.items(), key=lambda entry: -len(entry[0])))


def _title(make: str) -> str:
    return _CAPITALS.get(make) or "-".join(part.title() for part in make.split("-"))


def _model_title(model: str) -> str:
    """Model names with digits are written in capitals (F-150, RAV4), the others with a capital letter."""
    if model in _TITLES:
        return _TITLES[model]
    if m := re.fullmatch(r"(\w)-(class|type|pace)", model):
        return f"{m.group(1).upper()}-{m.group(2).title()}"
    words = [
        w.upper() if re.search(r"\d|^\w{1,3}(?:-\w)?$|^\w-", w) and w not in _PLAIN else w.title()
        for w in model.split()
    ]
    return " ".join(words)
