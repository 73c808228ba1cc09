"""Mending typing errors in the words that matter for a stop: a table for what is known, nearness for the rest.

A word that is no ordinary one and is one slip of the thumb away from a word of `near` (a letter missing, doubled, wrong
or swapped) is read as that word; long words may have two slips. Ordinary words that look alike are in `real_words`, so
that "can I stop by your shop" keeps its shop.
"""

from __future__ import annotations

import re
from functools import lru_cache

from channels.phrases import load_phrases

# Long words carry a second slip without looking like another word.
TWO_SLIPS_FROM = 9
_TOKEN = re.compile(r"[a-z0-9]+")


def mend(text: str) -> str:
    """A plain text with its typing errors mended."""
    pattern, table = _table()
    return _TOKEN.sub(lambda found: _nearest(found[0]), pattern.sub(lambda found: table[found[0]], text))


@lru_cache(maxsize=1)
def _table() -> tuple[re.Pattern[str], dict[str, str]]:
    table = load_phrases().typing
    longest_first = sorted(table, key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b"), table


@lru_cache(maxsize=20_000)
def _nearest(word: str) -> str:
    phrases = load_phrases()
    if len(word) < 4 or len(word) > 16 or word.isdigit() or word in phrases.known_words:
        return word
    for target in phrases.near:
        most = 2 if len(target) >= TWO_SLIPS_FROM else 1
        near = abs(len(word) - len(target)) <= most and _begins_alike(word, target)
        if near and slips(word, target, most) <= most:
            return target
    return word


def _begins_alike(word: str, target: str) -> bool:
    """The first letter is rarely wrong; it may be swapped with the second, or left out."""
    return word[0] == target[0] or word[:2] == target[1::-1] or word[:2] == target[1:3]


def slips(one: str, other: str, most: int) -> int:
    """How many single slips lie between two words; `most` + 1 stands for anything more."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, meant in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != meant))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == meant:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return row[-1]
