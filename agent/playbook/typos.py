"""Typing errors: the known word one slip away from what was typed.

A slip is a letter too many, too few, wrong or swapped with its neighbour. Long words may hold two. The words are looked
up by what is left of them with letters taken out, which costs the same for ten known words as for a thousand.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

_WORD = re.compile(r"[a-zñáéíóúü]{4,16}")
_SHORTEST = 5
_TWO_SLIPS_FROM = 9


class Mender:
    """Knows some words and finds the one that a typed word was meant to be."""

    def __init__(self, known: Iterable[str], never: Iterable[str] = (), *, shortest: int = _SHORTEST) -> None:
        """`known` are the words to find, `never` real words close to them that stay as they are, as plurals do. Words
        shorter than `shortest` letters are not found: too much is one slip away from them."""
        self._known = frozenset(word for word in known if len(word) >= shortest)
        self._kept = self._known | frozenset(never) | {f"{word}s" for word in self._known}
        self._shortest = shortest
        self._index: dict[str, set[str]] = {}
        for word in self._known:
            for rest in _shortened(word, _allowed(word)):
                self._index.setdefault(rest, set()).add(word)

    def meant(self, word: str) -> str | None:
        """The known word that `word` is or was meant to be, or None when there is none or more than one."""
        if word in self._known:
            return word
        if word in self._kept or len(word) < self._shortest - 1:
            return None
        found = {
            (slips, known)
            for rest in _shortened(word, _allowed(word))
            for known in self._index.get(rest, ())
            if (slips := _slips(word, known)) <= _allowed(known)
        }
        fewest = min((slips for slips, _ in found), default=0)
        best = [known for slips, known in found if slips == fewest]
        return best[0] if len(best) == 1 else None

    def mended(self, text: str) -> str:
        """The text with every mistyped known word as it is spelled."""
        return _WORD.sub(lambda m: self.meant(m.group()) or m.group(), text)


def _allowed(word: str) -> int:
    return 2 if len(word) >= _TWO_SLIPS_FROM else 1


def _shortened(word: str, most: int) -> set[str]:
    """The word without up to `most` of its letters."""
    places = range(len(word))
    return {
        "".join(letter for place, letter in enumerate(word) if place not in out)
        for count in range(most + 1)
        for out in itertools.combinations(places, count)
    }


def _slips(typed: str, known: str) -> int:
    """How many slips lie between two words (optimal string alignment)."""
    before_last: list[int] = []
    last = list(range(len(known) + 1))
    for row, letter in enumerate(typed, 1):
        now = [row]
        for place, wanted in enumerate(known, 1):
            cost = min(last[place] + 1, now[-1] + 1, last[place - 1] + (letter != wanted))
            if row > 1 and place > 1 and letter == known[place - 2] and typed[row - 2] == wanted:
                cost = min(cost, before_last[place - 2] + 1)
            now.append(cost)
        before_last, last = last, now
    return last[-1]
