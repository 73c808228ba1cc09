"""The reply in one plain form: however a fact is spelled, dressed up or hidden, the rules read the same letters."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from agent.check.numbers import digits

SIGNS = str.maketrans({
    "‘": "'", "’": "'", "‚": "'", "`": "'", "´": "'", "′": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"',
    "–": "-", "—": " - ", "‐": "-", "‑": "-", "−": "-", "…": "...", "•": "-", "·": "-", "×": "x", "\t": " ",
    "½": ".5", "¼": ".25", "¾": ".75", "＄": "$", "﹩": "$", "⁄": "/", "∶": ":", "：": ":",
})  # fmt: skip
# Letters of other alphabets that look like ours: a word spelled with them reads the same to a person.
_TWINS = str.maketrans(
    "аеорсухіјѕԁһкмтвнАЕОРСУХІЈЅКМТВНοαρΑΒΕΗΙΚΜΝΟΡΤΧ", "aeopcyxijsdhkmtbhAEOPCYXIJSKMTBHoapABEHIKMNOPTX"
)
_HALF_DAY = re.compile(r"(?<![A-Za-z])([ap])\s?\.\s?m(?:\.|\b)", re.IGNORECASE)
_MERIDIEM_END = re.compile(
    r"\b([ap]m)\b(?= (?!AM\b|PM\b|Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[A-Z][a-z'])"
)
# "Sí" is an answer and "si" a condition; without its accent only the comma behind it tells them apart.
_YES = re.compile(r"\bs(?:í|i\u0301|i(?=\s*[,.!]))(?!\w)", re.IGNORECASE)
_PERCENT = re.compile(r"(?<=\d) ?(?:percent|per cent|por ciento)\b", re.IGNORECASE)
_SHORT = re.compile(
    r"\b(St|Ave|Rd|Dr|Blvd|Ln|Hwy|Ste|Apt|Mr|Mrs|Ms|Sr|Sra|Av|No|Mon|Tue|Tues|Wed|Thu|Thur|Thurs|Fri|Sat|Sun|Jan|Feb|"
    r"Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec|Ene|Abr|Ago|Dic|lun|mar|mie|jue|vie|sab|dom|approx|aprox|min|hrs?)\.(?=\s)",
    re.IGNORECASE,
)
# A stop with a space before it ends no sentence: "lakeside . com" is one link.
_END = re.compile(r"(?<!\s\.)(?<=[.!?])[\"')]*\s+|\n+|(?<=[.!?])[\"')]*(?=[A-Z¿¡])(?<!\w\.\w\.)")
CLAUSE_BREAK = re.compile(
    r";|:(?=\s)|\s-\s|[()]|,?\s\b(?:but|however|though|although|while|whereas|pero|sin embargo|aunque|mientras que)\b",
    re.IGNORECASE,
)


# The catalogue's texts come back turn after turn; reading them once is most of the check's speed.
@lru_cache(maxsize=4096)
def clean(text: str) -> str:
    """Plain letters without accents, straight quotes, "9 am" for "9 a.m.", digits for number words."""
    halves = re.sub(r"(\d)\s?([½¼¾])", r"\1\2", _YES.sub("yes", text))
    plain = unicodedata.normalize("NFKD", halves.translate(SIGNS))
    kept = plain
    if not plain.isascii():
        kept = "".join(char for char in plain if unicodedata.category(char) not in ("Mn", "Cf"))
    if not kept.isascii() and sum(char.isascii() and char.isalpha() for char in kept) > 3:
        kept = kept.translate(_TWINS)
    kept = _MERIDIEM_END.sub(r"\1.", _HALF_DAY.sub(r"\1m", kept))
    kept = re.sub(r"[ \u00a0]{2,}", " ", _SHORT.sub(r"\1", kept))
    return _PERCENT.sub("%", digits(kept))


@dataclass(frozen=True)
class Sentence:
    """One sentence of a cleaned text."""

    text: str
    question: bool

    def clause(self, at: int) -> tuple[int, int]:
        """Start and end of the clause around a position."""
        start, end = 0, len(self.text)
        for gap in CLAUSE_BREAK.finditer(self.text):
            if gap.end() <= at:
                start = gap.end()
            elif gap.start() >= at:
                end = gap.start()
                break
        return start, end

    def clause_text(self, at: int) -> str:
        """The clause around a position."""
        start, end = self.clause(at)
        return self.text[start:end]

    def before(self, at: int) -> str:
        """What stands in the same clause before a position."""
        return self.text[self.clause(at)[0] : at]


def sentences(cleaned: str) -> tuple[Sentence, ...]:
    """The sentences of a cleaned text, in order."""
    parts = [part.strip() for part in _END.split(cleaned)]
    return tuple(Sentence(part, part.rstrip("\"') ").endswith("?")) for part in parts if part)
