"""Old leads that a wave may write to, and a wave at work."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.consents import record_consent
from crm.db import Database
from crm.models import ChatSession, Lead, LeadRequest, TouchPoint, Wave
from crm.waves import WaveFilter, start_wave
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from scheduler.waves import wave
from tests.conftest import Shop
from tests.integration.results_help import new_person

_numbers = itertools.count(1)
LONG_AGO = timedelta(days=200)


def old_lead(
    s: Session,
    shop: Shop,
    now: datetime,
    *,
    asked: timedelta = LONG_AGO,
    granted: timedelta | None = LONG_AGO,
    **more: object,
) -> tuple[Lead, ChatSession]:
    """Somebody who asked long ago and allowed texts then."""  # fmt: skip
    lead, chat = new_person(s, shop, **{"status": "lost", **more})
    s.add(
        LeadRequest(
            tenant_id=shop.tenant_id, lead_id=lead.id, source="test", external_id=f"old-{next(_numbers)}",
            made_at=now - asked,
        )
    )  # fmt: skip
    if granted is not None:
        record_consent(
            s, tenant_id=shop.tenant_id, channel="sms", address=str(lead.phone), action="grant", actor="crm",
            source="form", evidence="yes", effective_at=now - granted, lead_id=lead.id,
        )  # fmt: skip
    s.flush()
    return lead, chat


def people(db: Database, shop: Shop, now: datetime, count: int, **more: Any) -> list[int]:
    """Ids of so many old leads, the newest last."""
    with db.tenant(shop.tenant_id) as s:
        return [old_lead(s, shop, now, **more)[0].id for _ in range(count)]


def begin(
    db: Database, shop: Shop, now: datetime, *, name: str = "spring", per_day: int = 480, **more: Any
) -> int:
    """Start a wave; at 480 a day one lead is taken a minute."""
    with db.tenant(shop.tenant_id) as s:
        started = start_wave(
            s, shop.tenant_id, name, plan="reactivation", wanted=WaveFilter(**more), per_day=per_day,
            location_id=None, author="sam", now=now,
        )  # fmt: skip
        return started.id


def turn(
    runtime: Runtime, shop: Shop, wave_id: int, times: int = 1, every: timedelta | None = None
) -> list[str]:
    """Wake the wave so often, the clock going on in between."""
    said = []
    for _ in range(times):
        said.append(wave(runtime, shop.tenant_id, str(wave_id)))
        if isinstance(runtime.clock, FixedClock):
            runtime.clock.advance(every or timedelta(minutes=1))
    return said


def row(db: Database, shop: Shop, wave_id: int) -> Wave:
    """The wave, freshly read."""
    with db.tenant(shop.tenant_id) as s:
        return s.get_one(Wave, wave_id)


def touched(db: Database, shop: Shop, wave_id: int) -> dict[int, list[TouchPoint]]:
    """The wave's touches by lead."""
    found: dict[int, list[TouchPoint]] = {}
    with db.tenant(shop.tenant_id) as s:
        for touch in s.scalars(
            select(TouchPoint).where(TouchPoint.wave_id == wave_id).order_by(TouchPoint.id)
        ):
            found.setdefault(touch.lead_id, []).append(touch)
    return found
