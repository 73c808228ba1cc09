"""What a person says about being written to: single words first, then plain phrases, before any model sees it.

Words are Twilio's (messaging facts 3.1); phrases are what 47 CFR 64.1200(a)(10) calls "any reasonable means" and
Twilio does not act on (messaging facts 0.8). Only the person's own words are given in, never a quoted part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

STOP_WORDS = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})
# YES re-opens the line at Twilio, but as an answer to a question it is no fresh consent, so it is not here.
START_WORDS = frozenset({"start", "unstop"})
HELP_WORDS = frozenset({"help", "info"})

_STOP_PHRASES = re.compile(
    r"""\b(?:
      (?:please\s+|pls\s+)?stop\s+(?:texting|messaging|emailing|contacting|writing|calling|bothering|spamming|sending)
    | stop\s+(?:all\s+)?(?:texts|messages|emails|sms)
    | (?:do\s*n[o']?t|never)\s+(?:ever\s+)?(?:text|message|email|contact|write|call)\s+(?:me|us|this)
    | (?:no\s+more|quit\s+sending)\s+(?:\w+\s+){0,2}(?:texts|messages|emails)
    | opt(?:ing|ed)?[\s-]*(?:me\s+)?out
    | unsubscribe\s+(?:me|my|this|us|please)
    | (?:take|remove|delete)\s+(?:me|my\s+\w+|this\s+number)\s+(?:from|off)\b
    | remove\s+me
    | (?:lose|delete|forget)\s+my\s+number
    | (?:you\s+have\s+(?:the\s+)?|this\s+is\s+(?:the\s+|a\s+)?|got\s+the\s+)?wrong\s+(?:number|person)
    | leave\s+me\s+alone
    | no\s+me\s+(?:escriban?|escribas|manden?|env[ií]en?|contacten?|llamen?|molesten?)
    | no\s+m[aá]s\s+(?:mensajes|textos|correos)
    | d(?:eja|ejen)\s+de\s+(?:escribir|mandar|enviar|molestar)\w*
    | cancelar\s+(?:la\s+)?suscripci[oó]n
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_POLITE_STOP = re.compile(
    r"^(?:please|pls|ok|okay|just)?[\s,]*stop(?:\s+(?:please|pls|it|this|now))?$", re.IGNORECASE
)
# "STOP please, I have a shop already", "Not interested. STOP": the plain word leads the message or has a sentence of
# its own. In small letters it needs more, because people also stop by and cars have stop lights.
_STOP_SENTENCE = re.compile(
    r"^\W*(?:[Pp]lease\s+|[Pp]ls\s+)?STOP\b(?!\s+(?:BY|IN|AT|OVER|LIGHTS?|SIGNS?)\b)"
    r"|^\W*(?i:(?:please\s+|pls\s+)?stop\s+(?:please|pls)\b)"
    r"|(?:^|[.!?;\n])\s*(?i:(?:please\s+|pls\s+)?stop)\s*(?:[.!;\n]|$)"
)
# What a mail program writes by itself when somebody uses our List-Unsubscribe header.
_STOP_SUBJECTS = frozenset({"unsubscribe", "stop", "optout", "opt out"})


@dataclass(frozen=True)
class ConsentWord:
    """What was said and how plainly: a `keyword` the carrier acts on too, or a `phrase` only we understand."""

    meaning: Literal["stop", "start", "help"]
    how: Literal["keyword", "phrase"]


def read_consent(words: str) -> ConsentWord | None:
    """What the person's own words say about consent, or None for ordinary talk."""
    plain = _plain(words)
    for meaning, keywords in (("stop", STOP_WORDS), ("start", START_WORDS), ("help", HELP_WORDS)):
        if plain in keywords:
            return ConsentWord(meaning, "keyword")  # type: ignore[arg-type]
    if (
        _POLITE_STOP.match(plain)
        or plain == "alto"
        or _STOP_PHRASES.search(words)
        or _STOP_SENTENCE.search(words)
    ):
        return ConsentWord("stop", "phrase")
    return None


def read_message(words: str, subject: str | None, *, automatic: bool) -> ConsentWord | None:
    """What a whole message says about consent. A mail whose subject is nothing but a stop is one, also when a mail
    program wrote it; everything else that a machine wrote says nothing."""
    if subject is not None and _plain(subject) in _STOP_SUBJECTS:
        return ConsentWord("stop", "phrase")
    return None if automatic else read_consent(words)


def _plain(words: str) -> str:
    return re.sub(r"[\s.!,;:'\"“”‘’()\-]+", " ", words).strip().lower()
