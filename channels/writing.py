"""Writing into the outbox: one message to the lead, in the caller's transaction; mail keeps its thread."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.courtesy import dress
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
) -> ChatMessage | None:
    """Write one message to the lead into the outbox, in the caller's transaction.

    The row's body is what will be sent to the letter: a text in the phones' plain characters and within the tenant's
    `max_segments`, so it may have lost sentences from its end. `answer_to` is the address an answer goes to, where it is
    not the lead's: who wrote is answered, not whom they named. None when the lead has no address on the channel, the
    location cannot send on it, or `dedupe_key` is taken (the caller held the session row, so there is no race to lose).
    """
    to_address, from_address = (
        (lead.phone, location.phone) if channel == "sms" else (lead.email, location.mailbox)
    )
    to_address = answer_to or to_address
    taken = session.scalar(
        select(ChatMessage.id).where(ChatMessage.session_id == chat.id, ChatMessage.dedupe_key == dedupe_key)
    )
    if not to_address or not from_address or taken is not None:
        return None
    dressed = dress(session, chat, lead, location, channel, kind, body, now)
    message = ChatMessage(
        tenant_id=chat.tenant_id,
        session_id=chat.id,
        lead_id=lead.id,
        direction="out",
        channel=channel,
        kind=kind,
        status="pending",
        body=dressed,
        from_address=from_address,
        to_address=to_address,
        outbox_id=uuid.uuid4(),
        dedupe_key=dedupe_key,
        answers_up_to=answers_up_to,
        turn_id=turn_id,
        touch_point_id=touch_point_id,
        send_after=now,
        expires_at=expires_at,
        created_at=now,
    )
    if raw is not None:
        message.raw = raw
    if channel == "sms":
        message.body = _text(session, chat.tenant_id, kind, body, dressed)
        message.segments = segments(message.body)
    else:
        _thread(session, message, chat, subject or f"Your request at {location.name}", from_address)
    session.add(message)
    session.flush()
    return message


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


def _thread(session: Session, message: ChatMessage, chat: ChatSession, subject: str, mailbox: str) -> None:
    """Headers that keep one conversation one thread: same subject, our own Message-ID, all earlier ids."""
    last = session.scalars(
        select(ChatMessage)
        .where(
            ChatMessage.session_id == chat.id,
            ChatMessage.channel == "email",
            ChatMessage.kind != "notice",
            ChatMessage.rfc_message_id.is_not(None),
        )
        .order_by(ChatMessage.id.desc())
        .limit(1)
    ).first()
    if chat.subject is None:
        chat.subject = subject
    is_answer = last is not None
    bare = chat.subject.removeprefix("Re: ").removeprefix("RE: ").removeprefix("re: ")
    message.subject = f"Re: {bare}" if is_answer else bare
    message.rfc_message_id = f"<{message.outbox_id}@{mailbox.partition('@')[2]}>"
    if last is not None:
        ids = [*(last.rfc_references or "").split(), last.rfc_message_id or ""]
        message.rfc_references = " ".join(ids[-20:])
