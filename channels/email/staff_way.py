"""On which channel a person's words reach the customer."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.sms.segments import segments
from channels.sms.text import MAX_LENGTH, plain_text
from crm.models import ChatMessage, ChatSession, Lead, Location, Tenant
from crm.tenants import settings_of
from crm.writers import is_proved

LOOK_BACK = 50


def way_to(
    session: Session, chat: ChatSession, lead: Lead, location: Location, words: str
) -> tuple[str, str | None, str | None]:
    """(channel, address, problem) for these words of a person: the channel the customer wrote on last, unless a text
    would be too long; an address of None is the lead's own. `problem` is the end of a sentence, None where they fit."""
    last = _last_heard(session, chat.id)
    can_mail = bool(lead.email and location.mailbox)
    if last is None:
        channel, address = ("email" if can_mail else "sms"), None
    else:
        channel, address = last.channel, last.from_address
    if channel == "email":
        return channel, address, None
    parts = segments(plain_text(words))
    most = settings_of(session.get_one(Tenant, lead.tenant_id)).max_segments
    if parts <= most and len(plain_text(words)) <= MAX_LENGTH:
        return "sms", address, None
    if can_mail:
        return "email", None, None
    return "sms", None, (
        f"it is too long for a text message ({parts} parts, {most} at most) and the customer has given no email"
        " address; please answer again in fewer words"
    )  # fmt: skip


def _last_heard(session: Session, session_id: int) -> ChatMessage | None:
    """The newest message that is the customer's for certain."""
    rows = session.scalars(
        select(ChatMessage)
        .where(
            ChatMessage.session_id == session_id,
            ChatMessage.direction == "in",
            ChatMessage.kind == "inbound",
        )
        .order_by(ChatMessage.id.desc())
        .limit(LOOK_BACK)
    )
    return next((row for row in rows if is_proved(row.channel, row.raw)), None)
