"""What background jobs did, as rows: `leads jobs` reads them. Nothing depends on them but the look of things.

A run is one row. A job that fails again and again for one subject is one row that counts its tries, and becomes "done"
when it succeeds. A periodic job keeps one row with what it did last, because most of its runs find nothing to do.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.models import JobExecution

PERIODIC = "periodic"
# A failure that lies longer ago is another one.
SAME_TROUBLE = timedelta(days=1)
LONGEST_ERROR = 2000
_SETTLED = text("""
update job_executions j set outcome = 'done', finished_at = :now
 where j.job = 'touch' and j.outcome = 'failed' and exists (
       select from touch_points t
        where t.id = case when j.job = 'touch' then cast(j.subject as bigint) end
          and t.status not in ('planned', 'claimed'))
returning j.id
""")


def note_run(
    s: Session,
    job: str,
    started: datetime,
    finished: datetime,
    *,
    tenant_id: int | None = None,
    subject: str | None = None,
    counts: dict[str, int] | None = None,
) -> None:
    """One run that did something, in the caller's transaction: the tenant's scope, or the system's without one."""
    s.add(
        JobExecution(
            tenant_id=tenant_id,
            job=job,
            subject=subject,
            outcome="done",
            started_at=started,
            finished_at=finished,
            counts=counts or {},
        )
    )
    s.flush()


def note_failure(
    s: Session,
    job: str,
    tenant_id: int | None,
    subject: str,
    started: datetime,
    finished: datetime,
    error: Exception,
) -> int:
    """A run that failed; returns for the how manieth time. The newest error is kept, and the first moment."""
    key = func.hashtextextended(f"failed:{tenant_id}:{job}:{subject}", 0)
    s.execute(select(func.pg_advisory_xact_lock(key)))
    row = s.scalars(_failing(job, tenant_id, subject).where(JobExecution.started_at > started - SAME_TROUBLE))
    found = row.first()
    if found is None:
        found = JobExecution(tenant_id=tenant_id, job=job, subject=subject, started_at=started, tries=0)
        s.add(found)
    found.outcome, found.finished_at, found.error = "failed", finished, words_of(error)
    found.tries += 1
    s.flush()
    return found.tries


def note_success(s: Session, job: str, tenant_id: int | None, subject: str, finished: datetime) -> bool:
    """What had failed has succeeded now; False when nothing had. Its last error and its tries stay readable."""
    row = s.scalars(_failing(job, tenant_id, subject)).first()
    if row is None:
        return False
    row.outcome, row.finished_at, row.tries = "done", finished, row.tries + 1
    return True


def settle_touches(s: Session, now: datetime) -> int:
    """Touches that failed and were written, skipped or ended since then have not failed any more, in the scope of their
    tenant; returns how many."""
    return len(s.execute(_SETTLED, {"now": now}).all())


def note_periodic(
    s: Session,
    job: str,
    started: datetime,
    finished: datetime,
    *,
    counts: dict[str, int] | None = None,
    error: Exception | None = None,
) -> None:
    """The last run of a periodic job, in the system's scope; `tries` counts the runs that failed in a row.
    The moment and the counts of the last run that went well stay when one fails."""
    done: dict[str, Any] = {"outcome": "done", "finished_at": finished, "counts": counts or {}, "error": None}
    failed: dict[str, Any] = {"outcome": "failed", "error": None if error is None else words_of(error)}
    values = done if error is None else failed
    row = insert(JobExecution).values(job=job, subject=PERIODIC, started_at=started, **values)
    again = case((JobExecution.outcome == "failed", JobExecution.tries + 1), else_=1)
    tries = 1 if error is None else again
    s.execute(
        row.on_conflict_do_update(
            index_elements=["job"],
            index_where=JobExecution.subject == PERIODIC,
            set_={"started_at": started, "tries": tries, **values},
        )
    )


def periodic_runs(s: Session) -> dict[str, JobExecution]:
    """The last run of every periodic job that ever ran, in the system's scope."""
    return {row.job: row for row in s.scalars(select(JobExecution).where(JobExecution.subject == PERIODIC))}


def last_success(s: Session, job: str) -> datetime | None:
    """When a periodic job last went well, in the system's scope; None when it never did."""
    return s.scalar(
        select(JobExecution.finished_at).where(JobExecution.job == job, JobExecution.subject == PERIODIC)
    )


def recent_runs(
    s: Session, *, job: str | None = None, failed: bool = False, limit: int = 50
) -> Sequence[JobExecution]:
    """Runs of the scope's owner, the newest first, without the periodic jobs' last ones. `failed`: only what failed and
    has not succeeded since."""
    query = select(JobExecution).where(or_(JobExecution.subject.is_(None), JobExecution.subject != PERIODIC))
    if job is not None:
        query = query.where(JobExecution.job == job)
    if failed:
        query = query.where(JobExecution.outcome == "failed")
    return s.scalars(
        query.order_by(JobExecution.started_at.desc(), JobExecution.id.desc()).limit(limit)
    ).all()


def words_of(error: Exception) -> str:
    """An error in the words that are kept."""
    return "".join(traceback.format_exception_only(error))[:LONGEST_ERROR]


def _failing(job: str, tenant_id: int | None, subject: str) -> Any:
    return (
        select(JobExecution)
        .where(
            JobExecution.job == job,
            JobExecution.subject == subject,
            JobExecution.outcome == "failed",
            JobExecution.tenant_id.is_not_distinct_from(tenant_id),
        )
        .order_by(JobExecution.id.desc())
        .limit(1)
    )
