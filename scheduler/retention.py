"""Taking away what is kept no longer: once a day each business is woken, and works through its leads page by page.

A job does as much as fits well into its time and wakes itself for the rest, so that a million rows take many short
transactions and no long one. A lost wake-up costs a day: what is too old then is too old tomorrow as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import structlog

from crm.models import Tenant
from crm.retention import (
    Counts,
    Cutoffs,
    cutoffs,
    expire_nobodys,
    expire_page,
    expire_rest,
    page_after,
    tenants,
)
from crm.tenants import settings_of
from scheduler.runtime import Runtime

log = structlog.get_logger(__name__)

JOB = "retention"
# Well under the worker's time for a job.
AT_MOST_S = 45.0
# The day's businesses do not begin in one moment.
APART = timedelta(seconds=20)
NOBODY = 0


def wake_all(runtime: Runtime) -> int:
    """The clock's daily job: wake `retention` for every business, and for what is nobody's. Returns how many."""
    now = runtime.clock.now()
    with runtime.db.system() as session:
        found = [NOBODY, *tenants(session)]
    for place, tenant_id in enumerate(found):
        runtime.queue.wake(JOB, tenant_id, "0", now + place * APART)
    return len(found)


def expire(
    runtime: Runtime, tenant_id: int, row_id: str, seconds: Callable[[], float] = time.monotonic
) -> str:
    """The job: go on after the lead `row_id` for a while. Safe to repeat, and for two at once."""
    now = runtime.clock.now()
    began, done = seconds(), Counts()
    if tenant_id == NOBODY:
        while _add(done, _nobodys(runtime)) and seconds() - began < AT_MOST_S:
            pass
        return _said(done)
    with runtime.db.tenant(tenant_id) as session:
        when = cutoffs(settings_of(session.get_one(Tenant, tenant_id)), now)
    after: int | None = int(row_id)
    if after == 0:
        while _add(done, _rest(runtime, tenant_id, when)) and seconds() - began < AT_MOST_S:
            pass
    while after is not None and seconds() - began < AT_MOST_S:
        after = _page(runtime, tenant_id, after, when, done)
    if after is not None:
        runtime.queue.wake(JOB, tenant_id, str(after), now)
    if any(done.values()):
        log.info(
            "kept_no_longer", tenant_id=tenant_id, **{name.replace(" ", "_"): n for name, n in done.items()}
        )
    return _said(done)


def _page(runtime: Runtime, tenant_id: int, after: int, when: Cutoffs, done: Counts) -> int | None:
    with runtime.db.tenant(tenant_id) as session:
        page = page_after(session, tenant_id, after)
    while page.session_ids:
        with runtime.db.tenant(tenant_id) as session:
            if not _add(done, expire_page(session, page, when)):
                break
    return page.last


def _rest(runtime: Runtime, tenant_id: int, when: Cutoffs) -> Counts:
    with runtime.db.tenant(tenant_id) as session:
        return expire_rest(session, tenant_id, when)


def _nobodys(runtime: Runtime) -> Counts:
    with runtime.db.system() as session:
        return expire_nobodys(session, runtime.clock.now())


def _add(done: Counts, more: Counts) -> int:
    for name, count in more.items():
        done[name] = done.get(name, 0) + count
    return sum(more.values())


def _said(done: Counts) -> str:
    return ", ".join(f"{count} {name}" for name, count in done.items() if count) or "nothing is too old"
