"""A yes to a question is the claim that was asked for: "is the removal free?" "Yes." """

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.check.patterns import pattern, words
from agent.check.records import Records
from agent.check.text import Sentence, sentences
from agent.check.verdict import Finding, Trace

_FIRM = words("answers", "firm")
_SOFT = words("answers", "soft")
_FILLER = words("answers", "filler")
_WORKS = pattern("answers", "works")
_OPEN = pattern("answers", "leaves_open")
_OPENS = re.compile(
    rf"^\W*(?:{'|'.join(sorted(_FIRM))}|of course|that's (?:right|correct|true)|you got it)\b", re.IGNORECASE
)
_IDIOM = re.compile(r"\bno (?:problem\w*|worries|doubt|hay problema|sweat)\b|\bnot at all\b", re.IGNORECASE)
_YOURS = re.compile(r"\byou(?:'ve)? got it\b|\b(?:it|that)'s (?:all )?yours\b")
_GOT = re.compile(r"\bgot it\b")
_ABOUT_CODE = re.compile(r"\b(?:code|coupon|promo\w*|voucher|codigo|cupon)\b", re.IGNORECASE)
_CODE = re.compile(r"\b(?:[A-Za-z]{3,}\d{1,4}|[A-Z]{4,})\b")
PROMISED = ("discount", "warranty", "legality", "price", "address")
"""Kinds of question that a firm yes answers, whatever else the reply says after it."""
_ASKED = {kind: pattern("answers", kind) for kind in (*PROMISED, "time", "booking")}
_BOOKS = frozenset({"book", "move", "cancel"})


def answer_findings(records: Records, said: Sequence[Sentence], traces: Sequence[Trace]) -> list[Finding]:
    """A reply that says yes to what the customer asked, where nothing of this turn says so of that kind.

    `traces` are those of the other parts: a yes that goes on with what is known is that statement, and no more.
    """
    if code := _code(records, said):
        return [Finding("discount", code)]
    agreed = next((one for one in said if _agrees(one) or _begins_yes(one)), None)
    if agreed is None or not records.words:
        return []
    asked = [kind for kind, form in _ASKED.items() if form.search(records.words)]
    if len(asked) > 1 and {trace.kind for trace in traces} & set(asked):
        # Of several questions it answers one with what is known; which one the yes was for, nobody can say.
        return []
    return [Finding(kind, agreed.text) for kind in asked if not _may(kind, agreed, records, said, traces)]


def _code(records: Records, said: Sequence[Sentence]) -> str:
    """The customer's own code, said again in a sentence that neither denies nor asks: so it is taken."""
    given = _CODE.findall(records.words) if _ABOUT_CODE.search(records.words) else []
    for sentence in said:
        told = sentence.question or _OPEN.search(_IDIOM.sub(" ", sentence.text))
        named = next((one for one in given if re.search(rf"\b{re.escape(one)}\b", sentence.text, re.I)), "")
        if named and not told and not any(named.lower() in one.text.lower() for one in records.texts):
            return sentence.text
    return ""


def _may(
    kind: str, agreed: Sentence, records: Records, said: Sequence[Sentence], traces: Sequence[Trace]
) -> bool:
    kinds = {trace.kind for trace in traces}
    if kind in ("booking", "time"):
        return _may_agree_to_come(agreed, records, said, kinds)
    if kind in kinds or (kind == "discount" and "price" in kinds and not _agrees(agreed)):
        return True
    rest = " ".join(_IDIOM.sub(" ", one.text) for one in said)
    if _OPEN.search(rest) or any(one.question for one in said):
        return True
    # The customer asked several things: a yes that goes on with another of them is an answer to that one.
    several = len(sentences(records.words)) > 1 or " and " in records.words
    bare = _agrees(agreed)
    if bare and not _firm(agreed) and len(said) > 1:
        return True
    return not bare and (
        (bool(kinds) and (several or kind in ("price", "address"))) or _goes_elsewhere(kind, agreed)
    )


def _may_agree_to_come(agreed: Sentence, records: Records, said: Sequence[Sentence], kinds: set[str]) -> bool:
    """A bare yes to "can I come at 4" or "book it" needs the time, or the deed, of this turn."""
    if (
        not _agrees(agreed)
        or any(one.question for one in said)
        or kinds & {"time", "date", "booking", "deed"}
    ):
        return True
    if records.done & {*_BOOKS, "hand_off", "opt_out", "follow_up", "close_enquiry"} or not (
        "?" in records.words or _wants(records)
    ):
        return True
    rest = [one for one in said if one is not agreed]
    return bool(rest) and (not _firm(agreed) or bool(_OPEN.search(" ".join(one.text for one in rest))))


def _wants(records: Records) -> bool:
    return bool(
        _ASKED["booking"].search(records.words) or re.match(r"(?:can|could|may|puedo)\b", records.words, re.I)
    )


def _goes_elsewhere(kind: str, agreed: Sentence) -> bool:
    """Whether a yes goes on with something else than what was asked: neither its words nor the thing itself."""
    about = _ASKED[kind].search(agreed.text) or _WORKS.search(agreed.text)
    short = len(agreed.text.split()) <= 6
    return not about and not short


def _plain(sentence: Sentence) -> str:
    """The words of a sentence, with idioms as the words they stand for."""
    return _GOT.sub("ok", _YOURS.sub("done", _IDIOM.sub(" fine ", sentence.text.lower())))


def _agrees(sentence: Sentence) -> bool:
    """Whether a sentence says yes and nothing else."""
    said = re.findall(r"[a-z']+", _plain(sentence))
    if sentence.question or not said or re.search(r"\d", sentence.text):
        return False
    yes = _FIRM | _SOFT
    return any(word in yes for word in said) and all(word in yes | _FILLER for word in said)


def _firm(sentence: Sentence) -> bool:
    said = set(re.findall(r"[a-z']+", _plain(sentence)))
    return bool(said & _FIRM) or bool(re.search(r"that's right|it (?:is|does)", sentence.text, re.I))


def _begins_yes(sentence: Sentence) -> bool:
    return not sentence.question and bool(_OPENS.search(sentence.text) or _WORKS.search(sentence.text))
