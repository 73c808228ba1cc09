"""Statements that name no clock and no day, and are about coming all the same: "open late", "walk-ins welcome"."""

from __future__ import annotations

from collections.abc import Sequence

from agent.check.clocks import clocks_in
from agent.check.grammar import asked, negated
from agent.check.patterns import pattern
from agent.check.records import Records
from agent.check.text import Sentence
from agent.check.verdict import Finding, Trace

_LATE = pattern("opening", "late")
_WALK_IN = pattern("opening", "walk_in")


class ComingCheck:
    """Compares what a reply says about coming late or without a time with the shop's own facts."""

    def __init__(self, records: Records, said: Sequence[Sentence]) -> None:
        self.records = records
        self.said = said

    def run(self) -> tuple[list[Finding], list[Trace]]:
        """All findings and traces of the reply."""
        findings: list[Finding] = []
        traces: list[Trace] = []
        for sentence in self.said:
            match = _WALK_IN.search(sentence.text) or (
                not clocks_in(sentence.text) and _LATE.search(sentence.text)
            )
            if not match or asked(sentence, match.start()) or negated(sentence, match.start()):
                continue
            said = match.group().lower()
            facts = self.records.texts_of("shop")
            if source := next((one.source for one in facts if said in one.text.lower()), ""):
                traces.append(Trace("time", match.group(), source))
            else:
                findings.append(Finding("time", match.group()))
        return findings, traces
