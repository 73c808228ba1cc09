"""What words of a business's own must not claim, whoever gets them and however they are filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator

_NO = r"\b(?:not?|never|nobody|isn't|aren't|don't|can't|cannot|won't|needn't|ain't|sin|nunca|jam[aá]s)\b"
_CLAIMS = (
    (
        "denies that a machine writes, which the law wants told (messaging facts 3.5)",
        re.compile(
            rf"{_NO}[^.!?]{{0,25}}\b(?:(?:ro)?bots?|automat\w+|machine|computer|m[aá]quina|AI|IA)\b"
            r"|\b(?:real|actual|live) (?:person|human)\b|\b(?:am|are) (?:a )?(?:person|human)\b|\bpersona (?:real|de verdad)\b",
            re.IGNORECASE,
        ),
    ),
    (
        "denies the way to stop these messages",
        re.compile(rf"{_NO}[^.!?]{{0,25}}\b(?:stop|unsubscribe|opt[ -]?out|darse de baja)\b", re.IGNORECASE),
    ),
)
# Twilio takes each of these as a stop, so that whoever follows the invitation is never written to again (facts 3.1).
_INVITED = re.compile(
    r"\b(?i:reply|text|send|answer|say|write|responda|env[ií]e|mande|escriba)\b[^.!?]{0,30}"
    r"\b(?:CANCEL|END|QUIT|STOPALL|REVOKE|OPTOUT|UNSUBSCRIBE)\b"
)
_BOOKED = re.compile(
    r"\b(?:appointment|booking|reservation|visit|slot|cita|reserva)\b[^.!?]{0,40}"
    r"\b(?:booked|confirmed|set|scheduled|reserved|cancell?ed|confirmada|reservada|agendada|cancelada)\b"
    r"|\b(?:you are|you're|you have been|est[aá]) (?:all )?(?:booked|confirmed|scheduled|agendad[oa])\b"
    r"|\b(?:we|they) (?:expect you|will see you|missed you)\b|\bsee you (?:tomorrow|today|on|at)\b|\bl[eo] esperamos\b",
    re.IGNORECASE,
)
_ANSWERS = re.compile(r"^\s*(?:re|fwd?|aw|rv)\s*:", re.IGNORECASE)
_FIXED = (
    ("an amount", re.compile(r"[$€£]\s?\d|\b\d[\d.,]*\s?(?:dollars?|d[oó]lares|USD)\b", re.IGNORECASE)),
    ("a time of day", re.compile(r"\b\d{1,2}:\d{2}\b|\b\d{1,2}\s?[ap]\.?\s?m\b", re.IGNORECASE)),
)


def false_claims(channel: str, words: str, subject: str | None, *, about_visit: bool) -> Iterator[str]:
    """A sentence for each thing that these words claim and must not. `words`: what stands in them for everybody;
    `subject`: of a mail; `about_visit`: they are only used where there is an appointment, or was one."""
    for what, pattern in _CLAIMS:
        if match := pattern.search(words):
            yield f"{_quoted(match)} {what}"
    if channel == "sms" and (match := _INVITED.search(words)):
        yield f"{_quoted(match)} invites a word that carriers take as STOP: the person would never hear from you again"
    if not about_visit and (match := _BOOKED.search(words)):
        yield f"{_quoted(match)} tells of an appointment, and whoever gets this has none"
    if subject is not None and _ANSWERS.search(subject):
        yield "the subject looks like an answer to a mail of theirs, which is misleading (messaging facts 4.4)"
    for what, pattern in _FIXED:
        if match := pattern.search(words):
            yield f"{_quoted(match)} is {what} that stands in the words and will be sent when it is no longer true"


def _quoted(match: re.Match[str]) -> str:
    return f'"{" ".join(match.group().split())}"'
