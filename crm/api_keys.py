"""Keys of the API: made once, shown once, stored as a hash; who a key belongs to and what it may do."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import structlog
from sqlalchemy import String, cast, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from crm.db import Database
from crm.models import ApiKey

log = structlog.get_logger(__name__)

Kind = Literal["server", "form"]

# Begins like this so that a scanner for leaked secrets, and a person, can tell what it is.
PREFIXES: dict[str, str] = {"server": "leads_key_", "form": "leads_form_"}
SHOWN = 6
# When a key was used last is written at most so often: it is one row that everybody would wait for.
USED_EVERY = timedelta(minutes=1)
LONGEST_KEY = 200

_ROUTE = "select tenant_id, row_id from route_api_key(%(hash)s)"
_READ = """
select k.name, k.kind, k.location_id, k.redirect_hosts, k.per_minute, k.last_used_at, t.status
  from api_keys k join tenants t on t.id = k.tenant_id
 where k.id = %(id)s and k.revoked_at is null
"""
_USED = """
update api_keys set last_used_at = %(now)s
 where id = %(id)s and (last_used_at is null or last_used_at <= %(before)s)
"""


@dataclass(frozen=True)
class Caller:
    """Whose key a request came with. `paused`: the business takes nothing at the moment."""

    tenant_id: int
    key_id: int
    name: str
    kind: str
    location_id: int | None
    redirect_hosts: tuple[str, ...]
    per_minute: int
    paused: bool


def hash_of(key: str) -> str:
    """What is stored of a key. It has 256 random bits, so a plain hash is enough and can be looked up."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def add_key(
    s: Session,
    *,
    tenant_id: int,
    name: str,
    kind: Kind = "server",
    location_id: int | None = None,
    redirect_hosts: Sequence[str] = (),
    per_minute: int = 120,
) -> tuple[ApiKey, str]:
    """A new key, and its text, which nobody can be shown again."""
    text = PREFIXES[kind] + secrets.token_urlsafe(32)
    row = ApiKey(
        tenant_id=tenant_id,
        name=name,
        kind=kind,
        prefix=text[: len(PREFIXES[kind]) + SHOWN],
        key_hash=hash_of(text),
        location_id=location_id,
        redirect_hosts=list(redirect_hosts),
        per_minute=per_minute,
    )
    s.add(row)
    s.flush()
    return row, text


def list_keys(s: Session, *, revoked: bool = False) -> list[ApiKey]:
    """The keys of the session's tenant, oldest first; revoked ones only when asked for."""
    statement = select(ApiKey).order_by(ApiKey.id)
    return list(s.scalars(statement if revoked else statement.where(ApiKey.revoked_at.is_(None))))


def find_keys(s: Session, wanted: str) -> list[ApiKey]:
    """The keys with this number or name, or whose shown beginning is this; a whole key is found too."""
    whole = hash_of(wanted)
    shown = [wanted[: len(prefix) + SHOWN] for prefix in PREFIXES.values() if wanted.startswith(prefix)]
    found = or_(cast(ApiKey.id, String) == wanted, ApiKey.name == wanted, ApiKey.key_hash == whole)
    if shown and len(wanted) <= len(shown[0]):
        found = or_(found, ApiKey.prefix == shown[0])
    return list(s.scalars(select(ApiKey).where(found).order_by(ApiKey.id)))


def revoke_key(s: Session, key: ApiKey, now: datetime) -> bool:
    """Nothing is taken with this key from the commit on; False when that was so already."""
    s.refresh(key, with_for_update=True)
    if key.revoked_at is not None:
        return False
    key.revoked_at = now
    s.flush()
    return True


def caller_of(db: Database, key: str, now: datetime) -> Caller | None:
    """Who a key belongs to; None for an unknown or revoked one. Asked at every request and never remembered, so that
    a revoked key is worth nothing at once. Notes when the key was used. Raises SQLAlchemyError."""
    if not key or len(key) > LONGEST_KEY:
        return None
    route = db.one_statement(_ROUTE, {"hash": hash_of(key)})
    if route is None:
        return None
    tenant_id, key_id = int(route[0]), int(route[1])
    row = db.look(tenant_id, _READ, {"id": key_id})
    if row is None:
        return None
    name, kind, location_id, hosts, per_minute, used, status = row
    if used is None or used <= now - USED_EVERY:
        _note_use(db, tenant_id, key_id, now)
    return Caller(
        tenant_id, key_id, name, kind, location_id, tuple(hosts), int(per_minute), status != "active"
    )


def _note_use(db: Database, tenant_id: int, key_id: int, now: datetime) -> None:
    parameters = {"id": key_id, "now": now, "before": now - USED_EVERY}
    try:
        db.at_once(tenant_id, f"{_USED} returning id", parameters)
    except SQLAlchemyError as error:
        # A note for the owner; the request itself does not depend on it.
        log.warning("api_key_use_not_noted", key_id=key_id, error=type(error).__name__)
