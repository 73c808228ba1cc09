"""Soft holds: while a customer thinks about an offered time, nobody else is offered it or given it.

Off unless the tenant sets `hold_offers_minutes`. A person at the shop is not kept from anything by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from crm.calendar.book import BayBook, ShopRules, merged, stretch_at
from crm.calendar.hours import Stretch
from crm.calendar.job import Job
from crm.models import Appointment, Location, Offer, Service, Tenant
from crm.tenants import TenantSettings


@dataclass(frozen=True)
class HeldFor:
    """Whom the holds of others keep away. When an offer is taken only earlier ones do: of two customers who were
    shown one time at the same moment the first may have it, and not neither."""

    session_id: int
    offer_id: int | None = None


@dataclass(frozen=True)
class _Hold:
    work: Stretch
    job: Job


def held_until(s: Session, location: Location, now: datetime) -> datetime | None:
    """Until when an offer made now is held, None when this tenant holds none."""
    settings = TenantSettings.model_validate(s.get_one(Tenant, location.tenant_id).settings)
    minutes = settings.hold_offers_minutes
    return now + timedelta(minutes=minutes) if minutes else None


def with_holds(
    s: Session, location: Location, rules: ShopRules, bays: dict[int, BayBook], whom: HeldFor, now: datetime
) -> dict[int, BayBook]:
    """The bays with every hold of other customers on the first bay that could take it; one query."""
    held = dict(bays)
    for hold in _holds(s, location, whom, now).values():
        blocked = Stretch(hold.work.starts_at - rules.buffer_before, hold.work.ends_at + rules.buffer_after)
        for bay_id, bay in held.items():
            is_open = stretch_at(bay.open, hold.work.starts_at) is not None
            if is_open and hold.job.suits(bay.skills) and bay.is_free(blocked):
                held[bay_id] = replace(bay, busy=merged((*bay.busy, blocked)))
                break
    return held


def _holds(s: Session, location: Location, whom: HeldFor, now: datetime) -> Mapping[int, _Hold]:
    taken = exists().where(Appointment.offer_id == Offer.id, Appointment.status != "cancelled")
    statement = (
        select(Offer.id, Offer.starts_at, Offer.ends_at, Service.category, Service.code)
        .join(Service, Service.id == Offer.service_ids.any_())
        .where(
            Offer.location_id == location.id,
            Offer.held_until > now,
            Offer.session_id != whom.session_id,
            ~taken,
        )
        .order_by(Offer.id)
    )
    if whom.offer_id is not None:
        statement = statement.where(Offer.id < whom.offer_id)
    holds: dict[int, _Hold] = {}
    for offer_id, starts_at, ends_at, category, code in s.execute(statement):
        needs = holds[offer_id].job.needs if offer_id in holds else frozenset()
        job = Job((), 0, needs=needs | {(category, code)})
        holds[offer_id] = _Hold(Stretch(starts_at.astimezone(UTC), ends_at.astimezone(UTC)), job)
    return holds
