"""A business's own cadence plans, kept in versions that never change: touch points name the one they were planned by.

A plan here is a JSON object; what it means and whether it makes sense is decided in scheduler/plan.py.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Text, cast, func, select
from sqlalchemy.orm import Session

from crm.models import CadencePlan, Tenant, TouchPoint
from crm.tenants import TenantSettings
from crm.text import storable


class UnchangedPlan(Exception):
    """The newest version says the same already. The message is a sentence for the owner."""


@dataclass(frozen=True)
class PlanLine:
    """One version as `leads plans history` shows it. `touches`: how many were planned by it."""

    name: str
    version: int
    created_at: datetime
    author: str
    note: str
    newest: bool
    touches: int


def stored_plan(
    session: Session, tenant_id: int, name: str, version: int | None = None
) -> tuple[int, str] | None:
    """The number and the JSON text of one version of the business's own, the newest for None; None when there is none."""
    mine = select(CadencePlan.version, cast(CadencePlan.body, Text)).where(
        CadencePlan.tenant_id == tenant_id, CadencePlan.name == name
    )
    if version is not None:
        mine = mine.where(CadencePlan.version == version)
    found = session.execute(mine.order_by(CadencePlan.version.desc()).limit(1)).first()
    return None if found is None else (found[0], found[1])


def own_names(session: Session, tenant_id: int) -> list[str]:
    """The names of the plans that the business has versions of, sorted."""
    mine = select(CadencePlan.name).where(CadencePlan.tenant_id == tenant_id).distinct()
    return sorted(session.scalars(mine))


def save_version(
    session: Session,
    tenant_id: int,
    name: str,
    body: dict[str, Any],
    *,
    author: str,
    now: datetime,
    note: str = "",
) -> int:
    """Keep this as the newest version, which cadences that begin from now on follow; returns its number.

    Whoever saves at the same time waits, so that no number is given twice. Raises UnchangedPlan.
    """
    session.get_one(Tenant, tenant_id, with_for_update=True)
    newest = stored_plan(session, tenant_id, name)
    if newest is not None and json.loads(newest[1]) == body:
        raise UnchangedPlan(f"version {newest[0]} of {name} says the same already")
    row = CadencePlan(
        tenant_id=tenant_id,
        name=name,
        version=1 if newest is None else newest[0] + 1,
        body=body,
        author=storable(author),
        note=storable(note),
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row.version


def plan_lines(session: Session, tenant_id: int, name: str | None = None) -> list[PlanLine]:
    """All versions, by name and the newest first, in two queries."""
    mine = select(CadencePlan).where(CadencePlan.tenant_id == tenant_id)
    if name is not None:
        mine = mine.where(CadencePlan.name == name)
    rows = session.scalars(mine.order_by(CadencePlan.name, CadencePlan.version.desc())).all()
    counted = (
        select(TouchPoint.plan, TouchPoint.plan_version, func.count())
        .where(TouchPoint.tenant_id == tenant_id, TouchPoint.plan_version.is_not(None))
        .group_by(TouchPoint.plan, TouchPoint.plan_version)
    )
    touches = {(plan, version): count for plan, version, count in session.execute(counted)}
    newest = {row.name: row.version for row in reversed(rows)}
    return [
        PlanLine(
            row.name,
            row.version,
            row.created_at,
            row.author,
            row.note,
            row.version == newest[row.name],
            touches.get((row.name, row.version), 0),
        )
        for row in rows
    ]


def use_for(session: Session, tenant_id: int, name: str, source: str | None) -> str | None:
    """Follow this plan with new leads of a source, or with all that have none of their own (None). Returns the name that
    was used before. The caller has made sure that there is such a plan."""
    tenant = session.get_one(Tenant, tenant_id, with_for_update=True, populate_existing=True)
    settings = TenantSettings.model_validate(tenant.settings)
    if source is None:
        tenant.settings = {**tenant.settings, "cadence": name}
        return settings.cadence
    by_source = {**settings.plan_by_source, source: name}
    tenant.settings = {**tenant.settings, "plan_by_source": by_source}
    return settings.plan_by_source.get(source)


def forget_source(session: Session, tenant_id: int, source: str) -> bool:
    """Let new leads of a source follow the usual plan again; False when they did."""
    tenant = session.get_one(Tenant, tenant_id, with_for_update=True, populate_existing=True)
    by_source = dict(TenantSettings.model_validate(tenant.settings).plan_by_source)
    if by_source.pop(source, None) is None:
        return False
    tenant.settings = {**tenant.settings, "plan_by_source": by_source}
    return True
