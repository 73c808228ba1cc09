"""What is known about the customer of a conversation: person, car, offers, appointments, messages already sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from agent.context.history import SAID, UNASKED
from agent.context.open_offers import shown_offers, still_open
from crm.calendar.daybook import ACTIVE
from crm.calendar.labels import Visited, label, visit_label
from crm.models import (
    Appointment,
    ChatMessage,
    ChatSession,
    Lead,
    Location,
    Offer,
    Service,
    TouchPoint,
    Vehicle,
)
from crm.remembered import remembered

PAST_APPOINTMENTS = 5
# As many as anybody has open, and the earlier ones.
APPOINTMENTS = 40
TOUCHES = 6
OVER = ("cancelled", "completed", "no_show")


def lead_facts(session: Session, lead: Lead) -> dict[str, Any]:
    """The person: what they are called, drive and want, where they came from, what they asked to be remembered."""
    row = session.scalars(
        select(Vehicle).where(Vehicle.lead_id == lead.id).order_by(Vehicle.id.desc()).limit(1)
    ).first()
    vehicle = None
    if row is not None:
        vehicle = {"year": row.year, "make": row.make, "model": row.model, "body_style": row.body_style}
    return {
        "first_name": lead.first_name,
        "last_name": lead.last_name,
        "email": lead.email,
        "wish": lead.wish,
        "vehicle": vehicle,
        "source": lead.source,
        "remembered": remembered(lead),
    }


def visit_facts(
    session: Session, chat: ChatSession, location: Location, now: datetime, up_to: int, *, as_of: bool
) -> dict[str, Any]:
    """Open offers, appointments ahead and earlier ones, in three queries, and with offers a look into the calendar, whatever
    their number. `as_of`: leave out what was booked after `now`, for looking back; what was open then nobody knows."""
    offers = shown_offers(session, chat.id, now, up_to)
    booked = _booked(session, chat.lead_id)
    if not as_of:
        offers = still_open(session, location, offers, booked, now)
    known = _known_at(booked, now) if as_of else booked
    ahead = [one for one in reversed(known) if one.starts_at > now and one.status in ACTIVE]
    past = [one for one in known if one.starts_at <= now or one.status in OVER][:PAST_APPOINTMENTS]
    visits: list[Offer | Appointment] = [*offers, *ahead, *past]
    names = _names(session, (one for visit in visits for one in visit.service_ids))
    return {
        "offers": [{"offer_id": one.id, **_visit(one, location, names)} for one in offers],
        "appointments": [
            {"appointment_id": one.id, **_visit(one, location, names), "status": one.status} for one in ahead
        ],
        "past_appointments": [
            {key: value for key, value in _visit(one, location, names).items() if key != "time"}
            | {"status": one.status}
            for one in past
        ],
    }


def touch_facts(
    session: Session, chat: ChatSession, location: Location, up_to: int | None
) -> list[dict[str, str]]:
    """The newest messages that went out unasked, oldest first: when, by which channel, about what."""
    statement = (
        select(
            ChatMessage.sent_at,
            ChatMessage.created_at,
            ChatMessage.channel,
            ChatMessage.kind,
            TouchPoint.template,
            TouchPoint.note,
        )
        .outerjoin(TouchPoint, TouchPoint.id == ChatMessage.touch_point_id)
        .where(
            ChatMessage.session_id == chat.id,
            ChatMessage.kind.in_(UNASKED),
            ChatMessage.status.in_(SAID),
        )
        .order_by(ChatMessage.id.desc())
        .limit(TOUCHES)
    )
    if up_to is not None:
        statement = statement.where(ChatMessage.id <= up_to)
    rows = session.execute(statement).all()
    return [
        {
            "at_label": label(row.sent_at or row.created_at, location.timezone),
            "channel": row.channel,
            "about": row.note or (row.template or row.kind).replace("_", " "),
        }
        for row in reversed(rows)
    ]


def _booked(session: Session, lead_id: int) -> list[Appointment]:
    """The lead's newest appointments, ahead and earlier ones, the latest first."""
    statement = (
        select(Appointment)
        .where(Appointment.lead_id == lead_id)
        .order_by(Appointment.starts_at.desc(), Appointment.id.desc())
        .limit(APPOINTMENTS)
    )
    return list(session.scalars(statement))


def _known_at(rows: Sequence[Appointment], now: datetime) -> list[Appointment]:
    return [row for row in rows if not row.history or datetime.fromisoformat(row.history[0]["when"]) <= now]


def _names(session: Session, ids: Iterable[int]) -> dict[int, str]:
    wanted = set(ids)
    if not wanted:
        return {}
    found = session.execute(select(Service.id, Service.name).where(Service.id.in_(wanted)))
    return {row.id: row.name for row in found}


def _visit(visit: Offer | Appointment, location: Location, names: dict[int, str]) -> dict[str, Any]:
    return {
        **_when(visit, location.timezone),
        "services": [names[one] for one in visit.service_ids if one in names],
    }


def _when(visit: Visited, timezone: str) -> dict[str, str]:
    local = (visit.arrives_from or visit.starts_at).astimezone(ZoneInfo(timezone))
    return {
        "label": visit_label(visit, timezone),
        "date": local.date().isoformat(),
        "time": local.strftime("%H:%M"),
    }
