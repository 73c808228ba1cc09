"""A bay for work that the shop has put at a time of its own choice, whether we would have or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.calendar.blocks import Block
from crm.calendar.daybook import ACTIVE
from crm.calendar.hours import Stretch
from crm.calendar.job import Job
from crm.calendar.outside import SOURCE, clear
from crm.models import Appointment, Bay, Location

# Beside the bays: out of use, so nothing is ever offered there, and as many as are needed.
BESIDE = "Beside the bays"


@dataclass(frozen=True)
class Found:
    """Where the work goes. `displaced` are blocks of other people's entries that had to give way; `crowded`: no bay was
    free, so it stands beside them."""

    bay_id: int
    blocked: Stretch
    displaced: tuple[Block, ...] = ()
    crowded: bool = False


def find_bay(s: Session, location: Location, row: Appointment, span: Stretch, job: Job) -> Found:
    """A bay for `row` during `span`; the caller queues up and writes the row.

    Its own bay first, then bays that can do the work, then any. Buffers are kept where they can be. Blocks of other
    people's entries give way, as they lie on a bay only for want of a better one. Where all bays have cars of ours on
    them the work is recorded beside them: the customer will come, whatever we think of it.
    """
    bays = _bays(s, location, row.bay_id, job)
    buffered = Stretch(
        span.starts_at - timedelta(minutes=location.buffer_before_minutes),
        span.ends_at + timedelta(minutes=location.buffer_after_minutes),
    )
    for blocked in dict.fromkeys((buffered, span)):
        met = _met(s, [bay.id for bay in bays], blocked, row.id)
        free = next((bay for bay in bays if bay.id not in met), None)
        if free is not None:
            return Found(free.id, blocked)
    for bay in bays:
        if not met[bay.id]:
            return Found(bay.id, span, tuple(clear(s, bay.id, span)))
    return Found(_beside(s, location, row, span), span, crowded=True)


def _bays(s: Session, location: Location, own: int, job: Job) -> list[Bay]:
    bays = s.scalars(select(Bay).where(Bay.location_id == location.id, Bay.active)).all()
    return sorted(bays, key=lambda bay: (bay.id != own, not job.suits(frozenset(bay.skills)), bay.id))


def _met(s: Session, bay_ids: Sequence[int], span: Stretch, own: int) -> dict[int, bool]:
    """For each bay on which something is during `span`: whether something of ours is."""
    rows = s.execute(
        select(Appointment.bay_id, Appointment.source, Appointment.lead_id).where(
            Appointment.bay_id.in_(bay_ids),
            Appointment.status.in_(ACTIVE),
            Appointment.blocked_until > span.starts_at,
            Appointment.blocked_from < span.ends_at,
            Appointment.id != own,
        )
    )
    met: dict[int, bool] = {}
    for bay_id, source, lead_id in rows:
        met[bay_id] = met.get(bay_id, False) or source != SOURCE or lead_id is not None
    return met


def _beside(s: Session, location: Location, row: Appointment, span: Stretch) -> int:
    known = s.scalars(
        select(Bay)
        .where(Bay.location_id == location.id, Bay.active.is_(False), Bay.name.startswith(BESIDE))
        .order_by(Bay.id)
    ).all()
    met = _met(s, [bay.id for bay in known], span, row.id)
    free = next((bay for bay in known if bay.id not in met), None)
    if free is None:
        free = Bay(
            tenant_id=location.tenant_id,
            location_id=location.id,
            name=_unused(known),
            active=False,
            skills=[],
        )
        s.add(free)
        s.flush()
    return free.id


def _unused(known: Sequence[Bay]) -> str:
    names = {bay.name for bay in known}
    return next(name for name in _names() if name not in names)


def _names() -> Iterator[str]:
    number = 1
    while True:
        yield BESIDE if number == 1 else f"{BESIDE} {number}"
        number += 1
