"""Claims on rows of `crm_checks`: one look at a time, by conditional update with a token; what came of it is written only
by whoever still holds it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, or_, select, update

from crm.models import CrmCheck, Location, TenantCrmConfig
from scheduler.crm_looks import Look
from scheduler.runtime import Runtime

# Longer than a job may take (scheduler.worker): a look that was cut off is over before somebody else begins.
CLAIM = timedelta(minutes=3)
MOST_TEXT = 500


class ClaimLost(Exception):
    """Somebody else does this look by now: the process stood still for longer than its claim. Leave the row alone."""


@dataclass(frozen=True)
class Claimed:
    """One look that is ours, due since `due_at`. `locations`: how many of the tenant's share this connection's key, and
    whether this is the `first` of them. `idle` says why there is nothing to look at."""

    look: Look
    kind: str
    due_at: datetime
    config: TenantCrmConfig
    failures: int
    locations: int
    idle: str | None
    first: bool = False


@dataclass(frozen=True)
class Outcome:
    """What is written into the row. None of `watermark` and `notes` leaves what is there."""

    next_at: datetime
    error: str | None = None
    failures: int = 0
    watermark: datetime | None = None
    notes: dict[str, Any] | None = None


def claim(runtime: Runtime, tenant_id: int, check_id: int) -> Claimed | None:
    """The look of this row if it is due and nobody does it.

    The first look for orders notes when it began: the ones after it reach back to that moment, should it fail.
    """
    now, token = runtime.clock.now(), uuid.uuid4()
    begun = func.coalesce(CrmCheck.watermark, now)
    with runtime.db.tenant(tenant_id) as session:
        row = session.execute(
            update(CrmCheck)
            .where(
                CrmCheck.id == check_id,
                CrmCheck.next_at <= now,
                or_(CrmCheck.claimed_until.is_(None), CrmCheck.claimed_until < now),
            )
            .values(
                claim_token=token,
                claimed_until=now + CLAIM,
                watermark=case((CrmCheck.kind == "orders", begun), else_=CrmCheck.watermark),
            )
            .returning(
                CrmCheck.kind,
                CrmCheck.next_at,
                CrmCheck.config_id,
                CrmCheck.location_id,
                CrmCheck.watermark,
                CrmCheck.notes,
                CrmCheck.failures,
            )
        ).first()
        if row is None:
            return None
        shops = select(func.count(), func.min(Location.id)).where(Location.crm_location_id.is_not(None))
        locations, first = session.execute(shops).one()
        here = select(Location.crm_location_id).where(Location.id == row.location_id)
        config, place = session.execute(
            select(TenantCrmConfig, here.scalar_subquery()).where(TenantCrmConfig.id == row.config_id)
        ).one()
    look = Look(check_id, row.config_id, row.location_id, row.watermark, row.notes or {}, now, token)
    idle = _nothing_to_do(config, is_of_location=row.location_id is not None, place=place)
    return Claimed(
        look, row.kind, row.next_at, config, row.failures, locations, idle, row.location_id == first
    )


def keep(runtime: Runtime, tenant_id: int, look: Look, notes: dict[str, Any] | None = None) -> None:
    """Hold the claim for another `CLAIM` from now on, and store `notes` already: after a crash the next look goes on
    from there. Raises ClaimLost. A look without a token, as tests make them, has nothing to lose."""
    if look.token is None:
        return
    values: dict[str, Any] = {"claimed_until": runtime.clock.now() + CLAIM}
    if notes is not None:
        values["notes"] = notes
    with runtime.db.tenant(tenant_id) as session:
        kept = session.execute(
            update(CrmCheck)
            .where(CrmCheck.id == look.check_id, CrmCheck.claim_token == look.token)
            .values(values)
            .returning(CrmCheck.id)
        ).first()
    if kept is None:
        raise ClaimLost(ClaimLost.__doc__)


def settle(runtime: Runtime, tenant_id: int, claimed: Claimed, outcome: Outcome) -> datetime | None:
    """Write down what came of a look and give it back; returns when it is due again. None, and nothing is written, when
    it is not ours any more.

    Whoever made it due again meanwhile (a webhook told of a change that this look may not have seen) is heeded.
    """
    values: dict[str, Any] = {
        "claim_token": None,
        "claimed_until": None,
        "next_at": case(
            (CrmCheck.next_at == claimed.due_at, outcome.next_at),
            else_=func.least(CrmCheck.next_at, outcome.next_at),
        ),
        "error": outcome.error[:MOST_TEXT] if outcome.error is not None else None,
        "failures": outcome.failures,
    }
    if outcome.watermark is not None:
        values["watermark"] = func.greatest(CrmCheck.watermark, outcome.watermark)
    if outcome.notes is not None:
        values["notes"] = outcome.notes
    with runtime.db.tenant(tenant_id) as session:
        return session.execute(
            update(CrmCheck)
            .where(CrmCheck.id == claimed.look.check_id, CrmCheck.claim_token == claimed.look.token)
            .values(values)
            .returning(CrmCheck.next_at)
        ).scalar_one_or_none()


def postpone(runtime: Runtime, tenant_id: int, check_id: int, until: datetime) -> bool:
    """Leave a look that is due, and that nobody does, for later; False when it is not there to be left."""
    now = runtime.clock.now()
    with runtime.db.tenant(tenant_id) as session:
        moved = session.execute(
            update(CrmCheck)
            .where(
                CrmCheck.id == check_id,
                CrmCheck.next_at <= now,
                or_(CrmCheck.claimed_until.is_(None), CrmCheck.claimed_until < now),
            )
            .values(next_at=until)
            .returning(CrmCheck.id)
        ).first()
    return moved is not None


def _nothing_to_do(config: TenantCrmConfig, *, is_of_location: bool, place: str | None) -> str | None:
    if not config.enabled:
        return "the connection is switched off"
    if is_of_location and not place:
        return "the location is not connected"
    return None
