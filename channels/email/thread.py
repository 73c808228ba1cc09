"""Which conversation a mail belongs to: the secret in its address, then its thread, then who wrote it.

Everything is looked for at the location whose mailbox the mail came to. A secret or a thread of another location, of
another business or of a lead that is gone opens nothing there: the mail goes on to the next question, so it is never
lost and never lands in a stranger's conversation (messaging facts 4.2).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from channels.email.mail import ParsedEmail
from channels.email.text import reply_address, split_address
from crm.models import ChatMessage, ChatSession, Lead, Staff

# In the address that answers to a notice go to: they are the shop's words, never the customer's.
_STAFF_TAG = "staff-"
_OUR_ID = re.compile(r"<([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@[^<>\s]+>", re.IGNORECASE)


@dataclass(frozen=True)
class Conversation:
    """A conversation and how it was found. `about_notice`: the mail answers an alert to the shop's people."""

    session_id: int
    lead_id: int
    lead_email: str | None
    how: Literal["token", "thread", "sender"]
    about_notice: bool = False


def notice_address(mailbox: str, token: str) -> str:
    """Where an answer to a notice goes: `shop+staff-k3v9@north.example`."""
    return reply_address(mailbox, f"{_STAFF_TAG}{token}")


def find_conversation(s: Session, mail: ParsedEmail, location_id: int, mailbox: str) -> Conversation | None:
    """The conversation of a mail that came to this location's mailbox; None for somebody new."""
    found = (
        _by_token(s, _tags(mail, mailbox), location_id)
        or _by_thread(s, mail, location_id)
        or _by_sender(s, mail.sender, location_id)
    )
    return None if found is None else _followed(s, found)


def _followed(s: Session, found: Conversation) -> Conversation:
    """Two people who were found to be one have one conversation; an old token still names the other one."""
    chat = s.get_one(ChatSession, found.session_id)
    while chat.merged_into_id is not None:
        chat = s.get_one(ChatSession, chat.merged_into_id)
    return replace(found, session_id=chat.id, lead_id=chat.lead_id)


def staff_of(s: Session, address: str) -> Staff | None:
    """The person of the shop's staff who has this address; None for anybody else."""
    statement = select(Staff).where(func.lower(Staff.email) == address, Staff.removed_at.is_(None))
    return s.scalars(statement.order_by(Staff.id).limit(1)).first()


def _tags(mail: ParsedEmail, mailbox: str) -> list[str]:
    """The secrets in the addresses of this mailbox. Only the envelope counts: what stands in To is anybody's to write."""
    parts = [split_address(address) for address in mail.recipients]
    return [tag for box, tag in parts if box == mailbox and tag]


def _by_token(s: Session, tags: Sequence[str], location_id: int) -> Conversation | None:
    for tag in tags:
        row = s.execute(
            select(ChatSession.id, ChatSession.lead_id, Lead.email)
            .join(Lead, Lead.id == ChatSession.lead_id)
            .where(
                ChatSession.reply_token == tag.removeprefix(_STAFF_TAG),
                ChatSession.location_id == location_id,
            )
        ).first()
        if row is not None:
            return Conversation(*row, how="token", about_notice=tag.startswith(_STAFF_TAG))
    return None


def _by_thread(s: Session, mail: ParsedEmail, location_id: int) -> Conversation | None:
    """By the ids of earlier mails, the one that is answered first. Our own are found by the outbox id in them too,
    because a notice has no other."""
    if not mail.references:
        return None
    rows = s.execute(
        select(
            ChatSession.id, ChatSession.lead_id, Lead.email,
            ChatMessage.rfc_message_id, ChatMessage.outbox_id, ChatMessage.kind,
        )
        .select_from(ChatMessage)
        .join(ChatSession, ChatSession.id == ChatMessage.session_id)
        .join(Lead, Lead.id == ChatSession.lead_id)
        .where(
            ChatSession.location_id == location_id,
            or_(
                ChatMessage.rfc_message_id.in_(mail.references),
                ChatMessage.outbox_id.in_([one for ref in mail.references if (one := _outbox_id(ref))]),
            ),
        )
    ).all()  # fmt: skip
    for reference in reversed(mail.references):
        hits = [row for row in rows if reference == row[3] or (row[4] and _outbox_id(reference) == row[4])]
        found = {
            row[0]: Conversation(row[0], row[1], row[2], "thread", about_notice=row[5] == "notice")
            for row in hits
        }
        # Web forms give every mail one id: it names nobody.
        if len(found) == 1:
            return next(iter(found.values()))
    return None


def _by_sender(s: Session, sender: str | None, location_id: int) -> Conversation | None:
    row = s.execute(
        select(ChatSession.id, ChatSession.lead_id, Lead.email)
        .join(Lead, Lead.id == ChatSession.lead_id)
        .where(Lead.location_id == location_id, Lead.email == sender)
    ).first()
    return None if row is None else Conversation(*row, how="sender")


def _outbox_id(reference: str) -> uuid.UUID | None:
    found = _OUR_ID.fullmatch(reference)
    return uuid.UUID(found[1]) if found else None
