"""Notices to the shop's own people: rows of the outbox like every message, so none is lost or doubled."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.models import ChatMessage, ChatSession, Lead, Location, Staff


def notify_staff(
    s: Session,
    *,
    session: ChatSession,
    lead: Lead,
    location: Location,
    text: str,
    dedupe_key: str,
    now: datetime,
) -> list[ChatMessage]:
    """Write `text` to every person of the location who wants notices: by text if possible, else by email.

    Returns the new rows, to be woken for delivery after the commit; whoever already has a notice with this
    `dedupe_key` gets no second one. Empty when nobody can be reached.
    """
    staff = s.scalars(
        select(Staff)
        .where(Staff.notify, Staff.removed_at.is_(None))
        .where(or_(Staff.location_id.is_(None), Staff.location_id == location.id))
        .order_by(Staff.id)
    )
    written: list[int] = []
    for person in staff:
        way = _way_to(person, location)
        if way is None:
            continue
        values: dict[str, Any] = {
            **way,
            "tenant_id": location.tenant_id,
            "session_id": session.id,
            "lead_id": lead.id,
            "direction": "out",
            "kind": "notice",
            "status": "pending",
            "body": text,
            "dedupe_key": f"{dedupe_key}:staff:{person.id}",
            "outbox_id": uuid.uuid4(),
            "send_after": now,
        }
        row = insert(ChatMessage).values(**values).on_conflict_do_nothing().returning(ChatMessage.id)
        if (message_id := s.execute(row).scalar_one_or_none()) is not None:
            written.append(message_id)
    return list(s.scalars(select(ChatMessage).where(ChatMessage.id.in_(written)).order_by(ChatMessage.id)))


def _way_to(person: Staff, location: Location) -> dict[str, str] | None:
    if person.phone and location.phone:
        return {"channel": "sms", "to_address": person.phone, "from_address": location.phone}
    if person.email and location.mailbox:
        return {
            "channel": "email",
            "to_address": person.email,
            "from_address": location.mailbox,
            "subject": f"{location.name}: a customer needs you",
        }
    return None
