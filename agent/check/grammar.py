"""Is a thing said, denied, asked, or only said to be so if something else happens? In English and Spanish."""

from __future__ import annotations

import re

from agent.check.patterns import pattern
from agent.check.text import Sentence

_NO = pattern("grammar", "denial")
# Words that look like a denial and deny nothing.
_IDLE = pattern("grammar", "idle")
_GONE = pattern("grammar", "gone")
_IF = pattern("grammar", "if")
_OFFER = pattern("grammar", "offer")
_ASKS = pattern("grammar", "asks")


def negated(sentence: Sentence, at: int, reach: int = 6) -> bool:
    """Whether a denial stands in the same clause, at most `reach` words before a position."""
    words = _IDLE.sub(" ", _last_run(sentence, at)).split()
    return bool(_NO.search(" ".join(words[-reach:])))


def denied(sentence: Sentence, at: int) -> bool:
    """Whether the clause around a position says no to it, before or after it: "3 pm is not free", "3 pm is taken"."""
    clause = _IDLE.sub(" ", sentence.clause_text(at))
    return bool(_NO.search(clause) or _GONE.search(clause))


def conditional(sentence: Sentence, at: int) -> bool:
    """Whether a condition or an offer comes before a position in its sentence: "once you are booked"."""
    return bool(_IF.search(sentence.text[:at]) or _OFFER.search(_last_run(sentence, at)))


def asked(sentence: Sentence, at: int) -> bool:
    """Whether the part around a position is itself a question, and no statement with "okay?" behind it."""
    if not sentence.question:
        return False
    text = sentence.text
    if "¿" in text:
        return text.rfind("¿", 0, at + 1) >= 0
    start = max(text.rfind(mark, 0, at) for mark in ",;") + 1
    return bool(_ASKS.search(text[start:]) or _ASKS.search(text[sentence.clause(at)[0] :]))


_AND_DID = pattern("grammar", "and_did")
_DOER = re.compile(r"\b(?:i|we)(?:'ve| have)?\b", re.IGNORECASE)


def spread(sentence: Sentence) -> Sentence:
    """The sentence with its doer before each verb: "I told them and emailed you" says "and I emailed you"."""
    doer = _DOER.search(sentence.text)
    if doer is None:
        return sentence
    head, tail = sentence.text[: doer.end()], sentence.text[doer.end() :]
    return Sentence(head + _AND_DID.sub(" and I ", tail), sentence.question)


def _last_run(sentence: Sentence, at: int) -> str:
    """The words right before a position, back to the last comma."""
    before = sentence.before(at)
    return before[before.rfind(",") + 1 :]
