"""How far a promise reaches, and whether the fact behind it reaches as far: whom, which panes of glass, which perils."""

from __future__ import annotations

import re

from agent.check.durations import spans_in
from agent.check.patterns import pattern, table, text_of, words
from agent.check.service_words import FILMS, meant

PERCENT = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d+)?) ?%")
AND_ANOTHER = pattern("promises", "and_another")
_WHO = pattern("promises", "who")
_ANY_SHADE = pattern("promises", "any_shade")
_SHADE = re.compile(r"(?<![\d$:.])\d{1,2}(?![\d:])")
_ANY = re.compile(r"\bany\b|cualquier", re.IGNORECASE)
_NONE = re.compile(r"\b(?:no|not|never|without|don't|do not|sin)\b[^.;,]{0,30}$", re.IGNORECASE)


def _named(name: str) -> dict[str, re.Pattern[str]]:
    return {key: re.compile(form, re.IGNORECASE) for key, form in table("promises", name).items()}


_PERILS = _named("perils")
_PANES = _named("panes")
_WAYS = _named("ways")
LIFETIME = _PERILS["lifetime"]
_NO_NOUNS = frozenset(
    {
        "free",
        "have",
        "there",
        "with",
        "that",
        "charge",
        "will",
        "gratis",
        "cost",
        "customer",
        "customers",
        "while",
        "your",
    }
)
EVERY = re.compile(
    r"\b(?:all|every\w*|each|both|any\w*|whatever|our (?:\w+ )?(?:films|tints?)|todas?|todos?|todo|cada|cualquier\w*)\b",
    re.IGNORECASE,
)
_CONDITION = pattern("giving", "condition")
_NAMED = pattern("giving", "named")
_CHEAPER = re.compile(rf"(?:{text_of('giving', 'cheaper')})", re.IGNORECASE)
_DIFFERS = pattern("law", "differs")
_IN_STATE = re.compile(r"\b(?:in|en|by) (?P<where>[A-Z][a-z]+(?: [A-Z][a-z]+)?)")
_FREE_THING = pattern("promises", "free_thing")
# "Tint" is in the name of everything we sell, so it is no telling word; what is free is still said of it.
_OUR_WORK = re.compile(r"\b(?:tint|film|window|polarizado)", re.IGNORECASE)
_TERMS = re.compile(
    r"\b(?:if|with|for|when|to|without|no|any|even|para|si|con|cuando|sin)\b(?P<terms>[^,.;!?]*)",
    re.IGNORECASE,
)
_COMMON_TERMS = words("promises", "common_terms")


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
    """Whether a discount is for those the reply gives it to; one for some people is for nobody who did not say so."""
    wanted, known = _who(said), _who(stated)
    return not known or ((wanted or _who(asked)) <= known and bool(wanted or _who(asked)))


def its_terms(said: str, stated: str) -> bool:
    """Whether a discount has the fact's terms: "with any ID" and "if you know someone" are other terms than "with ID"."""
    known = {*re.findall(r"[a-z]+", stated.lower())}
    asked = {
        word.rstrip("s")
        for match in _TERMS.finditer(said)
        for word in re.findall(r"[a-z]+", match.group().lower())
        if word not in _COMMON_TERMS
    }
    return asked <= known | {word.rstrip("s") for word in known}


def its_states(said: str, stated: str) -> bool:
    """Whether a rule is stated for the place it is said of."""
    return all(match["where"].lower() in stated.lower() for match in _IN_STATE.finditer(said))


def differs(said: str) -> bool:
    """Whether a sentence only says that rules differ, and names none."""
    return bool(_DIFFERS.search(said)) and not PERCENT.search(said) and not _ANY_SHADE.search(said)


def compares(clause: str, said: str) -> bool:
    """Whether "cheaper" only compares what is on the list: it names a film or a service, and no condition."""
    if not _CHEAPER.fullmatch(said) or _CONDITION.search(clause):
        return False
    return bool(_NAMED.search(clause) or meant(clause) & FILMS)


def same_way(said: str, stated: str) -> bool:
    """Whether a fact is about the same way of paying less: a discount is no coupon and no payment plan."""
    way = next((form for form in _WAYS.values() if form.search(said)), None)
    return way is None or bool(way.search(stated))


def same_panes(said: str, stated: str) -> bool:
    """Whether a rule about shades is about the same windows, with the same numbers."""
    where = _panes(said)
    shades = set(_SHADE.findall(said))
    parts = [part for part in re.split(r"[;.,]", stated) if shades <= set(_SHADE.findall(part))]
    if _ANY_SHADE.search(said):
        parts = [part for part in parts if _ANY.search(part)]
    return any(not where or where <= _panes(part) for part in parts)


def shared_nouns(said: str, stated: str) -> bool:
    """Whether everything that is free is what the fact is about: "free wifi and free tint" is two things."""
    known = _nouns(stated)
    groups = [match.group() for match in _FREE_THING.finditer(said)]
    if any(match and match.group() not in stated.lower() for match in map(_OUR_WORK.search, groups)):
        return False
    things = [_nouns(group) for group in groups]
    named = [one for one in things if one]
    return all(one & known for one in named) if named else bool(_nouns(said) & known)


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
