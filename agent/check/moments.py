"""Days and times: each one a reply names must be a free time, an appointment, the shop's hours, or the customer's wish."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.check.clocks import Clock, clocks_in
from agent.check.days import Day, days_in
from agent.check.grammar import denied
from agent.check.opening import OFFERING, Hours, bare_span, hours_clause, hours_problem, speaks_of_hours
from agent.check.pairs import Pair, pairs_in, same_day
from agent.check.patterns import pattern
from agent.check.records import Records
from agent.check.text import Sentence
from agent.check.verdict import Finding, Trace
from agent.check.whole_days import WholeDays

_REPEATS = pattern("moments", "repeats")
_LIMITS = pattern("moments", "limits")
_LOOKS = pattern("moments", "looks")
_ASSERTS = pattern("moments", "asserts")
_THAT_TIME = pattern("moments", "that_time")
_SAYS_SO = pattern("moments", "says_so")
_FREE_NOW = re.compile(
    r"\b(?:works?|available|open|free|fine|good|disponible|libre|funciona|bien)\b", re.IGNORECASE
)
_END = pattern("moments", "end")
_BARE = re.compile(
    r"(?:^|[,.;:!?-] ?|\b(?:at|tomorrow|today|manana|hoy|las) )(?P<h>1[0-2]|[1-9])"
    r"(?=,? (?:works?|it is|it'll be|sounds|then|tomorrow|today|is (?:fine|good|great|perfect|ok|okay|open|free)|"
    r"perfecto?|te queda|le queda|funciona|esta bien)\b)",
    re.IGNORECASE,
)
_NOW = re.compile(r"\b(?:it's|it is|right now|now it|current|son las|ahora)\b", re.IGNORECASE)
_ANY_TIME = pattern("moments", "any_time")
_EVERY_DAY = pattern("moments", "every_day")


class MomentCheck:
    """Compares the days and times of one reply with the records."""

    def __init__(self, records: Records, said: Sequence[Sentence]) -> None:
        self.records = records
        self.said = said
        self.hours = Hours.read(records.shop, records.today)
        self.asked_clocks = clocks_in(records.words)
        self.asked_days = days_in(records.words, records.today)
        self.free = [*records.offers, *records.visits]
        self.days = WholeDays(records, self.hours)
        self.findings: list[Finding] = []
        self.traces: list[Trace] = []

    def run(self) -> tuple[list[Finding], list[Trace]]:
        """All findings and traces of the reply."""
        carried: Day | None = None
        for place, sentence in enumerate(self.said):
            days = days_in(sentence.text, self.records.today)
            clocks = clocks_in(sentence.text)
            if speaks_of_hours(sentence.text):
                clocks = tuple(
                    sorted([*clocks, *bare_span(sentence.text, clocks)], key=lambda one: one.start)
                )
            clocks = tuple(sorted([*clocks, *self._bare(sentence, clocks)], key=lambda one: one.start))
            pairs = pairs_in(sentence.text, days, clocks, carried)
            for pair in pairs:
                self._pair(sentence, pair)
            paired = {id(pair.day) for pair in pairs}
            told = self.days.on_calendar(sentence, days)
            for day in days:
                if not any(day is one for one, _ in told):
                    self._day(sentence, day, with_clock=id(day) in paired)
            behind = self.said[place + 1] if place + 1 < len(self.said) else None
            whole = self.days.week(sentence), self.days.agreed(sentence, behind)
            for verdict in (*(one for _, one in told), *whole):
                self._keep(verdict)
            self._implied(sentence)
            carried = days[-1] if days else carried
        return self.findings, self.traces

    def _bare(self, sentence: Sentence, clocks: Sequence[Clock]) -> list[Clock]:
        """The hour the customer named, said back as a bare number: "4 works", "tomorrow at 4 it is"."""
        found = []
        for match in _BARE.finditer(sentence.text):
            start, hour = match.start("h"), int(match["h"]) % 12 * 60
            if hour in self._bare_hours() and not any(
                one.start < match.end("h") > start >= one.start for one in clocks
            ):
                found.append(Clock(start, match.end("h"), frozenset({hour, hour + 720}), match["h"]))
        return found

    def _bare_hours(self) -> set[int]:
        return {
            int(hour) % 12 * 60 for hour in re.findall(r"(?<![\d:$.])\d{1,2}(?![\d:%])", self.records.words)
        }

    def _pair(self, sentence: Sentence, pair: Pair) -> None:
        clock, day = pair.clock, pair.day
        clause = hours_clause(sentence.text, clock.start)
        text = f"{day.text} {clock.text}" if day is not None else clock.text
        if speaks_of_hours(clause) or (speaks_of_hours(sentence.text) and not OFFERING.search(clause)):
            if not hours_problem(clause, day, clock, self.hours, self.records.today):
                self.traces.append(Trace("time", text, "shop hours"))
                return
            if speaks_of_hours(clause) and not self._is_free(clock, day):
                wished = self._wished(sentence, clock) if denied(sentence, clock.start) else ""
                self._settle(self._in_texts(clock, day) or wished, "time", text)
                return
        source = self._moment_source(sentence, clock, day) or self._in_texts(clock, day)
        source = source or self._wished(sentence, clock)
        if not source and day is not None and not self.days.knows(day):
            self.findings.append(Finding("date", day.text))
        self._settle(source, "time", text)

    def _keep(self, verdict: Finding | Trace | None) -> None:
        if isinstance(verdict, Finding):
            self.findings.append(verdict)
        elif verdict is not None:
            self.traces.append(verdict)

    def _settle(self, source: str, kind: str, text: str) -> None:
        if source:
            self.traces.append(Trace(kind, text, source))
        else:
            self.findings.append(Finding(kind, text))

    def _is_free(self, clock: Clock, day: Day | None) -> bool:
        return any(one.at(clock.minutes) and (day is None or one.on(day)) for one in self.free)

    def _moment_source(self, sentence: Sentence, clock: Clock, day: Day | None) -> str:
        if not self._on_every_day(sentence, clock, day):
            return ""
        for one in (*self.free, *self.records.past):
            fits = one.at(clock.minutes) or (clock.minutes & {one.ends} and _END.search(sentence.text))
            if fits and (day is None or one.day is None or one.on(day)):
                return f"{one.source}: {one.label}"
        now = self.records.now
        if now is not None and _NOW.search(sentence.text) and now.hour * 60 + now.minute in clock.minutes:
            return "the time now"
        return ""

    def _on_every_day(self, sentence: Sentence, clock: Clock, day: Day | None) -> bool:
        """ "Tuesday through Friday at 9" needs that time on each of these days; no record can say "any day"."""
        if day is None or day.dated:
            return day is not None or sentence.question or not _EVERY_DAY.search(sentence.text)
        there = {
            one.day.weekday() for one in (*self.free, *self.records.past) if one.day and one.at(clock.minutes)
        }
        return day.weekdays is None or len(day.weekdays) < 2 or day.weekdays <= there

    def _in_texts(self, clock: Clock, day: Day | None) -> str:
        for text in self.records.texts:
            for pair in pairs_in(text.text, days_in(text.text, self.records.today), clocks_in(text.text)):
                same = day is None or pair.day is None or same_day(day, pair.day)
                if pair.clock.minutes & clock.minutes and same:
                    return text.source
        return ""

    def _wished(self, sentence: Sentence, clock: Clock) -> str:
        """The customer's own time may be repeated, turned down or asked about; that it is free it does not say."""
        bare = self._bare_hours()
        hours = {minute % 720 for minute in clock.minutes}
        if not (hours & bare or any(clock.minutes & one.minutes for one in self.asked_clocks)):
            return ""
        clause = sentence.clause_text(clock.start)
        repeats = _REPEATS.search(clause)
        limits = _LIMITS.search(sentence.text[: clock.start])
        behind = _LIMITS.search(re.sub(r"[\d:]+.*", "", clock.text))
        # Said without a denial, a question or "you asked for", their own time reads as agreed: "OK, tomorrow at 4."
        asks = sentence.question and not (
            _ASSERTS.search(sentence.text) or OFFERING.search(sentence.text) or _SAYS_SO.search(sentence.text)
        )
        looks = _LOOKS.search(clause[: clock.start - sentence.clause(clock.start)[0]])
        if denied(sentence, clock.start) or repeats or asks or looks:
            return "customer's words"
        # "After 4" may be repeated as a wish beside a real time, and not as "after 4 works".
        free = _FREE_NOW.search(clause) and not any(
            self._is_free(one, None) for one in clocks_in(clause) if one != clock
        )
        return "customer's words" if (behind or limits) and not free else ""

    def _day(self, sentence: Sentence, day: Day, *, with_clock: bool) -> None:
        if not day.possible(self.records.today):
            self.findings.append(Finding("date", day.text, "That weekday and that date do not go together."))
            return
        clause = hours_clause(sentence.text, day.start)
        if with_clock and any(f.text.startswith(day.text) for f in self.findings):
            return
        if speaks_of_hours(clause) or (day.holiday and _ASSERTS.search(clause)):
            if with_clock:
                return
            problem = hours_problem(clause, day, None, self.hours, self.records.today)
            asked = sentence.question and not self.said[0].text.lower().startswith(("yes", "si"))
            self._settle("" if problem and not asked else "shop hours", "date", day.text)
            return
        self._keep(self.days.judge(sentence, day, with_clock=with_clock))

    def _implied(self, sentence: Sentence) -> None:
        """ "Yes, that time is free", where only the customer named a time; and "come by any time"."""
        match = _THAT_TIME.search(sentence.text)
        if match and not sentence.question and not denied(sentence, match.start()):
            wished = pairs_in(self.records.words, self.asked_days, self.asked_clocks)
            if wished and not any(self._is_free(pair.clock, pair.day) for pair in wished):
                self.findings.append(
                    Finding("time", match.group(), "No tool said that the customer's time is free.")
                )
        match = _ANY_TIME.search(sentence.text)
        if (
            match
            and not denied(sentence, match.start())
            and not any("walk" in one.text.lower() for one in self.records.texts)
        ):
            self.findings.append(Finding("time", match.group()))
