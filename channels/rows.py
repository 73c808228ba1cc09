"""Handling one row of the outbox: its lock, its carrier id, its time."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from crm.models import ChatMessage, ChatSession


def lock(session: Session, message_id: int) -> ChatMessage | None:
    """One message, with its conversation locked before it, as everybody does: the other order is a deadlock."""
    owner = select(ChatMessage.session_id).where(ChatMessage.id == message_id).scalar_subquery()
    session.execute(select(ChatSession.id).where(ChatSession.id == owner).with_for_update())
    return session.get(ChatMessage, message_id, with_for_update=True, populate_existing=True)


def take_id(session: Session, message: ChatMessage, carrier: str, carrier_id: str) -> bool:
    """Give the row its carrier id. False when another row has it, which then is the one it speaks of."""
    if not carrier_id or message.carrier_id == carrier_id:
        return True
    try:
        with session.begin_nested():
            message.carrier, message.carrier_id = carrier, carrier_id
            session.flush()
    except IntegrityError:
        session.refresh(message, ["carrier", "carrier_id"])
        return False
    return True


def is_too_late(message: ChatMessage, moment: datetime) -> bool:
    """Whether the message is not worth sending any more then."""
    return message.expires_at is not None and moment >= message.expires_at
