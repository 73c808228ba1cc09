"""Which service of the catalogue a piece of a reply speaks of, in English or Spanish."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from agent.check.patterns import pattern, table, words
from agent.check.records import Service

_SAME: dict[str, str] = table("service_words", "same")
_PHRASES = re.compile(r"\b(?:" + "|".join(sorted(map(re.escape, _SAME), key=len, reverse=True)) + r")\b")
_NOT_MEANT = pattern("service_words", "not_meant", case=True)
FILMS = frozenset({"ceramic", "carbon", "dyed"})
STYLES = frozenset({"coupe", "sedan", "hatchback", "suv", "truck", "van", "wagon"})
_IGNORED = words("service_words", "ignored")


@lru_cache(maxsize=4096)
def words_of(text: str) -> tuple[str, ...]:
    """The telling words of a cleaned text, in the catalogue's own terms and in order."""
    plain = _PHRASES.sub(lambda match: _SAME[match.group()], text.lower())
    return tuple(word for word in re.findall(r"[a-z0-9]+", plain) if word not in _IGNORED)


@lru_cache(maxsize=4096)
def meant(text: str) -> frozenset[str]:
    """The telling words of a piece of a reply, without what it says is left out."""
    return frozenset(words_of(_NOT_MEANT.sub(" ", text.lower())))


@dataclass(frozen=True)
class Catalogue:
    """The services of a turn, ready to be recognised."""

    services: Sequence[Service]
    terms: tuple[frozenset[str], ...] = field(default=())
    weight: dict[str, float] = field(default_factory=dict)

    @staticmethod
    def of(services: Sequence[Service]) -> Catalogue:
        """Weigh the words: one that stands in every name tells nothing."""
        terms = tuple(frozenset(words_of(one.name)) for one in services)
        seen = Counter(word for names in set(terms) for word in names)
        weight = {word: math.log(len(set(terms)) / count) for word, count in seen.items()}
        return Catalogue(services, terms, weight)

    def named(self, text: str) -> list[int]:
        """Positions of the services that a text fits best; empty when none of its words tells them apart."""
        said = meant(text)
        scores = [sum(self.weight[word] for word in said & names) for names in self.terms]
        best = max(scores, default=0.0)
        return [at for at, score in enumerate(scores) if best > 0 and score >= best - 1e-9]

    def contradicts(self, text: str, service: int) -> bool:
        """Whether a text names a film or a shape of vehicle, and this service has another one."""
        said, names = meant(text), self.terms[service]
        style = self.services[service].style
        own = {style} if style else names & STYLES
        for group, mine in ((FILMS, names & FILMS), (STYLES, own)):
            spoken = said & group
            if spoken and mine and not spoken & mine:
                return True
        # "Ceramic" said of a service that has no film at all, like a coating, is its own word or a wrong one.
        return False
