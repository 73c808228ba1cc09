"""The calendar files that go with a reply by email: one for every appointment that was changed by the message it
answers."""

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
    if message.channel != "email" or message.kind != "reply" or message.turn_id is None:
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
        Attachment(
            name="cancelled.ics" if one.status == "cancelled" else "appointment.ics",
            kind="text/calendar",
            content=invitation(one, location, lead, _services(session, one), message.created_at),
        )
        for one in found
        if any(
            entry["message"] == turn.trigger_message_id and entry["what"] in CHANGES for entry in one.history
        )
    )


def _services(session: Session, appointment: Appointment) -> list[Service]:
    statement = select(Service).where(Service.id.in_(appointment.service_ids))
    return list(session.scalars(statement.order_by(Service.id)))
