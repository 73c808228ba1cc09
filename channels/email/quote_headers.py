"""The lines with which mail programs introduce the mail that is answered or passed on, in many languages.

Each is looked for in a few lines of bounded length, so that the time is linear in the number of lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from channels.email.lines import Line
from channels.email.wordings import JUDGED, Wordings, load_wordings

# "attribution": "On <date> <somebody> wrote:"; "block": From, Sent, To, Subject; "original" and "forwarded": between
# dashes; "one_line": an attribution whose quote goes on in the same line.
Kind = Literal["attribution", "block", "original", "forwarded", "one_line"]

_ATTRIBUTION_LINES = 4
_BLOCK_LINES = 16
# A long list of receivers goes on in lines without a label.
_LABEL_GAP = 4
_ADDRESS = re.compile(r"[^\s<>@()\[\]]{1,64}@[^\s<>@()\[\]]{1,255}")
_ADDRESS_AT_END = re.compile(r"@[^\s<>@()]{1,255}>?\)?\s?[:：]$")
_CLOCK = re.compile(r"(?<!\d)\d{1,2}(?:[:.]| ?[hH] ?)\d{2}(?!\d)")
_DAY = re.compile(r"(?<!\d)(?:(?:19|20)\d\d(?!\d)|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}(?!\d))")
_LABEL = re.compile(r"[\s*_|]{0,6}([^\W\d_][^:：\n]{0,24}?)[\s*_\xa0]{0,4}[:：]")
_RULE = re.compile(r"[\s_\-–—=*]{5,}")
_DASHED = re.compile(
    r"[\s>*_]{0,4}[-‐‑–—_=]{2,60}\s{0,3}(.{3,400}?)\s{0,3}[:：]?\s{0,3}[-‐‑–—_=]{2,60}[\s*]{0,4}"
)
# Windows Mail puts a mark of writing direction around every piece of a date.
_DIRECTION = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_BEGINS_DATED = re.compile(r"(?:[^\W\d_]{2,12}[.,]{0,2} )?\d{1,4}[./\-年 ]")
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Header:
    """Lines `start` to `end` (not included) introduce what follows. `named`: they name an address."""

    kind: Kind
    start: int
    end: int
    named: bool = False


def introduces_forward(text: str) -> bool:
    """Whether this line of a mail program says that a mail is passed on."""
    found = _separator(load_wordings(), [text.strip()[:JUDGED]], 0)
    return found is not None and found.kind == "forwarded"


def find_headers(lines: list[Line]) -> dict[int, Header]:
    """The introductions in the unquoted lines, by their first line."""
    words = load_wordings()
    texts = ["" if line.depth else _DIRECTION.sub("", line.text).strip()[:JUDGED] for line in lines]
    found: dict[int, Header] = {}
    end = 0
    for at, text in enumerate(texts):
        if not text or at < end:
            continue
        header = (
            _separator(words, texts, at) or _block(words, texts, at) or _attribution(words, lines, texts, at)
        )
        if header is not None:
            found.setdefault(header.start, header)
            end = header.end
    return found


def _separator(words: Wordings, texts: list[str], at: int) -> Header | None:
    text = texts[at]
    if text.casefold().strip(" \xa0:：*>").replace("\xa0", " ") in words.begins_forwarded:
        return Header("forwarded", at, at + 1)
    dashed = _DASHED.fullmatch(text)
    if dashed is None:
        return None
    said = " ".join(dashed.group(1).casefold().strip(" *").split())
    if said in words.original:
        return Header("original", at, at + 1)
    if said in words.forwarded:
        return Header("forwarded", at, at + 1)
    # Zoho: "---- On <date> somebody wrote ----".
    is_attribution = words.opener.match(said + " ") and words.wrote_end.search(said) and _DAY.search(said)
    return Header("original", at, at + 1, named=True) if is_attribution else None


def _block(words: Wordings, texts: list[str], at: int) -> Header | None:
    """From, Sent, To, Subject: at least three of them, and an address or a moment that no person would write there."""
    start = at
    if _RULE.fullmatch(texts[at]):
        at = next((number for number in (at + 1, at + 2) if number < len(texts) and texts[number]), at)
    if _label(words, texts[at]) is None:
        return None
    kinds: set[str] = set()
    last, proof = at, False
    for number in range(at, min(at + _BLOCK_LINES, len(texts))):
        kind = _label(words, texts[number])
        if number - last > _LABEL_GAP or (kind == "from" and "from" in kinds):
            # A person's own "From: Chicago" may stand right above.
            break
        if kind is None:
            continue
        kinds.add(kind)
        last = number
        proof = proof or _proves(kind, texts[number])
    is_header = len(kinds) >= 3 and proof and ("from" in kinds or "subject" in kinds)
    return Header("block", start, last + 1, named=True) if is_header else None


def _label(words: Wordings, text: str) -> str | None:
    match = _LABEL.match(text)
    return (
        words.labels.get(" ".join(match.group(1).casefold().replace("\xa0", " ").split())) if match else None
    )


def _proves(kind: str, text: str) -> bool:
    if kind == "sent":
        return _CLOCK.search(text) is not None and _DAY.search(text) is not None
    return kind in ("from", "to") and _ADDRESS.search(text) is not None


def _attribution(words: Wordings, lines: list[Line], texts: list[str], at: int) -> Header | None:
    """An attribution that ends in line `at`, or one whose quote goes on there."""
    text = texts[at]
    if words.wrote_middle.match(text):
        return Header("one_line", at, at + 1, named=True)
    if text[-1] not in ":：" or len(text) >= JUDGED:
        return None
    window = ""
    for start in range(at, max(at - _ATTRIBUTION_LINES, -1), -1):
        if not texts[start] or len(window) > JUDGED:
            break
        window = f"{texts[start]} {window}".strip()
        begins = words.opener.match(texts[start] + " ") is not None
        dated = _BEGINS_DATED.match(texts[start]) is not None
        alone = start == 0 or not texts[start - 1] or start == at or dated
        # Some begin with the name ("North <a@b.c> schrieb am ..."), which is broken before the address at most.
        named = alone and at - start <= 1 and _ADDRESS.search(window) is not None
        if (begins or named) and _introduces(words, window, begins=begins, marked=_is_marked(lines, at)):
            return Header("attribution", start, at + 1, named=_ADDRESS.search(window) is not None)
    return None


def _introduces(words: Wordings, window: str, *, begins: bool, marked: bool) -> bool:
    clock, day = _CLOCK.search(window), _DAY.search(window)
    if not (clock or day):
        return False
    wrote = words.wrote_end.search(window) is not None
    if _ADDRESS.search(window) is not None and (wrote or _ADDRESS_AT_END.search(window)):
        return marked or not _person_wrote(words, window)
    if _ADDRESS.search(window) is not None and marked and clock and day:
        # Whatever the language: a moment, an address, a colon, and below it a quote.
        return True
    if not (wrote and begins) or _is_prose(words, window):
        return False
    return marked or (clock is not None and day is not None)


def _is_prose(words: Wordings, window: str) -> bool:
    """Whether a person speaks of what somebody wrote: "On Monday at 9:30 you wrote:"."""
    return any(word in words.prose for word in _WORD.findall(window.casefold()))


def _person_wrote(words: Wordings, window: str) -> bool:
    """The same where an address stands: "On 11/23 at 9:30 I wrote to shop@north.example:". A name may hold any word,
    so only the ones beside the verb count."""
    verb = words.wrote_end.search(window)
    if verb is None:
        return False
    before = _WORD.findall(window[: verb.start()].casefold())[-1:]
    after = _WORD.findall(verb.group().casefold())[1:2]
    return any(word in words.prose for word in before + after)


def _is_marked(lines: list[Line], at: int) -> bool:
    """Whether the next line with words is quoted."""
    following = next((line for line in lines[at + 1 : at + 5] if not line.blank), None)
    return following is not None and (following.depth > 0 or following.maybe or following.whole)
