"""The few sentences that no model writes: what is said when a model has nothing that may be said, and the truth about
who answers here.

The Spanish lines do without letters that are not in the GSM alphabet, so that they do not cost a second segment.
"""

from __future__ import annotations

from typing import Literal

Name = Literal["safe", "holding", "bot"]

_LINES: dict[Name, dict[str, str]] = {
    "safe": {
        "en": "Thanks for your message! I want to get this right, so a person from {shop} will get back to you.",
        "es": "¡Gracias por tu mensaje! Para darte la respuesta correcta, una persona de {shop} te va a escribir.",
    },
    "holding": {
        "en": "Thanks for your message! {shop} has received it and a person will get back to you as soon as"
        " possible.",
        "es": "¡Gracias por tu mensaje! {shop} lo ha recibido y una persona te va a responder lo antes posible.",
    },
    "bot": {
        "en": "I'm the automated assistant of {shop}, not a person. If you would like a person, just say so.",
        "es": "Soy el asistente automatizado de {shop}, no una persona. Si prefieres hablar con una persona, solo"
        " dilo.",
    },
}


def line(name: Name, language: str, *, shop: str) -> str:
    """A fixed line in the customer's language; English where it is not written in that language yet."""
    words = _LINES[name]
    return words.get(language[:2].lower(), words["en"]).format(shop=shop)
