"""The jobs RQ runs. Each takes ids only and starts from the row; running one twice, or late, is harmless."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import redis
import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from channels.email.links import links_of
from crm.job_runs import note_failure, note_periodic, note_run, note_success
from crm.models import ChatMessage
from crm.routing import open_carrier_checks, open_crm_checks, open_suppression_checks, owed, touches_due
from ops.settings import secret
from scheduler.answer import answer as answer_session
from scheduler.answer import remember
from scheduler.appointment_push import push_appointment, wake_pushes
from scheduler.appointment_tell import tell_change
from scheduler.canary import JOB as CANARY
from scheduler.canary import arrived, set_out
from scheduler.carrier_checks import run_check
from scheduler.consent_push import push_consent
from scheduler.crm_checks import run_crm_check
from scheduler.digest import write_digests
from scheduler.dispatch import JOB as DISPATCH
from scheduler.dispatch import dispatch, wake_dispatch, write_touch
from scheduler.harm import stop_harm
from scheduler.harmful_touches import JOB as HARMFUL_TOUCHES
from scheduler.harmful_touches import stop_harmful_touches, wake_watches
from scheduler.hooks import process_webhook
from scheduler.media import fetch_media
from scheduler.personal import JOB as PERSONAL
from scheduler.personal import wake_personal, write_ahead
from scheduler.reminders import plan_visit
from scheduler.resume import resume_lead
from scheduler.retention import JOB as RETENTION
from scheduler.retention import expire, wake_all
from scheduler.runtime import Runtime, get_runtime
from scheduler.suppressions import run_suppression_check
from scheduler.waves import wave

log = structlog.get_logger(__name__)

_dispatching = threading.Lock()


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


def dispatch_due(runtime: Runtime, _tenant_id: int, _row_id: str) -> str:
    """Write all touches that are due, of all businesses, into the outbox. One thread of a process is enough: a second
    one is no faster, for it is all computing. Other processes are welcome."""
    if not _dispatching.acquire(blocking=False):
        return "another thread of this process is at it"
    try:
        counts = dispatch(runtime)
    finally:
        _dispatching.release()
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "nothing is due"


def touch(runtime: Runtime, tenant_id: int, row_id: str) -> str:
    """Write one due touch point into the outbox and send it: the first one of a lead, which does not wait."""
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


def resume(runtime: Runtime, tenant_id: int, row_id: str) -> str:
    """Look whether a paused cadence goes on, because the customer has been silent for so long."""
    return resume_lead(runtime, tenant_id, int(row_id))


JOBS: dict[str, Callable[[Runtime, int, str], str]] = {
    "answer": answer,
    "deliver": deliver,
    "reconcile": reconcile,
    "flush": flush,
    "touch": touch,
    DISPATCH: dispatch_due,
    "webhook": webhook,
    "consent_push": consent_push,
    "appointment_push": appointment_push,
    "media": media,
    "carrier_check": carrier_check,
    "crm_check": crm_check,
    "appointment_tell": tell_change,
    "remind": plan_visit,
    "suppression_check": suppression_check,
    "resume": resume,
    RETENTION: expire,
    PERSONAL: write_ahead,
    CANARY: arrived,
    HARMFUL_TOUCHES: stop_harmful_touches,
    "wave": wave,
}
# What failed in this Redis' life, so that a job that goes well need not ask the database whether it failed before.
FAILING = "leads:failing"


def run(job: str, tenant_id: int, row_id: str) -> str:
    """RQ's entry: one wake-up. A failure is stored where the owner looks (`leads jobs`), then raised for
    RQ."""
    runtime = get_runtime()
    started = runtime.clock.now()
    try:
        outcome = JOBS[job](runtime, tenant_id, row_id)
    except Exception as error:
        log.exception("job_failed", job=job, row_id=row_id)
        _failed(runtime, job, tenant_id, row_id, started, error)
        raise
    _went_well(runtime, job, tenant_id, row_id)
    log.info("job_done", job=job, tenant_id=tenant_id, row_id=row_id, outcome=outcome)
    return outcome


def tick() -> int:
    """The clock's periodic job: find everything owed that nobody holds, and wake a job for each row, and the dispatcher
    when a touch is due.

    This is the sweeper: whatever a lost wake-up left behind, and all that is done at a moment of its own. Returns how
    much was found.
    """
    return _periodic("tick", _sweep)


def watch_experiments() -> int:
    """The clock's slower job: stop the experiments that do harm. Returns how many were stopped."""
    return _periodic("experiments", lambda runtime, _now: {"stopped": stop_harm(runtime)})


def keep_no_longer() -> int:
    """The clock's daily job: have every business look for what it keeps no longer. Returns how many were woken."""
    return _periodic("retention", lambda runtime, _now: {"woken": wake_all(runtime)})


def watch_touches() -> int:
    """The clock's job every quarter of an hour: have every business look for touches that do harm. Returns how many were
    woken."""
    return _periodic("touches", lambda runtime, _now: {"woken": wake_watches(runtime)})


def word_touches() -> int:
    """The clock's job every five minutes: have touches that are due soon written in the model's words. Returns how many
    were woken."""
    return _periodic("personal", lambda runtime, _now: {"woken": wake_personal(runtime)})


def digest() -> int:
    """The clock's job every quarter of an hour: tell the owners of yesterday where it is morning. Returns how many shops
    were told."""
    return _periodic("digest", lambda runtime, now: {"told": write_digests(runtime, now)})


def canary() -> int:
    """The clock's job every minute: send a wake-up round the whole loop. What comes back is noted by itself."""
    set_out(get_runtime())
    return 0


def _sweep(runtime: Runtime, now: datetime) -> dict[str, int]:
    with runtime.db.system() as session:
        open_crm_checks(session, now)
        open_carrier_checks(session, now, everywhere=bool(runtime.settings.twilio_account_sid))
        open_suppression_checks(session, now, everywhere=bool(secret(runtime.settings.sendgrid_api_key)))
        rows = owed(session, now)
        due = touches_due(session, now)
    counts: dict[str, int] = {}
    if due:
        wake_dispatch(runtime.queue, now)
        counts[DISPATCH] = 1
    for row in rows:
        if row.tenant_id is not None:
            runtime.queue.wake(row.job, row.tenant_id, row.row_id, now)
            counts[row.job] = counts.get(row.job, 0) + 1
    if counts:
        with runtime.db.system() as session:
            note_run(session, "tick", now, runtime.clock.now(), counts=counts)
    return counts


def _periodic(job: str, work: Callable[[Runtime, datetime], dict[str, int]]) -> int:
    """Do it, and note that and how it went, in the job's one row; the sum of what it counts."""
    runtime = get_runtime()
    started = runtime.clock.now()
    try:
        counts = {name: count for name, count in work(runtime, started).items() if count}
    except Exception as error:
        # A database that is away cannot take the note either; the error is what RQ and the log are told.
        with suppress(SQLAlchemyError), runtime.db.system() as session:
            note_periodic(session, job, started, runtime.clock.now(), error=error)
        raise
    with runtime.db.system() as session:
        note_periodic(session, job, started, runtime.clock.now(), counts=counts)
    return sum(counts.values())


def _failed(
    runtime: Runtime, job: str, tenant_id: int, row_id: str, started: datetime, error: Exception
) -> None:
    scope = tenant_id or None
    with (
        suppress(SQLAlchemyError),
        runtime.db.system() if scope is None else runtime.db.tenant(scope) as session,
    ):
        note_failure(session, job, scope, row_id, started, runtime.clock.now(), error)
    try:
        runtime.redis.sadd(FAILING, f"{job}:{tenant_id}:{row_id}")
    except redis.RedisError as lost:
        # Then the row says "failed" until it is too old to be kept.
        log.warning("failure_not_marked", job=job, error=type(lost).__name__)


def _went_well(runtime: Runtime, job: str, tenant_id: int, row_id: str) -> None:
    try:
        if not runtime.redis.srem(FAILING, f"{job}:{tenant_id}:{row_id}"):
            return
    except redis.RedisError:
        return
    scope = tenant_id or None
    with runtime.db.system() if scope is None else runtime.db.tenant(scope) as session:
        note_success(session, job, scope, row_id, runtime.clock.now())
