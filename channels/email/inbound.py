"""From a stored SendGrid post to what the inbox takes: whose mail it is, and of which conversation."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.email.form import BadForm
from channels.email.parse import ParsedEmail, parse_email
from channels.email.text import split_address
from channels.inbound import Inbound
from crm.db import Database
from crm.models import ChatMessage, ChatSession, Lead, WebhookEvent
from crm.routing import Route, route_mailbox

CARRIER = "sendgrid"


@dataclass(frozen=True)
class Ignored:
    """A post that is no message for a conversation, and why. Fit to be shown to an owner."""

    reason: str


def build_inbound(db: Database, event: WebhookEvent) -> Inbound | Ignored:
    """The message in a stored post of source `sendgrid_inbound`. Writes nothing and calls no network.

    The conversation is found by the token in the envelope's address, then by the ids of the thread, and is
    left to the sender's address otherwise (messaging facts 4.2). Automatic mail from a stranger is ignored,
    so that newsletters make no leads; from somebody known it is kept and marked.
    """
    try:
        mail = parse_email(bytes(event.body), event.content_type)
    except BadForm:
        return Ignored("not a form as SendGrid posts it")
    found = _route(db, mail)
    if found is None:
        return Ignored("no location owns the mailbox this was sent to")
    route, recipient = found
    if event.tenant_id not in (None, route.tenant_id):
        return Ignored("the mailbox belongs to another tenant now")
    if mail.sender is None:
        return Ignored("no usable sender address")
    with db.system() as s:
        if route_mailbox(s, split_address(mail.sender)[0]) is not None:
            return Ignored("from a mailbox of our own")
    with db.tenant(route.tenant_id) as s:
        session = _session(s, mail, recipient)
        if mail.automatic and session is None and not _known(s, route.row_id, mail.sender):
            return Ignored(f"automatic mail from nobody we know ({mail.automatic})")
        return _inbound(event, mail, mail.sender, route, recipient, session)


def _route(db: Database, mail: ParsedEmail) -> tuple[Route, str] | None:
    with db.system() as s:
        for recipient in mail.recipients:
            route = route_mailbox(s, split_address(recipient)[0])
            if route is not None:
                return route, recipient
    return None


def _session(s: Session, mail: ParsedEmail, recipient: str) -> ChatSession | None:
    tags = [tag for address in (recipient, *mail.recipients) if (tag := split_address(address)[1])]
    if tags:
        session = s.scalars(select(ChatSession).where(ChatSession.reply_token.in_(tags))).first()
        if session is not None:
            return session
    if not mail.references:
        return None
    return s.scalars(
        select(ChatSession)
        .join(ChatMessage, ChatMessage.session_id == ChatSession.id)
        .where(ChatMessage.rfc_message_id.in_(mail.references))
        .order_by(ChatMessage.id.desc())
        .limit(1)
    ).first()


def _known(s: Session, location_id: int, sender: str) -> bool:
    return s.scalar(select(Lead.id).where(Lead.location_id == location_id, Lead.email == sender)) is not None


def _inbound(
    event: WebhookEvent,
    mail: ParsedEmail,
    sender: str,
    route: Route,
    recipient: str,
    session: ChatSession | None,
) -> Inbound:
    location_id = session.location_id if session else route.row_id
    return Inbound(
        tenant_id=route.tenant_id,
        location_id=location_id,
        channel="email",
        carrier=CARRIER,
        carrier_id=_carrier_id(route.row_id, mail),
        from_address=sender,
        to_address=split_address(recipient)[0],
        body=mail.text,
        body_full=mail.full_text,
        received_at=event.received_at,
        raw={
            "event_id": str(event.id),
            "automatic": mail.automatic,
            "attachments": mail.attachments,
            "checks": mail.checks,
        },
        sender_name=mail.sender_name,
        subject=mail.subject,
        rfc_message_id=mail.message_id,
        rfc_references=" ".join(mail.references) or None,
        session_id=session.id if session else None,
        automatic=mail.automatic is not None,
    )


def _carrier_id(location_id: int, mail: ParsedEmail) -> str:
    """One mail to two addresses of one shop is one message; the same Message-ID with other words is not."""
    parts = (
        str(location_id),
        mail.message_id or mail.date or "",
        mail.sender or "",
        mail.subject or "",
        mail.full_text,
    )
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
