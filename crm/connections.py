"""Connections to CRMs as they are stored: made, given another key, their locations matched with ours, how they stand."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from crm.models import CrmCheck, Location, TenantCrmConfig

if TYPE_CHECKING:
    from crm.connectors.records import ExternalLocation
    from ops.secrets import SecretBox


@dataclass(frozen=True)
class Match:
    """A location of ours and the one of the CRM it is. `how`: "id" (it was known), "name", "given", or None (none)."""

    location_id: int
    slug: str
    name: str
    external: ExternalLocation | None
    how: str | None


@dataclass(frozen=True)
class LookLine:
    """How one look at a CRM stands. `location` None: the whole connection. `seen_until`: everything before that was
    found. `error`: what stands in the way, with how often in a row."""

    kind: str
    location: str | None
    seen_until: datetime | None
    next_at: datetime
    failures: int
    error: str | None


def connected_locations(s: Session) -> int:
    """How many locations share the business's key."""
    return int(s.scalar(select(func.count()).where(Location.crm_location_id.is_not(None))) or 0)


def new_connection(
    tenant_id: int, connector: str, base_url: str, api_key: str, box: SecretBox
) -> TenantCrmConfig:
    """A connection that is stored nowhere yet: to be tried first. Its `hook_token` ends the webhook's path."""
    return TenantCrmConfig(
        tenant_id=tenant_id,
        connector=connector,
        base_url=base_url.rstrip("/"),
        api_key_encrypted=box.encrypt(api_key.strip()),
        hook_token=secrets.token_urlsafe(32),
        signature_mode="observe",
        enabled=True,
        settings={},
        lead_rules={},
    )


def store_connection(s: Session, made: TenantCrmConfig, now: datetime) -> tuple[TenantCrmConfig, bool]:
    """Keep a connection that was tried; one the tenant has already gets its address and key, and keeps everything else.
    Returns the row, and whether it is new."""
    known = connections(s, made.connector, lock=True)
    if not known:
        s.add(made)
        s.flush()
        return made, True
    row = known[0]
    row.base_url, row.api_key_encrypted, row.enabled = made.base_url, made.api_key_encrypted, True
    s.flush()
    look_now(s, row.id, now)
    return row, False


def connections(s: Session, connector: str | None = None, *, lock: bool = False) -> list[TenantCrmConfig]:
    """The connections of the session's tenant, the one that was made first in front."""
    statement = select(TenantCrmConfig).order_by(TenantCrmConfig.id)
    if connector is not None:
        statement = statement.where(TenantCrmConfig.connector == connector)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return list(s.scalars(statement))


def look_now(s: Session, config_id: int, now: datetime) -> int:
    """Make every look of a connection due, also those that wait for the owner; returns how many."""
    rows = update(CrmCheck).where(CrmCheck.config_id == config_id)
    done = s.execute(rows.values(next_at=now, failures=0).execution_options(synchronize_session=False))
    return int(done.rowcount)  # type: ignore[attr-defined]


def match_locations(
    ours: Iterable[Location], theirs: Sequence[ExternalLocation], given: Mapping[str, str]
) -> list[Match]:
    """Which of their locations each of ours is: as `given` (slug -> id), as known, by its name, or as the only one left
    on both sides. No location of theirs is taken twice."""
    by_id = {one.external_id: one for one in theirs}
    kept = list(ours)
    found: dict[int, tuple[ExternalLocation, str]] = {}
    for place in kept:
        wanted, how = given.get(place.slug), "given"
        if wanted is None:
            wanted, how = place.crm_location_id, "id"
        if wanted is not None and wanted in by_id:
            found[place.id] = (by_id[wanted], how)
    free = _free(theirs, found)
    named: dict[str, list[ExternalLocation]] = defaultdict(list)
    for one in free:
        named[_plain(one.name)].append(one)
    open_ = [place for place in kept if place.id not in found and place.slug not in given]
    mine = [_plain(place.name) for place in open_]
    for place, name in zip(open_, mine, strict=True):
        if len(named[name]) == 1 and mine.count(name) == 1:
            found[place.id] = (named[name][0], "name")
    free, open_ = _free(theirs, found), [place for place in open_ if place.id not in found]
    if len(free) == len(open_) == 1 and len(theirs) == len(kept) == 1:
        found[open_[0].id] = (free[0], "only one")
    return [Match(place.id, place.slug, place.name, *(found.get(place.id) or (None, None))) for place in kept]


def _free(
    theirs: Iterable[ExternalLocation], found: Mapping[int, tuple[ExternalLocation, str]]
) -> list[ExternalLocation]:
    taken = {one.external_id for one, _ in found.values()}
    return [one for one in theirs if one.external_id not in taken and not one.archived]


def _plain(name: str) -> str:
    return " ".join("".join(char if char.isalnum() else " " for char in name.casefold()).split())


def add_secret(box: SecretBox, config: TenantCrmConfig, secret: str) -> None:
    """Sign with `secret` from now on; what the one before signed is still accepted, until `keep_newest_secret`."""
    before = secrets_of(box, config)[:1]
    config.webhook_secret_encrypted = box.encrypt(" ".join([secret, *before]))


def keep_newest_secret(box: SecretBox, config: TenantCrmConfig) -> bool:
    """End the overlap. False when there was none."""
    known = secrets_of(box, config)
    if len(known) < 2:
        return False
    config.webhook_secret_encrypted = box.encrypt(known[0])
    return True


def secrets_of(box: SecretBox, config: TenantCrmConfig) -> list[str]:
    """The secrets that may sign webhooks, the newest first. Raises ops.secrets.SecretsError."""
    stored = config.webhook_secret_encrypted
    return box.decrypt(stored).split() if stored is not None else []


def looks_of(s: Session, config_id: int) -> list[LookLine]:
    """All looks at a connection, in one query."""
    rows = s.execute(
        select(CrmCheck, Location.slug)
        .outerjoin(Location, Location.id == CrmCheck.location_id)
        .where(CrmCheck.config_id == config_id)
        .order_by(CrmCheck.location_id.nulls_first(), CrmCheck.kind)
    )
    return [
        LookLine(row.kind, slug, row.watermark, row.next_at, row.failures, row.error) for row, slug in rows
    ]


def map_locations(s: Session, matches: Iterable[Match]) -> int:
    """Store which location of the CRM each of ours is; returns how many changed."""
    wanted: dict[int, Any] = {one.location_id: one.external.external_id for one in matches if one.external}
    changed = 0
    for row in s.scalars(select(Location).where(Location.id.in_(wanted)).with_for_update()):
        changed += row.crm_location_id != wanted[row.id]
        row.crm_location_id = wanted[row.id]
    s.flush()
    return changed
