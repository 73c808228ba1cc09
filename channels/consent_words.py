"""What we answer to stop, start and help. One message, no advertising (messaging facts 3.2, 3.4), one plain segment."""

from __future__ import annotations

from typing import NamedTuple

from crm.models import Lead


class Answers(NamedTuple):
    """The answers of one language; `{shop}` is the shop's name."""

    stop_all: str
    stop_sms: str
    stop_email: str
    stop_marketing: str
    wrong_person: str
    start: str


ANSWERS = {
    "en": Answers(
        stop_all="{shop}: You are unsubscribed and will get no more messages from us. Reply START to undo this.",
        stop_sms="{shop}: You are unsubscribed and will get no more texts from us. Reply START by text to undo this.",
        stop_email="{shop}: You are unsubscribed and will get no more emails from us. Reply STOP to end all messages.",
        stop_marketing="{shop}: You are unsubscribed from offers and follow-ups. We still write about your appointment."
        " Reply STOP to end all messages.",
        wrong_person="{shop}: Sorry about that. You are unsubscribed and will get no more messages from us here.",
        start="{shop}: You are subscribed again. How can we help? Reply STOP to opt out.",
    ),
    "es": Answers(
        stop_all="{shop}: Ya no recibira mas mensajes nuestros. Responda START para volver a recibirlos.",
        stop_sms="{shop}: Ya no recibira mas textos nuestros. Responda START por texto para volver a recibirlos.",
        stop_email="{shop}: Ya no recibira mas correos nuestros. Responda STOP para no recibir ningun mensaje.",
        stop_marketing="{shop}: Ya no recibira ofertas nuestras. Aun le escribimos sobre su cita. Responda STOP para no"
        " recibir ningun mensaje.",
        wrong_person="{shop}: Disculpe la molestia. Ya no recibira mas mensajes nuestros aqui.",
        start="{shop}: Vuelve a recibir nuestros mensajes. En que le podemos ayudar? Responda STOP para no recibir mas.",
    ),
}


def answers_for(lead: Lead) -> Answers:
    """The answers in the lead's language."""
    return ANSWERS["es" if lead.language.lower().startswith("es") else "en"]
