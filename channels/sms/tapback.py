"""Reactions that phones send as texts: "Liked “…”", "Reacted 👍 to “…”", Android's form with invisible marks.

The quoted words are ours, not the customer's, so nothing may be read from them: not a stop word of our own footer, not
a time that was never picked (messaging facts 6.17). Wordings: Apple's in English and Spanish, Google Messages'.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_EMOJI = {
    "like": "👍", "love": "❤️", "dislike": "👎", "laugh": "😂", "emphasis": "‼️", "question": "❓",
}  # fmt: skip
# Verbs as the phones write them, each with what it means.
_ADDED = {
    "Liked": "like", "Loved": "love", "Disliked": "dislike", "Laughed at": "laugh", "Emphasized": "emphasis",
    "Questioned": "question",
    "Le gusta": "like", "Le Gusta": "like", "Le encanta": "love",
    "Le gustó": "like", "Le encantó": "love", "No le gustó": "dislike", "Le dio risa": "laugh", "Se rió de": "laugh",
    "Se rio de": "laugh", "Exclamó por": "emphasis", "Enfatizó": "emphasis", "Dudó sobre": "question",
    "Cuestionó": "question",
}  # fmt: skip
_THINGS = (
    r"(?:an?|una?) (?:image|photo|picture|movie|video|attachment|audio message|voice message|link|contact|"
    r"location|sticker|gif|file|imagen|foto|película|vídeo|archivo(?: adjunto)?|mensaje de audio|enlace|contacto|ubicación)"
)
# Curly quotes hold anything but quotes of their kind, because our own texts have none; straight ones likewise. The
# closing one is missing where the phone cut a long text.
_TARGET = rf"(?:“(?P<curly>[^“”]*)(?:”|…)|\"(?P<straight>[^\"]*)(?:\"|…)|«(?P<angled>[^«»]*)(?:»|…)|(?P<thing>{_THINGS}))"
_VERB = re.compile(
    rf"(?P<verb>{'|'.join(sorted(map(re.escape, _ADDED), key=len, reverse=True))})(?: a)? {_TARGET}[.\s]*"
)
# An emoji is whatever short thing without letters and figures stands there; stickers are named.
_SIGN = r"(?P<sign>[^\w\s“\"«]{1,12}|with a sticker|con un sticker)"
_REACTED = re.compile(
    rf"(?:Reacted|Reaccionó|Ha reaccionado)(?: with| con)? {_SIGN} (?:to|a) {_TARGET}[.\s]*"
)
_BARE = re.compile(rf"{_SIGN} (?:to|a) {_TARGET}[.\s]*")
_REMOVED = re.compile(
    rf"(?:Removed|Quitó|Eliminó|Ha quitado|Ha eliminado) [^“\"«\n]{{1,40}}? (?:from|de|del|a|en) {_TARGET}[.\s]*"
)
# Google Messages: hair spaces around the parts, zero-width marks around the emoji; a non-joiner means "taken back".
_ANDROID = re.compile(
    r"\u200a?[^\u200a-\u200c\n]*(?P<mark>[\u200b\u200c])(?P<sign>[^\u200b\u200c]{1,16})(?P=mark)[^\u200a-\u200c\n]*"
    r"\u200a(?P<quoted>.*)\u200a[^\u200a-\u200c]*\u200a?",
    re.DOTALL,
)
_SKIN = re.compile("[\U0001f3fb-\U0001f3ff\ufe0f]")
_YES = frozenset("👍❤👌✅💯🙏👏🔥😍🥰💪🎉🙌🆗☑✔😀😃😄😁😊🙂♥💕💙💚💛🧡💜🖤🤍🤝")
_NO = frozenset("👎❌🚫✖😡🤬😠😞🙁☹")
_ASKS = frozenset("❓❔⁉🤔🤷")


@dataclass(frozen=True)
class Tapback:
    """One reaction. `sign` is its emoji ("" for a sticker); `quoted` the text of ours it is about, None for a picture."""

    sign: str
    quoted: str | None
    removed: bool = False

    @property
    def wants_answer(self) -> bool:
        """Whether silence would be rude: a yes or no to a question of ours, or a question mark on anything.

        It is at most weak assent, so that the answer asks; nothing is booked on a thumb (messaging facts 6.17).
        """
        if self.removed or self.quoted is None:
            return False
        sign = _SKIN.sub("", self.sign)
        if sign in _ASKS:
            return True
        asked = "?" in self.quoted
        return asked and (sign in _YES or sign in _NO)

    @property
    def words(self) -> str:
        """What the message says, without a word of the quoted text."""
        sign = self.sign or "a sticker"
        return f"[took back the reaction {sign}]" if self.removed else f"[reacted with {sign}]"


def read_tapback(text: str) -> Tapback | None:
    """The reaction a text is, or None for anything a person typed: the whole text has to have the phone's form."""
    marked = "\u200b" in text or "\u200c" in text
    if marked and (android := _ANDROID.fullmatch(text)):
        sign = android["sign"].strip()
        return Tapback(sign, android["quoted"].strip(), android["mark"] == "\u200c")
    plain = re.sub("[\u200a\u00a0\u202f]", " ", re.sub("[\u200b\u200c\u200e\u200f\ufeff]", "", text)).strip()
    # Most texts end here: no phone's form is without a quote unless it names a picture.
    if not plain or (plain[0].isascii() and not plain[0].isupper()):
        return None
    if found := _VERB.fullmatch(plain):
        return Tapback(_EMOJI[_ADDED[found["verb"]]], _quoted(found))
    if found := _REMOVED.fullmatch(plain):
        return Tapback("", _quoted(found), removed=True)
    found = _REACTED.fullmatch(plain) or _BARE.fullmatch(plain)
    if found is None:
        return None
    sign = "" if "sticker" in found["sign"] else found["sign"]
    return Tapback(sign, _quoted(found))


def _quoted(found: re.Match[str]) -> str | None:
    given = [found[name] for name in ("curly", "straight", "angled")]
    return next((text.strip() for text in given if text is not None), None)
