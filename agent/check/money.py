"""Amounts of money: out of tool results only, and the amount of the very service that the sentence names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations

from agent.check.amounts import ANY_NUMBER, Amount, amounts_in
from agent.check.contacts import PHONE
from agent.check.grammar import denied
from agent.check.patterns import pattern
from agent.check.records import Records
from agent.check.service_words import FILMS, STYLES, Catalogue, meant, words_of
from agent.check.text import Sentence
from agent.check.verdict import Finding, Trace

_TOTAL = pattern("money", "total")
_DIFFERENCE = pattern("money", "difference")
_FROM = pattern("money", "from")
_UNDER = pattern("money", "under")
_DID_YOU_MEAN = pattern("money", "did_you_mean")
_YOU_SAID = pattern("money", "you_said")
_BUT = re.compile(r"\b(?:but|however|pero|sin embargo)\b", re.IGNORECASE)
_PER = pattern("money", "per")
_INCLUDES = re.compile(
    r"\b(?:includ(?:es|ed|ing)|comes with|covers|incluye|incluyen|incluid[oa]s?)\b", re.IGNORECASE
)
_TAX = pattern("money", "tax")
_CANNOT = pattern("money", "cannot")
_TOO_LOW = pattern("money", "too_low")
_EVERY_FILM = pattern("money", "every_film")
_WHOLE = frozenset({"full", "whole"})
_FOR_IT = pattern("money", "for_it")
_CALLED = re.compile(r"\b[a-z]+ \d{3,4}\b")
_NAME = re.compile(r"\w[\w']*,? (?:\w+ )*?([A-Z]\w*) $")


class MoneyCheck:
    """Compares the amounts of one reply with the records."""

    def __init__(self, records: Records, said: Sequence[Sentence]) -> None:
        self.records = records
        self.said = said
        self.catalogue = Catalogue.of(records.services)
        self.findings: list[Finding] = []
        self.traces: list[Trace] = []
        self.stated = {one.cents for sentence in said for one in amounts_in(sentence.text)}
        self.free = {
            one.cents: source
            for text, source in records.amounts
            for one in amounts_in(text)
            if one.cents is not None
        }
        self.context = records.words
        texts = " ".join(one.text for one in records.texts)
        own = " ".join(str(records.lead.get(key) or "") for key in ("year", "email", "phone"))
        self.known = f"{texts} {own}"
        # What stands right before a number in the customer's words: "chrysler 300", "ram 1500".
        self.called = frozenset(_CALLED.findall(f"{records.words} {records.lead} {records.echoes}".lower()))

    def run(self) -> tuple[list[Finding], list[Trace]]:
        """All findings and traces of the reply."""
        for sentence in self.said:
            found = [*amounts_in(sentence.text), *self._bare(sentence.text)]
            found.sort(key=lambda one: one.start)
            used_after = False
            behind = self._behind(sentence, found)
            for at, amount in enumerate(found):
                before, after = _around(sentence.text, found, at)
                if behind:
                    before, after = "", f"{sentence.text[: found[0].start]} {after}"
                used_after = self._judge(sentence, amount, "" if used_after else before, after)
            if named := meant(sentence.text) & FILMS:
                self.context = " ".join(named)
            self._tax(sentence)
            self._included(sentence)
        return self.findings, self.traces

    def _bare(self, text: str) -> list[Amount]:
        """Numbers of three or four places that nothing else explains: "Ceramic? 419." They are meant as money."""
        spoken = amounts_in(text)
        found = []
        for match in ANY_NUMBER.finditer(text):
            taken = any(one.start < match.end() and match.start() < one.end for one in spoken)
            taken = taken or any(
                p.start() < match.end() and match.start() < p.end() for p in PHONE.finditer(text)
            )
            known = re.search(rf"(?<!\d){match.group()}(?!\d)", self.known) or self._a_name(text, match)
            if not taken and not known:
                found.append(Amount(match.start(), match.end(), int(match.group()) * 100, match.group()))
        return found

    def _a_name(self, text: str, number: re.Match[str]) -> bool:
        """Whether it is part of a name the customer used, as of a car: "a Chrysler 300". A name is written with a capital
        letter inside the sentence; the name of a film or a shape is none, so "the Ceramic 300" stays an amount."""
        name = _NAME.search(text[: number.start()])
        if name is None or meant(name[1].lower()) & (FILMS | STYLES):
            return False
        return f"{name[1].lower()} {number.group()}" in self.called

    def _behind(self, sentence: Sentence, found: Sequence[Amount]) -> bool:
        """Whether every amount is followed by the name of its service: "the fronts: $129 in carbon, $179 in ceramic"."""
        if len(found) < 2 or meant(sentence.text[: found[0].start]) & FILMS:
            return False
        sides = [_around(sentence.text, found, at)[1] for at in range(len(found))]
        return all(self.catalogue.named(side) and meant(side) & FILMS for side in sides)

    def _judge(self, sentence: Sentence, amount: Amount, before: str, after: str) -> bool:
        """Judge one amount. Returns whether it took its name from the words behind it."""
        source, used_after = self._priced(sentence, amount, before, after)
        source = source or self._otherwise(sentence, amount)
        if _PER.match(sentence.text, amount.end) and not self._said_somewhere(
            sentence.text[amount.start : amount.end + 12]
        ):
            self.findings.append(Finding("price", f"{amount.text} per part", "No such unit price is listed."))
        elif source:
            self.traces.append(Trace("price", amount.text, source))
        elif self._listed(amount) and denied(sentence, amount.start):
            self.traces.append(Trace("price", amount.text, "a listed price, denied of something else"))
        elif self._listed(amount):
            note = "It is the price of another service than the one the sentence names."
            self.findings.append(Finding("price", amount.text, note))
        else:
            self.findings.append(Finding("price", amount.text))
        return used_after

    def _listed(self, amount: Amount) -> list[int]:
        return [
            at
            for at, one in enumerate(self.records.services)
            if one.cents == amount.cents and amount.cents is not None
        ]

    def _priced(self, sentence: Sentence, amount: Amount, before: str, after: str) -> tuple[str, bool]:
        """The source when this is the price of what the words around it name."""
        listed = self._listed(amount)
        if not listed:
            return "", False
        side, used_after = before, False
        if not self.catalogue.named(before) and not (meant(before) & FILMS):
            side, used_after = after, bool(self.catalogue.named(after))
        whole = bool(_DIFFERENCE.search(sentence.text))
        if whole:
            side = sentence.text
        elif not (self.catalogue.named(side) or meant(side) & FILMS):
            used_after = False
            side = (
                sentence.text if _FROM.search(sentence.text) or meant(sentence.text) & FILMS else self.context
            )
        for at in listed:
            if self._fits(side, at, sentence.text) and not self._left_out(sentence, amount, at):
                service = self.records.services[at]
                return f"{service.source}: {service.name}", used_after
        return "", used_after

    def _fits(self, side: str, at: int, sentence: str) -> bool:
        if self.catalogue.contradicts(side, at) or self.catalogue.contradicts(_styles(sentence), at):
            return False
        names, spoken = self.catalogue.terms[at], meant(side)
        if len(amounts_in(sentence)) == 1:
            spoken |= meant(sentence)
            prices = {
                one.cents
                for one, terms in zip(self.records.services, self.catalogue.terms, strict=True)
                if terms & FILMS
            }
            if _EVERY_FILM.search(sentence) and prices - {self.records.services[at].cents}:
                return False
        if "fronts" in spoken and _WHOLE & names and "fronts" not in names and not spoken & _WHOLE:
            return False
        named = self.catalogue.named(side)
        if not named or at in named:
            return True
        # Named a little less well, but with every telling word of the piece in it too.
        said = meant(side)
        best = said & self.catalogue.terms[named[0]]
        return best <= self.catalogue.terms[at]

    def _left_out(self, sentence: Sentence, amount: Amount, at: int) -> bool:
        """Whether the words right behind a price name a thing its service leaves out: "$449 for the windshield"."""
        match = _FOR_IT.match(sentence.text, amount.end)
        if match is None or denied(sentence, amount.start):
            return False
        items = self.records.services[at].not_included.split(",")
        return any(meant(item) and meant(item) <= meant(match.group()) for item in items)

    def _otherwise(self, sentence: Sentence, amount: Amount) -> str:
        """A sum or a difference of listed prices, a stated total, a shop fact, or the customer's own amount turned down."""
        cents = amount.cents
        if cents is None:
            return ""
        if cents in self.free:
            return self.free[cents]
        prices = self._mentioned()
        spoken = [
            one.cents
            for one in amounts_in(sentence.text)
            if one.end <= amount.start and one.cents is not None
        ]
        if len(spoken) > 1 and sum(spoken) == cents:
            return "sum of the prices before it"
        if _TOTAL.search(sentence.text):
            for size in range(2, min(len(prices), 5) + 1):
                if any(sum(part) == cents for part in combinations(prices, size)):
                    return "sum of listed prices"
        if _DIFFERENCE.search(sentence.text) and any(abs(a - b) == cents for a, b in combinations(prices, 2)):
            return "difference of listed prices"
        for text in self.records.texts_of("shop fact"):
            if any(one.cents == cents for one in amounts_in(text.text)) and meant(text.text) & meant(
                sentence.clause_text(amount.start)
            ) - {str(cents // 100)}:
                return text.source
        return self._customers(sentence, amount)

    def _mentioned(self) -> list[int]:
        """Prices of the services that the reply states or names; only those may be added up."""
        whole = " ".join(one.text for one in self.said)
        said = meant(whole)
        kept: list[int] = []
        for names, service in zip(self.catalogue.terms, self.records.services, strict=True):
            telling = {word for word in names if self.catalogue.weight[word] > 0}
            only = {word for word in telling if sum(word in other for other in self.catalogue.terms) == 1}
            if service.cents is not None and (
                service.cents in self.stated or only & said or (telling and telling <= said)
            ):
                kept.append(service.cents)
        shown = {name for one in (*self.records.offers, *self.records.visits) for name in one.services}
        for service in self.records.services:
            if service.cents is not None and service.name in shown and service.cents not in kept:
                kept.append(service.cents)
        return kept

    def _customers(self, sentence: Sentence, amount: Amount) -> str:
        named = {int(digits) * 100 for digits in re.findall(r"\d+", self.records.words.replace(",", ""))}
        if _CANNOT.search(f"{sentence.text[: amount.start].rstrip()} "):
            return "an amount turned down"
        if amount.cents not in named | {one.cents for one in amounts_in(self.records.words)}:
            return ""
        if sentence.question and _DID_YOU_MEAN.search(sentence.text):
            return "customer's words"
        if _TOO_LOW.match(sentence.text, amount.end):
            return "customer's words"
        known = {one.cents for one in self.records.services}
        below = [cents for cents in self.stated if cents is not None and cents in known]
        under = _UNDER.search(sentence.clause_text(amount.start))
        if under and below and amount.cents is not None and max(below) <= amount.cents:
            return "customer's words"
        turned_down = _YOU_SAID.search(sentence.clause_text(amount.start)) and _BUT.search(
            sentence.text[amount.end :]
        )
        return "customer's words" if turned_down or _denied_here(sentence, amount) else ""

    def _tax(self, sentence: Sentence) -> None:
        match = _TAX.search(sentence.text)
        if match and not self._said_somewhere("tax") and not sentence.question:
            self.findings.append(Finding("price", match.group()))

    def _included(self, sentence: Sentence) -> None:
        """ "Includes the windshield", where every service that may be meant says that it does not."""
        match = _INCLUDES.search(sentence.text)
        if match is None or sentence.question or denied(sentence, match.start()):
            return
        clause = sentence.clause_text(match.start())
        named = self.catalogue.named(
            re.sub(r"\b(?:windshield|sunroof|parabrisas|quemacocos)\b", " ", clause, flags=re.I)
        )
        rows = [one for at, one in enumerate(self.records.services) if at in named or not named]
        for item in {part.strip() for one in rows for part in one.not_included.split(",") if part.strip()}:
            without = [one for one in rows if item in one.not_included]
            said = meant(item) and meant(item) <= set(words_of(clause))
            if said and len(without) == len(rows) and rows:
                self.findings.append(Finding("price", match.group(), f"Not included: {item}."))
                return

    def _said_somewhere(self, words: str) -> bool:
        return any(words.lower() in one.text.lower() for one in self.records.texts)


def _around(text: str, found: Sequence[Amount], at: int) -> tuple[str, str]:
    """The words between this amount and its neighbours."""
    start = found[at - 1].end if at else 0
    end = found[at + 1].start if at + 1 < len(found) else len(text)
    return text[start : found[at].start], text[found[at].end : end]


def _denied_here(sentence: Sentence, amount: Amount) -> bool:
    """Whether the words between the commas around an amount say no to it: "it's not $449, it's $300" grants $300."""
    start = sentence.text.rfind(",", 0, amount.start) + 1
    end = sentence.text.find(",", amount.end)
    part = Sentence(sentence.text[start : end if end >= 0 else None], sentence.question)
    return denied(sentence, amount.start) and denied(part, amount.start - start)


def _styles(text: str) -> str:
    return " ".join(meant(text) & STYLES)
