"""The stop word by itself: as a whole message, in capitals, or alone between two marks."""

from __future__ import annotations

import re
from collections.abc import Callable

from channels.consent_text import parts, sentences
from channels.phrases import load_phrases

_FILLER = (
    "please|pls|ok|okay|just|yes|yeah|no|hey|hi|hello|sir|maam|ma am|thanks|thank|you|bro|man|dude|guys|now|it|this|that|"
    "already|immediately|asap|forever|today|omg|wtf|ffs|god|jesus|seriously|for real|i said|again|enough|right|all|"
    "kindly|would|can|could|sorry|um|uh|lol|smh|everything|these|them|and|thx|said|really|fucking|damn|por favor|favor|"
    "gracias|ya|dear|good day|good morning|nope|the|so|oh|my|i|mean|literally|sigh|ugh|completely|permanently|doing|here|"
    "me|must|to|time|bye|goodbye"
)
_WORD = "stop|stopall|unsubscribe|optout|alto|basta|discontinue|desist|cease|halt|pare|paren|parar|detener"
# Without one of these, in whatever letters, nothing below can be a bare stop.
_ANY_WORD = re.compile(_WORD)
# Says nothing by itself: a greeting, thanks, what a phone puts under a mail.
_EMPTY = re.compile(
    rf"(?:{_FILLER})(?: (?:{_FILLER}))*|sent from my .*|get outlook .*|sent via .*|enviado desde .*"
)
# "please stop", "ok stop it now", "no. STOP!": nothing but the word and politeness.
_POLITE = re.compile(rf"(?:(?:{_FILLER}) )*(?:{_WORD})(?: (?:{_FILLER}|{_WORD}))*")
_POLITE_BOOKING = re.compile(
    r"(?:(?:please|ok|just|yes|no|hi|hey|por favor) )*(?:cancel|end|quit|revoke|cancelar|cancelen|cancele)"
    r"(?: (?:please|now|already|it|this|all|thanks|everything|por favor|thank you|it all|me))*"
)
_AFTER_STOP = (
    r"(?:BY|IN|AT|OVER|OFF|ON|LIGHTS?|SIGNS?|LAMPS?|TO|FOR|THERE|UP|WATCH|AND|GO|LEAK\w*|THE|WORK\w*|OUR|WHEN|AFTER|BEFORE"
    r"|LOSS|BARS?|MEAN\w*|WORD|IS|WAS|RUST\w*|FADING|PEELING|SCRATCH\w*|CRACK\w*|SOMEWHERE|TOMORROW|TODAY|TONIGHT|HERE)"
)
# In capitals the word needs no sentence of its own. In small letters it does: people stop by, and cars have stop lights.
_CAPITAL_START = re.compile(rf"^\W*(?:Please\s+|PLEASE\s+|Pls\s+|please\s+)?STOP\b(?!\s+{_AFTER_STOP}\b)")
_CAPITAL_WITHIN = re.compile(
    r"(?<!reply )(?<!text )(?<!send )(?<!Reply )(?<!Text )(?<!the )(?<!The )(?<!a )(?<!word )(?<!bus )(?<!non )(?<!not )"
    rf"(?<!n't )(?<!nt )(?<!means )(?<!one )(?<!pit )(?<!type )(?<!say )\b(?:STOP|UNSUBSCRIBE)\b(?!\s+(?i:{_AFTER_STOP})\b)"
)
_STOP_PLEASE = re.compile(r"^(?:please )?stop (?:please|thanks|thank you|sir)\b(?! (?:by|in|at|over)\b)")
_NOT_ME = re.compile(
    r"\b(?:[Ii]['’]?m|[Ii] am) not (?!(?:Interested|Sure|Happy|Ready|There|Available|Home|Free|In|At|On|A|The|Going)\b)"
    r"[A-Z][a-z]{2,}\b"
    r"(?! (?:[a-z]+ing|[a-z]+ed)\b)"
)
# "What does STOP do?", "Stop, I meant Tuesday".
_TALK_OF_IT = re.compile(
    r"\b(?:just|only) kidding\b|\bjk\b|"
    r"\bwhat\b.{0,25}\b(?:stop|unsubscribe)\b.{0,15}\b(?:mean|do|for)\b|\bstop\b\W+i mean"
)


def alone(text: str) -> str:
    """What a plain text says besides greetings, thanks and the line a phone puts under a mail; all of it when it
    is nothing else."""
    pieces = parts(text)
    return " ".join([piece for piece in pieces if not _EMPTY.fullmatch(piece)] or pieces)


def is_booking_word(words: str) -> bool:
    """Whether plain words are nothing but "please cancel" and its like."""
    return _POLITE_BOOKING.fullmatch(words) is not None


def is_talk_of_it(text: str) -> bool:
    """Whether a plain text only plays with the word, asks what it does, or takes it back at once."""
    return _TALK_OF_IT.search(text) is not None


def is_somebody_else(own: str) -> bool:
    """ "I'm not Dana": a name, written as one, that is not the writer's."""
    return _NOT_ME.search(own) is not None


def is_bare_stop(own: str, text: str) -> bool:
    """Whether the word itself stands there: in capitals in the person's `own` text, or with a sentence or a part of one
    for itself in its plain `text`."""
    if not _ANY_WORD.search(text) and "STOP" not in own and "UNSUBSCRIBE" not in own:
        return False
    if is_talk_of_it(text):
        return False
    checks: tuple[Callable[[], object], ...] = (
        lambda: any(_POLITE.fullmatch(part) and _is_own(part) for part in parts(text)),
        lambda: any(_STOP_PLEASE.search(sentence) for sentence in sentences(text)),
        lambda: _CAPITAL_START.search(own),
        lambda: any(char.islower() for char in own) and _CAPITAL_WITHIN.search(own),
    )
    if not any(check() for check in checks):
        return False
    return not any(pattern.search(one) for one in sentences(text) for pattern in load_phrases().notices)


def _is_own(part: str) -> bool:
    return re.search(r"\b(?:not|never) stop\b", part) is None
