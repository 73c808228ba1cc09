"""The calendar files that go with a mail: with a reply one for every appointment that was changed by the message it
answers, with news of an appointment the file of that one."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.carrier import Attachment
from crm.calendar.ics import invitation
from crm.models import Appointment, ChatMessage, Lead, Location, Service, Turn

# A booking and its change; confirmations and what comes after the visit are no news to a calendar.
CHANGES = ("booked", "moved", "cancelled")


def invitations(session: Session, message: ChatMessage, location: Location) -> tuple[Attachment, ...]:
    """The files for this message, none for most. The same bytes however often it is tried, unless the appointment
    has changed since."""
    if message.channel != "email":
        return ()
    if message.kind == "confirmation":
        return _of_appointment(session, message, location)
    if message.kind != "reply" or message.turn_id is None:
        return ()
    turn = session.get(Turn, message.turn_id)
    if turn is None:
        return ()
    asked = [{"message": turn.trigger_message_id}]
    statement = select(Appointment).where(
        Appointment.lead_id == message.lead_id, Appointment.history.contains(asked)
    )
    lead = session.get_one(Lead, message.lead_id)
    found = list(session.scalars(statement.order_by(Appointment.id)))
    return tuple(
        _file(session, one, location, lead, message)
        for one in found
        if any(
            entry["message"] == turn.trigger_message_id and entry["what"] in CHANGES for entry in one.history
        )
    )


def _of_appointment(session: Session, message: ChatMessage, location: Location) -> tuple[Attachment, ...]:
    """The appointment this message names, if it does and it is this person's."""
    named = (message.raw or {}).get("appointment_id")
    row = session.get(Appointment, named) if isinstance(named, int) else None
    if row is None or row.lead_id != message.lead_id:
        return ()
    return (_file(session, row, location, session.get_one(Lead, message.lead_id), message),)


def _file(
    session: Session, row: Appointment, location: Location, lead: Lead, message: ChatMessage
) -> Attachment:
    name = "cancelled.ics" if row.status == "cancelled" else "appointment.ics"
    content = invitation(row, location, lead, _services(session, row), message.created_at)
    return Attachment(name=name, kind="text/calendar", content=content)


def _services(session: Session, appointment: Appointment) -> list[Service]:
    statement = select(Service).where(Service.id.in_(appointment.service_ids))
    return list(session.scalars(statement.order_by(Service.id)))
