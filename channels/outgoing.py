"""A row of the outbox as its carrier needs it."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.carrier import Outgoing
from channels.email.invitations import invitations
from channels.email.links import KEPT_AS
from channels.email.text import message_id, reply_address
from channels.email.thread import notice_address
from channels.sms.segments import segments
from channels.sms.text import MAX_LENGTH, plain_text
from crm.models import ChatMessage, ChatSession, Location


def settle_text(message: ChatMessage) -> bool:
    """Bring the row into the form in which it leaves, whoever wrote it; False when nothing is left to send (Twilio
    21602). What was written through `channels.writing` is in that form already."""
    if message.channel == "sms":
        plain = plain_text(message.body)[:MAX_LENGTH].rstrip()
        if plain != message.body or message.segments is None:
            message.body, message.segments = plain, segments(plain)
    elif message.rfc_message_id is None and message.outbox_id is not None:
        # A notice: an answer to it names this id, and is found by it.
        message.rfc_message_id = message_id(message.outbox_id, message.from_address)
    return bool(message.body.strip())


def as_outgoing(session: Session, message: ChatMessage, valid: timedelta | None = None) -> Outgoing:
    """The row as the carrier needs it; of a text without asking the database. `valid`: how long the carrier may keep it,
    so that nothing arrives in the night."""
    outgoing = Outgoing(
        outbox_id=message.outbox_id or uuid.uuid4(),
        channel=message.channel,
        kind=message.kind,
        to_address=message.to_address,
        from_address=message.from_address,
        body=message.body,
        created_at=message.created_at,
        tenant_id=message.tenant_id,
        segments=message.segments or 1,
        valid_s=None if valid is None else int(valid.total_seconds()),
    )
    return outgoing if message.channel == "sms" else _as_mail(session, message, outgoing)


def _as_mail(session: Session, message: ChatMessage, outgoing: Outgoing) -> Outgoing:
    """What only a mail has: the shop's name, where answers go, its thread, its files."""
    chat = session.get_one(ChatSession, message.session_id)
    location = session.get_one(Location, chat.location_id)
    references = (message.rfc_references or "").split()
    reply_to = None
    if location.mailbox:
        # Notices too: what somebody of the shop answers goes to that customer, and is told from the customer's own.
        to = notice_address if message.kind == "notice" else reply_address
        reply_to = to(location.mailbox, chat.reply_token)
    return replace(
        outgoing,
        subject=message.subject,
        from_name=location.name,
        reply_to=reply_to,
        rfc_message_id=message.rfc_message_id,
        in_reply_to=references[-1] if references else None,
        rfc_references=message.rfc_references,
        attachments=invitations(session, message, location),
        unsubscribe_url=(message.raw or {}).get(KEPT_AS) if message.kind == "touch" else None,
    )


def other_ids(session: Session, message: ChatMessage) -> frozenset[str]:
    """Carrier ids of the other messages to this address, and of this one's earlier tries: two equal texts are two
    messages."""
    ids = session.scalars(
        select(ChatMessage.carrier_id).where(
            ChatMessage.to_address == message.to_address,
            ChatMessage.id != message.id,
            ChatMessage.carrier_id.is_not(None),
        )
    )
    earlier = (message.raw or {}).get("earlier_ids", ())
    return frozenset([*(carrier_id for carrier_id in ids if carrier_id), *earlier])
