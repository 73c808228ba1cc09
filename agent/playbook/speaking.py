"""The language of a turn: the one the customer asks for, else the one they write; and that it is kept for later."""

from __future__ import annotations

import re

from agent.playbook.intents import Intent
from agent.playbook.reading import LANGUAGES, Reading
from agent.playbook.text import folded, words
from agent.playbook.transcript import Situation

_WANTS = {
    "es": re.compile(
        r"\b(?:speak|habl\w+|text|write|escrib\w+|answer) (?:\w+ ){0,2}?(?:spanish|espanol)\b|\b(?:in spanish|en espanol)\b"
        r"|^(?:spanish|espanol)\W*$"
    ),
    "en": re.compile(
        r"\b(?:speak|habl\w+|text|write|escrib\w+|answer) (?:\w+ ){0,2}?(?:english|ingles)\b|\b(?:in english|en ingles)\b"
        r"|^(?:english|ingles)\W*$"
    ),
}
_SURE = 3
"""Words a text has to have before it changes the language that is kept."""


def asked_language(said: str) -> str | None:
    """The language a text asks to be answered in, or None."""
    plain = folded(said)
    return next((code for code, pattern in _WANTS.items() if pattern.search(plain)), None)


def spoken(s: Situation, r: Reading) -> str:
    """The language of this turn's reply."""
    kept = s.good("set_language")
    chosen = str(kept.arguments.get("language")) if kept else asked_language(s.said)
    return chosen if chosen in LANGUAGES else r.language


def language_to_keep(s: Situation, r: Reading) -> str | None:
    """The language to store with the customer, or None when nothing changes. Spanish is stored at once, so that
    reminders are Spanish too; a single word in another language changes nothing."""
    if "set_language" not in s.tools or s.results("set_language") or r.has(Intent.STOP):
        return None
    known = s.facts.language or LANGUAGES[0]
    if asked_language(s.said):
        return s.facts.speaks if s.facts.speaks != known or s.facts.speaks == "es" else None
    if s.facts.speaks == "es" and (s.facts.first_reply or known != "es"):
        return "es"
    changed = s.facts.speaks != known and len(words(s.said)) >= _SURE
    return s.facts.speaks if changed else None
