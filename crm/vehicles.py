"""Guessing a car's body style, which prices depend on, from its make and model (crm/body_styles.yaml)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml

BODY_STYLES = ("coupe", "sedan", "hatchback", "suv", "truck", "van", "wagon")


@dataclass(frozen=True)
class _Table:
    by_make: dict[str, dict[str, str]]
    make_names: dict[str, str]
    words: dict[str, str]
    anywhere: dict[str, str]
    ordinary: frozenset[str]


def guess_body_style(make: str | None, model: str | None) -> str | None:
    """The usual body style of a make and model ("Honda", "Civic EX" -> "sedan"), or None when not known.

    A shape named in the model wins over the table. Without a known make the model is looked for at all makes.
    """
    table = _table()
    tokens = _tokens(model or "")
    if (named := _named_shape(tokens, table)) is not None:
        return named
    make_key = _key(make or "")
    models = table.by_make.get(table.make_names.get(make_key, make_key))
    if models is None:
        # "Range Rover", "Sport": people split a name in their own way, so it is read as one as well.
        models = table.anywhere
        tokens = tokens if any(key in models for key, _ in _heads(tokens)) else _tokens(f"{make} {model}")
    return next((models[key] for key, _ in _heads(tokens) if key in models), None)


def vehicle_in(text: str) -> tuple[str | None, str]:
    """The body style meant in a customer's words, and the words without those that name the car or its shape.

    Names that are ordinary words ("fit", "focus") count only directly after their make.
    """
    table = _table()
    tokens = _tokens(text)
    if (named := _named_shape(tokens, table)) is not None:
        tokens = _without_shapes(tokens, table)
    style: str | None = None
    rest: list[str] = []
    models: dict[str, str] | None = None
    while tokens:
        make, size = _known_make(tokens, table)
        if make is not None:
            models, tokens = table.by_make[make], tokens[size:]
            continue
        found = _known_model(tokens, table, models)
        if found is None:
            rest.append(tokens[0])
            tokens, models = tokens[1:], None
            continue
        style, tokens, models = style or found[0], tokens[found[1] :], None
    return named or style, " ".join(rest)


def _known_make(tokens: list[str], table: _Table) -> tuple[str | None, int]:
    for key, size in _heads(tokens):
        name = table.make_names.get(key, key)
        if name in table.by_make and not (size == 1 and key in table.ordinary and len(tokens) == 1):
            return name, size
    return None, 0


def _known_model(tokens: list[str], table: _Table, models: dict[str, str] | None) -> tuple[str, int] | None:
    for key, size in _heads(tokens):
        if models is not None and key in models:
            return models[key], size
        if key in table.anywhere and key not in table.ordinary:
            return table.anywhere[key], size
    return None


def _named_shape(tokens: list[str], table: _Table) -> str | None:
    joined = f" {' '.join(tokens)} "
    return next((style for word, style in table.words.items() if f" {word} " in joined), None)


def _without_shapes(tokens: list[str], table: _Table) -> list[str]:
    joined = f" {' '.join(tokens)} "
    for word in table.words:
        joined = joined.replace(f" {word} ", " ")
    return joined.split()


def _heads(tokens: list[str]) -> list[tuple[str, int]]:
    """The first four, three, two, one tokens as one key each: "f 150 xlt" -> f150xlt, f150, f."""
    return [("".join(tokens[:size]), size) for size in range(min(4, len(tokens)), 0, -1)]


def _tokens(text: str) -> list[str]:
    """Lower-case runs of letters or digits: "F-150" and "f150" are both f, 150."""
    return re.findall(r"[a-z]+|\d+", text.lower())


def _key(text: str) -> str:
    return "".join(_tokens(text))


@cache
def _table() -> _Table:
    raw = yaml.safe_load(resources.files("crm").joinpath("body_styles.yaml").read_text(encoding="utf-8"))
    by_make = {
        _key(make): {_key(str(model)): style for style, models in shapes.items() for model in models}
        for make, shapes in raw["styles"].items()
    }
    return _Table(
        by_make=by_make,
        make_names={_key(name): _key(make) for name, make in raw["make_names"].items()},
        words={" ".join(_tokens(word)): style for word, style in raw["words"].items()},
        anywhere={model: style for models in by_make.values() for model, style in models.items()},
        ordinary=frozenset(_key(str(word)) for word in raw["ordinary_words"]),
    )
