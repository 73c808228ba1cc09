"""Which of many patterns are worth searching in a text, told from what a pattern cannot do without.

Each pattern needs at least one of a few plain pieces of text, its needles, to stand in whatever it matches. They are
read from the parsed pattern, so they are right for every pattern, and a pattern of which nothing is known is always
worth a search. A text that holds none of the needles is told in a few millionths of a second.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

_PIECE = 3


class Needles:
    """An index over patterns for texts in small letters; patterns are written for such texts, without flags."""

    def __init__(self, patterns: Sequence[re.Pattern[str]]) -> None:
        self._always: list[int] = []
        self._by_piece: dict[str, list[tuple[str, int]]] = {}
        for place, pattern in enumerate(patterns):
            found = needles_of(pattern)
            if found is None or min(map(len, found)) < _PIECE:
                self._always.append(place)
                continue
            for needle in found:
                self._by_piece.setdefault(needle[:_PIECE], []).append((needle, place))

    def worth(self, text: str) -> list[int]:
        """The places of the patterns that may match in `text`, in their order; no other one can."""
        by_piece = self._by_piece
        pieces = {text[at : at + _PIECE] for at in range(len(text) - _PIECE + 1)}
        hits = {
            place for piece in pieces & by_piece.keys() for needle, place in by_piece[piece] if needle in text
        }
        return sorted(hits.union(self._always))


def needles_of(pattern: re.Pattern[str]) -> frozenset[str] | None:
    """Texts of which at least one stands in everything the pattern matches; None when that cannot be told."""
    if pattern.flags & ~re.UNICODE:
        return None
    return _of(_parser.parse(pattern.pattern))


def _of(items: Iterable[Any]) -> frozenset[str] | None:
    """The most telling needles of one sequence: of a run of letters itself, of a choice those of every branch."""
    found: list[frozenset[str]] = []
    run = ""
    for code, argument in items:
        if code is op.LITERAL:
            run += chr(argument)
            continue
        if code in (op.AT, op.ASSERT, op.ASSERT_NOT):
            # These stand between two letters and take no place.
            continue
        found.append(frozenset({run}))
        run = ""
        inside = _inside(code, argument)
        if inside:
            found.append(inside)
    found.append(frozenset({run}))
    best = max(found, key=_worth)
    return None if "" in best else best


def _inside(code: Any, argument: Any) -> frozenset[str] | None:
    if code is op.SUBPATTERN:
        # With flags of its own, such as (?i:...), a letter stands for more than itself.
        return None if argument[1] or argument[2] else _of(argument[3])
    if code in (op.MAX_REPEAT, op.MIN_REPEAT) and argument[0] >= 1:
        return _of(argument[2])
    if code is op.BRANCH:
        branches = [_of(branch) for branch in argument[1]]
        known = [branch for branch in branches if branch is not None]
        return frozenset().union(*known) if len(known) == len(branches) else None
    return None


def _worth(needles: frozenset[str]) -> tuple[int, int]:
    """Long ones are rare, and few are quickly looked for."""
    return min(map(len, needles)), -len(needles)
