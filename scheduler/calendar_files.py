"""A visit that is given up leaves the customer's own calendar: whoever was mailed its file is mailed the one that takes it
out again.

The answer to a mail takes that file along itself (channels/email/invitations.py); this is for a visit that was given up by
text or by a person of the shop. What the shop cancels in its own calendar is told by scheduler/appointment_tell.py.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from agent.playbook.lines import moment
from channels.writing import add
from crm.calendar.labels import visit_label
from crm.calendar.outside import SOURCE
from crm.calendar.told import ABOUT, CANCELLED, COMES_AT, as_told
from crm.models import Appointment, ChatMessage, ChatSession, Lead, Location
from scheduler.tell_words import language_of

SUBJECTS = {"en": "Your appointment at {shop} is cancelled", "es": "Su cita en {shop} está cancelada"}
WORDS = {
    "en": "Hi{name}, your appointment at {shop} is cancelled: {old}. The attached file takes it out of your calendar.",
    "es": "Hola{name}, su cita en {shop} está cancelada: {old}. El archivo adjunto la quita de su calendario.",
}


def take_file_back(session: Session, visit: Appointment, chat: ChatSession, lead: Lead, now: datetime) -> str:
    """Write the mail for a cancelled visit whose file was mailed, in the caller's transaction; says what came of it."""
    last = visit.history[-1] if visit.history else {}
    if last.get("who") == SOURCE:
        return "the shop's calendar tells of it"
    asked = session.get(ChatMessage, last["message"]) if last.get("message") else None
    if asked is not None and asked.channel == "email":
        return "the answer by mail takes the file along"
    if (visit.arrives_from or visit.starts_at) <= now:
        return "it is over"
    location, language = session.get_one(Location, visit.location_id), language_of(lead)
    body = WORDS[language].format(
        name=f" {lead.first_name}" if lead.first_name else "",
        shop=location.name,
        old=moment(visit_label(visit, location.timezone), language),
    )
    message = add(
        session,
        chat=chat,
        lead=lead,
        location=location,
        channel="email",
        kind="confirmation",
        body=body,
        subject=SUBJECTS[language].format(shop=location.name),
        dedupe_key=f"file:{visit.id}:{visit.sequence}",
        now=now,
        expires_at=visit.arrives_from or visit.starts_at,
        raw={ABOUT: visit.id, COMES_AT: as_told(visit), CANCELLED: True},
    )
    return "no mail can be written" if message is None else "its file is taken back by mail"
