"""Processing stored webhooks: a mail becomes a message, an order becomes a lead with its cadence.

The raw event is the debt. A claim that runs out, or an error, brings it back; what can never succeed is kept as
failed, with the reason, where the owner looks.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from crm.connectors.base import ConnectorError
from crm.connectors.shopmonkey.config import ClientFactory
from crm.connectors.shopmonkey.intake import Skipped, intake
from crm.models import ChatMessage, ChatSession, Lead, TouchPoint, WebhookEvent
from scheduler.kept_texts import handle_text
from scheduler.mail import handle_mail
from scheduler.mail_events import take_events
from scheduler.runtime import Runtime
from scheduler.touches import start_cadence
from scheduler.unread import tell_unread

log = structlog.get_logger(__name__)

CLAIM = timedelta(minutes=2)
MAX_TRIES = 10


def process_webhook(runtime: Runtime, tenant_id: int, row_id: str) -> str:
    """Process one stored event if it is due and nobody has it. Returns its status, or why nothing was done."""
    event = _claim(runtime, tenant_id, uuid.UUID(row_id))
    if event is None:
        return "not due"
    if event.tries > MAX_TRIES and event.source in TELLERS:
        # Its workers died so hard that none of them could say so. An order waits longer than that for an owner's key.
        return _fail(runtime, event, "the worker stopped in the middle of it every time")
    try:
        status, note = HANDLERS[event.source](runtime, event)
    except ConnectorError as error:
        # A wrong key is an owner's to mend, and the lead must not be lost meanwhile: it waits.
        final = error.kind == "permanent" or (error.kind == "transient" and event.tries >= MAX_TRIES)
        at_least = error.retry_after_s or (600.0 if error.kind == "misconfigured" else 0.0)
        return _settle(runtime, event, "failed" if final else "received", str(error), at_least)
    except Exception as error:
        reason = f"{type(error).__name__}; see the worker's log"
        if event.tries >= MAX_TRIES:
            _fail(runtime, event, reason)
        else:
            _settle(runtime, event, "received", reason)
        raise
    return _settle(runtime, event, status, note)


def _fail(runtime: Runtime, event: WebhookEvent, reason: str) -> str:
    """Give an event up. Somebody is told before it counts as done with, so that a crash in between tells them again."""
    if event.source in TELLERS:
        TELLERS[event.source](runtime, event, reason)
    return _settle(runtime, event, "failed", reason)


def _claim(runtime: Runtime, tenant_id: int, event_id: uuid.UUID) -> WebhookEvent | None:
    now = runtime.clock.now()
    with runtime.db.tenant(tenant_id) as session:
        claimed = session.execute(
            update(WebhookEvent)
            .where(
                WebhookEvent.id == event_id,
                WebhookEvent.status == "received",
                WebhookEvent.next_try_at <= now,
                (WebhookEvent.claimed_until.is_(None)) | (WebhookEvent.claimed_until < now),
            )
            .values(claimed_until=now + CLAIM, tries=WebhookEvent.tries + 1)
            .returning(WebhookEvent.id)
        ).scalar_one_or_none()
        return None if claimed is None else session.get_one(WebhookEvent, claimed, populate_existing=True)


def _settle(
    runtime: Runtime, event: WebhookEvent, status: str, note: str | None, at_least_s: float = 0.0
) -> str:
    now = runtime.clock.now()
    wait = timedelta(seconds=max(at_least_s, min(5 * 2 ** min(event.tries, 10), 1800)))
    with runtime.db.tenant(event.tenant_id or 0) as session:
        row = session.get_one(WebhookEvent, event.id)
        row.status = status
        row.note = note or row.note
        row.claimed_until = None
        row.next_try_at = now + wait
        row.processed_at = None if status == "received" else now
    if status == "received":
        runtime.queue.wake("webhook", event.tenant_id or 0, str(event.id), now + wait)
    log.info("webhook_settled", source=event.source, status=status, tries=event.tries)
    return status


def _order(runtime: Runtime, event: WebhookEvent) -> tuple[str, str | None]:
    tenant_id = event.tenant_id or 0
    result = intake(
        runtime.db, event.id, tenant_id, runtime.clock, lambda config: ClientFactory(runtime.box)(config)
    )
    if isinstance(result, Skipped):
        return "ignored", result.reason
    with runtime.db.tenant(tenant_id) as session:
        first = _begin(runtime, session, result.lead_id, result.session_id)
    if first is not None:
        # The first touch does not wait for the clock's next tick.
        runtime.queue.wake("touch", tenant_id, first, runtime.clock.now())
    return "processed", f"lead {result.lead_id}"


def _begin(runtime: Runtime, session: Session, lead_id: int, session_id: int) -> int | None:
    """Start the cadence of a lead that never had one and never wrote; an order told twice starts nothing twice."""
    touched = session.scalar(select(TouchPoint.id).where(TouchPoint.lead_id == lead_id).limit(1))
    wrote = session.scalar(
        select(ChatMessage.id).where(ChatMessage.lead_id == lead_id, ChatMessage.direction == "in").limit(1)
    )
    if touched is not None or wrote is not None:
        return None
    lead = session.get_one(Lead, lead_id)
    chat = session.get_one(ChatSession, session_id)
    rows = start_cadence(session, lead, chat, now=runtime.clock.now())
    return next((row.id for row in rows if row.status == "planned"), None)


HANDLERS: dict[str, Callable[[Runtime, WebhookEvent], tuple[str, str | None]]] = {
    "sendgrid_inbound": handle_mail,
    "sendgrid_events": take_events,
    "shopmonkey": _order,
    "twilio_sms": handle_text,
}
# Who is told of an event that is given up, besides the note on it.
TELLERS: dict[str, Callable[[Runtime, WebhookEvent, str], None]] = {"sendgrid_inbound": tell_unread}
