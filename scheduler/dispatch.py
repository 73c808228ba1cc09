"""Writing due touches into the outbox: claim a batch, look at the facts of each again, write, wake its delivery.

A batch is claimed for all businesses at once and fairly (`claim_touches` in migrations/sql/0008_cadence.sql); each touch is
written in a transaction of its own, so that no conversation is locked while another one is written and a touch that
fails takes none with it. Several dispatchers at once pass each other by, and what one that died had claimed is taken
over when its claim runs out.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy import and_, or_, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from channels.email.links import MailLinks, links_of
from channels.templates import TemplateFailed
from crm.db import Database
from crm.job_runs import note_failure, note_run
from crm.models import TouchPoint
from crm.routing import Route, claim_touches
from ops.clock import Clock
from ops.queue import WakeQueue
from scheduler.dispatch_touch import decide, write_now
from scheduler.due import Outcome
from scheduler.plan import UnknownPlan
from scheduler.runtime import Runtime
from scheduler.unwritable import tell_unwritable

__all__ = ["dispatch", "wake_dispatch", "write_now", "write_touch"]

log = structlog.get_logger(__name__)

JOB = "dispatch"
CLAIM = timedelta(seconds=60)
# Long enough for a batch on a slow day; a batch that takes longer leaves its rest to whoever comes after the claim.
BATCH_S = 40.0
# After this the job ends and wakes itself for the rest, so that a worker that is asked to stop need not wait long.
AT_MOST_S = 20.0
# A touch that raises is looked at again after an hour, so that it does not block the others at every sweep.
AFTER_ERROR = timedelta(hours=1)
# Deadlock, serialization, a lock that did not come in time: nobody's fault, and gone when the claim has run out.
_BUSY = frozenset({"40P01", "40001", "55P03"})


def wake_dispatch(queue: WakeQueue, at: datetime) -> None:
    """Have what is due at `at` dispatched then, without waiting for the clock. Call it after the commit."""
    queue.wake(JOB, 0, "0", at)


def dispatch(
    runtime: Runtime, *, most: int = 200, each: int = 10, seconds: Callable[[], float] = time.monotonic
) -> dict[str, int]:
    """Write what is due, batch by batch (at most `most` at once, `each` of one business), until nothing is left or the
    time is over; returns how many were written, skipped and so on. Safe to run twice at once.

    A row of job_executions says the same. Raises only what makes all further work vain, such as a lost database.
    """
    began, started = seconds(), runtime.clock.now()
    links, counts = links_of(runtime.settings), Counter[str]()
    while batch := _claim_batch(runtime, most, each):
        _write_batch(runtime, batch, links, counts, seconds)
        if seconds() - began > AT_MOST_S:
            wake_dispatch(runtime.queue, runtime.clock.now())
            break
    if counts:
        with runtime.db.system() as session:
            note_run(session, JOB, started, runtime.clock.now(), counts=dict(counts))
        log.info("dispatched", **{name.replace(" ", "_").replace(":", ""): n for name, n in counts.items()})
    return dict(counts)


def write_touch(
    db: Database, tenant_id: int, touch_point_id: int, clock: Clock, links: MailLinks | None = None
) -> int | None:
    """Write one due touch into the outbox; returns the message's id (wake "deliver" for it), or None when
    it was not due, not ours to claim, or not to be written: then its row has the status and the reason.
    `links` makes the link that ends these emails. Safe to repeat."""
    now = clock.now()
    with db.tenant(tenant_id, durable=False) as session:
        token = _claim(session, touch_point_id, now)
    if token is None:
        return None
    return _write_claimed(db, Route(tenant_id, touch_point_id), token, now, links).message_id


def _claim_batch(runtime: Runtime, most: int, each: int) -> tuple[uuid.UUID, list[Route]] | None:
    now, token = runtime.clock.now(), uuid.uuid4()
    with runtime.db.system() as session:
        found = claim_touches(session, now, token, now + CLAIM, most=most, each=each)
    return (token, found) if found else None


def _write_batch(
    runtime: Runtime,
    batch: tuple[uuid.UUID, list[Route]],
    links: MailLinks | None,
    counts: Counter[str],
    seconds: Callable[[], float],
) -> None:
    token, routes = batch
    began = seconds()
    for place, route in enumerate(routes):
        if seconds() - began > BATCH_S:
            counts["left to the next"] += len(routes) - place
            return
        now = runtime.clock.now()
        outcome = _written(runtime.db, route, token, now, links)
        counts[outcome.what] += 1
        if outcome.message_id is not None:
            runtime.queue.wake("deliver", route.tenant_id, outcome.message_id, now)


def _written(db: Database, route: Route, token: uuid.UUID, now: datetime, links: MailLinks | None) -> Outcome:
    try:
        return _write_claimed(db, route, token, now, links)
    except Exception as error:
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise
        return _failed(db, route, now, error)


def _failed(db: Database, route: Route, now: datetime, error: Exception) -> Outcome:
    """It was put aside already; the others go on, and `leads jobs --failed` shows it."""
    if isinstance(error, DBAPIError) and getattr(error.orig, "pgcode", None) in _BUSY:
        log.warning("touch_busy", touch_point_id=route.row_id, error=type(error).__name__)
        return Outcome("busy")
    log.error("touch_failed", touch_point_id=route.row_id, error=type(error).__name__, exc_info=error)
    with db.tenant(route.tenant_id) as session:
        note_failure(session, "touch", route.tenant_id, str(route.row_id), now, now, error)
    return Outcome("failed")


def _write_claimed(
    db: Database, route: Route, token: uuid.UUID, now: datetime, links: MailLinks | None
) -> Outcome:
    """One touch whose claim is ours, in a transaction of its own. Nothing is waited for on the disk: what a crash of the
    database takes back is planned still, and a delivery waits for the disk and then for all that was written before."""
    try:
        with db.tenant(route.tenant_id, durable=False) as session:
            return decide(session, route.row_id, token, now, links)
    except (TemplateFailed, UnknownPlan) as error:
        log.error("touch_failed", touch_point_id=route.row_id, error=str(error))
        settled: dict[str, object] = {"status": "skipped", "reason": str(error), "claimed_until": None}
        _settle(db, route, token, settled)
        tell_unwritable(db, route, str(error), now)
        return Outcome("skipped: it cannot be written")
    except Exception as error:
        if not (isinstance(error, DBAPIError) and getattr(error.orig, "pgcode", None) in _BUSY):
            _settle(db, route, token, {"claimed_until": now + AFTER_ERROR})
        raise


def _claim(session: Session, touch_point_id: int, now: datetime) -> uuid.UUID | None:
    free = or_(
        TouchPoint.status == "planned",
        and_(TouchPoint.status == "claimed", TouchPoint.claimed_until < now),
    )
    token = uuid.uuid4()
    claimed = session.execute(
        update(TouchPoint)
        .where(TouchPoint.id == touch_point_id, TouchPoint.due_at <= now, free)
        .values(status="claimed", claim_token=token, claimed_until=now + CLAIM)
        .returning(TouchPoint.id)
    ).scalar_one_or_none()
    return None if claimed is None else token


def _settle(db: Database, route: Route, token: uuid.UUID, values: dict[str, object]) -> None:
    with db.tenant(route.tenant_id) as session:
        session.execute(
            update(TouchPoint)
            .where(TouchPoint.id == route.row_id, TouchPoint.claim_token == token)
            .values(**values)
        )
