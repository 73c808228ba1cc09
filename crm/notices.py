"""Notices to the shop's own people: rows of the outbox like every message, so none is lost or doubled."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.models import ChatMessage, ChatSession, Lead, Location, Staff

NoticeKind = Literal["hand_off", "alert", "budget", "system"]
# What a mail says it is about, after the shop's name.
SUBJECTS: dict[NoticeKind, str] = {
    "hand_off": "a customer needs you",
    "alert": "a message or an account needs a look",
    "budget": "this month's AI budget",
    "system": "news from your assistant",
}


def notify_staff(
    s: Session,
    *,
    session: ChatSession,
    lead: Lead,
    location: Location,
    text: str,
    dedupe_key: str,
    now: datetime,
    kind: NoticeKind = "hand_off",
    avoid: Literal["sms"] | None = None,
) -> list[ChatMessage]:
    """Write `text` to every person of the location who wants notices: by text if possible, else by email.

    `kind` decides a mail's subject. `avoid` is a channel that is known to be broken: it is used only for people who have
    no other address. Returns the new rows, to be woken for delivery after the commit; whoever already has a notice with this
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
        way = _way_to(person, location, kind, avoid)
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
            "created_at": now,
        }
        row = insert(ChatMessage).values(**values).on_conflict_do_nothing().returning(ChatMessage.id)
        if (message_id := s.execute(row).scalar_one_or_none()) is not None:
            written.append(message_id)
    return list(s.scalars(select(ChatMessage).where(ChatMessage.id.in_(written)).order_by(ChatMessage.id)))


def last_told(s: Session, session_id: int, *prefixes: str) -> ChatMessage | None:
    """The latest notice about this conversation whose `dedupe_key` begins with one of `prefixes`; None for none. Who
    would tell the same thing at every message asks for it first."""
    return s.scalars(
        select(ChatMessage)
        .where(
            ChatMessage.session_id == session_id,
            ChatMessage.kind == "notice",
            or_(*(ChatMessage.dedupe_key.startswith(prefix, autoescape=True) for prefix in prefixes)),
        )
        .order_by(ChatMessage.id.desc())
        .limit(1)
    ).first()


def _way_to(
    person: Staff, location: Location, kind: NoticeKind, avoid: Literal["sms"] | None
) -> dict[str, str] | None:
    ways: list[dict[str, str]] = []
    if person.phone and location.phone:
        ways.append({"channel": "sms", "to_address": person.phone, "from_address": location.phone})
    if person.email and location.mailbox:
        ways.append({
            "channel": "email",
            "to_address": person.email,
            "from_address": location.mailbox,
            "subject": f"{location.name}: {SUBJECTS[kind]}",
        })  # fmt: skip
    # Stable, so text stays first among those that are not to be avoided.
    return min(ways, key=lambda way: way["channel"] == avoid, default=None)
