"""The visit a confirmation or a reminder is about, as it stands when the message would leave."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.reminded import ABOUT, COMES_AT
from crm.calendar.daybook import ACTIVE
from crm.models import Appointment, ChatMessage


class VisitFacts(NamedTuple):
    """`stands`: booked or confirmed, and still this customer's. `comes_at`: when they come, `told`: when the message says
    they do."""

    stands: bool
    comes_at: datetime
    told: datetime


def visit_facts(session: Session, message: ChatMessage) -> VisitFacts | None:
    """Read it for what was planned for a visit (scheduler/reminder_writing.py says in `raw` what it was written for); None
    for every other message."""
    if message.kind not in ("confirmation", "reminder") or message.touch_point_id is None:
        return None
    raw = message.raw or {}
    number, told = raw.get(ABOUT), raw.get(COMES_AT)
    if not isinstance(number, int) or not isinstance(told, str):
        return None
    said = datetime.fromisoformat(told)
    row = session.execute(
        select(
            Appointment.status, Appointment.lead_id, Appointment.arrives_from, Appointment.starts_at
        ).where(Appointment.id == number)
    ).first()
    if row is None:
        return VisitFacts(False, said, said)
    mine = row.lead_id == message.lead_id
    return VisitFacts(mine and row.status in ACTIVE, row.arrives_from or row.starts_at, said)
