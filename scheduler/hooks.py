"""Processing stored webhooks: a mail becomes a message, an order becomes a lead with its cadence.

The raw event is the debt. A claim that runs out, or an error, brings it back; what can never succeed is kept as
failed, with the reason, where the owner looks.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from crm.connectors.base import ConnectorError
from crm.connectors.csv_file.stagger import DUE
from crm.connectors.registry import NAMES
from crm.models import WebhookEvent
from crm.webhooks import arrival_of
from scheduler import crm_hooks
from scheduler.crm_hooks import Handled, Story
from scheduler.kept_texts import handle_text
from scheduler.mail import handle_mail
from scheduler.mail_events import take_events
from scheduler.runtime import Runtime
from scheduler.unread import tell_unread

log = structlog.get_logger(__name__)

CLAIM = timedelta(minutes=2)
MAX_TRIES = 10
# Leads: whatever fails is not their fault, so they are tried for a day before somebody is told that they are lost, and
# for as long as an enquiry is worth answering while only an owner can mend it.
PATIENT = frozenset({*NAMES, "api"})
KEPT_TRYING, KEPT_WAITING = timedelta(hours=24), timedelta(days=8)
# The first half hour decides whether they still want an answer.
URGENT, URGENT_WAIT_S = timedelta(minutes=30), 90.0
LONGEST_WAIT_S, LONGEST_ASKED_S, OWNER_WAIT_S = 1800.0, 3600.0, 600.0
# A lead whose workers died so often in the middle of it that it is to blame. Noted beside the headers.
LOST, MOST_LOST = "claims_lost", 5
DIED = "the worker stopped in the middle of it every time"

Claimed = tuple[WebhookEvent, Story | None]


def process_webhook(runtime: Runtime, tenant_id: int, row_id: str) -> str:
    """Process one stored event if it is due and nobody has it. Returns its status, or why nothing was done."""
    claimed = _claim(runtime, tenant_id, uuid.UUID(row_id))
    if claimed is None:
        return "not due"
    event, story = claimed
    if _killed_its_workers(event):
        return _fail(runtime, event, DIED)
    try:
        handled = _handle(runtime, event, story)
    except ConnectorError as error:
        return _after_refusal(runtime, event, error)
    except Exception as error:
        reason = f"{type(error).__name__}; see the worker's log"
        if _is_final(event, "transient", runtime.clock.now()):
            _fail(runtime, event, reason)
        else:
            _settle(runtime, event, "received", reason)
        raise
    if not handled.settled:
        _settle(runtime, event, handled.status, handled.note)
    if handled.message_id is not None:
        runtime.outbox.deliver(tenant_id, handled.message_id)
    return handled.status


def _handle(runtime: Runtime, event: WebhookEvent, story: Story | None) -> Handled:
    if story is not None:
        return crm_hooks.handle_change(runtime, event, story, _mark)
    if event.source == "api":
        return crm_hooks.handle_api(runtime, event, _mark)
    return Handled(*HANDLERS[event.source](runtime, event))


def _after_refusal(runtime: Runtime, event: WebhookEvent, error: ConnectorError) -> str:
    now = runtime.clock.now()
    if _is_final(event, error.kind, now):
        return _fail(runtime, event, str(error))
    if error.kind == "misconfigured" and _age(event, now) >= URGENT:
        # A wrong key is an owner's to mend, and the lead must not be lost meanwhile: it waits, and they are told.
        crm_hooks.tell_waiting(runtime, event, str(error))
    at_least = error.retry_after_s or (OWNER_WAIT_S if error.kind == "misconfigured" else 0.0)
    return _settle(runtime, event, "received", str(error), min(at_least, LONGEST_ASKED_S))


def _killed_its_workers(event: WebhookEvent) -> bool:
    """Workers died so hard that none of them could say so."""
    if event.source in PATIENT:
        return int(event.headers.get(LOST, 0)) >= MOST_LOST
    return event.tries > MAX_TRIES and event.source in TELLERS


def _is_final(event: WebhookEvent, kind: str, now: datetime) -> bool:
    """Whether a failure of this kind was the last one."""
    if event.source not in PATIENT:
        return kind == "permanent" or (kind == "transient" and event.tries >= MAX_TRIES)
    patience = KEPT_WAITING if kind == "misconfigured" else KEPT_TRYING
    return kind == "permanent" or _age(event, now) >= patience


def _age(event: WebhookEvent, now: datetime) -> timedelta:
    """Since it came, or was taken up again by a person; what was to wait its turn counts from then."""
    since, due = arrival_of(event).received_at, event.headers.get(DUE)
    return now - (max(since, datetime.fromisoformat(due)) if isinstance(due, str) else since)


def _wait_s(event: WebhookEvent, now: datetime) -> float:
    """Seconds until the next try, longer from try to try."""
    urgent = event.source in PATIENT and _age(event, now) < URGENT
    grown: float = 5.0 * 2 ** min(event.tries, 10)
    return min(grown, URGENT_WAIT_S if urgent else LONGEST_WAIT_S)


def _fail(runtime: Runtime, event: WebhookEvent, reason: str) -> str:
    """Give an event up. Somebody is told before it counts as done with, so that a crash in between tells them again."""
    if event.source in TELLERS:
        TELLERS[event.source](runtime, event, reason)
    return _settle(runtime, event, "failed", reason)


def _claim(runtime: Runtime, tenant_id: int, event_id: uuid.UUID) -> Claimed | None:
    """The event if it is due and nobody has it; of an outside system's also what stands here about it. Not durable: a
    claim that is lost is work that begins anew."""
    now = runtime.clock.now()
    with runtime.db.tenant(tenant_id, durable=False) as session:
        event = session.scalars(
            select(WebhookEvent)
            .where(
                WebhookEvent.id == event_id,
                WebhookEvent.status == "received",
                WebhookEvent.next_try_at <= now,
                or_(WebhookEvent.claimed_until.is_(None), WebhookEvent.claimed_until < now),
            )
            .with_for_update(skip_locked=True)
        ).first()
        if event is None:
            return None
        if event.claimed_until is not None:
            event.headers = {**event.headers, LOST: int(event.headers.get(LOST, 0)) + 1}
        event.claimed_until, event.tries = now + CLAIM, event.tries + 1
        session.flush()
        story = crm_hooks.story_of(runtime, session, event) if event.source in NAMES else None
        return event, story


def _settle(
    runtime: Runtime, event: WebhookEvent, status: str, note: str | None, at_least_s: float = 0.0
) -> str:
    now = runtime.clock.now()
    next_at = now + timedelta(seconds=max(at_least_s, _wait_s(event, now)))
    with runtime.db.tenant(event.tenant_id or 0) as session:
        row = session.get_one(WebhookEvent, event.id)
        row.status = status
        row.note = note or row.note
        row.claimed_until = None
        row.next_try_at = next_at
        row.processed_at = None if status == "received" else now
    if status == "received":
        runtime.queue.wake("webhook", event.tenant_id or 0, str(event.id), next_at)
    log.info("webhook_settled", source=event.source, status=status, tries=event.tries)
    return status


def _mark(session: Session, event: WebhookEvent, note: str, now: datetime) -> None:
    """Note an event as processed in the transaction that stores what it led to: it is done when that is."""
    done = {"status": "processed", "note": note, "claimed_until": None, "processed_at": now}
    statement = update(WebhookEvent).where(WebhookEvent.id == event.id).values(**done)
    session.execute(statement, execution_options={"synchronize_session": False})
    log.info("webhook_settled", source=event.source, status="processed", tries=event.tries)


HANDLERS: dict[str, Callable[[Runtime, WebhookEvent], tuple[str, str | None]]] = {
    "sendgrid_inbound": handle_mail,
    "sendgrid_events": take_events,
    "twilio_sms": handle_text,
}
# Who is told of an event that is given up, besides the note on it.
TELLERS: dict[str, Callable[[Runtime, WebhookEvent, str], None]] = {
    "sendgrid_inbound": tell_unread,
    **dict.fromkeys(PATIENT, crm_hooks.tell_lost),
}
