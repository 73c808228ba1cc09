"""Telling the shop's people about a message that did not go."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from crm.models import ChatMessage, ChatSession, Lead, Location
from crm.notices import notify_staff


def tell_staff(session: Session, message: ChatMessage, what: str, now: datetime) -> None:
    """ "A message to Dana `what`", once per message. Never about a notice itself: that would loop."""
    tell(session, message, f"A message to {name_of(session, message)} {what}", f"failed:{message.id}", now)


def tell(
    session: Session,
    message: ChatMessage,
    text: str,
    dedupe_key: str,
    now: datetime,
    avoid: Literal["sms"] | None = None,
) -> None:
    """Tell the shop something that came up with a message. Nothing when the message itself was a notice, unless the
    channel it failed on is the one to `avoid`: then the shop could hear of it in no other way, and `dedupe_key` must be
    one that such a notice does not renew."""
    if message.kind == "notice" and message.channel != avoid:
        return
    chat = session.get_one(ChatSession, message.session_id)
    notify_staff(
        session,
        session=chat,
        lead=session.get_one(Lead, message.lead_id),
        location=session.get_one(Location, chat.location_id),
        text=text,
        dedupe_key=dedupe_key,
        now=now,
        kind="alert",
        avoid=avoid,
    )


def name_of(session: Session, message: ChatMessage) -> str:
    """The person as the shop knows them."""
    lead = session.get_one(Lead, message.lead_id)
    return " ".join(filter(None, (lead.first_name, lead.last_name))) or message.to_address
