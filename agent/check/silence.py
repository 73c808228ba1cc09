"""A question about money, guarantees, the law, the way or the hours is answered with what is known, or not at all.

No list of wordings is complete. So for these questions the default is turned round: a reply that asks nothing, denies
nothing, leaves nothing to a person and of which nothing traces to anything is no answer that may leave.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.check.patterns import pattern
from agent.check.records import Records
from agent.check.text import Sentence
from agent.check.verdict import Finding, Trace

_ASKED = {
    kind: (pattern("answers", f"{kind}_asked"), frozenset(answered))
    for kind, answered in (
        ("discount", {"discount", "price"}),
        ("warranty", {"warranty", "duration", "price"}),
        ("legality", {"legality"}),
        ("address", {"address", "phone", "link"}),
        ("duration", {"duration"}),
        ("time", {"time", "date"}),
        ("price", {"price", "discount", "duration", "warranty"}),
    )
}
"""The kinds of question, and the kinds of trace that an answer to it can have."""
_BOOKING = pattern("answers", "booking_asked")
_OPEN = pattern("answers", "leaves_open")
_IDIOM = re.compile(
    r"\bno (?:problem\w*|worries|doubt|need|more|hay (?:problema|pierde|que)|money|invoice|machine)\b",
    re.IGNORECASE,
)
_SAYS_NOTHING = pattern("answers", "says_nothing")
_COVERED = 0.6


def silent_findings(records: Records, said: Sequence[Sentence], traces: Sequence[Trace]) -> list[Finding]:
    """Statements in answer to such a question of which nothing traces. `traces` are those of the other parts."""
    if not records.words or any(one.question for one in said):
        return []
    if any(_OPEN.search(_IDIOM.sub(" ", one.text)) for one in said):
        return []
    kinds = {trace.kind for trace in traces}
    naked = next((one for one in said if not _rests(one, records, traces)), None)
    if naked is None or records.done & {"hand_off", "opt_out", "follow_up", "close_enquiry"}:
        return []
    if _BOOKING.search(records.words) and not records.tried & {"book", "move", "cancel"} and not kinds:
        return [Finding("booking", naked.text)]
    asked = [kind for kind, (form, answers) in _ASKED.items() if form.search(records.words)]
    answered = any(kinds & _ASKED[kind][1] for kind in asked)
    return [] if answered or not asked else [Finding(asked[0], naked.text)]


def _rests(sentence: Sentence, records: Records, traces: Sequence[Trace]) -> bool:
    """Whether a sentence says nothing of the shop, or something of which at least a part traces."""
    traced = any(trace.text.lower() in sentence.text.lower() for trace in traces)
    return traced or bool(_SAYS_NOTHING.search(sentence.text)) or _known(sentence, records)


def _known(sentence: Sentence, records: Records) -> bool:
    """Whether a sentence is in the words of the records: "covers all side windows and the rear window"."""
    said = set(re.findall(r"[a-z]{4,}", sentence.text.lower())) - {
        "that",
        "this",
        "with",
        "your",
        "para",
        "como",
    }
    rows = [f"{one.name} {one.description} {one.not_included}" for one in records.services]
    known = set(re.findall(r"[a-z]{4,}", " ".join([*(one.text for one in records.texts), *rows]).lower()))
    return bool(said) and len(said & known) >= _COVERED * len(said)
