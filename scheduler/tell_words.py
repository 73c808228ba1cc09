"""What a customer reads when the shop moved or cancelled their visit in its own calendar, in English and Spanish.

No model writes it: the times are those of the row, in the forms every other message uses.
"""

from __future__ import annotations

from agent.playbook.lines import moment
from crm.calendar.labels import Visited, visit_label
from crm.models import Lead, Location

WORDS = {
    "moved": {
        "en": "Hi{name}, {shop} had to move your appointment. It is now {new}, instead of {old}."
        " If that does not work for you, just reply and I will find another time.",
        "es": "Hola{name}, {shop} tuvo que mover su cita. Ahora es: {new}, en lugar de: {old}."
        " Si no le funciona, responda y le busco otro horario.",
    },
    "cancelled": {
        "en": "Hi{name}, {shop} had to cancel your appointment: {old}. I am sorry."
        " Just reply if you would like another time, and I will find one.",
        "es": "Hola{name}, {shop} tuvo que cancelar su cita: {old}. Lo sentimos."
        " Responda si quiere otro horario y le busco uno.",
    },
}
SUBJECTS = {
    "moved": {"en": "Your appointment at {shop} has a new time", "es": "Su cita en {shop} tiene otra hora"},
    "cancelled": {"en": "Your appointment at {shop} is cancelled", "es": "Su cita en {shop} está cancelada"},
}
FOR_STAFF = {
    "moved": "{who} was moved in {crm}: now {new}, before {old}. {why}",
    "cancelled": "The appointment of {who} was cancelled in {crm}: {old}. {why}",
}


def language_of(lead: Lead) -> str:
    """`es` or `en`."""
    return "es" if lead.language.lower().startswith("es") else "en"


def for_customer(what: str, lead: Lead, location: Location, old: Visited, new: Visited) -> tuple[str, str]:
    """(subject, words) for the customer."""
    language = language_of(lead)
    body = WORDS[what][language].format(
        name=f" {lead.first_name}" if lead.first_name else "",
        shop=location.name,
        old=moment(visit_label(old, location.timezone), language),
        new=moment(visit_label(new, location.timezone), language),
    )
    return SUBJECTS[what][language].format(shop=location.name), body


def for_staff(what: str, who: str, crm: str, location: Location, old: Visited, new: Visited, why: str) -> str:
    """One line for the shop's people; `why` says whether the customer was told."""
    zone = location.timezone
    return FOR_STAFF[what].format(
        who=who, crm=crm, old=visit_label(old, zone), new=visit_label(new, zone), why=why
    )
