"""What comes with an inbound message besides its words: pictures to fetch, and a date of its own when it is late.

Everything here runs in the transaction that stored the message.
"""

from __future__ import annotations

import hashlib

from sqlalchemy import cast, func, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from channels.inbound import Inbound, MediaPart
from crm.calendar.labels import label
from crm.consents import normal_address
from crm.media import FILES
from crm.models import ChatMessage, ChatSession, ConsentEvent, Lead, Location, MessageMedia
from crm.notices import notify_staff
from crm.touches import REPLIED, halt_touches


def keep_media(session: Session, inbound: Inbound, message_id: int) -> tuple[int, ...]:
    """Store the pictures and files that came along, and note those that have to be fetched; returns the ids of the
    latter, for waking. The text is stored whether or not they can ever be had."""
    rows = [_media_row(inbound, message_id, place, part) for place, part in enumerate(inbound.media)]
    session.add_all(rows)
    session.flush()
    if any(part.content is not None or part.refused for part in inbound.media):
        _tell_of_files(session, inbound, message_id)
    return tuple(row.id for row in rows if row.status == "owed")


def _media_row(inbound: Inbound, message_id: int, place: int, part: MediaPart) -> MessageMedia:
    content = None if part.refused else part.content
    return MessageMedia(
        tenant_id=inbound.tenant_id,
        message_id=message_id,
        place=place,
        url=part.url,
        content_type=part.content_type,
        filename=part.filename,
        content_id=part.content_id,
        status="refused" if part.refused else "owed" if content is None else "stored",
        size=part.size if content is None else len(content),
        sha256=None if content is None else hashlib.sha256(content).hexdigest(),
        body=content,
        error=part.refused,
        next_try_at=inbound.received_at,
    )


def _tell_of_files(session: Session, inbound: Inbound, message_id: int) -> None:
    """Put the kinds of the files beside the message, where a text has its carrier's parameters: whoever reads a
    conversation is told of files without a look at another table."""
    told = {FILES: [{"type": part.content_type, "kept": not part.refused} for part in inbound.media]}
    session.execute(
        update(ChatMessage)
        .where(ChatMessage.id == message_id)
        .values(raw=func.coalesce(ChatMessage.raw, cast({}, JSONB)).concat(cast(told, JSONB)))
        .execution_options(synchronize_session=False)
    )


def place_late(session: Session, inbound: Inbound, message_id: int) -> None:
    """Give a message that reached us late the carrier's date. `created_at` stays the moment it came, so the gap shows;
    its id is the newest, so that it counts as unanswered."""
    if inbound.sent_at is None:
        return
    kind = "automatic" if inbound.automatic else "inbound"
    session.execute(
        update(ChatMessage)
        .where(ChatMessage.id == message_id)
        .values(received_at=inbound.sent_at, kind=kind)
        .execution_options(synchronize_session=False)
    )


def hand_to_the_shop(session: Session, inbound: Inbound, session_id: int, message_id: int) -> None:
    """A message too old to be answered as if it had just come: the cadence pauses as for any reply, and a person of
    the shop is told to answer. The next turn sees it in the conversation."""
    chat = session.get_one(ChatSession, session_id)
    lead = session.get_one(Lead, chat.lead_id)
    location = session.get_one(Location, chat.location_id)
    halt_touches(session, lead.id, "paused", REPLIED, now=inbound.received_at)
    name = lead.first_name or inbound.from_address
    when = label(inbound.said_at, location.timezone)
    words = inbound.body.strip()[:200] or "(no words)"
    notify_staff(
        session,
        session=chat,
        lead=lead,
        location=location,
        text=f"{name} wrote on {when}, but it reached us only now, so nobody has answered yet: {words}",
        dedupe_key=f"late:{message_id}",
        now=inbound.received_at,
    )


def is_overtaken_start(session: Session, inbound: Inbound) -> bool:
    """True for a START that reached us late, after a stop the person wrote later than it: it undoes nothing. A late
    stop is obeyed whatever came after it, because that is the safe mistake."""
    if inbound.sent_at is None:
        return False
    stopped_since = select(ConsentEvent.id).where(
        ConsentEvent.tenant_id == inbound.tenant_id,
        ConsentEvent.channel == inbound.channel,
        ConsentEvent.address == normal_address(inbound.channel, inbound.from_address),
        ConsentEvent.action == "revoke",
        ConsentEvent.effective_at > inbound.said_at,
    )
    return session.scalar(stopped_since.limit(1)) is not None
