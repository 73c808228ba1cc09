"""What belongs together in a text: what corrects what, what is refused, what is one of several choices."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TAKES_BACK = (
    r"\b(?:(?:oh |oops |no,? |or )*(?:wait|hold on)(?:,? no| actually| sorry)?(?=[ ,.!]+\S)|(?:or |no )?actually(?! ?(?:,|\?|$))|"
    r"scratch that|correction|never ?mind,? (?=\S)|my bad,?|oops(?: typo)?|whoops|typo|sorry,? (?=i meant|i mean|not|it's|make)|"
    r"on second thought)\b[ ,.:;-]*(?:i meant?|i mean)?"
    r"|\bi meant? (?:to say |to put )?(?=\S)|(?:^|[\s;])\*(?=\w)|(?<=;) ?\*(?=\w)|(?<=\w)\*(?=\s*$)"
)
_CORRECTION = re.compile(_TAKES_BACK)
_CHANGES = re.compile(r"\b(?:make (?:it|that)|(?:change|switch) (?:it|that|this) to|instead|rather)\b")
_MAKE_IT = re.compile(r"(?<=[\w,.;]) ?(?=\b(?:make (?:it|that)|(?:change|switch) (?:it|that) to)\b)")
_INSTEAD_OF = re.compile(
    r"\b(?:instead of|rather than) (?:the |on |at |my |a )*\S+?(?: ?[ap]m)?(?=$|[\s,;.!?])(?: (?:at \S+|morning|afternoon))?"
)
_NEGATIVE = re.compile(
    r"\b(?:can't|cannot|can not|couldn't|won't|doesn't|don't|isn't|not|no good|except|but not|anything but|never|"
    r"busy|unavailable|out of town|bad for me|no (?=(?:early |late )?(?:mornings|afternoons|evenings|weekends|weekdays|"
    r"mondays|tuesdays|wednesdays|thursdays|fridays|saturdays|sundays)\b))\b"
    r"|\b(?:\w+day|tomorrow|morning|afternoon) no\s*$"
    r"|\b(?:i|we) (?:have to )?work (?!for|on (?:my|it|the))|\bi'm (?:working|at work)\b"
)
_HARMLESS = re.compile(
    r"\bif not\b|\bwhy not\b|\bnot sure\b|\bcan't wait\b|\bdon't mind\b|\bdon't (?:have|need|forget|know)\b|\bnot (?:too )?bad\b|"
    r"\b(?:if|what) (?:that|it|this) (?:doesn't|won't)\b|\bcan you not\b|\bcan't you\b|\bwork (?:un)?till? \d|"
    r"\bdon't (?:get|leave) (?:off|out|home)\b"
)
_CLAUSE = re.compile(
    r"[;,!?]+|\.(?!\d)(?!m)|\b(?:but|how about|what about|instead)\b(?! not)|(?<=\w) (?=except\b)"
    r"|(?<=\w) (?=not (?!before|after|past|sure|until))"
)
_ANY_BUT = re.compile(r"\b(?:any ?(?:day|time|thing)|every ?day) (?:but|except)(?: for)?\b")
_BOUNDS: tuple[tuple[str, str], ...] = (
    (r"\b(?:not|no|nothing|can't|cannot|won't)(?: \w+){0,4}? (?:before|earlier than|sooner than)\b", "after"),
    (r"\b(?:not|can't|cannot|won't)(?: \w+){0,4}? (?:until|till)\b", "from"),
    (r"\b(?:not|no|nothing|can't|cannot|won't)(?: \w+){0,4}? (?:after|later than|past)\b", "before"),
    (r"\b(?:out of town|away|busy|gone|tied up|on vacation|traveling) (?:un)?till? ", "from "),
)  # fmt: skip
_BOUNDARIES = tuple((re.compile(pattern), said) for pattern, said in _BOUNDS)
_OR = r"\bor\b(?! later| earlier| after| before| so\b| onward)(?: else| maybe| even)?"
_EITHER = re.compile(rf"\s*(?:{_OR}|\band\b(?! later)|&|(?<=[a-z])/(?=[a-z]))\s*(?:maybe )?(?:either )?")
_BETWEEN = re.compile(r"\b(?:between|btwn?)\b[^,;.?]*?\band\b")


@dataclass(frozen=True)
class Segment:
    """A stretch of a text. `corrects` says that it takes back what stands before it as far as both speak of the same;
    only then a bare number in it is a time."""

    text: str
    corrects: bool


def segments(text: str) -> tuple[Segment, ...]:
    """A plain text cut where the writer corrects themselves: "tuesday at 3, actually make it 4". Never empty."""
    left = _INSTEAD_OF.sub(" instead ", text)
    found: list[Segment] = []
    position, corrects = 0, False
    for m in (*_CORRECTION.finditer(left), None):
        piece = left[position : m.start() if m else len(left)]
        found += _changes(piece, corrects)
        if m:
            position, corrects = m.end(), True
    kept = tuple(one for one in found if one.text.strip(" ,.;:-"))
    return kept or (Segment(text, False),)


def _changes(piece: str, corrects: bool) -> list[Segment]:
    """ "Friday at 3, make it 4" corrects without a word that says so."""
    head, *tail = _MAKE_IT.split(piece, maxsplit=1)
    if tail and head.strip(" ,.;:-"):
        return [Segment(head, corrects or bool(_CHANGES.search(head))), Segment(tail[0], True)]
    return [Segment(piece, corrects or bool(_CHANGES.search(piece)))]


def corrects(text: str) -> bool:
    """Whether a plain text changes something that was said before, in it or earlier."""
    return any(segment.corrects for segment in segments(text))


def bounded(text: str) -> str:
    """The text with refused bounds said the other way round: "not before 10" is "after 10"."""
    for pattern, said in _BOUNDARIES:
        text = pattern.sub(said, text)
    return text


def split_refusals(text: str) -> tuple[list[str], list[str]]:
    """(clauses that ask for something, clauses that rule something out) of a plain text."""
    asked: list[str] = []
    refused: list[str] = []
    for clause in _CLAUSE.split(_ANY_BUT.sub("; not ", text)):
        if clause.strip():
            (refused if _refuses(clause) else asked).append(clause.strip())
    return asked, refused


def _refuses(clause: str) -> bool:
    return bool(_NEGATIVE.search(clause)) and not _HARMLESS.search(clause)


def choices(text: str) -> list[str]:
    """The parts of a text between which the writer leaves the choice: "sat morning or mon". Never empty."""
    held = _BETWEEN.sub(lambda m: m.group().replace(" and", " to"), text)
    parts = [part for part in _EITHER.split(held) if part.strip()]
    return parts or [text]
