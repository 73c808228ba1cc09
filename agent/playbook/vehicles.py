"""The customer's car out of a text: year, make, model and the body style that prices depend on.

The makes, models and styles are the shop side's own table (crm/body_styles.yaml), so both guess the same style.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib import resources
from typing import Any, TypeVar

import yaml

from agent.playbook.tables import word_list
from agent.playbook.text import closest, plain

_YEAR = re.compile(r"(?<![\d$/:.-])(19[6-9]\d|20[0-3]\d)(?![\d/:-])|(?<!\w)'(\d{2})\b")
_OWNED = r"(?:my|our|an?|the|her|his|have|got|drive|drives|own|for|on|it's|its)\s+(?:\w+\s+)?"
_STILL = re.compile(
    r"\bpick[ -]?(?:it |her |him |the car |me )?up (?:my|the|it|at|on|around|by|time|when|from)\b|\bdrop[- ]?off\b"
)
_JOINED = (
    r"\b(?!(?:bmw|gmc|ram|vw|kia|is|it|at|for|by|the|a|an|on|my|or|and|in|to|of|i|no)\b)"
    r"([a-z]{1,3})[ -](\d{1,4}[a-z]?)\b"
)
_NICKNAMES = {
    "chev": "chevrolet",
    "beemer": "bmw",
    "bimmer": "bmw",
    "subie": "subaru",
    "range rover": "land rover",
}
_STYLE_WORDS = {
    "suvs": "suv",
    "pick-up": "truck",
    "pick up truck": "truck",
    "mini van": "van",
    "estate": "wagon",
    "4x4": "suv",
}
_PLAIN = frozenset({"fit", "air", "rio", "leaf", "ion", "fe", "car", "and"})
_CAPITALS = {"bmw": "BMW", "gmc": "GMC", "mini": "MINI"}


@dataclass(frozen=True)
class Vehicle:
    """What is known of a car. `body_style` is one of coupe, sedan, hatchback, suv, truck, van, wagon."""

    year: int | None = None
    make: str | None = None
    model: str | None = None
    body_style: str | None = None
    style_said: bool = False
    """Whether the customer named the style; a guessed one is not stored as theirs."""

    def __bool__(self) -> bool:
        return bool(self.make or self.model or self.body_style)

    @property
    def name(self) -> str:
        """ "2021 Honda Civic", or "" when only the style is known."""
        if not self.make and not self.model:
            return ""
        return " ".join(str(part) for part in (self.year, self.make, self.model) if part)

    def over(self, older: Vehicle) -> Vehicle:
        """This newer knowledge on top of what was known: another car replaces it, a detail completes it."""
        other_car = bool(self.make and older.make and self.make.lower() != older.make.lower()) or bool(
            self.model and older.model and self.model.lower() != older.model.lower()
        )
        if other_car:
            return self
        style = self.body_style if not self.model or not older.body_style else older.body_style
        return Vehicle(
            self.year or older.year,
            self.make or older.make,
            self.model or older.model,
            self.body_style if self.style_said else style or older.body_style,
            self.style_said or older.style_said,
        )


@dataclass(frozen=True)
class _Catalogue:
    makes: dict[str, str]
    models: dict[str, tuple[str, str, str]]
    everyday: frozenset[str]
    styles: dict[str, str]


def read_vehicle(text: str, *, asked: bool = False) -> Vehicle | None:
    """The car a text speaks of, or None. `asked` says that the question before was about the car, which makes
    everyday words ("focus", "pilot") and typos ("civc") readable as models. Never raises."""
    book = _catalogue()
    said = _STILL.sub(" ", plain(text))
    year = _year(said)
    make = _make(said, book, fuzzy=asked or year is not None)
    model = _model(said, book, make, sure=asked or year is not None)
    style = next(
        (
            found
            for word, found in book.styles.items()
            if word in said and re.search(rf"\b{re.escape(word)}\b", said)
        ),
        None,
    )
    if model:
        listed_make, name, usual = model
        return Vehicle(year, make or listed_make, name, style or usual, style is not None)
    if make or style:
        return Vehicle(year, make, None, style, style is not None)
    return None


def read_year(text: str) -> int | None:
    """A model year, which alone says too little to be a vehicle but completes one."""
    return _year(plain(text))


def _year(said: str) -> int | None:
    if m := _YEAR.search(said):
        if m.group(1):
            return int(m.group(1))
        two = int(m.group(2))
        return 2000 + two if two < 40 else 1900 + two
    return None


def _make(said: str, book: _Catalogue, *, fuzzy: bool) -> str | None:
    for word, make in book.makes.items():
        if (
            word in said
            and re.search(rf"\b{re.escape(word)}s?\b", said)
            and _is_make(word, said, book, fuzzy)
        ):
            return make
    if fuzzy:
        for word in re.findall(r"[a-z]{5,}", said):
            if found := closest(word, book.makes):
                return book.makes[found]
    return None


def _is_make(word: str, said: str, book: _Catalogue, sure: bool) -> bool:
    if word not in book.everyday or sure or re.search(rf"\b{_OWNED}{re.escape(word)}\b", said):
        return True
    after = re.search(rf"\b{re.escape(word)} ([\w-]+)", said)
    return bool(after and book.models.get(after.group(1), ("",))[0] == book.makes[word])


def _model(said: str, book: _Catalogue, make: str | None, *, sure: bool) -> tuple[str, str, str] | None:
    squeezed = _squeeze(said)
    for key, (its_make, name, style) in book.models.items():
        # The plain look first: compiling a pattern for each of 500 models would cost a tenth of a second.
        if key not in squeezed:
            continue
        fits_make = make is not None and make.lower() == its_make.lower()
        if make and not fits_make:
            continue
        if (key not in book.everyday and len(key) > 2) or fits_make:
            trim = r"(?:\d{3}\w?)?" if key.isalpha() and len(key) <= 2 else ""
            if not re.search(rf"(?<![\w$/]){re.escape(key)}{trim}s?(?![\w/%])", squeezed):
                continue
            return its_make, name, style
        if (sure and not key.isdigit() and len(key) > 2 and _holds(key, squeezed)) or (
            len(key) > 3
            and re.search(rf"\b(?:my|our|her|his|drive an?|have an?|got an?)\s+{re.escape(key)}\b", squeezed)
        ):
            return its_make, name, style
    return _fuzzy_model(squeezed, book, make) if sure or make else None


def _holds(key: str, squeezed: str) -> bool:
    return bool(re.search(rf"(?<![\w$/]){re.escape(key)}(?![\w/%])", squeezed))


def _fuzzy_model(squeezed: str, book: _Catalogue, make: str | None) -> tuple[str, str, str] | None:
    keys = [
        k for k, (m, _, _) in book.models.items() if len(k) > 3 and (not make or m.lower() == make.lower())
    ]
    for word in re.findall(r"[a-z0-9]{4,}", squeezed):
        if word.isalpha() and (found := closest(word, keys, least=0.85)):
            return book.models[found]
    return None


def _squeeze(said: str) -> str:
    """One spelling for "f-150", "f 150" and "f150"; "3-series" and "3 series"."""
    said = re.sub(_JOINED, r"\1\2", said)
    said = re.sub(r"\b(\w)[ -](series|class|type|pace|tron|v|max|hr)\b", r"\1\2", said)
    return (
        said.replace("cr-v", "crv")
        .replace("hr-v", "hrv")
        .replace("rav 4", "rav4")
        .replace("4 runner", "4runner")
    )


@functools.cache
def _catalogue() -> _Catalogue:
    data: dict[str, Any] = yaml.safe_load(
        resources.files("crm").joinpath("body_styles.yaml").read_text("utf-8")
    )
    makes = {make: _title(make) for make in data["styles"]}
    nicknames = {**data["make_names"], **_NICKNAMES}
    makes |= {nick: makes.get(make, _title(make)) for nick, make in nicknames.items()}
    models = {
        _squeeze(str(model).lower()): (_title(make), _model_title(str(model)), style)
        for make, styles in data["styles"].items()
        for style, names in styles.items()
        for model in names
    }
    everyday = word_list("everyday_models") | {_squeeze(str(word)) for word in data["ordinary_words"]}
    styles = {str(word): style for word, style in data["words"].items()} | _STYLE_WORDS
    return _Catalogue(_longest_first(makes), _longest_first(models), everyday, _longest_first(styles))


_Value = TypeVar("_Value")


def _longest_first(words: dict[str, _Value]) -> dict[str, _Value]:
    """Longer names first, so that "mustang mach-e" is found before "mustang"."""
    return dict(sorted(words.items(), key=lambda entry: -len(entry[0])))


def _title(make: str) -> str:
    return _CAPITALS.get(make) or "-".join(part.title() for part in make.split("-"))


def _model_title(model: str) -> str:
    """Model names with digits are written in capitals (F-150, RAV4), the others with a capital letter."""
    words = [
        w.upper() if re.search(r"\d|^\w{1,3}(?:-\w)?$|^\w-", w) and w not in _PLAIN else w.title()
        for w in model.split()
    ]
    return " ".join(words)
