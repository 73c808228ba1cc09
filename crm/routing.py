"""The only look-ups across tenants, each one narrow: an address in, ids out (SECURITY DEFINER functions).

Call them in `Database.system()`. Everything else about a tenant needs its scope.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True)
class Route:
    """Whose it is: the tenant and the row (a location, a CRM configuration, or a message)."""

    tenant_id: int
    row_id: int


@dataclass(frozen=True)
class TenantName:
    """One tenant, as the commands list it."""

    id: int
    slug: str
    name: str


@dataclass(frozen=True)
class Owed:
    """One row that something is owed for; `job` is the wake-up's name."""

    job: str
    tenant_id: int | None
    row_id: str


def _route(session: Session, function: str, key: object) -> Route | None:
    row = session.execute(text(f"select tenant_id, row_id from {function}(:key)"), {"key": key}).first()
    return None if row is None else Route(row.tenant_id, row.row_id)


def route_phone(session: Session, phone: str) -> Route | None:
    """The location that owns this E.164 number."""
    return _route(session, "route_phone", phone)


def route_mailbox(session: Session, mailbox: str) -> Route | None:
    """The location that owns this mailbox (lower case, without a plus tag)."""
    return _route(session, "route_mailbox", mailbox)


def route_hook(session: Session, token: str) -> Route | None:
    """The CRM configuration behind a secret webhook path."""
    return _route(session, "route_hook", token)


def route_outbox(session: Session, outbox_id: uuid.UUID) -> Route | None:
    """The outbound message with this outbox id, for a carrier's status callback."""
    return _route(session, "route_outbox", outbox_id)


def route_outboxes(session: Session, outbox_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Route]:
    """The same for many ids in one query, for a batch of events; unknown ones are left out."""
    if not outbox_ids:
        return {}
    statement = text(
        "select k.key, r.tenant_id, r.row_id from unnest(cast(:keys as uuid[])) as k (key)"
        " cross join lateral route_outbox(k.key) r"
    )
    rows = session.execute(statement, {"keys": [str(one) for one in outbox_ids]})
    return {row.key: Route(row.tenant_id, row.row_id) for row in rows}


def route_account(session: Session, account_sid: str) -> Route | None:
    """The carrier account (a row of `carrier_accounts`) with this account SID."""
    return _route(session, "route_account", account_sid)


def route_mail_account(session: Session, token: str) -> Route | None:
    """The business's own account at SendGrid (a row of `mail_accounts`) behind a secret webhook path."""
    return _route(session, "route_mail_account", token)


def route_api_key(session: Session, key_hash: str) -> Route | None:
    """The key of the API (a row of `api_keys`) with this SHA-256, unless it was revoked."""
    return _route(session, "route_api_key", key_hash)


def leads_by_email(session: Session, addresses: list[str]) -> list[tuple[Route, str]]:
    """Leads with one of these addresses, of all tenants that send through the installation's account at SendGrid."""
    statement = text("select tenant_id, row_id, email from leads_by_email(:addresses)")
    rows = session.execute(statement, {"addresses": addresses})
    return [(Route(row.tenant_id, row.row_id), row.email) for row in rows]


def active_tenants(session: Session) -> list[TenantName]:
    """All tenants that are not paused."""
    return [TenantName(*row) for row in session.execute(text("select id, slug, name from active_tenants()"))]


def owed(session: Session, now: datetime, limit: int = 500) -> list[Owed]:
    """What is due at `now` and held by nobody, at most `limit` of each kind, oldest first."""
    rows = session.execute(
        text("select job, tenant_id, row_id from owed_work(:now, :limit)"), {"now": now, "limit": limit}
    )
    return [Owed(*row) for row in rows]


def open_carrier_checks(session: Session, now: datetime, *, everywhere: bool) -> int:
    """Have the carrier looked at from now on for every number that nobody looks for yet; returns how many looks were
    opened. `everywhere` False: only for tenants with an account of their own."""
    statement = text("select open_carrier_checks(:now, :everywhere)")
    return int(session.execute(statement, {"now": now, "everywhere": everywhere}).scalar_one())


def open_suppression_checks(session: Session, now: datetime, *, everywhere: bool) -> int:
    """Have SendGrid's lists compared from now on for every account that nobody compares yet; returns how many were
    opened. `everywhere` False: the installation has no account of its own."""
    statement = text("select open_suppression_checks(:now, :everywhere)")
    return int(session.execute(statement, {"now": now, "everywhere": everywhere}).scalar_one())


def open_crm_checks(session: Session, now: datetime) -> int:
    """Have every connected CRM looked through from now on; returns how many looks were opened."""
    return int(session.execute(text("select open_crm_checks(:now)"), {"now": now}).scalar_one())


def claim_touches(
    session: Session, now: datetime, token: uuid.UUID, until: datetime, *, most: int, each: int
) -> list[Route]:
    """Claim due touch points for one dispatcher until `until`: at most `most`, at most `each` of a business, the first
    of every business before the second of any. Rows that another one holds are passed by; those of a dispatcher that
    died are taken over."""
    statement = text("select tenant_id, row_id from claim_touches(:now, :token, :until, :most, :each)")
    given = {"now": now, "token": token, "until": until, "most": most, "each": each}
    return [Route(row.tenant_id, row.row_id) for row in session.execute(statement, given)]


def touches_due(session: Session, now: datetime) -> bool:
    """Whether a touch point waits for the dispatcher at `now`."""
    return bool(session.execute(text("select touches_due(:now)"), {"now": now}).scalar_one())
