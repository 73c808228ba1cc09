"""The jobs RQ runs. Each takes ids only and starts from the row; running one twice, or late, is harmless."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy import select

from channels.email.links import links_of
from crm.models import ChatMessage, JobExecution
from crm.routing import open_carrier_checks, open_crm_checks, open_suppression_checks, owed
from ops.settings import secret
from scheduler.answer import answer as answer_session
from scheduler.answer import remember
from scheduler.appointment_push import push_appointment, wake_pushes
from scheduler.appointment_tell import tell_change
from scheduler.carrier_checks import run_check
from scheduler.consent_push import push_consent
from scheduler.crm_checks import run_crm_check
from scheduler.dispatch import write_touch
from scheduler.harm import stop_harm
from scheduler.hooks import process_webhook
from scheduler.media import fetch_media
from scheduler.retention import JOB as RETENTION
from scheduler.retention import expire, wake_all
from scheduler.runtime import Runtime, get_runtime
from scheduler.suppressions import run_suppression_check

log = structlog.get_logger(__name__)


def answer(runtime: Runtime, tenant_id: int, row_id: str) -> str:
    """Answer a session, send what that wrote, and only then sum up what grew too long."""
    outcome = answer_session(runtime, tenant_id, int(row_id))
    flush(runtime, tenant_id, row_id)
    wake_pushes(runtime, tenant_id, int(row_id))
    if outcome == "done":
        remember(runtime, tenant_id, int(row_id))
    return outcome


def deliver(runtime: Runtime, tenant_id: int, row_id: str) -> str:
    """Send one outbound message."""
    return runtime.outbox.deliver(tenant_id, int(row_id))


def reconcile(runtime: Runtime, tenant_id: int, row_id: str) -> str:
    """Ask the carrier about one message that may have been sent."""
    status = runtime.outbox.reconcile(tenant_id, int(row_id))
    return runtime.outbox.deliver(tenant_id, int(row_id)) if status == "pending" else status


def flush(runtime: Runtime, tenant_id: int, row_id: str) -> str:
    """Send what is due in one session's outbox, oldest first."""
    with runtime.db.tenant(tenant_id) as session:
        due = session.scalars(
            select(ChatMessage.id)
            .where(
                ChatMessage.session_id == int(row_id),
                ChatMessage.status == "pending",
                ChatMessage.send_after <= runtime.clock.now(),
            )
            .order_by(ChatMessage.id)
        ).all()
    return ", ".join(runtime.outbox.deliver(tenant_id, message_id) for message_id in due)


def touch(runtime: Runtime, tenant_id: int, row_id: str) -> str:
    """Write one due touch point into the outbox and send it."""
    links = links_of(runtime.settings)
    message_id = write_touch(runtime.db, tenant_id, int(row_id), runtime.clock, links)
    return "nothing to send" if message_id is None else runtime.outbox.deliver(tenant_id, message_id)


def webhook(runtime: Runtime, tenant_id: int, row_id: str) -> str:
    """Process one stored webhook."""
    return process_webhook(runtime, tenant_id, row_id)


def media(runtime: Runtime, tenant_id: int, row_id: str) -> str:
    """Fetch one picture of a text."""
    return fetch_media(runtime, tenant_id, int(row_id))


def carrier_check(runtime: Runtime, tenant_id: int, row_id: str) -> str:
    """Look at the carrier for what no webhook brought."""
    return run_check(runtime, tenant_id, int(row_id))


def consent_push(runtime: Runtime, tenant_id: int, row_id: str) -> str:
    """Tell the carrier about one stop or START that it cannot know of."""
    return push_consent(runtime, tenant_id, int(row_id))


def suppression_check(runtime: Runtime, tenant_id: int, row_id: str) -> str:
    """Compare SendGrid's lists of one account with our records; tenant 0: the installation's account."""
    return run_suppression_check(runtime, tenant_id, int(row_id))


def crm_check(runtime: Runtime, tenant_id: int, row_id: str) -> str:
    """Look through a CRM for what no webhook brought, or after its webhook."""
    return run_crm_check(runtime, tenant_id, int(row_id))


def appointment_push(runtime: Runtime, tenant_id: int, row_id: str) -> str:
    """Write one appointment of ours into the CRM's calendar, as it stands now."""
    return push_appointment(runtime, tenant_id, int(row_id))


JOBS: dict[str, Callable[[Runtime, int, str], str]] = {
    "answer": answer,
    "deliver": deliver,
    "reconcile": reconcile,
    "flush": flush,
    "touch": touch,
    "webhook": webhook,
    "consent_push": consent_push,
    "appointment_push": appointment_push,
    "media": media,
    "carrier_check": carrier_check,
    "crm_check": crm_check,
    "appointment_tell": tell_change,
    "suppression_check": suppression_check,
    RETENTION: expire,
}


def run(job: str, tenant_id: int, row_id: str) -> str:
    """RQ's entry: one wake-up. A failure is stored where the owner looks (`leads jobs`), then raised for
    RQ."""
    runtime = get_runtime()
    started = runtime.clock.now()
    try:
        outcome = JOBS[job](runtime, tenant_id, row_id)
    except Exception as error:
        log.exception("job_failed", job=job, row_id=row_id)
        _record(runtime, job, started, tenant_id=tenant_id or None, subject=row_id, error=error)
        raise
    log.info("job_done", job=job, tenant_id=tenant_id, row_id=row_id, outcome=outcome)
    return outcome


def tick() -> int:
    """The clock's periodic job: find everything owed that nobody holds, and wake a job for each row.

    This is the dispatcher and the sweeper in one: due touches, and whatever a lost wake-up left behind.
    Returns how many rows were found.
    """
    runtime = get_runtime()
    now = runtime.clock.now()
    with runtime.db.system() as session:
        open_crm_checks(session, now)
        open_carrier_checks(session, now, everywhere=bool(runtime.settings.twilio_account_sid))
        open_suppression_checks(session, now, everywhere=bool(secret(runtime.settings.sendgrid_api_key)))
        rows = owed(session, now)
    counts: dict[str, int] = {}
    for row in rows:
        if row.tenant_id is not None:
            runtime.queue.wake(row.job, row.tenant_id, row.row_id, now)
            counts[row.job] = counts.get(row.job, 0) + 1
    if counts:
        _record(runtime, "tick", now, counts=counts)
    return len(rows)


def watch_experiments() -> int:
    """The clock's slower job: stop the experiments that do harm. Returns how many were stopped."""
    runtime = get_runtime()
    now = runtime.clock.now()
    stopped = stop_harm(runtime)
    if stopped:
        _record(runtime, "watch_experiments", now, counts={"stopped": stopped})
    return stopped


def keep_no_longer() -> int:
    """The clock's daily job: have every business look for what it keeps no longer. Returns how many were woken."""
    return wake_all(get_runtime())


def _record(
    runtime: Runtime,
    job: str,
    started: datetime,
    *,
    tenant_id: int | None = None,
    subject: str | None = None,
    counts: dict[str, int] | None = None,
    error: Exception | None = None,
) -> None:
    row = JobExecution(
        tenant_id=tenant_id,
        job=job,
        subject=subject,
        outcome="failed" if error else "done",
        started_at=started,
        finished_at=runtime.clock.now(),
        counts=counts or {},
        error="".join(traceback.format_exception_only(error))[:2000] if error else None,
    )
    with runtime.db.system() if tenant_id is None else runtime.db.tenant(tenant_id) as session:
        session.add(row)
