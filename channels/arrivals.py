"""What comes with an inbound message besides its words: pictures to fetch, and a date of its own when it is late.

Everything here runs in the transaction that stored the message.
"""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from channels.inbound import Inbound
from crm.calendar.labels import label
from crm.consents import normal_address
from crm.models import ChatMessage, ChatSession, ConsentEvent, Lead, Location, MessageMedia
from crm.notices import notify_staff
from crm.touches import halt_touches


def keep_media(session: Session, inbound: Inbound, message_id: int) -> tuple[int, ...]:
    """Note the pictures and files that have to be fetched; returns the new rows' ids, for waking. The text is stored
    whether or not they can ever be had."""
    rows = [
        MessageMedia(
            tenant_id=inbound.tenant_id,
            message_id=message_id,
            place=place,
            url=part.url,
            content_type=part.content_type,
            next_try_at=inbound.received_at,
        )
        for place, part in enumerate(inbound.media)
    ]
    session.add_all(rows)
    session.flush()
    return tuple(row.id for row in rows)


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
    halt_touches(session, lead.id, "paused", "the customer replied")
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
