"""Doing a thing once for a whole tenant, whoever of its workers comes first."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.models import JobExecution


def first_time(s: Session, tenant_id: int, job: str, subject: str, *, since: datetime, now: datetime) -> bool:
    """Whether this tenant has not done (`job`, `subject`) since `since`; True claims it with this transaction.

    Of two workers that ask at once the second waits for the first one's commit, and gets True only if that failed.
    """
    if _done(s, tenant_id, job, subject, since):
        return False
    # Taken only where it may matter, so that ordinary turns never queue here; freed by commit or rollback.
    key = func.hashtextextended(f"once:{tenant_id}:{job}:{subject}", 0)
    s.execute(select(func.pg_advisory_xact_lock(key)))
    if _done(s, tenant_id, job, subject, since):
        return False
    s.add(
        JobExecution(
            tenant_id=tenant_id, job=job, subject=subject, outcome="done", started_at=now, finished_at=now
        )
    )
    s.flush()
    return True


def _done(s: Session, tenant_id: int, job: str, subject: str, since: datetime) -> bool:
    found = s.scalar(
        select(JobExecution.id)
        .where(
            JobExecution.job == job,
            JobExecution.started_at >= since,
            JobExecution.tenant_id == tenant_id,
            JobExecution.subject == subject,
        )
        .limit(1)
    )
    return found is not None
