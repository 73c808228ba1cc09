"""Which service of the catalogue a wish means, out of what `find_services` returned."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.playbook.text import folded, words
from agent.playbook.wishes import Wish

_NO_SENSE = frozenset(
    {
        "the",
        "a",
        "an",
        "and",
        "or",
        "for",
        "of",
        "with",
        "film",
        "car",
        "one",
        "please",
        "just",
        "only",
        "i",
        "me",
        "it",
    }
)


@dataclass(frozen=True)
class Service:
    """One row of `find_services`. `price` is the text as the tool gave it, None when a person must quote."""

    id: int
    name: str
    category: str
    code: str
    body_style: str | None
    price: str | None
    cents: int | None
    duration: str
    not_included: str

    @property
    def stems(self) -> frozenset[str]:
        """The words it can be found by."""
        return frozenset(
            _stem(word) for word in words(f"{self.name} {self.category} {self.code.replace('-', ' ')}")
        )


def read_services(data: Mapping[str, Any]) -> tuple[Service, ...]:
    """The services of one result. Rows of a wrong form are left out. Never raises."""
    rows = data.get("services")
    return tuple(found for row in (rows if isinstance(rows, list) else ()) if (found := _service(row)))


def _service(row: Any) -> Service | None:
    if (
        not isinstance(row, Mapping)
        or not isinstance(row.get("service_id"), int)
        or not isinstance(row.get("name"), str)
    ):
        return None
    cents = row.get("price_cents")
    texts = {
        key: row[key] if isinstance(row.get(key), str) else ""
        for key in ("category", "code", "duration", "not_included")
    }
    style, price = row.get("body_style"), row.get("price")
    return Service(
        id=row["service_id"],
        name=row["name"],
        body_style=style if isinstance(style, str) else None,
        price=price if isinstance(price, str) and price else None,
        cents=cents if isinstance(cents, int) else None,
        **texts,
    )


def candidates(wish: Wish, found: Sequence[Service], body_style: str | None) -> tuple[Service, ...]:
    """The services a wish may mean: those with all its words, or the tool's own choice when none has them all."""
    fitting = [s for s in found if s.body_style is None or body_style is None or s.body_style == body_style]
    wanted = {_stem(word) for word in words(wish.query)}
    exact = [service for service in fitting if wanted <= service.stems]
    kept = exact or fitting
    areas = {word for group, word in wish.qualifiers if group == "area"}
    by_style = [service for service in kept if service.body_style is not None]
    if not areas and by_style and body_style and len(by_style) < len(kept):
        # Work on the whole car is what the catalogue prices by body style; a part of it has its own word.
        return tuple(by_style)
    return tuple(kept)


_CHEAPEST = re.compile(
    r"\b(?:cheap\w*|lowest|basic|least expensive|most affordable|mas (?:barat[oa]s?|economic[oa]s?)|basic[oa])\b"
)
_DEAREST = re.compile(
    r"\b(?:the best|premium|top of the line|most expensive|highest|nicest|(?:el|la) mejor|mas car[oa])\b"
)


def ranks(text: str) -> bool:
    """Whether a text asks for the cheapest or the best of what there is."""
    said = folded(text)
    return bool(_CHEAPEST.search(said) or _DEAREST.search(said))


def points(text: str) -> bool:
    """Whether a text points at an entry of a list: "the first one", "the $319 one"."""
    said = folded(text)
    return ranks(text) or _place(said) is not None or bool(re.search(r"\$\d|\b\d{2,4}\b", said))


def choose(text: str, among: Sequence[Service], shown: str) -> Service | None:
    """The one service a customer picks in words: by name, price, place in our list, or "the cheapest"."""
    said = folded(text)
    ordered = sorted((s for s in among if s.name in shown), key=lambda s: shown.index(s.name))
    if ordered and (place := _place(said)) is not None and place < len(ordered):
        return ordered[place]
    priced = sorted((s for s in among if s.cents is not None), key=lambda s: s.cents or 0)
    if priced and _CHEAPEST.search(said):
        return priced[0]
    if priced and _DEAREST.search(said):
        return priced[-1]
    for number in re.findall(r"\$?(\d{2,5})(?!\d)", said):
        if len(same := [s for s in priced if (s.cents or 0) // 100 == int(number)]) == 1:
            return same[0]
    return _by_words(said, among)


def _place(said: str) -> int | None:
    for pattern, place in ((r"\bfirst\b(?! thing)|\b1st\b|^1\W*$|\b(?:el|la) primer[ao]?\b", 0),
                           (r"\bsecond\b|\b2nd\b|^2\W*$|\bmiddle\b|\b(?:el|la) segund[ao]\b", 1),
                           (r"\bthird\b|\b3rd\b|^3\W*$|\b(?:el|la) tercer[ao]?\b", 2),
                           (r"\blast one\b|\b(?:el|la) ultim[ao]\b", -1)):  # fmt: skip
        if re.search(pattern, said):
            return place
    return None


def _by_words(said: str, among: Sequence[Service]) -> Service | None:
    """The service whose own words, those that not all of them share, were said; None when two fit alike."""
    heard = {_stem(word) for word in words(said)} - _NO_SENSE
    shared = frozenset.intersection(*(s.stems for s in among)) if among else frozenset()
    scores = {service.id: len(heard & (service.stems - shared)) for service in among}
    best = max(scores.values(), default=0)
    winners = [service for service in among if scores[service.id] == best]
    return winners[0] if best and len(winners) == 1 else None


def _stem(word: str) -> str:
    for ending in ("ings", "ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
