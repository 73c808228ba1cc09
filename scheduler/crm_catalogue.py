"""The look at an outside catalogue: each location's list is read to its end, then taken over in one transaction.

A list that breaks off changes nothing. Many locations on one slow key take several looks: each goes on where the last
one stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

import redis
import structlog
from sqlalchemy import or_, select, update

from crm.catalogue_import import SURELY_GONE, WHO, Report, Whose, import_catalogue
from crm.catalogue_mapping import read_items
from crm.catalogue_rules import CatalogueRules
from crm.connectors.base import CATALOGUE, Connector, ConnectorError, NotSupported
from crm.connectors.registry import connector_of, settings_of
from crm.db import Database
from crm.models import CrmCheck, Location, TenantCrmConfig
from ops.clock import Clock
from ops.secrets import SecretBox
from scheduler.crm_claims import keep
from scheduler.crm_looks import Look, Looked
from scheduler.runtime import Runtime

log = structlog.get_logger(__name__)

TIMEOUT_S = 15.0
# After this a look stops between two locations and comes again: a thread belongs to everybody, and a job is cut off
# after two minutes (scheduler.worker).
LONGEST = timedelta(seconds=45)
SOON = timedelta(seconds=2)
AFTER_ERROR = timedelta(minutes=10)
# What is missing is looked for again when a second list may say that it is gone.
LOOK_AGAIN = SURELY_GONE + timedelta(seconds=30)
LOOK_AGAIN_DOUBTFUL = timedelta(hours=1)
MOST_NOTED, LONGEST_NAME = 30, 80


class Parts(Protocol):
    """What a refresh needs of a process."""

    @property
    def db(self) -> Database: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def redis(self) -> redis.Redis: ...
    @property
    def box(self) -> SecretBox: ...


@dataclass
class Refreshed:
    """What a round brought. `locations` are summaries by the location's id, `left` the ids that are still to be read,
    `errors` sentences by the location's short name."""

    locations: dict[int, dict[str, Any]] = field(default_factory=dict)
    left: list[int] = field(default_factory=list)
    errors: dict[str, ConnectorError] = field(default_factory=dict)


def refresh_catalogue(runtime: Runtime, tenant_id: int, look: Look) -> Looked:
    """Take over what one connection sells, at all of its locations. Safe to repeat and to do twice at once.

    Raises ConnectorError when nothing could be read, and ClaimLost.
    """
    before, done = _earlier(look)
    got = refresh(runtime, tenant_id, look.config_id, done=done, hold=lambda: keep(runtime, tenant_id, look))
    if got.errors and not got.locations and not done:
        raise next(iter(got.errors.values()))
    known = before | {str(number): summary for number, summary in got.locations.items()}
    done = [*done, *got.locations] if got.left else []
    notes = {"locations": known, "done": done, "round": _round_began(look).isoformat()}
    error = "; ".join(f"{slug}: {one}" for slug, one in got.errors.items()) or _doubt(got.locations)
    return Looked(
        text=describe(got),
        watermark=None if got.left or got.errors else look.now,
        again_after=_again(got),
        notes=notes,
        error=error,
    )


def refresh(
    parts: Parts,
    tenant_id: int,
    config_id: int,
    *,
    done: Sequence[int] = (),
    only: int | None = None,
    believe: bool = False,
    who: str = WHO,
    hold: Callable[[], None] = lambda: None,
    longest: timedelta = LONGEST,
) -> Refreshed:
    """Read and take over the catalogues of a connection's locations, but of those in `done`.

    `hold` is called before each. Raises ConnectorError for a connection that cannot be used, NotSupported for one
    that has no catalogue; what goes wrong at one location is in `errors`.
    """
    with parts.db.tenant(tenant_id) as session:
        config = session.get_one(TenantCrmConfig, config_id)
        places = _places(session.scalars(select(Location).order_by(Location.id)).all(), only)
    rules = settings_of(config).catalogue
    connector = connector_of(config, parts.box, parts.redis, background=True, timeout_s=TIMEOUT_S)
    began, got = parts.clock.now(), Refreshed()
    todo = [place for place in places if place.id not in done]
    try:
        if CATALOGUE not in connector.capabilities:
            raise NotSupported(config.connector, "list services")
        for at, place in enumerate(todo):
            if at and parts.clock.now() - began > longest:
                got.left = [one.id for one in todo[at:]]
                break
            hold()
            whose = Whose(tenant_id, config_id, place.id, who)
            if not _refresh_one(parts, connector, whose, place, rules, got, believe=believe):
                got.left = [one.id for one in todo[at:]]
                break
    finally:
        connector.close()
    return got


def _refresh_one(
    parts: Parts,
    connector: Connector,
    whose: Whose,
    place: Location,
    rules: CatalogueRules,
    got: Refreshed,
    *,
    believe: bool,
) -> bool:
    """One location; False when asking for the others makes no sense now."""
    read_at = parts.clock.now()
    try:
        items = connector.catalogue(place.crm_location_id or "")
    except ConnectorError as error:
        got.errors[place.slug] = error
        return error.retry_after_s is None and error.kind != "misconfigured"
    reading = read_items(items, rules)
    now = parts.clock.now()
    with parts.db.tenant(whose.tenant_id) as session:
        report = import_catalogue(
            session, whose, reading, by_hand=rules.by_hand, read_at=read_at, now=now, believe=believe
        )
    got.locations[place.id] = summary(place.slug, report, read_at)
    return True


def summary(slug: str, report: Report, read_at: datetime) -> dict[str, Any]:
    """A report as it is stored with the look: short, and without what the rules left out on purpose."""
    unread = [one for one in report.left_out if not one.meant]
    return {
        "location": slug,
        "read_at": read_at.isoformat(),
        "services": report.services,
        **{name: getattr(report, name)[:MOST_NOTED] for name in ("added", "changed", "gone", "back")},
        **{name: getattr(report, name)[:MOST_NOTED] for name in ("missing", "by_hand", "unpriced")},
        "unread": [{"name": one.name[:LONGEST_NAME], "why": one.reason} for one in unread[:MOST_NOTED]],
        "unread_count": len(unread),
        "not_ours": len(report.left_out) - len(unread),
        "doubts": report.doubts[:MOST_NOTED],
        "doubtful": report.doubtful,
        "outdated": report.outdated,
    }


def describe(got: Refreshed) -> str:
    """What a round did, in a line."""
    rows = list(got.locations.values())
    counts = {
        name: sum(len(row[name]) for row in rows)
        for name in ("added", "changed", "back", "gone", "missing", "unpriced")
    }
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing changed"
    left = f"; {len(got.left)} locations to go" if got.left else ""
    failed = f"; {len(got.errors)} not read" if got.errors else ""
    return f"{sum(row['services'] for row in rows)} services at {len(rows)} locations, {told}{left}{failed}"


def remember(parts: Parts, tenant_id: int, config_id: int, got: Refreshed) -> None:
    """Store what a refresh by hand found with the connection's look, unless one is under way that will do so."""
    now = parts.clock.now()
    with parts.db.tenant(tenant_id) as session:
        row = session.scalars(
            select(CrmCheck)
            .where(CrmCheck.config_id == config_id, CrmCheck.kind == "catalogue")
            .with_for_update()
        ).first()
        if row is None:
            return
        known = {str(number): one for number, one in got.locations.items()}
        notes = {**row.notes, "locations": {**row.notes.get("locations", {}), **known}}
        session.execute(
            update(CrmCheck)
            .where(CrmCheck.id == row.id, or_(CrmCheck.claimed_until.is_(None), CrmCheck.claimed_until < now))
            .values(notes=notes)
        )


def _places(locations: Sequence[Location], only: int | None) -> list[Location]:
    return [one for one in locations if one.crm_location_id and only in (None, one.id)]


def _earlier(look: Look) -> tuple[dict[str, Any], list[int]]:
    """What is known of each location from looks before, and which ones this round has read already."""
    known, done = look.notes.get("locations"), look.notes.get("done")
    before = dict(known) if isinstance(known, Mapping) else {}
    mine = look.now - _round_began(look) < timedelta(hours=1)
    return before, [one for one in done if isinstance(one, int)] if isinstance(done, list) and mine else []


def _round_began(look: Look) -> datetime:
    """When the round began that this look belongs to: now, unless an earlier look left locations over."""
    began = look.notes.get("round")
    if not look.notes.get("done") or not isinstance(began, str):
        return look.now
    try:
        return datetime.fromisoformat(began)
    except ValueError:
        return look.now


def _again(got: Refreshed) -> timedelta | None:
    if got.errors:
        return AFTER_ERROR
    if got.left:
        return SOON
    rows = got.locations.values()
    if any(row["doubtful"] for row in rows):
        return LOOK_AGAIN_DOUBTFUL
    return LOOK_AGAIN if any(row["missing"] for row in rows) else None


def _doubt(locations: Mapping[int, Mapping[str, Any]]) -> str | None:
    named = [str(row["location"]) for row in locations.values() if row["doubtful"]]
    if not named:
        return None
    return (
        f"the catalogue of {', '.join(named)} came without most of its services; they are still sold for a day."
        " If they are really gone: leads catalogue refresh --believe"
    )
