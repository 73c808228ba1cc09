"""Questions that the owner has written an answer to: parking, guarantee, ways to pay."""

from __future__ import annotations

import re

from agent.language import language_of
from agent.playbook.facts import Facts
from agent.playbook.text import folded, words

# How customers ask about a topic, in English and Spanish, and how owners name it.
_TOPICS: tuple[tuple[str, str], ...] = (
    (r"\bpark(?:ing)?\b|\bestaciona\w*|\bparquea\w*", r"park|estaciona"),
    (r"\bwarrant\w*|\bguarant\w*|\bgarantia\w*", r"warrant|guarant|garant"),
    (r"\bfinanc\w*|\bpayment plans?\b|\baffirm\b|\ba plazos\b|\ben pagos\b", r"financ|payment plan|install|plazo"),
    (r"\bpay (?:with|by)\b|\b(?:take|accept) (?:cash|cards?|credit|venmo|zelle)\b|\bcredit cards?\b|\btarjetas?\b|\befectivo\b",
     r"^pay|payment|cards?\b|cash|pago"),
    (r"\bwait(?:ing)? (?:room|area)\b|\bwait (?:there|here|for it|while)\b|\besperar (?:ahi|alli|en el)\b|\bsala de espera\b",
     r"wait|lounge|espera"),
    (r"\blegal\w*|\billegal\b|\b(?:tint )?laws?\b|\bley\b", r"legal|law|ley"),
    (r"\bdeposits?\b|\banticipo\b", r"deposit|anticipo"),
    (r"\bmobile service\b|\bcome to (?:me|my)\b|\ba domicilio\b", r"mobile|domicilio"),
    (r"\bloaner\b|\bshuttle\b|\bride home\b", r"loaner|shuttle|ride"),
    (r"\bwhat brand\b|\bbrands?\b|\bque marca de (?:papel|pelicula|polarizado)\b", r"brand|film|marca"),
    (r"\binsurance\b|\bseguro de\b", r"insurance|seguro"),
    (r"\bwi-?fi\b", r"wi-?fi"), (r"\brestrooms?\b|\bbathroom\b|\bbano\b", r"restroom|bathroom|bano"),
    (r"\bgift cards?\b", r"gift"), (r"\bhow long (?:do|does|should) (?:i|it) .*(?:roll|wash|dry|cure)", r"care|cure|drying"),
)  # fmt: skip
_ASKED = tuple((re.compile(asked), re.compile(named)) for asked, named in _TOPICS)
_SHORT = 4


def owner_facts(facts: Facts, said: str, *, asks: bool) -> tuple[str, ...]:
    """What the owner wrote about what a text asks, as it is written; () when they wrote nothing about it, or in English
    for a customer who writes Spanish: a person can put it into their words."""
    heard = folded(said)
    found: list[str] = []
    for name, value in facts.shop.facts:
        about = folded(name.replace("_", " "))
        asked = any(topic.search(heard) and named.search(about) for topic, named in _ASKED)
        telling = [word for word in words(about) if len(word) > _SHORT]
        asked = asked or (asks and bool(telling) and all(word in heard for word in telling))
        if asked and not (facts.speaks == "es" and language_of(value) == "en"):
            found.append(_sentence(name, value))
    return tuple(found[:2])


def _sentence(name: str, value: str) -> str:
    title = name.replace("_", " ").strip()
    return f"{title[:1].upper()}{title[1:]}: {value.strip().rstrip('.')}."
