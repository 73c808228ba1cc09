"""Text as the playbook reads and writes it: one plain form in, GSM-7 out."""

from __future__ import annotations

import difflib
import functools
import re
import unicodedata
from collections.abc import Collection

from agent.playbook.tables import word_list
from agent.playbook.typos import Mender
from ops.gsm import GSM_BASIC, GSM_EXTENDED

MAX_READ = 2000
"""Characters of a message that are read; the limit keeps a pasted book from costing seconds of matching."""

_LOOK_ALIKES = str.maketrans({
    "‘": "'", "’": "'", "‚": "'", "`": "'", "´": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "‑": "-",
    "−": "-", "…": "...", "\u00a0": " ", "\u202f": " ", "\t": " ", "•": "-", "×": "x",
})  # fmt: skip
_GSM = GSM_BASIC | GSM_EXTENDED
_SHORTHAND = (
    (r"\bu\b", "you"), (r"\bur\b", "your"), (r"\bpls\b|\bplz\b", "please"), (r"\bappt\b|\bapt\b", "appointment"),
    (r"\bthx\b|\btnx\b|\bty\b", "thanks"), (r"\bcant\b", "can't"), (r"\bdont\b", "don't"), (r"\bwont\b", "won't"),
    (r"\bdoesnt\b", "doesn't"), (r"\bim\b", "i'm"), (r"\bwhats\b", "what's"), (r"\bhrs\b", "hours"),
    (r"\bresched\b", "reschedule"), (r"\bwanna\b", "want to"), (r"\bgonna\b", "going to"), (r"\br you\b", "are you"),
    (r"\bive\b", "i've"), (r"\bits\b", "it's"), (r"\bid like\b", "i'd like"), (r"\bcuz\b|\bbc\b", "because"),
    (r"\by'?all\b", "you all"), (r"\bcouldnt\b", "couldn't"), (r"\bisnt\b", "isn't"), (r"\bdidnt\b", "didn't"),
    (r"\btho\b", "though"), (r"\bidk\b", "i don't know"), (r"\bavail\b", "available"), (r"\binfo\b", "information"),
    (r"\bb4\b", "before"), (r"\bw/", "with "), (r"\bnvm\b", "never mind"),
    (r"\bq(?=\s*(?:tal|hora|dia|precio)\b)", "que"), (r"\bxfa\b|\bpor fa\b|\bporfa\b", "por favor"),
)  # fmt: skip
_SHORTER = tuple((re.compile(pattern), long_form) for pattern, long_form in _SHORTHAND)


@functools.cache
def _mender() -> Mender:
    return Mender(word_list("known", "typos"), word_list("never", "typos"))


@functools.lru_cache(maxsize=256)
def plain(text: str) -> str:
    """Lower-case text with straight quotes, long forms of common shorthand, common words without typing errors, and
    "; " for line breaks. Every reader of a text starts from it, so the newest ones are kept."""
    lower = unicodedata.normalize("NFKC", text[:MAX_READ].translate(_LOOK_ALIKES)).lower()
    joined = re.sub(r"[ ]{2,}", " ", re.sub(r"\s*[\r\n]+\s*", "; ", lower)).strip()
    for pattern, long_form in _SHORTER:
        joined = pattern.sub(long_form, joined)
    return _mender().mended(joined)


def folded(text: str) -> str:
    """The plain form without accents, in which Spanish is read: half of it is typed without them."""
    parts = unicodedata.normalize("NFKD", plain(text))
    return "".join(char for char in parts if not unicodedata.combining(char))


def words(text: str) -> list[str]:
    """The words and numbers of a text in plain form; "f-150" and "don't" stay one word."""
    return re.findall(r"[a-z0-9]+(?:['-][a-z0-9]+)*", plain(text))


def closest(word: str, known: Collection[str], *, least: float = 0.82) -> str | None:
    """The known word that a typo most likely meant, or None. Words under four letters are taken as they are."""
    if word in known:
        return word
    if len(word) < 4:
        return None
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=least)
    return found[0] if found else None


def gsm(text: str) -> str:
    """The text with GSM-7 characters only: one other character would more than double the price of a text message
    (messaging facts 2.6)."""
    return "".join(_gsm_char(char) for char in text.translate(_LOOK_ALIKES))


def _gsm_char(char: str) -> str:
    """A letter loses its accent; a sign is left out, because folding "5½" into "512" would change a number."""
    if char in _GSM:
        return char
    if not char.isalpha():
        return ""
    return "".join(part for part in unicodedata.normalize("NFKD", char) if part in _GSM)


def is_gsm(text: str) -> bool:
    """Whether every character is in the GSM-7 alphabet or its extension."""
    return all(char in _GSM for char in text)


def listing(parts: Collection[str], last: str = "or") -> str:
    """ "A", "A or B", "A, B or C"."""
    items = list(parts)
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"
