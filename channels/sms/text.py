"""What a text may look like: the characters phones charge least for, and no more parts than the shop pays for.

A body is brought into this form when it is written, so that what is stored is what is sent.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from channels.sms.segments import segments
from ops.gsm import GSM_BASIC, GSM_EXTENDED

# Look-alikes that models write and GSM 03.38 lacks. One of them would switch the whole text to UCS-2 and more than
# double its price (messaging facts 2.6: what Twilio's Smart Encoding maps, and a few more).
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′‵`´ʹʻʼʽˈˊˋ＇", "'"),
        **dict.fromkeys("“”„‟«»″‶ʺ＂〝〞", '"'),
        **dict.fromkeys("‹〈", "<"), **dict.fromkeys("›〉", ">"),
        **dict.fromkeys("‐‑‒–—―−⁃﹘﹣－•·‣◦∙", "-"),
        **dict.fromkeys("\u00a0\u1680\u202f\u205f\u3000\t\x0b\x0c", " "),
        **dict.fromkeys(map(chr, range(0x2000, 0x200B)), " "),
        **dict.fromkeys("\u00ad\u180e\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\ufeff\x00", ""),
        "…": "...", "‥": "..", "⁄": "/", "∕": "/", "×": "x", "⁎": "*", "∗": "*", "‗": "_", "\u2028": "\n", "\u2029": "\n",
    }
)  # fmt: skip
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
# Twilio takes no more characters (21617).
MAX_LENGTH = 1600
# Of these, a text that has become too long can lose any without saying something else: symbols, marks, joiners.
_DECORATION = ("So", "Sk", "Mn", "Cf", "Cs", "Co")
_SENTENCE = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\s*\n\s*")
# Full stops that end no sentence: "9 a.m.", "Dr.", "No. 5", the number of a list, an initial.
_NO_END = re.compile(
    r"(?:\b(?:[ap]\.\s?m|mr|mrs|ms|dr|st|no|vs|approx|incl|excl|etc|ave|blvd|rd|e\.g|i\.e|sr|sra|[a-z])|(?:^|\s)\d{1,2})\.$", re.I
)  # fmt: skip
_CLAUSE = re.compile(r"[,;:]?\s+")


def plain_text(body: str) -> str:
    """The body with typographic characters replaced by what a phone's plain alphabet has; the words stay.

    Idempotent. Accents and emoji stay: they mean something.
    """
    composed = unicodedata.normalize("NFC", body.replace("\r\n", "\n").replace("\r", "\n"))
    plain = composed.translate(_FULL_WIDTH).translate(_PLAIN)
    return "".join(char for char in plain if char == "\n" or unicodedata.category(char) != "Cc").strip()


def fit(body: str, most_segments: int, *, before: str = "", after: str = "") -> str:
    """`body` (already plain) so that `before + body + after` takes at most `most_segments` parts.

    Given up in this order: emoji and accents, blank lines, then sentences from the end. A sentence is never cut, so
    that no price or time is halved: where the first one alone is too long, it goes as it is and costs more, except
    beyond Twilio's 1600 characters, where it ends between two words without figures.
    """

    def fits(text: str) -> bool:
        whole = f"{before}{text}{after}"
        return segments(whole) <= most_segments and len(whole) <= MAX_LENGTH

    for text in (body, simplified(body), re.sub(r"\s*\n\s*", "\n", simplified(body))):
        if fits(text):
            return text
    most = MAX_LENGTH - len(before) - len(after)
    return _whole_sentences(text, fits, most) or _beginning(text, most)


def simplified(text: str) -> str:
    """The text without emoji and with base letters for accents, if nothing else stands in the way of GSM-7; else
    unchanged, because another script would lose its words."""
    kept = "".join(_simple_letter(letter) for letter in text)
    if any(char not in GSM_BASIC and char not in GSM_EXTENDED for char in kept):
        return text
    return re.sub(r" {2,}", " ", kept).strip()


def _simple_letter(letter: str) -> str:
    if letter in GSM_BASIC or letter in GSM_EXTENDED:
        return letter
    parts = unicodedata.normalize("NFKD", letter)
    return "".join(part for part in parts if unicodedata.category(part) not in _DECORATION)


def sentence_ends(text: str) -> list[int]:
    """Where the text may end, as positions after each sentence or line, the end of the text last."""
    ends = [
        match.start()
        for match in _SENTENCE.finditer(text)
        if "\n" in match.group() or not _NO_END.search(text[: match.start()])
    ]
    return [*(end for end in ends if end > 0), len(text)]


def _whole_sentences(text: str, fits: Callable[[str], bool], most: int) -> str:
    """The longest beginning of whole sentences that fits and promises nothing after it; the first sentence if it
    only costs more than wished; "" when even that is more than Twilio takes."""
    ends = sentence_ends(text)
    for end in reversed(ends):
        kept = text[:end].strip()
        if fits(kept) and kept and not kept.endswith(":"):
            return kept
    first = text[: ends[0]].strip()
    return first if len(first) <= most else ""


def _beginning(text: str, most: int) -> str:
    """The last resort: ends between two words that hold no figure, with dots."""
    if len(text) <= most:
        return text
    for cut in reversed([match.start() for match in _CLAUSE.finditer(text[: most - 3])]):
        around = f"{text[:cut].split()[-1:]}{text[cut:].lstrip(',;: ').split()[:1]}"
        if cut and not re.search(r"[\d$€]", around):
            return f"{text[:cut]}..."
    return f"{text[: most - 3]}..."
