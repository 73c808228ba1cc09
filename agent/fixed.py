"""The few sentences that no model writes: what is said when a model has nothing that may be said, the truth about who
answers here, what was done to an appointment or an enquiry, and that a stop was heard.

The Spanish lines do without letters that are not in the GSM alphabet, so that they do not cost a second segment.
"""

from __future__ import annotations

from typing import Literal

Name = Literal[
    "safe", "holding", "bot", "booked", "moved", "cancelled", "rest", "closed", "stopped",
    "stopped_sms", "stopped_email",
]  # fmt: skip

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
    # With a colon, because a label may begin with "drop off".
    "booked": {"en": "You are booked: {label}.", "es": "Tu cita queda reservada: {label}."},
    "moved": {"en": "Your appointment is now: {label}.", "es": "Tu cita ahora es: {label}."},
    "cancelled": {
        "en": "This appointment is cancelled: {label}.",
        "es": "Esta cita queda cancelada: {label}.",
    },
    "rest": {
        "en": "A person from {shop} will get back to you about the rest.",
        "es": "Una persona de {shop} te va a escribir sobre lo otro.",
    },
    "closed": {
        "en": "Thanks for letting us know. We won't follow up on this any more; write any time if you need us.",
        "es": "Gracias por avisarnos. Ya no te daremos seguimiento sobre esto; escribe cuando nos necesites.",
    },
    # The words that follow a stop which was heard without a model (channels/consent_words.py).
    "stopped": {
        "en": "{shop}: You are unsubscribed and will get no more messages from us. Reply START to undo this.",
        "es": "{shop}: Ya no recibira mas mensajes nuestros. Responda START para volver a recibirlos.",
    },
    "stopped_sms": {
        "en": "{shop}: You are unsubscribed and will get no more texts from us. Reply START by text to undo this.",
        "es": "{shop}: Ya no recibira mas textos nuestros. Responda START por texto para volver a recibirlos.",
    },
    "stopped_email": {
        "en": "{shop}: You are unsubscribed and will get no more emails from us. Reply STOP to end all messages.",
        "es": "{shop}: Ya no recibira mas correos nuestros. Responda STOP para no recibir ningun mensaje.",
    },
}


def line(name: Name, language: str, *, shop: str, label: str = "") -> str:
    """A fixed line in the customer's language; English where it is not written in that language yet. `label` is the time
    in the lines about an appointment."""
    words = _LINES[name]
    return words.get(language[:2].lower(), words["en"]).format(shop=shop, label=label)
