"""Foreign words in our messages, made harmless and short.

Names and wishes come from forms that anybody can fill in with anybody's phone number, and from systems that
hold any alphabet. What they say goes into our texts only as plain words: no links, no line breaks, GSM-7
letters.
"""

from __future__ import annotations

import re
import unicodedata

from ops.gsm import GSM_BASIC, GSM_EXTENDED

_LOOK_ALIKES = str.maketrans({
    "‘": "'", "’": "'", "`": "'", "´": "'", "“": '"', "”": '"', "–": "-", "—": "-", "‑": "-", "−": "-", "…":
    "...", "\u00a0": " ", "\u202f": " ", "\t": " ", "•": "-", "×": "x",
})  # fmt: skip
_LINK = re.compile(
    r"://|www\.|@|\b[\w-]+\.(?:com|net|org|info|io|co|ru|xyz|link|top|me|ly|us|biz|app)\b", re.I
)
_NUMBERS = re.compile(r"\d(?:[\s().-]*\d){6,}")


def gsm7(text: str) -> str:
    """The text in the letters of a plain text message; others become their base letter or vanish. One of them
    would shorten a segment from 153 to 67 characters (messaging facts 2)."""
    return "".join(_gsm_letter(letter) for letter in text.translate(_LOOK_ALIKES))


def septets(text: str) -> int:
    """The length of a text in GSM-7; raises ValueError when it is not GSM-7 only."""
    strange = set(text) - GSM_BASIC - GSM_EXTENDED
    if strange:
        raise ValueError(f"not in GSM-7: {sorted(strange)}")
    return sum(2 if letter in GSM_EXTENDED else 1 for letter in text)


def short(text: str, limit: int) -> str:
    """At most `limit` characters, cut after a word where there is one."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 2]
    at_word = cut.rsplit(" ", 1)[0]
    return (at_word if len(at_word) > limit // 2 else cut).rstrip(" ,.;:-") + ".."


def plain_words(text: str | None) -> str | None:
    """What a customer wrote, fit to be repeated to them: one line without quotes; None when it is empty,
    holds a link, an address or a phone number (a stranger could use our form to send it), or has no letters
    left."""
    if not text or _LINK.search(text) or _NUMBERS.search(text):
        return None
    words = " ".join(gsm7(text).replace('"', "'").split())
    return words.strip(" .,;:!?'") or None


def plain_name(text: str | None) -> str | None:
    """A first name, or None for what is none: digits, links, several sentences, an alphabet we cannot
    write."""
    words = plain_words(text)
    if words is None or not re.fullmatch(r"[^\W\d_]+(?:[ '.-]+[^\W\d_]+){0,3}\.?", words):
        return None
    return words


def _gsm_letter(letter: str) -> str:
    if letter in GSM_BASIC or letter in GSM_EXTENDED:
        return letter
    return "".join(part for part in unicodedata.normalize("NFKD", letter) if part in GSM_BASIC)
