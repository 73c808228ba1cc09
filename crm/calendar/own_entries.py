"""Our appointments as `reading_back` compares them with an outside calendar."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from crm.calendar.hours import Stretch
from crm.calendar.outside import SOURCE
from crm.calendar.reading_back import Ours, Stamp
from crm.calendar.sync import appointment_id_of, our_id
from crm.calendar.telling import CHANGES
from crm.connectors.records import ExternalAppointment
from crm.customer_ids import customer_id_of
from crm.models import Appointment, Lead, Location


def load_ours(
    s: Session,
    location: Location,
    connector: str,
    span: Stretch,
    now: datetime,
    entries: Sequence[ExternalAppointment] = (),
) -> list[Ours]:
    """The appointments of this location that an outside calendar may show in `span`, and those that `entries` name; two
    queries. What came from the outside calendar is not among them."""
    statement = (
        select(Appointment, Lead)
        .outerjoin(Lead, Lead.id == Appointment.lead_id)
        .where(
            Appointment.location_id == location.id,
            Appointment.source != SOURCE,
            or_(
                and_(Appointment.ends_at > span.starts_at, Appointment.starts_at < span.ends_at),
                *_named(entries),
            ),
        )
        .order_by(Appointment.id)
        .execution_options(populate_existing=True)
    )
    return [_ours(row, lead, connector, now) for row, lead in s.execute(statement)]


def stamp_of(row: Appointment) -> Stamp:
    """What changes with every change of a row that matters here; pushes do not count its version up."""
    return (
        row.version,
        row.external_id,
        row.external_version,
        row.external_starts_at,
        row.external_ends_at,
        row.sync_due_at,
        row.sync_claimed_until,
    )


def untouched(ours: Iterable[Ours], earlier: Iterable[Ours]) -> list[Ours]:
    """`ours`, with those marked as under way that are not as they were before the calendar was asked: what it said may be
    from before or after their change."""
    before = {one.appointment_id: one.stamp for one in earlier}
    return [
        one if before.get(one.appointment_id) == one.stamp else replace(one, in_flight=True) for one in ours
    ]


def _named(entries: Sequence[ExternalAppointment]) -> list[ColumnElement[bool]]:
    ids = [number for entry in entries if (number := appointment_id_of(entry.our_id)) is not None]
    by_id = Appointment.id.in_(ids)
    return [by_id, Appointment.external_id.in_([entry.external_id for entry in entries])] if entries else []


def _ours(row: Appointment, lead: Lead | None, connector: str, now: datetime) -> Ours:
    held = None
    if row.external_starts_at is not None and row.external_ends_at is not None:
        held = (row.external_starts_at.astimezone(UTC), row.external_ends_at.astimezone(UTC))
    return Ours(
        appointment_id=row.id,
        stamp=stamp_of(row),
        our_id=our_id(row),
        starts_at=row.starts_at.astimezone(UTC),
        ends_at=row.ends_at.astimezone(UTC),
        status=row.status,
        external_id=row.external_id,
        external_version=row.external_version,
        held=held,
        changed_at=_changed_at(row),
        # What only waits for its note on the request stands there as it stands here.
        owed=row.sync_due_at is not None and row.sync_state != "noting",
        in_flight=row.sync_claimed_until is not None and row.sync_claimed_until > now,
        customer_external_id=customer_id_of(lead, connector),
    )


def _changed_at(row: Appointment) -> datetime:
    entries = [one for one in row.history if isinstance(one, dict) and one.get("what") in CHANGES]
    return datetime.fromisoformat(entries[-1]["when"]) if entries else row.created_at
