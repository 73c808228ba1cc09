"""Which language a text is written in, told from its words alone.

Own word lists, because texts to a shop are short: of the detectors that were measured on such texts (ARCHITECTURE.md),
each either guessed a language for a name or a price, or needed more memory than a worker has.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib import resources

import yaml

# Scripts that name a language by themselves; what shares a script with others is told by its words.
_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("ko", re.compile(r"[\uac00-\ud7af\u1100-\u11ff]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
)
_VIETNAMESE = re.compile(r"[ăđơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ]", re.IGNORECASE)
_SPANISH_ONLY = re.compile(r"[¿¡ñ]|\bsí\b", re.IGNORECASE)
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*(?:-[a-z]+)*")
_NOT_LANGUAGE = re.compile(r"https?://\S+|www\.\S+|\S+@\S+|\$\s?\d[\d.,]*|\b\w*\d\w*\b")


def language_of(text: str) -> str | None:
    """The ISO 639-1 code of the language of a text, or None when it is too short or too mixed to tell.

    A name, a make of car, a price or an "ok" has no language. Takes well under a millisecond for a text message.
    """
    bare = _NOT_LANGUAGE.sub(" ", text[:2000].replace("’", "'"))
    if not bare.isascii():
        letters = sum(char.isalpha() for char in bare)
        for code, script in _SCRIPTS:
            if len(script.findall(bare)) * 3 > letters:
                return code
    if len(_VIETNAMESE.findall(bare)) >= 2:
        return "vi"
    words = _WORD.findall(_plain(bare))
    return _by_words(words, spanish=bool(_SPANISH_ONLY.search(bare)))


def _by_words(words: list[str], *, spanish: bool) -> str | None:
    known, weak, alone = _tables()
    score: Counter[str] = Counter()
    for word in words:
        for code in known.get(word, ()):
            score[code] += 1 if word in weak else 2
    if spanish:
        score["es"] += 3
    if not score:
        return None
    (best, most), *rest = score.most_common()
    second = rest[0][1] if rest else 0
    if most < 2 or most == second:
        return None
    # One word among many unknown ones may be part of a name: "Window World", "Las Vegas Blvd".
    if most <= 2 and not (set(words) & alone and len(words) <= 3):
        return None
    # Two languages at once: "hola do you speak english".
    return None if second * 3 > most * 2 and most < 8 else best


@cache
def _tables() -> tuple[Mapping[str, tuple[str, ...]], frozenset[str], frozenset[str]]:
    raw: dict[str, str] = yaml.safe_load(
        resources.files("agent").joinpath("languages.yaml").read_text(encoding="utf-8")
    )
    weak, alone = (frozenset(_plain(raw.pop(name)).split()) for name in ("weak", "alone"))
    table: dict[str, tuple[str, ...]] = {}
    for code, text in raw.items():
        for word in set(_plain(text).split()):
            table[word] = (*table.get(word, ()), code)
    return table, weak, alone


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text.lower())
    return "".join(char for char in folded if not unicodedata.combining(char))
