"""What a turn has already done to an appointment, which the customer has to hear of whatever comes in between.

A message that brought about a change is answered by itself, before anything that was written after it: else its words
would be read once more, and nobody would say what was done.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session

from crm.models import ChatMessage, ChatSession, ToolCallRow, Turn

CHANGES = ("book", "move", "cancel")


def changed_by(session: Session, session_id: int, trigger_message_id: int) -> bool:
    """Whether an appointment was made, moved or cancelled for this message, in this turn or in one that died."""
    found = select(ToolCallRow.id).where(
        *_changes(session_id), ToolCallRow.trigger_message_id == trigger_message_id
    )
    return session.scalar(found.limit(1)) is not None


def untold(session: Session, chat: ChatSession) -> int | None:
    """The oldest unanswered message for which an appointment was changed by a turn whose reply was never written."""
    trigger = ToolCallRow.trigger_message_id
    told = exists().where(
        ChatMessage.session_id == chat.id, ChatMessage.kind == "reply", ChatMessage.answers_up_to == trigger
    )
    found = (
        select(func.min(trigger))
        .join(Turn, Turn.id == ToolCallRow.turn_id)
        .where(*_changes(chat.id), trigger > chat.answered_up_to, Turn.status != "done", ~told)
    )
    return session.scalar(found)


def _changes(session_id: int) -> tuple[ColumnElement[bool], ...]:
    return (
        ToolCallRow.session_id == session_id,
        ToolCallRow.tool.in_(CHANGES),
        ToolCallRow.is_error.is_(False),
    )
