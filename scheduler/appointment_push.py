"""Writing our appointments into the CRM: claim, ask the CRM without a transaction, settle.

What is written is what stands now, not what stood when the debt was made: a booking that was moved twice while the CRM
was down is one entry at its last time, one that was cancelled before is none.
"""

from __future__ import annotations

import structlog
from sqlalchemy import select

from crm.connectors.base import BOOKING
from crm.connectors.errors import ConnectorError, NotSupported
from crm.connectors.registry import connector_of
from crm.models import Appointment, ChatSession
from ops.secrets import SecretsError
from scheduler.push_deeds import Outcome, carry_out
from scheduler.push_outcome import settle
from scheduler.push_work import Push, claim
from scheduler.runtime import Runtime

log = structlog.get_logger(__name__)

JOB = "appointment_push"


def push_appointment(runtime: Runtime, tenant_id: int, row_id: int) -> str:
    """Push one appointment if it is due and nobody else does. Returns what happened, in a word. Safe to repeat."""
    with runtime.db.tenant(tenant_id) as session:
        push = claim(session, row_id, runtime.clock.now())
    if isinstance(push, str):
        return push
    outcome: Outcome | ConnectorError
    try:
        outcome = _ask_the_crm(runtime, push)
    except ConnectorError as error:
        outcome = error
    now = runtime.clock.now()
    with runtime.db.tenant(tenant_id) as session:
        settled = settle(session, push, outcome, now)
    for message_id in settled.messages:
        runtime.queue.wake("deliver", tenant_id, message_id, now)
    if settled.again:
        runtime.queue.wake(JOB, tenant_id, row_id, now)
    log.info("appointment_pushed", appointment_id=row_id, outcome=settled.word)
    return settled.word


def wake_pushes(runtime: Runtime, tenant_id: int, session_id: int) -> int:
    """Wake the pushes that a conversation has just brought about; after its commit. Returns how many."""
    now = runtime.clock.now()
    with runtime.db.tenant(tenant_id) as session:
        due = session.scalars(
            select(Appointment.id)
            .join(ChatSession, ChatSession.lead_id == Appointment.lead_id)
            .where(ChatSession.id == session_id, Appointment.sync_due_at <= now)
        ).all()
    for row_id in due:
        runtime.queue.wake(JOB, tenant_id, row_id, now)
    return len(due)


def _ask_the_crm(runtime: Runtime, push: Push) -> Outcome:
    """A customer waits for what stands in the calendar, so this goes before the looks in the background."""
    try:
        box = runtime.box
    except SecretsError as error:
        raise ConnectorError(str(error), kind="misconfigured") from error
    connector = connector_of(push.config, box, runtime.redis, background=False)
    try:
        if BOOKING not in connector.capabilities:
            raise NotSupported(connector.name, "take bookings")
        return carry_out(connector, push, runtime.clock.now())
    finally:
        connector.close()
