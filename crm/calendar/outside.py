"""Entries of an outside calendar as rows of source `crm`, so that nothing that looks at our calendar offers their time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from crm.calendar.blocks import Block, Place, Wanted, pack, wanted
from crm.calendar.booker import Booker, queue_up
from crm.calendar.daybook import ACTIVE
from crm.calendar.hours import Stretch
from crm.connectors.records import ExternalAppointment
from crm.connectors.settings import OutsideRule
from crm.models import Appointment, Bay, Location

SOURCE = "crm"
WHY = "it stands in the shop's own calendar"


@dataclass(frozen=True)
class Laid:
    """How many blocks were added, removed and left as they are."""

    added: int = 0
    removed: int = 0
    kept: int = 0


def lay_out(
    s: Session,
    location: Location,
    entries: Sequence[ExternalAppointment],
    rule: OutsideRule,
    span: Stretch,
    now: datetime,
    *,
    complete: bool = True,
    recurring_included: bool = True,
) -> Laid:
    """Make the blocks of `span` what `entries` say, in the caller's transaction; also blocks that are over go.

    Not `complete`: nothing is removed. Without `recurring_included` no block of a series is: it may well still stand.
    """
    queue_up(s, location.id)
    _forget_past(s, location, span.starts_at)
    rows = {row.external_id or "": row for row in _blocks(s, location, span)}
    places = places_of(s, location)
    zone = ZoneInfo(location.timezone)
    asked = [wanted(entry, rule, places, zone, location.id) for entry in entries]
    plan = [one for one in asked if one is not None]
    shown = {one.key for one in plan}
    stays = {
        key: row
        for key, row in rows.items()
        if key.partition("#")[0] not in shown
        and (not complete or (not recurring_included and _is_recurring(row)))
    }
    bays = [place.bay_id for place in places]
    taken = _taken(s, location, plan, span)
    for row in stays.values():
        taken.setdefault(row.bay_id, []).append(_span(row))
    blocks = pack(plan, bays, taken, {key: row.bay_id for key, row in rows.items()})
    return _become(s, location, blocks, {k: row for k, row in rows.items() if k not in stays}, now)


def places_of(s: Session, location: Location) -> list[Place]:
    """The bays that are worked on, those that can do everything first: most work fits there, so that is where somebody
    else's work is."""
    bays = s.scalars(select(Bay).where(Bay.location_id == location.id, Bay.active))
    rows = sorted(bays, key=lambda bay: (bool(bay.skills), -len(bay.skills), bay.id))
    return [Place(bay.id, bay.name) for bay in rows]


def clear(s: Session, bay_id: int, span: Stretch) -> list[Block]:
    """Take blocks off a bay that are in the way of `span`; returns them, to be put elsewhere. The caller queues up."""
    rows = s.scalars(
        select(Appointment).where(
            Appointment.bay_id == bay_id,
            Appointment.source == SOURCE,
            Appointment.lead_id.is_(None),
            Appointment.blocked_until > span.starts_at,
            Appointment.blocked_from < span.ends_at,
        )
    ).all()
    found = [
        Block(row.external_id or "", row.bay_id, _span(row), row.labour_minutes > 0, _is_recurring(row))
        for row in rows
    ]
    _delete(s, [row.id for row in rows])
    return found


def put_elsewhere(s: Session, location: Location, blocks: Sequence[Block], now: datetime) -> None:
    """Lay cleared blocks on what is free now. The next look at the calendar makes whole what was cut."""
    for block in blocks:
        plan = [Wanted(block.external_id, block.span, more=1, is_job=block.is_job, recurring=block.recurring)]
        bays = [place.bay_id for place in places_of(s, location)]
        taken = _taken(s, location, plan, block.span, with_blocks=True)
        # A second piece would carry the number of the entry's own second piece.
        pieces = pack(plan, bays, taken, {})
        for number, piece in enumerate(pieces):
            name = piece.external_id if number == 0 else f"{block.external_id}!{number + 1}"
            s.add(_row(location, piece, name, now))
        s.flush()


def _forget_past(s: Session, location: Location, before: datetime) -> None:
    """Blocks that are over are of no use to anybody."""
    s.execute(
        delete(Appointment)
        .where(
            Appointment.location_id == location.id,
            Appointment.source == SOURCE,
            Appointment.external_id.is_not(None),
            Appointment.lead_id.is_(None),
            Appointment.blocked_until < before,
        )
        .execution_options(synchronize_session=False)
    )


def _blocks(s: Session, location: Location, span: Stretch) -> Sequence[Appointment]:
    statement = select(Appointment).where(
        Appointment.location_id == location.id,
        Appointment.source == SOURCE,
        Appointment.external_id.is_not(None),
        Appointment.lead_id.is_(None),
        Appointment.blocked_until > span.starts_at,
        Appointment.blocked_from < span.ends_at,
    )
    return s.scalars(statement.execution_options(populate_existing=True)).all()


def _taken(
    s: Session, location: Location, plan: Iterable[Wanted], span: Stretch, *, with_blocks: bool = False
) -> dict[int, list[Stretch]]:
    """What is on the bays and may not be moved: whatever came from no outside calendar. Entries reach beyond the span
    that was read, and so does what they may meet."""
    first = min((one.span.starts_at for one in plan), default=span.starts_at)
    last = max((one.span.ends_at for one in plan), default=span.ends_at)
    statement = select(Appointment).where(
        Appointment.location_id == location.id,
        Appointment.status.in_(ACTIVE),
        Appointment.blocked_until > min(first, span.starts_at),
        Appointment.blocked_from < max(last, span.ends_at),
    )
    found: dict[int, list[Stretch]] = {}
    for row in s.scalars(statement):
        movable = row.source == SOURCE and row.external_id is not None and row.lead_id is None
        if with_blocks or not movable:
            found.setdefault(row.bay_id, []).append(_span(row))
    return found


def _become(
    s: Session, location: Location, blocks: Sequence[Block], rows: Mapping[str, Appointment], now: datetime
) -> Laid:
    """Rows that changed are made anew: two that change places would meet on the way."""
    new = {block.external_id: block for block in blocks}
    same = {key for key, row in rows.items() if key in new and _stands_as(row, new[key])}
    gone = [row.id for key, row in rows.items() if key not in same]
    _delete(s, gone)
    added = [block for key, block in new.items() if key not in same]
    s.add_all(_row(location, block, block.external_id, now) for block in added)
    s.flush()
    return Laid(len(added), len(gone), len(same))


def _delete(s: Session, ids: Sequence[int]) -> None:
    if ids:
        s.flush()
        s.execute(delete(Appointment).where(Appointment.id.in_(ids)))


def _stands_as(row: Appointment, block: Block) -> bool:
    return (
        row.status in ACTIVE
        and (row.bay_id, _span(row)) == (block.bay_id, block.span)
        and (row.labour_minutes > 0, _is_recurring(row)) == (block.is_job, block.recurring)
    )


def _row(location: Location, block: Block, external_id: str, now: datetime) -> Appointment:
    span = block.span
    minutes = max(1, (span.ends_at - span.starts_at).total_seconds() // 60)
    entry = Booker(None, None, SOURCE, now, why=WHY).entry("booked", recurring=block.recurring)
    return Appointment(
        tenant_id=location.tenant_id,
        location_id=location.id,
        bay_id=block.bay_id,
        service_ids=[],
        starts_at=span.starts_at,
        ends_at=span.ends_at,
        blocked_from=span.starts_at,
        blocked_until=span.ends_at,
        # Nobody works on a lunch: it is no part of a day's limits.
        labour_minutes=int(minutes) if block.is_job else 0,
        source=SOURCE,
        external_id=external_id,
        sync_state="pushed",
        history=[entry],
    )


def _is_recurring(row: Appointment) -> bool:
    entry = row.history[0] if row.history else None
    return isinstance(entry, dict) and entry.get("recurring") is True


def _span(row: Appointment) -> Stretch:
    return Stretch(row.blocked_from.astimezone(UTC), row.blocked_until.astimezone(UTC))
