"""A person's own words made plain, so that one pattern meets all the ways they are typed.

Small letters without accents, no quoted part, no emoji, typing errors mended, contractions written out, numbers and
punctuation only where they part sentences. What is quoted is somebody else's: our own footer says "Reply STOP".
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from channels.consent_typing import mend
from channels.phrases import load_phrases

# Nobody asks for an end in the middle of a novel; the beginning and the end of a long mail are read.
HEAD, TAIL = 6000, 2000
LONGEST_SENTENCE = 400

_SMART = str.maketrans({
    "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "‚": "'", "´": "'", "`": "'", "ʼ": "'",
    "…": ".", "—": ",", "–": ",", "¿": " ", "¡": " ", "•": " ", "\u200b": "", "\u200d": "", "\ufeff": "",
    "\u00ad": "", "\u2060": "",
})  # fmt: skip
# Opens after a space, closes before one or before punctuation: the inch sign of 20" wheels is neither.
_QUOTED = re.compile(r'(?:(?<=^)|(?<=[\s(:,]))"([^"\n]{1,400})"(?=$|[\s.,!?;:)])')
_SINGLE_QUOTED = re.compile(r"(?:(?<=^)|(?<=[\s(:,]))'([^'\n]{2,400})'(?=$|[\s.,!?;:)])")
_CITED_LINE = re.compile(r"^[ \t]*>.*$", re.MULTILINE)
_CITED_REST = re.compile(
    r"^(?:-- ?$|On .{4,200} wrote:|El .{4,200} escribió:|-{2,} ?(?:Original|Forwarded) .{0,20}-{2,}).*",
    re.MULTILINE | re.DOTALL | re.IGNORECASE,
)
_CONTRACTED = (
    (re.compile(r"\b(do|does|did|is|are|was|were|have|has|had|would|should|could)n'?t\b"), r"\1 not"),
    (re.compile(r"\bwon'?t\b"), "will not"),
    (re.compile(r"\b(?:can't|ca n't)\b"), "can not"),
    (re.compile(r"\b(?:do n't|don t|do nt|don'|dont't|do'nt|dont'|don;t)(?=\s|$)"), "do not"),
    (re.compile(r"\bain'?t\b"), "is not"),
    (re.compile(r"'m\b"), " am"),
    (re.compile(r"'re\b"), " are"),
    (re.compile(r"'ve\b"), " have"),
    (re.compile(r"'ll\b"), " will"),
    (re.compile(r"'d\b"), " would"),
    (re.compile(r"'s\b"), " s"),
)
# S.T.O.P., S T O P, s-t-o-p.
_SPELLED = re.compile(r"\bs[\s.\-_*]{1,2}t[\s.\-_*]{1,2}o[\s.\-_*]{1,2}p\b")
_LETTERS = re.compile(r"(?<![\w'])(?:[a-z][ .\-_*]{1,2}){4,}[a-z](?![\w'])")
_STRETCHED = re.compile(r"([a-z])\1{2,}")
_DICTATED = re.compile(
    r"\b(?:exclamation (?:point|mark)|question mark|full stop|new (?:line|paragraph)|period|comma)(?=\s|$)"
)
_ENDS = re.compile(r"[.!?;\n]+")
_PARTS = re.compile(r"[.!?;\n,:]+|\s-+\s|\s?--+\s?|\.{2,}")
_IS_THIS = re.compile(r"\b(it|that|this|there) s\b")


def without_quotes(words: str) -> str:
    """The text without what it quotes; all of it when it is nothing but a quotation."""
    text = words.translate(_SMART)
    own = _CITED_REST.sub("", _CITED_LINE.sub("", text))
    own = _SINGLE_QUOTED.sub(_mark, _QUOTED.sub(_mark, own))
    if any(char.isalpha() for char in own.replace("qstop", "")):
        return own
    return text.replace('"', " ")


def _mark(found: re.Match[str]) -> str:
    """A quoted stop word stays visible, as `I texted "STOP" twice` needs it; everything else quoted goes."""
    return " qstop " if found[1].strip(" .!").lower() in load_phrases().keywords["stop"] else " "


# Each message is asked for three times while it is read; a few are enough to remember.
@lru_cache(maxsize=64)
def plain(words: str) -> str:
    """Plain words with their punctuation: what `sentences` and `parts` cut."""
    if len(words) > HEAD + TAIL:
        words = f"{words[:HEAD]}\n{words[-TAIL:]}"
    text = unicodedata.normalize("NFKC", words).translate(_SMART).casefold().replace("🛑", " stop ")
    text = "".join(char for char in unicodedata.normalize("NFD", text) if not unicodedata.combining(char))
    for pattern, by in _CONTRACTED:
        text = pattern.sub(by, text)
    text = _LETTERS.sub(lambda found: re.sub(r"[^a-z]", "", found[0]), _SPELLED.sub("stop", text))
    text = _STRETCHED.sub(r"\1", text)
    text = _DICTATED.sub(".", text)
    text = re.sub(r"#(?!\w)", " number ", re.sub(r"\be-mail", "email", text)).replace("&", " and ")
    text = re.sub(r"[^a-z0-9.,!?;:\n\s#\-]", " ", text)
    return _IS_THIS.sub(r"\1 is", mend(text))


def sentences(text: str) -> list[str]:
    """Plain sentences of a plain text, without punctuation, one space between words."""
    return [sentence for part in _ENDS.split(text) if (sentence := _words(part))]


def parts(text: str) -> list[str]:
    """The same cut finer: at commas and dashes too."""
    return [part for piece in _PARTS.split(text) if (part := _words(piece))]


def with_commas(text: str) -> str:
    """A plain text on one line, its marks standing alone, for what looks at the words around a revocation."""
    return " ".join(re.sub(r"[.!?;\n]+", " . ", re.sub(r"[,:]+|\s-+\s", " , ", text)).split())


def _words(part: str) -> str:
    return " ".join(re.sub(r"[^a-z0-9#]+", " ", part).split())[:LONGEST_SENTENCE]
