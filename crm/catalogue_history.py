"""What is sold where, where it comes from, and what changed: for the commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.models import CrmCheck, Service, ServiceChange, ServiceSource, TenantCrmConfig


@dataclass(frozen=True)
class SoldService:
    """A service as an owner sees it. `connector` None: made here by hand. `read_at`: when the last list it was looked
    for in was read; `missing_since`: it stands in none since then."""

    location_id: int
    service_id: int
    code: str
    name: str
    category: str
    body_style: str | None
    price_cents: int | None
    duration_minutes: int
    active: bool
    connector: str | None
    read_at: datetime | None
    missing_since: datetime | None


def sold_services(s: Session, location_ids: Sequence[int]) -> list[SoldService]:
    """All services of these locations, also those that are not sold any more, by location and number."""
    statement = (
        select(
            Service.location_id,
            Service.id.label("service_id"),
            Service.code,
            Service.name,
            Service.category,
            Service.body_style,
            Service.price_cents,
            Service.duration_minutes,
            Service.active,
            TenantCrmConfig.connector,
            ServiceSource.read_at,
            ServiceSource.missing_since,
        )
        .outerjoin(ServiceSource, ServiceSource.service_id == Service.id)
        .outerjoin(TenantCrmConfig, TenantCrmConfig.id == ServiceSource.config_id)
        .where(Service.location_id.in_(location_ids))
        .order_by(Service.location_id, Service.id)
    )
    return [SoldService(**row._mapping) for row in s.execute(statement)]


def last_changes(s: Session, location_ids: Sequence[int], limit: int = 50) -> list[dict[str, Any]]:
    """What imports changed last, newest first."""
    statement = (
        select(
            ServiceChange.at,
            ServiceChange.location_id,
            Service.code,
            ServiceChange.what,
            ServiceChange.fields,
            ServiceChange.who,
            ServiceChange.why,
        )
        .join(Service, Service.id == ServiceChange.service_id)
        .where(ServiceChange.location_id.in_(location_ids))
        .order_by(ServiceChange.id.desc())
        .limit(limit)
    )
    return [dict(row._mapping) for row in s.execute(statement)]


def last_looks(s: Session, location_ids: Sequence[int]) -> list[tuple[int, Mapping[str, Any]]]:
    """What the last look at each location's catalogue noted: (location, summary)."""
    notes = s.scalars(select(CrmCheck.notes).where(CrmCheck.kind == "catalogue").order_by(CrmCheck.id)).all()
    found = [(int(number), look) for one in notes for number, look in one.get("locations", {}).items()]
    return [(number, look) for number, look in found if number in location_ids]
