"""The person behind a lead: all their numbers and addresses at all shops of the business, and what they got lately."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ARRAY, String, bindparam, func, or_, select, text
from sqlalchemy.orm import Session

from crm.models import ChatMessage, ChatSession, Lead, Location, TouchPoint

DAY = timedelta(hours=24)
# One after the other in a fixed order, so that two workers that share two addresses never wait for each other.
_LOCK = text(
    "select pg_advisory_xact_lock(number) from"
    " (select distinct hashtextextended(one, 0) as number from unnest(:keys) as one order by 1) as numbers"
).bindparams(bindparam("keys", type_=ARRAY(String)))


@dataclass(frozen=True)
class Earlier:
    """A touch of the last 24 hours to this person. `sent_at` None: it is with the carrier now, or may be."""

    channel: str
    sent_at: datetime | None
    lead_id: int | None
    cadence_run: int | None
    step: int | None


def earlier_touches(session: Session, message: ChatMessage, lead: Lead, now: datetime) -> tuple[Earlier, ...]:
    """The touches that reached this person in the last 24 hours or are on their way, over all their numbers and all
    shops of the business, oldest first.

    Two shops may be about to write to the same person: a lock per address makes the second wait and count the first.
    """
    people = _leads_of(session, message, lead)
    addresses = {message.to_address, *(one for _, phone, email in people for one in (phone, email) if one)}
    session.execute(_LOCK, {"keys": [f"touch:{message.tenant_id}:{one}" for one in sorted(addresses)]})
    rows = session.execute(
        select(
            ChatMessage.channel,
            ChatMessage.sent_at,
            TouchPoint.lead_id,
            TouchPoint.cadence_run,
            TouchPoint.step,
        )
        .join(ChatSession, ChatSession.id == ChatMessage.session_id)
        .outerjoin(TouchPoint, TouchPoint.id == ChatMessage.touch_point_id)
        .where(
            ChatSession.lead_id.in_([lead_id for lead_id, _, _ in people]),
            ChatMessage.kind == "touch",
            ChatMessage.id != message.id,
            # What is with the carrier, or may be, has no time of sending yet and counts all the same.
            or_(
                ChatMessage.status.in_(("sending", "unknown")),
                ChatMessage.status.in_(("sent", "delivered")) & (ChatMessage.sent_at > now - DAY),
            ),
        )
        .order_by(func.coalesce(ChatMessage.sent_at, now), ChatMessage.id)
    )
    return tuple(Earlier(*row) for row in rows)


def _leads_of(session: Session, message: ChatMessage, lead: Lead) -> list[tuple[int, str | None, str | None]]:
    """(id, phone, email) of every lead of the tenant that shares the phone or the email. By location, because that is
    how the two indexes begin."""
    shops = select(Location.id).where(Location.tenant_id == message.tenant_id).scalar_subquery()
    same = [
        select(Lead.id, Lead.phone, Lead.email).where(Lead.location_id.in_(shops), column == value)
        for column, value in ((Lead.phone, lead.phone), (Lead.email, lead.email))
        if value
    ]
    own = select(Lead.id, Lead.phone, Lead.email).where(Lead.id == lead.id)
    return [(row[0], row[1], row[2]) for row in session.execute(own.union(*same))]
