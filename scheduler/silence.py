"""Whether a conversation is silent, so that its cadence may be taken up again: who had the last word, and when.

Every message that people wrote counts, also one that reached us too late to be answered by the agent. What a machine
answered (an out-of-office mail) is nobody's word, and neither is a touch of the cadence itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from channels.courtesy import NEVER_REACHED
from crm.models import ChatMessage, ChatSession

# What answers a person or tells them something of their own matter.
OUR_WORDS = ("reply", "staff", "consent", "confirmation", "reminder")


@dataclass(frozen=True)
class LastWords:
    """The end of a conversation. `theirs_at` None: they never wrote. `open_why`: why the last word is not ours, or not
    yet; None when it is, or when a person of the shop has dealt with it. `ours_at`: when our last word was written."""

    theirs_at: datetime | None
    ours_at: datetime | None
    open_why: str | None

    @property
    def at(self) -> datetime | None:
        """The moment of the last word, whoever said it."""
        return max((one for one in (self.theirs_at, self.ours_at) if one is not None), default=None)


def last_words(session: Session, chat: ChatSession) -> LastWords:
    """Read the end of the conversation, whose row the caller has locked."""
    theirs = session.execute(
        select(ChatMessage.id, ChatMessage.created_at)
        .where(
            ChatMessage.session_id == chat.id, ChatMessage.direction == "in", ChatMessage.kind == "inbound"
        )
        .order_by(ChatMessage.id.desc())
        .limit(1)
    ).first()
    after = 0 if theirs is None else theirs.id
    ours = session.execute(
        select(
            func.max(ChatMessage.created_at).filter(ChatMessage.status.not_in(NEVER_REACHED)),
            func.count().filter(ChatMessage.status.in_(NEVER_REACHED)),
            func.count().filter(ChatMessage.status.in_(("pending", "sending", "unknown"))),
        ).where(
            ChatMessage.session_id == chat.id,
            ChatMessage.direction == "out",
            ChatMessage.kind.in_(OUR_WORDS),
            ChatMessage.id > after,
        )
    ).one()
    ours_at, never_reached, on_the_way = ours
    open_why = None if theirs is None else _open_why(chat, after, ours_at, never_reached, on_the_way)
    return LastWords(None if theirs is None else theirs.created_at, ours_at, open_why)


def _open_why(
    chat: ChatSession, last_id: int, ours_at: datetime | None, never_reached: int, on_the_way: int
) -> str | None:
    if chat.answer_due_at is not None or chat.lease_token is not None:
        return "the customer's last message is being answered"
    if on_the_way:
        return "our answer is on its way"
    if ours_at is not None:
        return None
    if never_reached:
        return "our answer did not reach the customer"
    # A person who gave the conversation back has dealt with all of it, perhaps by telephone.
    return None if chat.answered_up_to >= last_id else "nobody has answered the customer's last message"
