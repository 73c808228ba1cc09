"""Whether a customer's own words end their enquiry: pure reading, English and Spanish; the words are in closing.yaml.

"Found someone else, thanks" does; "found someone else, but what is a windshield?" does not. Precision first: each clause has
to be a whole saying of the table, a courtesy, or plain words about why. A question, a condition, a part of the work or a word
that nobody put there leaves the enquiry open: that costs one message more and loses nobody.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from agent.playbook.vehicles import read_vehicle
from agent.tools.named import folded
from agent.tools.yes_words import QUERY

Why = Literal[
    "found another shop", "already done", "no longer needed", "vehicle gone", "too expensive", "not interested", "other"
]  # fmt: skip
"""What a shop wants to count."""
Reading = Literal["yes", "no", "more", "stop"]

_PART = re.compile(r"<([A-Z_]+)>")
_SHORT = (
    (re.compile(r"\bim\b"), "i'm"),
    (re.compile(r"\bive\b"), "i've"),
    (re.compile(r"\bweve\b"), "we've"),
)


@dataclass(frozen=True)
class Closing:
    """What the words come to: "yes", they end the enquiry; "more", they do and say something beside it; "stop", they want
    no messages at all, which is another thing; "no". `why` is what they say of it, when they end it."""

    reading: Reading
    why: Why = "other"


def read_closing(messages: Sequence[str]) -> Closing:
    """What the customer's unanswered messages, oldest first, come to. Never raises."""
    lines = [folded(line) for one in messages for line in one[:2000].splitlines() if line.strip()]
    if any(_pattern("stop").search(line) for line in lines):
        return Closing("stop")
    why: list[Why] = []
    more = priced = passes = False
    before = ""
    for clause, asks in _clauses(lines):
        forms = _without_lead(clause)
        if (found := _closes(forms, asks)) is not None:
            why.append(found)
        elif asks:
            more = True
        elif _is("too_much", forms):
            priced = True
        elif _is("passes", forms):
            passes = True
        elif not (_is("lead", forms) or _is("courtesy", forms) or _tells(forms) or _is_name(clause, before)):
            more = True
        before = clause
    if priced and passes:
        why.append("too expensive")
    if not why:
        return Closing("no")
    if more or (passes and not priced):
        return Closing("more")
    return Closing("yes", next((one for one in why if one != "other"), "other"))


def _clauses(lines: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Every clause, and whether it ends in a question mark."""
    for line in lines:
        start = 0
        for border in (*_pattern("split").finditer(line), None):
            clause = re.sub(r"[^\w'$%&#@/+ -]", " ", line[start : border.start() if border else len(line)])
            for short, long in _SHORT:
                clause = short.sub(long, clause)
            if clause := " ".join(clause.split()).strip(" '-"):
                yield clause, border is not None and border[0] == "?"
            start = border.end() if border else start


def _without_lead(clause: str) -> list[str]:
    """The clause, and what is left of it without "hi", "just letting you know that" and thanks behind it."""
    forms = [clause]
    while (found := _pattern("lead").match(forms[-1])) and found.end() < len(forms[-1]):
        forms.append(forms[-1][found.end() :].strip())
    short = [_pattern("sign_off").sub("", form) for form in forms]
    return list(dict.fromkeys(form for form in (*forms, *short) if form))


def _closes(forms: Sequence[str], asks: bool) -> Why | None:
    if _is("close_it", forms):
        return "other"
    if asks:
        return None
    for why, pattern in _sayings():
        if any((found := pattern.fullmatch(form)) and _is_a_car(found) for form in forms):
            return why
    return None


def _is_a_car(found: re.Match[str]) -> bool:
    """Whether what was sold is a car, where something was."""
    named = found.groupdict().get("car")
    return named is None or bool(_pattern("is_car").search(named)) or read_vehicle(named) is not None


def _is(name: str, forms: Sequence[str]) -> bool:
    return any(_pattern(name).fullmatch(form) for form in forms)


def _tells(forms: Sequence[str]) -> bool:
    """Whether a clause only tells why, without the form of a question."""
    return any(not QUERY.match(form) and _story().issuperset(form.split()) for form in forms)


def _is_name(clause: str, before: str) -> bool:
    """Whether this is the name under "thanks," or "regards,"."""
    short = len(clause.split()) <= 2 and clause.replace(" ", "").isalpha()
    return short and bool(_pattern("sign_off").search(f" {before}"))


@functools.cache
def _table() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("closing.yaml").read_text("utf-8"))
    return loaded


@functools.cache
def _pattern(name: str) -> re.Pattern[str]:
    return re.compile("|".join(_filled(one) for one in _table()[name]))


@functools.cache
def _sayings() -> tuple[tuple[Why, re.Pattern[str]], ...]:
    rows = _table()["closes"]
    return tuple((why, re.compile(_filled(one))) for why in get_args(Why) for one in rows.get(why, ()))


@functools.cache
def _story() -> frozenset[str]:
    return frozenset(_table()["story"].split())


def _filled(line: str) -> str:
    return _PART.sub(lambda found: _filled(_table()["parts"][found[1]]), line)
