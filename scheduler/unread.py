"""Mail that nothing here could read: somebody of the shop is told, so that it is not lost in silence."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.email.form import parse_form
from channels.email.text import split_address
from crm.emails import normal_email
from crm.mailroom import mailroom
from crm.models import ChatSession, Lead, Location, WebhookEvent
from crm.notices import notify_staff
from crm.routing import route_mailbox
from scheduler.runtime import Runtime


def tell_unread(runtime: Runtime, event: WebhookEvent, reason: str) -> None:
    """Tell the shop of a mail that could not be read at all: it is kept, and somebody has to look. Safe to repeat."""
    tenant_id = event.tenant_id or 0
    sender, boxes = _ends_of(event)
    with runtime.db.system() as session:
        routes = [route for box in boxes if (route := route_mailbox(session, box)) is not None]
    now = runtime.clock.now()
    with runtime.db.tenant(tenant_id) as session:
        ours = [route.row_id for route in routes if route.tenant_id == tenant_id]
        # The mailbox may have moved since; the business is told all the same.
        location_id = ours[0] if ours else session.scalar(select(Location.id).order_by(Location.id).limit(1))
        if location_id is None:
            return
        location = session.get_one(Location, location_id)
        chat, lead = _conversation(session, location, sender)
        notify_staff(
            session,
            session=chat,
            lead=lead,
            location=location,
            text=f"A mail from {sender or 'an unknown sender'} could not be read and nobody has answered it"
            f" ({reason}). It is kept: leads kept show {event.id}",
            dedupe_key=f"unread_mail:{event.id}",
            now=now,
            kind="alert",
        )
        session_id = chat.id
    runtime.queue.wake("flush", tenant_id, session_id, now)


def _ends_of(event: WebhookEvent) -> tuple[str | None, list[str]]:
    """Who sent it and which mailboxes it came to, from the envelope alone."""
    try:
        form = parse_form(bytes(event.body), event.content_type)
        sender = normal_email(form.envelope_from) or normal_email(form.text("from")[:2000])
        return sender, [split_address(one)[0] for one in form.recipients]
    except Exception:  # noqa: BLE001 - what cannot be read at all must still be told of
        return None, []


def _conversation(session: Session, location: Location, sender: str | None) -> tuple[ChatSession, Lead]:
    """The sender's conversation where there is one, else the location's entry for mail of no customer."""
    known = session.execute(
        select(ChatSession, Lead)
        .join(Lead, Lead.id == ChatSession.lead_id)
        .where(Lead.location_id == location.id, Lead.email == sender)
    ).first()
    return (known[0], known[1]) if known is not None else mailroom(session, location)
