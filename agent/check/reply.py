"""The check as a whole: every kind of fact has a file of its own; here they are put together."""

from __future__ import annotations

from agent.check.answers import answer_findings
from agent.check.bookings import BookingCheck
from agent.check.coming import ComingCheck
from agent.check.contacts import ContactCheck
from agent.check.deeds import DeedCheck
from agent.check.durations import DurationCheck
from agent.check.moments import MomentCheck
from agent.check.money import MoneyCheck
from agent.check.promises import PromiseCheck
from agent.check.reading import read_records
from agent.check.silence import silent_findings
from agent.check.text import clean, sentences
from agent.check.tongue import far_too_long, form_findings
from agent.check.verdict import Evidence, Finding, Trace, Verdict
from agent.check.voice import voice_findings

_PARTS = (
    MoneyCheck,
    MomentCheck,
    ComingCheck,
    DurationCheck,
    ContactCheck,
    PromiseCheck,
    BookingCheck,
    DeedCheck,
)


def check_reply(reply: str, evidence: Evidence) -> Verdict:
    """What in a reply cannot be traced, and what traces to where. Never raises for any reply.

    Money traces to tool results only (and to a shop fact about the very same thing); times and dates also to what the customer
    just named, as long as the reply does not say that it is free; claims trace to what tools did. Works in English and
    Spanish; takes about a millisecond.
    """
    if too_long := far_too_long(reply, evidence):
        return Verdict(tuple(too_long), ())
    records = read_records(evidence)
    cleaned = clean(reply)
    said = sentences(cleaned)
    findings: list[Finding] = []
    traces: list[Trace] = []
    for part in _PARTS:
        found, traced = part(records, said).run()
        findings += found
        traces += traced
    # Only what nothing else has judged: a reply already refused needs no second reason.
    findings += [] if findings else answer_findings(records, said, traces)
    findings += [] if findings else silent_findings(records, said, traces)
    findings += voice_findings(records, said, cleaned)
    findings += form_findings(reply, evidence, records)
    return Verdict(tuple(dict.fromkeys(findings)), tuple(dict.fromkeys(traces)))
