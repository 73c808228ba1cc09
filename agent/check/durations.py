"""How long something takes, lasts or will take: only as long as a tool or the shop says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from agent.check.grammar import denied
from agent.check.patterns import pattern
from agent.check.records import Records
from agent.check.service_words import FILMS, Catalogue, meant
from agent.check.text import Sentence
from agent.check.verdict import Finding, Trace

_NUMBER = r"(?:(?P<n>\d+(?:[.,]\d+)?|\.5)|\b(?P<w>half an?|an?|media|un[oa]?)(?=\s))"
_UNIT = (
    r"(?P<unit>hours?|hrs?|h|minutes?|mins?|min|seconds?|secs?|days?|weeks?|months?|years?|yrs?|business days?|horas?|minutos?|"
    r"segundos?|dias?(?: habiles)?|semanas?|mes(?:es)?|anos?)\b"
)
_ONE = pattern("durations", "one")
_VAGUE = pattern("durations", "vague")
_MINUTES = {"h": 60, "m": 1, "s": 1 / 60, "d": 1440, "w": 10080, "y": 525600, "a": 525600}
_ABOUT_PAST = re.compile(r"\b(?:ago|hace|old|de antiguedad|years? of (?:age))\b", re.IGNORECASE)
_WORK = 1440
# To this question every length of time is the answer.
_HOW_LONG = pattern("answers", "duration_asked")


@dataclass(frozen=True)
class Span:
    """A length of time, from `low` to `high` minutes."""

    start: int
    low: float
    high: float
    unit: str
    text: str


@lru_cache(maxsize=4096)
def spans_in(text: str) -> tuple[Span, ...]:
    """The lengths of time in a cleaned text, in order."""
    found = []
    for match in _ONE.finditer(text):
        unit = match["unit"].lower()
        scale = 43200 if unit.startswith(("mon", "mes")) else 1 if unit.startswith("mi") else _scale(unit)
        if unit == "h" and not re.search(r"\d\s?h\b", match.group()):
            continue
        high = (
            _value(match["n"] or match["w"]) + (0.5 if match["half"] or match["andhalf"] else 0)
        ) * scale + int(match["rest"] or 0)
        low = float((match["low"] or "").replace(",", ".")) * scale if match["low"] else high
        found.append(Span(match.start(), low, high, unit[:2], match.group()))
    return tuple(found)


def _scale(unit: str) -> float:
    if unit.startswith("business"):
        return 1440
    if unit.startswith("se"):
        return 10080 if unit.startswith("sem") else 1 / 60
    return _MINUTES[unit[0]]


def _value(text: str) -> float:
    lower = text.lower()
    if lower.startswith("half") or lower == "media":
        return 0.5
    return 1.0 if lower in ("a", "an", "un", "una", "uno") else float(lower.replace(",", "."))


class DurationCheck:
    """Compares the lengths of time of one reply with the records."""

    def __init__(self, records: Records, said: Sequence[Sentence]) -> None:
        self.records = records
        self.said = said
        self.catalogue = Catalogue.of(records.services)
        self.context = ""

    def run(self) -> tuple[list[Finding], list[Trace]]:
        """All findings and traces of the reply."""
        findings: list[Finding] = []
        traces: list[Trace] = []
        for sentence in self.said:
            found = spans_in(sentence.text)
            for at, span in enumerate(found):
                if _is_article(span, sentence.text):
                    continue
                start = found[at - 1].start + len(found[at - 1].text) if at else 0
                source = self._source(sentence, span, sentence.text[start : span.start])
                if source:
                    traces.append(Trace("duration", span.text, source))
                else:
                    findings.append(Finding("duration", span.text))
            for match in _VAGUE.finditer(sentence.text):
                if not self._vague(sentence, match):
                    findings.append(Finding("duration", match.group()))
            if named := meant(sentence.text) & FILMS:
                self.context = " ".join(named)
        return findings, traces

    def _source(self, sentence: Sentence, span: Span, before: str) -> str:
        side = before if self.catalogue.named(before) else sentence.text
        if not self.catalogue.named(side):
            side = self.context
        named = self.catalogue.named(side)
        for at, service in enumerate(self.records.services):
            if service.minutes and _covers(span, service.minutes) and (not named or at in named):
                return f"{service.source}: {service.name}"
        # "Ceramic coating, 3 year" is what it is called.
        for service in self.records.services:
            in_its_name = any(_same(span, one) for one in spans_in(service.name))
            if in_its_name and service.name.casefold() in sentence.text.casefold():
                return f"{service.source}: {service.name}"
        lengths = [one.minutes for one in self.records.services if one.minutes]
        for size in (2, 3):
            if (
                len(lengths) <= 8
                and any(_covers(span, sum(part)) for part in combinations(lengths, size))
                and re.search(
                    r"\b(?:total|together|both|all|juntos|ambos|plus)\b", sentence.text, re.IGNORECASE
                )
            ):
                return "sum of listed durations"
        for moment in (*self.records.visits, *self.records.offers):
            if moment.ends and moment.minutes and _covers(span, moment.ends - moment.minutes[0]):
                return f"{moment.source}: {moment.label}"
        for text in self.records.texts:
            if any(_same(span, one) for one in spans_in(text.text)):
                return text.source
        return self._customers(sentence, span)

    def _customers(self, sentence: Sentence, span: Span) -> str:
        """What the customer said themselves may be repeated when nothing is promised with it."""
        if not any(_same(span, one) for one in spans_in(self.records.words)):
            return "a time that is past" if _ABOUT_PAST.search(sentence.text) and span.high >= _WORK else ""
        promises = re.search(
            r"\b(?:takes?|will|lasts?|done|ready|finish\w*|need|about|only|just|toma|tarda|dura|listo|warranty|garantia|yes|si)\b",
            sentence.text,
            re.IGNORECASE,
        )
        follow = "follow_up" in self.records.done
        return "customer's words" if follow or denied(sentence, span.start) or not promises else ""

    def _vague(self, sentence: Sentence, match: re.Match[str]) -> bool:
        """Whether a vague length is denied, asked, said by the shop, or about nothing that is promised."""
        words = match.group().lower()
        if sentence.question or denied(sentence, match.start()) or words in self.records.words.lower():
            return True
        if any(words in one.text.lower() for one in self.records.texts):
            return True
        about_work = re.search(
            r"\b(?:takes?|done|ready|finish\w*|need|will|be|is|job|leave|back|tarda|toma|listo|lista|keep|entreg\w+|dej\w+)\b",
            sentence.text,
            re.IGNORECASE,
        )
        if not about_work and not _HOW_LONG.search(self.records.words):
            return True
        if words.startswith(("all", "the whole", "the entire", "a full", "todo el")):
            return any(one.minutes and one.minutes >= 420 for one in self.records.services)
        if "half" in words or words.startswith("medio"):
            return any(one.minutes and 210 <= one.minutes <= 300 for one in self.records.services)
        if words.startswith("same"):
            return any(one.minutes for one in self.records.services)
        return words.startswith("overnight") and any(one.also for one in self.records.offers)


def _is_article(span: Span, text: str) -> bool:
    """ "a day", "a year" and "one day" are mostly no lengths; "an hour" is one."""
    lower = span.text.lower()
    if re.match(r"(?:an?|un|una)\s(?:day|week|month|year|dia|semana|mes|ano|second|min)", lower):
        return not re.search(
            rf"\b(?:takes?|within|in|tarda|toma|en|dentro de) {re.escape(lower)}", text.lower()
        )
    return bool(re.match(r"\d+[ -]?(?:year|ano)s?[ -]?(?:old)", text[span.start :].lower()))


def _covers(span: Span, minutes: int) -> bool:
    """Exactly that long, or a range of at most an hour and a half around it."""
    if span.low == span.high:
        return abs(span.high - minutes) < 1
    return span.low <= minutes <= span.high and span.high - span.low <= 90


def _same(one: Span, other: Span) -> bool:
    return abs(one.high - other.high) < 1 and (abs(one.low - other.low) < 1 or one.low == one.high)
