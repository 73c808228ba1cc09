"""The form of a reply: the customer's language, and no longer than a text message may be."""

from __future__ import annotations

import re

from agent.check.records import Records
from agent.check.text import SIGNS
from agent.check.verdict import Evidence, Finding
from agent.language import language_of
from ops.segments import segments

_NAMES = {"en": "English", "es": "Spanish", "fr": "French", "pt": "Portuguese", "de": "German"}
LONGEST_TEXT, LONGEST_EMAIL = 1600, 6000
"""Characters: what the carrier takes as one text message, and what nobody reads as an email to a customer."""
MOST_FACTS = 150
_FACTS = re.compile(r"\d+|\b(?:mon|tue|wed|thu|fri|sat|sun|lun|mar|mie|jue|vie|sab|dom)\w*", re.IGNORECASE)
OURS = ("en", "es")
"""The languages that every part of us can write; a customer of another one may be answered in English."""


def form_findings(reply: str, evidence: Evidence, records: Records) -> list[Finding]:
    """Wrong language, too many segments."""
    return [*_language(reply, evidence, records), *_length(reply, evidence)]


def far_too_long(reply: str, evidence: Evidence) -> list[Finding]:
    """A reply that no honest answer comes near is not read any further: what it says would take seconds to check."""
    most = LONGEST_TEXT if evidence.channel == "sms" else LONGEST_EMAIL
    if len(reply) > most:
        return [Finding("length", f"{len(reply)} characters")]
    facts = len(_FACTS.findall(reply))
    return [Finding("length", f"{facts} numbers and days")] if facts > MOST_FACTS else []


def _language(reply: str, evidence: Evidence, records: Records) -> list[Finding]:
    wanted = evidence.language or str(evidence.facts.get("language") or "")
    wanted = wanted.lower()[:2]
    if wanted not in OURS:
        return []
    written = language_of(_own_words(reply, records))
    # The customer who changes the language in the middle is answered in the one of their last words.
    if written in (None, wanted) or written == language_of(evidence.customer_words):
        return []
    return [Finding("language", _NAMES.get(written or "", written or ""))]


def _own_words(reply: str, records: Records) -> str:
    """The reply without names of services, labels and places, which stay in the shop's language."""
    shop = [records.shop.get(key) for key in ("name", "address", "assistant_name", "hours_text")]
    moments = [*records.offers, *records.visits, *records.past]
    fixed = [*shop, *(one.label for one in moments), *(name for one in moments for name in one.services)]
    fixed += [one.name for one in records.services]
    for words in fixed:
        if isinstance(words, str) and words:
            reply = reply.replace(words, " ")
    return reply


def _length(reply: str, evidence: Evidence) -> list[Finding]:
    if evidence.channel != "sms":
        return []
    # Typographic signs are replaced by plain ones before a text is sent, so they cost nothing.
    count = segments(reply.translate(SIGNS))
    return [Finding("length", f"{count} segments")] if count > evidence.max_segments else []
