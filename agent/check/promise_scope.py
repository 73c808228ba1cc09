"""How far a promise reaches, and whether the fact behind it reaches as far: whom, which panes of glass, which perils."""

from __future__ import annotations

import re

from agent.check.durations import spans_in
from agent.check.patterns import pattern, table
from agent.check.service_words import meant

PERCENT = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d+)?) ?%")
LIFETIME = re.compile(r"\b(?:life[ -]?time|for life|de por vida)\b", re.IGNORECASE)
AND_ANOTHER = pattern("promises", "and_another")
_WHO = pattern("promises", "who")
_ANY_SHADE = pattern("promises", "any_shade")
_ANY = re.compile(r"\bany\b|cualquier", re.IGNORECASE)
_NONE = re.compile(r"\b(?:no|not|never|without|don't|do not|sin)\b[^.;,]{0,30}$", re.IGNORECASE)


def _named(name: str) -> dict[str, re.Pattern[str]]:
    return {key: re.compile(form, re.IGNORECASE) for key, form in table("promises", name).items()}


_PERILS = _named("perils")
_PANES = _named("panes")
_WAYS = _named("ways")
_NO_NOUNS = frozenset({"free", "have", "there", "with", "that", "charge", "will", "gratis", "cost"})


def is_definite(part: str) -> bool:
    """Whether a part of a sentence says how long, how much, or against what."""
    return bool(
        spans_in(part)
        or PERCENT.search(part)
        or LIFETIME.search(part)
        or _ANY_SHADE.search(part)
        or any(form.search(part) for form in _PERILS.values())
    )


def same_numbers(said: str, stated: str, *, with_spans: bool) -> bool:
    """Whether every percentage, and every length of time, of a text stands in the fact too."""
    if set(PERCENT.findall(said)) - set(PERCENT.findall(stated)):
        return False
    known = [one.high for one in spans_in(stated)]
    return not with_spans or all(one.high in known for one in spans_in(said))


def same_perils(said: str, stated: str) -> bool:
    """Whether a guarantee covers what the reply says it covers."""
    return all(form.search(stated) for form in _PERILS.values() if form.search(said))


def same_people(said: str, stated: str, asked: str) -> bool:
    """Whether a discount is for those the reply gives it to; one for some people is not for whoever asks."""
    wanted, known = _who(said), _who(stated)
    return wanted <= known if wanted else not known or _who(asked) <= known


def same_way(said: str, stated: str) -> bool:
    """Whether a fact is about the same way of paying less: a discount is no coupon and no payment plan."""
    way = next((form for form in _WAYS.values() if form.search(said)), None)
    return way is None or bool(way.search(stated))


def same_panes(said: str, stated: str) -> bool:
    """Whether a rule about shades is about the same windows, with the same numbers."""
    where = _panes(said)
    parts = [part for part in re.split(r"[;.,]", stated) if same_numbers(said, part, with_spans=False)]
    if _ANY_SHADE.search(said):
        parts = [part for part in parts if _ANY.search(part)]
    return any(not where or where <= _panes(part) for part in parts)


def shared_nouns(said: str, stated: str) -> bool:
    """Whether the thing that is free is the one that the fact is about."""
    return bool(_nouns(said) & _nouns(stated))


def says_no(stated: str, about: re.Pattern[str]) -> bool:
    """Whether a fact denies what it is about: "no deposit"."""
    match = about.search(stated)
    return bool(match and _NONE.search(stated[: match.start()]))


def _who(text: str) -> set[str]:
    return {match.group().lower().rstrip("s") for match in _WHO.finditer(text)}


def _panes(text: str) -> set[str]:
    return {name for name, form in _PANES.items() if form.search(text)}


def _nouns(text: str) -> set[str]:
    return {word for word in meant(text) if len(word) > 3} - _NO_NOUNS
