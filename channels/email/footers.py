"""Our own footer in somebody's mail: it says "unsubscribe", and whoever sends it back has not said so.

A quoted mail is cut by its marks. This is for the copy whose marks a program lost: whatever else becomes of it, the
sentence that ends all mail is never taken for the person's.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from channels.email.lines import Line
from channels.email.wordings import load_wordings
from channels.templates.render import FOLDER

_CODE = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<[^<>]{0,2000}>", re.DOTALL)
_GAP = "\x00"
_FEWEST_WORDS, _ENOUGH_WORDS = 4, 6
_NOT_A_LINE_END = re.compile(r"[^\n]+")
_BETWEEN = r"[\s>|*_]{1,12}"
_QUOTES = "[\"'“”„«»]{0,2}"


def without_our_footers(lines: list[Line]) -> list[Line]:
    """The lines without the sentences of our footers; what else stands in a line stays."""
    text = "\n".join(line.text for line in lines)
    cut = _footers().sub(lambda match: _NOT_A_LINE_END.sub(" ", match.group()), text)
    if cut == text:
        return lines
    return [
        replace(line, text=rest) if rest != line.text else line
        for line, rest in zip(lines, cut.split("\n"), strict=True)
    ]


@lru_cache(maxsize=1)
def _footers() -> re.Pattern[str]:
    """Every footer that ships, paragraph by paragraph and piece by piece, and those of old (wordings.yaml)."""
    patterns = {_spaced(pattern) for pattern in load_wordings().our_footers}
    for file in FOLDER.glob("_footer*.email.j2"):
        source = _CODE.sub(_GAP, file.read_text(encoding="utf-8"))
        for paragraph in re.split(rf"\n\s*\n|{_GAP}\n{_GAP}", source):
            patterns |= set(_patterns([" ".join(piece.split()) for piece in paragraph.split(_GAP)]))
    # The longest first: a whole paragraph before its pieces.
    return re.compile("|".join(sorted(patterns, key=len, reverse=True)), re.IGNORECASE | re.DOTALL)


def _patterns(pieces: list[str]) -> list[str]:
    """A paragraph whose gaps may hold a name or a link, and each long piece of it alone."""
    sizes = [len(piece.split()) for piece in pieces]
    # "or open this page:" may be left out, and is too common to count alone.
    fewest = _ENOUGH_WORDS if max(sizes) >= _ENOUGH_WORDS else _FEWEST_WORDS
    long = [number for number, size in enumerate(sizes) if size >= fewest]
    if not long:
        return []
    first, last = long[0], long[-1]
    whole = ".{0,160}?".join(_pattern(piece) for piece in pieces[first : last + 1] if piece)
    ends = [_pattern(piece) for piece in pieces[last + 1 :] if piece]
    end = "".join(rf"(?:[\s>]{{0,12}}{piece}(?:[\s>]{{1,12}}https?://[^\s>]{{1,400}})?)?" for piece in ends)
    return [whole + end + r"\.?", *(_pattern(pieces[number]) for number in long)]


def _pattern(piece: str) -> str:
    return _BETWEEN.join(
        _QUOTES.join(re.escape(part) for part in re.split("[\"'“”]", word)) for word in piece.split()
    )


def _spaced(pattern: str) -> str:
    return pattern.replace(" ", _BETWEEN)
