"""What the assistant says it has done: told somebody, sent, noted, looked up. Only when the matching tool did it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.check.clocks import clocks_in
from agent.check.days import days_in
from agent.check.durations import spans_in
from agent.check.grammar import asked, conditional, negated, spread
from agent.check.patterns import pattern
from agent.check.records import Records
from agent.check.text import Sentence
from agent.check.verdict import Finding, Trace

_LOOKED = frozenset({"find_services", "find_times", "quote", "my_appointments", "book", "move"})
_SAVED = frozenset(
    {
        "update_lead", "remember_fact", "follow_up", "close_enquiry", "set_language", "hand_off", "book", "move", "opt_out",
    }
)  # fmt: skip

# A deed with a verb that no list knows: some write has to stand behind it.
_WRITES = _SAVED | {"cancel"}


@dataclass(frozen=True)
class _Deed:
    """How a deed is put, and the tools of which one must have succeeded. No tools: it cannot have been done at all."""

    said: re.Pattern[str]
    tools: frozenset[str]


_DEEDS = (
    _Deed(pattern("deeds", "asked_people"), frozenset()),
    _Deed(pattern("deeds", "everybody"), frozenset()),
    _Deed(pattern("deeds", "money"), frozenset()),
    _Deed(pattern("deeds", "told"), frozenset({"hand_off"})),
    _Deed(pattern("deeds", "sent"), frozenset()),
    _Deed(pattern("deeds", "saved"), _SAVED),
    _Deed(pattern("deeds", "follow_up"), frozenset({"follow_up"})),
    _Deed(pattern("deeds", "closed"), frozenset({"close_enquiry", "opt_out"})),
    _Deed(pattern("deeds", "looked"), _LOOKED),
    _Deed(pattern("deeds", "anything"), _WRITES),
    _Deed(pattern("deeds", "stopped"), frozenset({"opt_out"})),
)
_CONDITION = pattern("deeds", "condition")
_ABOUT_TOUCH = re.compile(r"\b(?:sent|emailed|texted|wrote|envi\w+|mand\w+|escrib\w+)\b", re.IGNORECASE)
_PAPERS = pattern("deeds", "papers")


class DeedCheck:
    """Compares what a reply says was done with the tools of this turn."""

    def __init__(self, records: Records, said: Sequence[Sentence]) -> None:
        self.records = records
        self.said = said

    def run(self) -> tuple[list[Finding], list[Trace]]:
        """All findings and traces of the reply; one per sentence is enough to have it rewritten."""
        findings: list[Finding] = []
        traces: list[Trace] = []
        for sentence in map(spread, self.said):
            for deed in _DEEDS:
                match = self._claim(deed, sentence)
                if match is None:
                    continue
                if source := self._source(deed, sentence, match):
                    traces.append(Trace("deed", match.group(), source))
                else:
                    findings.append(Finding("deed", match.group()))
                    break
        return findings, traces

    def _claim(self, deed: _Deed, sentence: Sentence) -> re.Match[str] | None:
        for match in deed.said.finditer(sentence.text):
            at = match.start()
            future = re.search(r"\b(?:will|'ll|va a)\b", match.group(), re.IGNORECASE)
            if negated(sentence, at, reach=4) or conditional(sentence, at) or asked(sentence, at):
                continue
            if future and (_CONDITION.search(sentence.text) or sentence.question):
                continue
            if deed.tools == {"follow_up"} and not self._dated(sentence, match):
                continue
            return match
        return None

    def _dated(self, sentence: Sentence, match: re.Match[str]) -> bool:
        """A vague "I will get back to you" still promises; "we will follow up" without a day is no plan."""
        firm = re.search(r"remind|record|get back|i'?ll|i will|reminder|avis", match.group(), re.IGNORECASE)
        return bool(
            firm
            or days_in(sentence.text, self.records.today)
            or clocks_in(sentence.text)
            or spans_in(sentence.text)
        )

    def _source(self, deed: _Deed, sentence: Sentence, match: re.Match[str]) -> str:
        if done := deed.tools & self.records.done:
            return ", ".join(sorted(done))
        if deed.tools == _LOOKED and _LOOKED & self.records.tried:
            return "a look that found nothing"
        if (
            deed.tools == _LOOKED
            and self.records.visits
            and re.search(r"appointment|cita|visit", sentence.text, re.IGNORECASE)
        ):
            return self.records.visits[0].source
        if (
            deed.tools == {"follow_up"}
            and "hand_off" in self.records.done
            and re.search(r"\bwe\b|person|\bwill get back", match.group(), re.IGNORECASE)
        ):
            return "hand_off"
        if (
            deed.tools == _SAVED
            and re.search(r"on file|in your file", match.group(), re.IGNORECASE)
            and self.records.lead
        ):
            return "lead on file"
        if (
            deed.tools in (frozenset(), _WRITES)
            and self.records.touches
            and _ABOUT_TOUCH.search(match.group())
            and not _PAPERS.search(sentence.text)
        ):
            return "message sent before"
        return ""
