"""Which thread a mail of ours belongs to: what it is called, which mails it follows, and its own id."""

from __future__ import annotations

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from channels.email.text import base_subject, message_id, thread_ids, thread_subject
from crm.mail_accounts import sender_domain
from crm.models import ChatMessage, ChatSession

# A mail of ours that never left has no place in a thread.
_NEVER_LEFT = ("withheld", "dropped", "failed")


def join_thread(
    session: Session, message: ChatMessage, chat: ChatSession, subject: str, mailbox: str
) -> None:
    """Give a new mail its subject, References and Message-ID, so that one conversation stays one thread: it follows
    the last mail either way, under that mail's name (messaging facts 4.2). `subject` is for the first one."""
    last = session.scalars(
        select(ChatMessage)
        .where(
            ChatMessage.session_id == chat.id,
            ChatMessage.channel == "email",
            ChatMessage.kind != "notice",
            ChatMessage.rfc_message_id.is_not(None),
            or_(ChatMessage.direction == "in", ChatMessage.status.not_in(_NEVER_LEFT)),
        )
        .order_by(ChatMessage.id.desc())
        .limit(1)
    ).first()
    if chat.subject is None:
        chat.subject = subject
    name = base_subject(chat.subject) or base_subject(subject)
    message.subject = name if last is None else thread_subject(last.subject, name)
    if message.outbox_id is not None:
        domain = sender_domain(session)
        message.rfc_message_id = message_id(message.outbox_id, f"@{domain}" if domain else mailbox)
    if last is not None:
        message.rfc_references = " ".join(thread_ids(last.rfc_references, last.rfc_message_id)) or None
