"""Promises: less money, free things, guarantees, and what the law allows. Only a shop fact or a tool may make them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.check.durations import spans_in
from agent.check.grammar import negated
from agent.check.patterns import either, pattern
from agent.check.promise_scope import (
    AND_ANOTHER,
    EVERY,
    LIFETIME,
    PERCENT,
    compares,
    differs,
    is_definite,
    its_states,
    its_terms,
    same_numbers,
    same_panes,
    same_people,
    same_perils,
    same_way,
    says_no,
    shared_nouns,
)
from agent.check.records import Records, Text
from agent.check.service_words import FILMS, meant
from agent.check.text import Sentence, sentences
from agent.check.verdict import Finding, Trace

_LESS = either("promises.less", "giving.less", "giving.cheaper")
_FREE = either("promises.free", "giving.nothing")
_IS_FREE = re.compile(r"\b(?:is|are|it's|that's|be|son|es) (?:also |totally )?free\b", re.IGNORECASE)
_WHEN = pattern("promises", "when")
_WARRANTY = either("promises.warranty", "lasting.warranty")
_LEGAL = either("promises.legal", "law.legal")
_SHADE_ASK = re.compile(
    r"\b(?:shade|how dark|vlt|darkness|tone|tono|que tan oscur\w+|oscuridad)\b", re.IGNORECASE
)
_COMPARES = pattern("promises", "compares")
_MENTION = pattern("promises", "mention")
_DOUBTS = pattern("promises", "doubts")


@dataclass(frozen=True)
class _Topic:
    """A kind of promise, how it is put, and the words by which a fact is about it."""

    kind: str
    said: re.Pattern[str]
    about: re.Pattern[str]


_STOCK = (
    _Topic("discount", _LESS, pattern("promises", "about_less")),
    _Topic("discount", _FREE, pattern("promises", "about_free")),
    _Topic("warranty", _WARRANTY, pattern("promises", "about_warranty")),
    _Topic("legality", _LEGAL, pattern("promises", "about_legal")),
)
_CAN_NOT_SAY = pattern("promises", "can_not_say")
_NO_THAT_GIVES = pattern("promises", "no_that_gives")
_TIME_IS = pattern("promises", "time_is")
_OFFER_QUESTION = pattern("promises", "offer_question")
_NEVER = re.compile(r"(?:won't|never|will not|not |no se)", re.IGNORECASE)


class PromiseCheck:
    """Compares the promises of one reply with what the shop and the tools state."""

    def __init__(self, records: Records, said: Sequence[Sentence]) -> None:
        self.records = records
        self.said = said
        self.stated = [
            Text(text.source, sentence.text) for text in records.texts for sentence in sentences(text.text)
        ]
        asked = meant(records.words) & FILMS
        self.context: frozenset[str] = asked if len(asked) == 1 else frozenset()
        self.stated = [*records.texts, *(one for one in self.stated if one not in records.texts)]

    def run(self) -> tuple[list[Finding], list[Trace]]:
        """All findings and traces of the reply."""
        findings: list[Finding] = []
        traces: list[Trace] = []
        for sentence in self.said:
            spoken: set[str] = set()
            for topic in _STOCK:
                claims = [] if topic.kind in spoken else list(self._claims(topic, sentence))
                for match in claims:
                    spoken.add(topic.kind)
                    if source := self._stated(topic, sentence, match):
                        traces.append(Trace(topic.kind, match.group(), source))
                    else:
                        findings.append(Finding(topic.kind, match.group()))
                        break
            findings += self._percents(sentence, spoken)
            self.context = meant(sentence.text) & FILMS or self.context
        return findings, traces

    def _claims(self, topic: _Topic, sentence: Sentence) -> Iterator[re.Match[str]]:
        """Every wording of a sentence that promises something: one that is true does not carry the next."""
        plain = self._plainly_free(topic, sentence)
        told: set[tuple[str, str]] = set()
        for match in (*topic.said.finditer(sentence.text), *((plain,) if plain else ())):
            claim = (match.group().lower(), sentence.clause_text(match.start()))
            if claim not in told and not self._harmless(topic, sentence, match):
                yield match
            told.add(claim)

    @staticmethod
    def _plainly_free(topic: _Topic, sentence: Sentence) -> re.Match[str] | None:
        if topic.said is not _FREE:
            return None
        match = _IS_FREE.search(sentence.text)
        if match is None:
            return None
        # "9:00 AM is free" is about a time; what is free is told by the few words before it.
        subject = " ".join(re.split(r"[\s,]+", sentence.text[: match.start()].strip())[-4:])
        return None if _WHEN.search(subject) else match

    def _harmless(self, topic: _Topic, sentence: Sentence, match: re.Match[str]) -> bool:
        """Denied, asked back, or named only as what a person will answer."""
        before = sentence.before(match.start())
        if topic.said is _LESS and compares(sentence.clause_text(match.start()), match.group()):
            return True
        if topic.said is _FREE and _TIME_IS.search(before) and match.group().lower().startswith("free"):
            return True
        if topic.kind == "legality" and differs(sentence.text):
            return True
        if topic.kind in ("warranty", "legality") and _NEVER.match(match.group()):
            return topic.kind == "legality" and bool(_MENTION.search(before))
        # That something is not legal is a statement about the law as well; only a doubt is not.
        if topic.kind == "legality":
            refuses = bool(_CAN_NOT_SAY.search(before))
        else:
            refuses = negated(sentence, match.start(), reach=8) or "not guaranteed" in sentence.text.lower()
        if refuses and not _NO_THAT_GIVES.search(match.group()):
            return True
        if _MENTION.search(before) or (sentence.question and not _OFFER_QUESTION.search(sentence.text)):
            return True
        return bool(_DOUBTS.search(before)) and topic.kind != "discount"

    def _stated(self, topic: _Topic, sentence: Sentence, match: re.Match[str]) -> str:
        """The fact that says the same: about the same topic, with the same numbers, and not the other way round."""
        clause = sentence.clause_text(match.start())
        if topic.kind in ("warranty", "legality"):
            # "Ceramic has a lifetime warranty and dyed one of a year": each part needs its own fact.
            parts = [part for part in AND_ANOTHER.split(clause) if is_definite(part)] or [clause]
            sources = [
                self._one_stated(topic, sentence, match, part) or self._in_its_name(part) for part in parts
            ]
            return sources[0] if all(sources) else ""
        return self._one_stated(topic, sentence, match, clause)

    def _one_stated(self, topic: _Topic, sentence: Sentence, match: re.Match[str], clause: str) -> str:
        for text in self.stated:
            stated = text.text
            if not topic.about.search(stated):
                continue
            if not same_numbers(clause, stated, with_spans=topic.kind == "warranty"):
                continue
            denied = says_no(stated, topic.about) and not negated(sentence, match.start(), reach=8)
            if denied and topic.kind != "legality":
                continue
            if self._as_far(topic, sentence, match, clause, stated) and self._same_film(
                clause, meant(sentence.text) & FILMS, stated
            ):
                return text.source
        return ""

    def _in_its_name(self, part: str) -> str:
        """ "The coating lasts 3 years": the catalogue calls it a 3 year coating."""
        spans = {one.high for one in spans_in(part)}
        for service in self.records.services:
            named = {one.high for one in spans_in(service.name)}
            if spans and spans <= named and meant(part) & meant(service.name):
                return service.source
        return ""

    def _same_film(self, clause: str, whole: frozenset[str], stated: str) -> bool:
        """Whether a fact about one film is said of that film; "all of them" is said of none in particular."""
        listed = meant(stated) & FILMS
        films = meant(clause) & FILMS or whole or self.context
        if not listed:
            return True
        if EVERY.search(clause):
            # "Every film" needs a fact of every film; a fact of one film and no list is none.
            every = [LIFETIME.search(one.description) for one in self.records.services]
            return bool(every) and (all(every) or not LIFETIME.search(clause))
        return bool(films & listed)

    def _as_far(
        self, topic: _Topic, sentence: Sentence, match: re.Match[str], clause: str, stated: str
    ) -> bool:
        """Whether the fact reaches as far as the reply: the same perils, people, panes of glass."""
        if topic.kind == "warranty":
            return same_perils(clause, stated)
        if topic.kind == "legality":
            return same_panes(clause, stated) and its_states(clause, stated)
        if topic.said is _FREE:
            return shared_nouns(clause, stated)
        whom = same_people(sentence.text, stated, self.records.words)
        return whom and its_terms(sentence.text, stated) and same_way(match.group(), stated)

    def _percents(self, sentence: Sentence, spoken: set[str]) -> list[Finding]:
        """A percentage: out of a tool or a fact, or the customer's own shade repeated."""
        found: list[Finding] = []
        for match in PERCENT.finditer(sentence.text):
            number = match.group(1)
            if any(number in PERCENT.findall(one.text) for one in self.records.texts):
                continue
            own = number in PERCENT.findall(self.records.words) or (
                re.search(rf"\b{number}\b", self.records.words) is not None
            )
            asks = (sentence.question and _SHADE_ASK.search(sentence.text)) or _COMPARES.search(sentence.text)
            if not (own or asks) and not spoken and not negated(sentence, match.start()):
                found.append(
                    Finding("discount" if "off" in sentence.text.lower() else "legality", match.group())
                )
        return found
