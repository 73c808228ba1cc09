"""What stands in a cell: numbers that a spreadsheet spoiled, two numbers in one cell, names the wrong way round."""

from __future__ import annotations

import re
from collections.abc import Iterable

from crm.emails import normal_email
from crm.phones import e164

_SCIENTIFIC = re.compile(r"[+-]?\d+(?:[.,]\d+)?[eE]\+?\d+")
_SEVERAL = re.compile(r"\s*(?:[;/|\n]|,(?=\s)|\bor\b|\bo\b|\by\b|\band\b)\s*")
_TRUE = frozenset(
    {"yes", "y", "true", "1", "x", "on", "si", "sí", "opted in", "opt in", "opt-in", "agreed", "✓", "checked"}
)
_FALSE = frozenset(
    {"no", "n", "false", "0", "off", "none", "null", "never", "nunca", "-", "--", "n/a", "na", "unchecked", "subscribed",
     "opted in", "opt in", "opt-in", "active"}
)  # fmt: skip
_CAR = re.compile(r"(?:((?:19|20)\d\d)\s+)?(\S+)(?:\s+(.+))?")
_LANGUAGES = {
    "english": "en", "inglés": "en", "ingles": "en", "spanish": "es", "español": "es", "espanol": "es", "castellano": "es",
}  # fmt: skip
_TAG = re.compile(r"([A-Za-z]{2})(?:[-_][A-Za-z0-9]{2,8})?")
STATES = frozenset({
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "DC", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS", "KY",
    "LA", "ME", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC", "ND", "OH",
    "OK", "OR", "PA", "PR", "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA", "WV", "WI", "WY",
})  # fmt: skip


def unguarded(cell: str) -> str:
    """A cell without the apostrophe that keeps a spreadsheet from calculating it; our own report writes it too."""
    text = cell.strip()
    return text[1:] if len(text) > 1 and text[0] == "'" and text[1] in "=+-@" else text


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: whoever wrote it may be a stranger."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def phone_of(cells: Iterable[str]) -> tuple[str | None, str | None]:
    """(the first valid number in the cells, why there is none although something stands there)."""
    problem = None
    for cell in cells:
        for part in (cell, *_SEVERAL.split(cell)):
            number = e164(part.removesuffix(".0"))
            if number is not None:
                return number, None
        if cell and problem is None:
            spoiled = _SCIENTIFIC.fullmatch(cell) is not None
            why = "was rounded by the spreadsheet; make the column text and export it again"
            problem = f"the phone number {cell[:40]!r} {why if spoiled else 'is no number that exists'}"
    return None, problem


def email_of(cells: Iterable[str]) -> tuple[str | None, str | None]:
    """(the first possible address in the cells, why there is none although something stands there)."""
    problem = None
    for cell in cells:
        for part in (cell, *_SEVERAL.split(cell)):
            address = normal_email(part)
            if address is not None:
                return address, None
        if cell and problem is None:
            problem = f"{cell[:60]!r} is no email address"
    return None, problem


def names_of(whole: str) -> tuple[str | None, str | None]:
    """(first name, last name) of a name in one cell; "Reyes, Dana" is Dana Reyes."""
    last, comma, first = (part.strip() for part in whole.partition(","))
    if comma and first and last:
        return first, last
    head, _, rest = whole.replace(",", " ").strip().partition(" ")
    return head or None, rest.strip() or None


def is_true(cell: str) -> bool:
    """Whether a cell says yes in so many words."""
    return cell.strip().lower() in _TRUE


def says_stop(cell: str) -> bool:
    """Whether a cell of a column of stops holds one: a tick, a yes, the day it was said; anything but nothing and a no."""
    return bool(cell.strip()) and cell.strip().lower() not in _FALSE


def language_of(cell: str) -> str | None:
    """The language a cell names, as its two letters."""
    text = cell.strip().lower()
    tag = _TAG.fullmatch(text)
    return _LANGUAGES.get(text) or (tag[1] if tag is not None else None)


def car_of(cell: str) -> dict[str, str]:
    """A car in one cell, year first: "2019 Honda Civic EX"."""
    found = _CAR.fullmatch(" ".join(cell.split())[:200])
    if found is None:
        return {}
    values = {"vehicle_year": found[1], "vehicle_make": found[2], "vehicle_model": found[3]}
    return {name: value for name, value in values.items() if value}


def state_of(cell: str) -> str | None:
    """A state by its two letters."""
    text = cell.strip().upper()
    return text if text in STATES else None


def postal_code_of(cell: str) -> str | None:
    """A ZIP code; a spreadsheet takes the zeros before it away."""
    text = cell.strip().removesuffix(".0")
    if re.fullmatch(r"\d{3,4}", text):
        text = text.zfill(5)
    return text if re.fullmatch(r"\d{5}(-\d{4})?", text) else None
