"""Writing into the outbox: one message to the lead, in the caller's transaction; mail keeps its thread."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.courtesy import dress
from channels.email.answering import join_thread
from channels.sms.segments import segments
from channels.sms.text import fit, plain_text
from crm.models import ChatMessage, ChatSession, Lead, Location, Tenant
from crm.tenants import settings_of


def add(
    session: Session,
    *,
    chat: ChatSession,
    lead: Lead,
    location: Location,
    channel: str,
    kind: str,
    body: str,
    dedupe_key: str,
    now: datetime,
    subject: str | None = None,
    turn_id: int | None = None,
    touch_point_id: int | None = None,
    answers_up_to: int | None = None,
    expires_at: datetime | None = None,
    answer_to: str | None = None,
    raw: dict[str, Any] | None = None,
    outbox_id: uuid.UUID | None = None,
    first: bool = False,
) -> ChatMessage | None:
    """Write one message to the lead into the outbox, in the caller's transaction.

    The row's body is what will be sent to the letter: a text in the phones' plain characters and within the tenant's
    `max_segments`, so it may have lost sentences from its end. `answer_to` is the address an answer goes to, where it is
    not the lead's: who wrote is answered, not whom they named. `outbox_id`: where the body names it already, in a
    link. `first`: the conversation was made in this transaction, so nothing stands in it yet. None when the lead has no
    address on the channel, the location cannot send on it, or `dedupe_key` is taken (the caller held the session row, so
    there is no race to lose).
    """
    to_address, from_address = _addresses(channel, lead, location, answer_to)
    if not to_address or not from_address:
        return None
    same = select(ChatMessage.id).where(
        ChatMessage.session_id == chat.id, ChatMessage.dedupe_key == dedupe_key
    )
    if not first and session.scalar(same) is not None:
        return None
    message = _pending(lead, channel, kind, to_address, from_address, now)
    message.session_id, message.dedupe_key, message.answers_up_to = chat.id, dedupe_key, answers_up_to
    message.turn_id, message.touch_point_id, message.expires_at = turn_id, touch_point_id, expires_at
    message.outbox_id = outbox_id or message.outbox_id
    if raw is not None:
        message.raw = raw
    message.body = dress(session, chat, lead, location, channel, kind, body, now, first=first)
    if channel == "sms":
        message.body = _text(session, chat.tenant_id, kind, body, message.body)
        message.segments = segments(message.body)
    else:
        join_thread(session, message, chat, subject or f"Your request at {location.name}", from_address)
    session.add(message)
    session.flush()
    return message


def _addresses(
    channel: str, lead: Lead, location: Location, answer_to: str | None
) -> tuple[str | None, str | None]:
    """To whom and from where."""
    if channel == "sms":
        return answer_to or lead.phone, location.phone
    return answer_to or lead.email, location.mailbox


def _pending(
    lead: Lead, channel: str, kind: str, to_address: str, from_address: str, now: datetime
) -> ChatMessage:
    """A row of the outbox that is due at once and says nothing yet."""
    return ChatMessage(
        tenant_id=lead.tenant_id,
        lead_id=lead.id,
        direction="out",
        channel=channel,
        kind=kind,
        status="pending",
        from_address=from_address,
        to_address=to_address,
        outbox_id=uuid.uuid4(),
        send_after=now,
        created_at=now,
    )


def _text(session: Session, tenant_id: int, kind: str, body: str, dressed: str) -> str:
    """The text as it leaves. What courtesy put before and after the body is never what gives way, and the answer to a
    stop has to be said whole."""
    whole = plain_text(dressed)
    if kind == "consent":
        return whole
    most = settings_of(session.get_one(Tenant, tenant_id)).max_segments
    before, found, after = dressed.partition(body) if body else ("", "", "")
    if not found:
        return fit(whole, most)
    # The spaces at the seams belong to the frame, because `plain_text` strips what stands alone.
    head, inner, tail = plain_text(f"{before}|")[:-1], plain_text(body), plain_text(f"|{after}")[1:]
    return f"{head}{fit(inner, most, before=head, after=tail)}{tail}".strip()
