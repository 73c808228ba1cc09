"""The job `suppression_check`: once a day, SendGrid's lists of one account are compared with our records.

One row of `suppression_checks` per account: the installation's (no tenant) and each business's own. Lists are read in
slices of time, and `checked_until` moves on after each, so that a look that broke goes on from where it was. What comes
back the other way, stops SendGrid does not know of, is owed as `consent_pushes`.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from channels.email.mirroring import mirror, owe_stops
from channels.email.suppressions import KINDS, Listed, ListsFailed, SuppressionLists
from crm.mail_accounts import has_account
from crm.models import Lead, SuppressionCheck
from crm.routing import leads_by_email
from scheduler.mail_lists import installations_lists, lists_of
from scheduler.runtime import Runtime

log = structlog.get_logger(__name__)

EVERY, CLAIM, SOON = timedelta(hours=24), timedelta(minutes=10), timedelta(minutes=1)
AFTER_ERROR, AFTER_LASTING_ERROR = timedelta(minutes=15), timedelta(hours=6)
# What came onto a list while it was read, or by another clock, is seen a second time rather than never.
OVERLAP = timedelta(days=1)
# No account is older; the first look goes through all years since.
FIRST = datetime(2009, 7, 1, tzinfo=UTC)
SLICE, SLICES_A_RUN = timedelta(days=366), 6
NOBODY = "no SendGrid key is configured for this account"


@dataclass(frozen=True)
class Look:
    """One look that is ours. `tenant_id` None: the installation's account, whose lists concern every business
    without one of its own."""

    check_id: int
    tenant_id: int | None
    token: uuid.UUID
    since: datetime


def run_suppression_check(runtime: Runtime, tenant_id: int, check_id: int) -> str:
    """Do one look if it is due and nobody else does; says what came of it. `tenant_id` 0: nobody's. Safe to repeat."""
    look = _claim(runtime, tenant_id or None, check_id, runtime.clock.now())
    if look is None:
        return "not due"
    found, error = 0, None
    try:
        lists = _lists(runtime, look)
        if lists is None:
            _finish(runtime, look, runtime.clock.now() + EVERY, NOBODY)
            return NOBODY
        found, complete = _read(runtime, look, lists)
        wait = EVERY if complete else SOON
        if complete and look.tenant_id is not None:
            with runtime.db.tenant(look.tenant_id) as session:
                owe_stops(session, look.tenant_id, runtime.clock.now())
    except ListsFailed as failed:
        error = failed
        asked_for = timedelta(seconds=failed.retry_after_s or 0)
        wait = max(AFTER_LASTING_ERROR if failed.lasting else AFTER_ERROR, asked_for)
    _finish(runtime, look, runtime.clock.now() + wait, None if error is None else str(error))
    log.info("suppressions_checked", check_id=check_id, found=found, error=error and str(error))
    return str(error) if error is not None else f"{found} new"


def _scope(runtime: Runtime, tenant_id: int | None) -> AbstractContextManager[Session]:
    return runtime.db.system() if tenant_id is None else runtime.db.tenant(tenant_id)


def _claim(runtime: Runtime, tenant_id: int | None, check_id: int, now: datetime) -> Look | None:
    token = uuid.uuid4()
    with _scope(runtime, tenant_id) as session:
        row = session.execute(
            update(SuppressionCheck)
            .where(
                SuppressionCheck.id == check_id,
                SuppressionCheck.next_at <= now,
                (SuppressionCheck.claimed_until.is_(None)) | (SuppressionCheck.claimed_until < now),
            )
            .values(claim_token=token, claimed_until=now + CLAIM)
            .returning(SuppressionCheck.tenant_id, SuppressionCheck.checked_until)
        ).first()
    if row is None:
        return None
    since = FIRST if row.checked_until is None else row.checked_until - OVERLAP
    return Look(check_id, row.tenant_id, token, since)


def _lists(runtime: Runtime, look: Look) -> SuppressionLists | None:
    if look.tenant_id is None:
        return installations_lists(runtime)
    with runtime.db.tenant(look.tenant_id) as session:
        return lists_of(session, runtime) if has_account(session) else None


def _read(runtime: Runtime, look: Look, lists: SuppressionLists) -> tuple[int, bool]:
    """Read slice by slice. Returns how much was new, and whether the present was reached. Raises ListsFailed."""
    now, since, found = runtime.clock.now(), look.since, 0
    for _ in range(SLICES_A_RUN):
        until = min(since + SLICE, now)
        for kind in KINDS:
            for page in lists.pages(kind, since, until):
                found += _take_over(runtime, look, page)
        if not _advance(runtime, look, until):
            return found, False
        if until >= now:
            return found, True
        since = until
    return found, False


def _take_over(runtime: Runtime, look: Look, page: list[Listed]) -> int:
    """Mirror the entries that concern somebody we know; all others are nobody's business here."""
    entries = {one.address: one for one in page}
    found = 0
    for tenant_id, addresses in _whose(runtime, look, list(entries)).items():
        for address in sorted(addresses):
            with runtime.db.tenant(tenant_id) as session:
                shared = look.tenant_id is None
                found += mirror(session, tenant_id, entries[address], shared=shared, now=runtime.clock.now())
    return found


def _whose(runtime: Runtime, look: Look, addresses: list[str]) -> dict[int, set[str]]:
    whose: dict[int, set[str]] = defaultdict(set)
    with _scope(runtime, look.tenant_id) as session:
        if look.tenant_id is None:
            for route, address in leads_by_email(session, addresses):
                whose[route.tenant_id].add(address)
        else:
            known = session.scalars(select(Lead.email).where(Lead.email.in_(addresses)))
            whose[look.tenant_id].update(address for address in known if address)
    return {tenant_id: known for tenant_id, known in whose.items() if known}


def _advance(runtime: Runtime, look: Look, until: datetime) -> bool:
    """Note how far the look has come and hold on to it; False when somebody else has it meanwhile."""
    now = runtime.clock.now()
    with _scope(runtime, look.tenant_id) as session:
        row = session.execute(
            update(SuppressionCheck)
            .where(SuppressionCheck.id == look.check_id, SuppressionCheck.claim_token == look.token)
            .values(checked_until=until, claimed_until=now + CLAIM)
            .returning(SuppressionCheck.id)
        ).first()
    return row is not None


def _finish(runtime: Runtime, look: Look, next_at: datetime, error: str | None) -> None:
    with _scope(runtime, look.tenant_id) as session:
        session.execute(
            update(SuppressionCheck)
            .where(SuppressionCheck.id == look.check_id, SuppressionCheck.claim_token == look.token)
            .values(next_at=next_at, error=error, claim_token=None, claimed_until=None)
        )
