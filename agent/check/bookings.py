"""That something is booked, moved or cancelled may be said when a tool did it or the calendar says so."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.check.clocks import clocks_in
from agent.check.days import Day, days_in
from agent.check.grammar import asked, conditional, denied, negated, spread
from agent.check.pairs import Pair, matches, pairs_in
from agent.check.patterns import pattern
from agent.check.records import SHOWN_BEFORE, Moment, Records
from agent.check.service_words import FILMS, meant
from agent.check.text import Sentence
from agent.check.verdict import Finding, Trace

_BOOKED = pattern("bookings", "booked")
_ALL_SET = re.compile(
    r"\b(?:you(?:'re| are)|we(?:'re| are)) all set\b|^all set\b|\btodo listo\b", re.IGNORECASE
)
_SEE_YOU = pattern("bookings", "see_you")
_WILL = pattern("bookings", "will")
_MOVED = pattern("bookings", "moved")
_CANCELLED = pattern("bookings", "cancelled")
_OTHERS_TIME = pattern("bookings", "others_time")
_GENERAL = pattern("bookings", "general")
_AGREES = pattern("bookings", "agrees")
_ARRIVE = pattern("bookings", "arrive")
_OFFERS = pattern("bookings", "offers")
_INVITES = pattern("bookings", "invites")
_DONE = pattern("bookings", "done")


# Where the part of a sentence that belongs to a claim ends.
_ENOUGH = pattern("bookings", "enough")
_MORE_THAN_ONE = pattern("bookings", "more_than_one")


_DAY_FIRST = pattern("bookings", "day_first")
_WRITES = frozenset(
    {
        "book",
        "move",
        "cancel",
        "opt_out",
        "update_lead",
        "remember_fact",
        "follow_up",
        "close_enquiry",
        "set_language",
        "hand_off",
    }
)
"""Any of these is something done; looking things up is not."""


class BookingCheck:
    """Compares what a reply claims about appointments with the calendar."""

    def __init__(self, records: Records, said: Sequence[Sentence]) -> None:
        self.records = records
        self.said = said
        self.agreed = False
        self.asks = any(one.question for one in said)
        self.findings: list[Finding] = []
        self.traces: list[Trace] = []

    def run(self) -> tuple[list[Finding], list[Trace]]:
        """All findings and traces of the reply."""
        for sentence in map(spread, self.said):
            for form, judge in (
                (_CANCELLED, self._cancelled),
                (_MOVED, self._moved),
                (_BOOKED, self._booked),
                (_ALL_SET, self._all_set),
                (_SEE_YOU, self._see_you),
                (_WILL, self._will),
            ):
                for match in form.finditer(sentence.text):
                    if self._claims(sentence, match, form):
                        judge(sentence, match)
            self._agreed(sentence)
        self._stated()
        return self.findings, self.traces

    @staticmethod
    def _claims(sentence: Sentence, match: re.Match[str], form: re.Pattern[str]) -> bool:
        at = match.start()
        if (
            negated(sentence, at, reach=4)
            or re.search(r"\b(?:not|n't|never|no)\b", match.group(), re.I)
            or asked(sentence, at)
        ):
            return False
        if form is not _SEE_YOU and conditional(sentence, at):
            return False
        if form is _WILL and re.search(
            r"\b(?:reply|say|if|once|when|text me|just (?:say|text)|let me know|cuando|si|responda|una vez)\b",
            sentence.text,
            re.I,
        ):
            return False
        if form is _WILL and sentence.question:
            return False
        return not (
            _GENERAL.search(sentence.text[:at]) or (_OTHERS_TIME.search(sentence.text) and form is _BOOKED)
        )

    def _agreed(self, sentence: Sentence) -> None:
        """ "Great, Tuesday at 9:00 AM." and "Please arrive Tuesday at 9" say that it is theirs; "Done!" that something is."""
        text = sentence.text
        if done := _DONE.search(text):
            self._settle(done, ", ".join(sorted(self.records.done & _WRITES)))
            return
        match = _ARRIVE.search(text) or _AGREES.search(text) or (self.agreed and _DAY_FIRST.search(text))
        self.agreed = bool(_AGREES.search(text)) and len(text.split()) <= 3
        if match and _ARRIVE.search(text) and any("drop" in one.label for one in self.records.offers):
            # A car that is left may be brought at any time of its offer; the offer itself is put so.
            return
        if not match or self.asks or _OFFERS.search(text) or negated(sentence, len(text), reach=40):
            return
        if clocks_in(text) and not self.records.done & _WRITES:
            self._visit(sentence, match, self.records.visits)

    def _stated(self) -> None:
        """ "Wed, Nov 25 at 1:30 PM, ceramic on the Civic." to somebody who has read that time and chosen it: what is neither
        offered again nor asked is understood as agreed, in whatever words."""
        if self.asks or self.findings or any(_INVITES.search(one.text) for one in self.said):
            return
        named = [(one, pair) for one in self.said for pair in self._pairs(one.text)]
        shown = {moment.id: moment for _, pair in named for moment in self._shown(pair)}
        if len(shown) != 1 or self._on_file(named):
            return
        for sentence, pair in named:
            if self._shown(pair) and not (
                _OFFERS.search(sentence.text) or denied(sentence, pair.clock.start)
            ):
                self.findings.append(Finding("booking", pair.clock.text))
                return

    def _pairs(self, text: str) -> list[Pair]:
        return pairs_in(text, days_in(text, self.records.today), clocks_in(text))

    def _shown(self, pair: Pair) -> list[Moment]:
        """The times of earlier messages that a mention means."""
        return [
            one
            for one in self.records.offers
            if one.source == SHOWN_BEFORE and matches(one, pair.clock, pair.day)
        ]

    def _on_file(self, named: Sequence[tuple[Sentence, Pair]]) -> bool:
        return any(matches(one, pair.clock, pair.day) for _, pair in named for one in self.records.visits)

    def _booked(self, sentence: Sentence, match: re.Match[str]) -> None:
        self._visit(sentence, match, self.records.visits)

    def _moved(self, sentence: Sentence, match: re.Match[str]) -> None:
        visits = self.records.visits if "move" in self.records.done else []
        self._visit(sentence, match, visits)

    def _cancelled(self, sentence: Sentence, match: re.Match[str]) -> None:
        known = "cancel" in self.records.done or "cancelled" in self.records.gone
        self._settle(match, "cancel" if known else "")

    def _all_set(self, sentence: Sentence, match: re.Match[str]) -> None:
        if clocks_in(sentence.text) or days_in(sentence.text, self.records.today):
            self._visit(sentence, match, self.records.visits)
            return
        writes = self.records.done & _WRITES
        known = ", ".join(sorted(writes)) or (self.records.visits[0].source if self.records.visits else "")
        self._settle(match, known)

    def _see_you(self, sentence: Sentence, match: re.Match[str]) -> None:
        named = clocks_in(sentence.text) or days_in(sentence.text, self.records.today)
        if named or re.search(
            r"see you (?:then|there|at)|nos vemos (?:entonces|ahi)|esperamos$", sentence.text, re.I
        ):
            self._visit(sentence, match, self.records.visits)

    def _will(self, sentence: Sentence, match: re.Match[str]) -> None:
        done = self.records.done & {"book", "move"}
        self._settle(match, ", ".join(sorted(done)))

    def _visit(self, sentence: Sentence, match: re.Match[str], visits: Sequence[Moment]) -> None:
        """A claim that names a time needs an appointment at that time, and of the services it names."""
        fitting = [one for one in visits if self._fits(one, sentence, match)]
        if _MORE_THAN_ONE.search(sentence.text) and len(visits) < 2:
            fitting = []
        self._settle(match, f"{fitting[-1].source}: {fitting[-1].label}" if fitting else "")

    def _fits(self, visit: Moment, sentence: Sentence, match: re.Match[str]) -> bool:
        films = meant(sentence.text) & FILMS
        listed = meant(" ".join(visit.services)) & FILMS
        if films and listed and not films & listed:
            return False
        return all(self._is(visit, target) for target in self._targets(sentence, match))

    def _is(self, visit: Moment, target: Pair | Day) -> bool:
        return (
            matches(visit, None, target)
            if isinstance(target, Day)
            else matches(visit, target.clock, target.day)
        )

    def _targets(self, sentence: Sentence, match: re.Match[str]) -> list[Pair | Day]:
        """The days and times that a claim names: those behind it, else those before it. What it was moved from is none."""
        text = sentence.text
        cut = _ENOUGH.search(text, match.end())
        limit = cut.start() if cut else len(text)
        days, clocks = days_in(text, self.records.today), clocks_in(text)
        near = (
            [d for d in days if match.start() <= d.start < limit],
            [c for c in clocks if match.start() <= c.start < limit],
        )
        if not any(near):
            near = [d for d in days if d.end <= match.end()], [c for c in clocks if c.end <= match.end()]
        pairs = pairs_in(text, *near)
        paired = {id(pair.day) for pair in pairs}
        found: list[Pair | Day] = [*pairs, *(day for day in near[0] if id(day) not in paired)]
        return [one for one in found if not self._left(text, one)]

    def _left(self, text: str, target: Pair | Day) -> bool:
        """Whether it is the time that was given up: "from Mon, Nov 30 at 10:00 AM"."""
        day, start = (target, target.start) if isinstance(target, Day) else (target.day, target.clock.start)
        clock = None if isinstance(target, Day) else target.clock
        first = min(start, day.start if day else start)
        behind = re.search(
            r"\b(?:from|instead of|del?|desde|en vez de|not)(?: the| el| tu| su| your)?(?: \w+ (?:on|el))?\s?$",
            text[:first],
            re.IGNORECASE,
        )
        return bool(behind) and any(matches(one, clock, day) for one in self.records.past)

    def _settle(self, match: re.Match[str], source: str) -> None:
        if source:
            self.traces.append(Trace("booking", match.group(), source))
        else:
            self.findings.append(Finding("booking", match.group()))
