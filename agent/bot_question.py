"""Whether the customer asks who, or what, answers them, in English and Spanish. That question has one truthful answer,
and code sees to it that it is given."""

from __future__ import annotations

import re
import unicodedata

_MACHINE = (
    r"(?:(?:an? )?(?:chat ?)?(?:ro)?bot|(?:an? )?(?:robot|chatgpt|machine|computer|a\.?i\.?|ia|program|automation)"
    r"|artificial intelligence|automated|(?:an? )?(?:automated|automatic|virtual|digital) \w+)(?: assistant| agent)?"
)
_PERSON = (
    r"(?:an? )?(?:(?:real|actual|live|human|true) )*(?:person|human(?: being)?|man|woman|guy|girl|someone)"
)
_EITHER = rf"(?:{_MACHINE}|{_PERSON}|real)"
_MAQUINA = (
    r"(?:(?:un[ao]? |el |la )?(?:chat ?)?(?:ro)?bot|(?:un[ao]? )?(?:robot|maquina|computadora|programa|ia|i\.a\.)"
    r"|inteligencia artificial|(?:un )?(?:asistente|sistema|mensaje|contestador) \w+|automatic[oa]|automatizad[oa])"
)
_PERSONA = (
    r"(?:un[ao]? )?(?:(?:persona|ser|humano|hombre|mujer|alguien)(?: humano| humana| real| de verdad)?|real)"
)
_CUALQUIERA = rf"(?:{_MAQUINA}|{_PERSONA})"
# What may follow without making it another question: "are you a real tint shop?" is not about who answers.
_END = (
    r"(?=\W*(?:$|[?!.,;\n]|or\b|o\b|u\b|that|texting|talking|writing|answering|replying|responding|here\b|right\b|lol\b"
    r"|behind|on the other|escribiendo|respondiendo|contestando|verdad|aqui\b|quien\b))"
)
_ASKS = tuple(
    re.compile(pattern + _END)
    for pattern in (
        rf"\b(?:are|r) (?:you|u|ya)(?: (?:just|really|actually|even|like|all))* {_EITHER}",
        rf"(?:^|[.!?\n] ?|\bso |\bwait |(?<=\bok ))(?:you|u) {_EITHER}(?=[^.!\n]*\?)",
        rf"\b(?:am i|i'?m i|i am|i'?m) (?:just )?(?:talking|texting|speaking|chatting|writing)(?: to| with)?(?: just)? {_EITHER}",
        rf"\bis (?:this|it|that)(?: (?:just|really|actually|even|like))* {_EITHER}",
        rf"(?:^|[.!?\n] ?)(?:real person|{_MACHINE})(?: or {_EITHER})?(?= ?\?)",
        rf"\b(?:eres|es usted|sos|es esto|esto es|usted es|tu eres)(?: (?:realmente|solo|de verdad))* {_CUALQUIERA}",
        rf"\b(?:hablo|(?:estoy |estare )?(?:hablando|escribiendo|chateando)) con {_CUALQUIERA}",
        rf"\bme (?:responde|contesta|escribe) {_CUALQUIERA}",
    )
)
# What says nothing beside the question. A word that may be an answer to something we asked ("ok", "si", "please",
# "right") is not among them: the fixed line would swallow the answer.
_REST = re.compile(
    rf"\b(?:or|o|u|and|y)(?: (?:are you|is this|eres|es))? (?:{_EITHER}|{_CUALQUIERA}|what|que|not|no)\b"
    r"|\b(?:hi+|hello|hey+|hola|buenas?|buenos|dias|tardes|noches|wait|so|lol|haha+|um+|hm+|oye|just|curious|wondering|"
    r"honest(?:ly)?|question|quick|that|is|texting|talking|writing|answering|replying|responding|me|here|with|to|i|"
    r"escribiendo|respondiendo|contestando|aqui|verdad|pregunta|una|there|thanks|gracias|disculpa|perdon|"
    r"can|you|tell|puedes|decirme|if|digame|dime)\b"
)
_DENIED = re.compile(
    r"\b(?:not|never|no soy|no es|no estas hablando con|isn'?t|aren'?t)\b(?: \w+){0,3} "
    r"(?:bot|robot|ai|ia|automat\w+|assistant|asistente)"
)
_ADMITS = re.compile(
    r"\b(?:automated|automatic|virtual|digital|ai)(?: \w+)? (?:assistant|agent|system|helper)\b"
    r"|\bi(?:'m| am)(?: \w+){0,4} (?:bot|ai|chatbot|automated|assistant)\b"
    r"|\basistente (?:\w+ )?(?:automatic|automatizad|virtual|digital)|\bsoy(?: \w+){0,4} (?:bot|robot|ia|asistente)\b"
)


def asks_if_bot(words: str) -> bool:
    """Whether the customer asks, in English or Spanish, if a machine answers them."""
    return any(pattern.search(_plain(words)) for pattern in _ASKS)


def asks_only_if_bot(words: str) -> bool:
    """Whether that is all they ask, beside greetings."""
    rest = _plain(words)
    if not asks_if_bot(rest):
        return False
    for pattern in _ASKS:
        rest = pattern.sub(" ", rest)
    return not re.search(r"[^\W_]", _REST.sub(" ", rest))


def admits_being_a_bot(reply: str) -> bool:
    """Whether a reply says that an automated assistant writes, and does not say the contrary."""
    said = _plain(reply)
    return bool(_ADMITS.search(said)) and not _DENIED.search(said)


def _plain(text: str) -> str:
    """Small letters without accents, typewriter quotes, single blanks; lines and ends of sentences stay."""
    spread = unicodedata.normalize("NFKD", text.casefold().replace("’", "'"))
    bare = "".join(char for char in spread if not unicodedata.combining(char))
    return re.sub(r"[^\S\n]+", " ", bare.replace("¿", "").replace("¡", "")).strip()
