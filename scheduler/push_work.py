"""One push of an appointment into the CRM: what is claimed, and what was known when it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from crm.calendar import sync
from crm.calendar.daybook import ACTIVE
from crm.calendar.sync_notes import cancellation_note, conversation_note, draft_of
from crm.connectors.customers import Person
from crm.connectors.push_rules import PushRules
from crm.connectors.records import AppointmentDraft
from crm.models import Appointment, Bay, Lead, Location, TenantCrmConfig

# Longer than a worker lets any job live (`scheduler.worker.JOB_TIMEOUT_S`) and the answer it may still wait for then:
# what another worker finds unclaimed, nobody is about to write any more.
CLAIM = timedelta(seconds=180)

Times = tuple[datetime, datetime]


@dataclass(frozen=True)
class Push:
    """A claimed appointment. `draft` and `stands` are what the CRM is to show; they are compared with the row again
    when the CRM has answered.

    `held` is what it shows already (None: not known), `asked_at` when a creation was begun whose outcome nobody knows,
    `starts` every start the appointment ever had, `note` the line for the request.
    """

    appointment_id: int
    location_id: int
    claimed_until: datetime
    state: str
    config: TenantCrmConfig
    rules: PushRules
    draft: AppointmentDraft
    stands: bool
    external_id: str | None
    held: Times | None
    asked_at: datetime | None
    starts: tuple[datetime, ...]
    cancel_note: str
    note: str
    person: Person | None
    bays: int
    bay: str
    ours: tuple[Times, ...]

    @property
    def times(self) -> Times:
        """Start and end of the work."""
        return self.draft.starts_at, self.draft.ends_at


def claim(s: Session, appointment_id: int, now: datetime) -> Push | str:
    """Take one push that is due and nobody's, in the caller's transaction; a word when there is nothing to do."""
    until = now + CLAIM
    taken = s.execute(
        update(Appointment)
        .where(
            Appointment.id == appointment_id,
            Appointment.sync_due_at <= now,
            (Appointment.sync_claimed_until.is_(None)) | (Appointment.sync_claimed_until < now),
        )
        .values(sync_claimed_until=until, sync_tries=Appointment.sync_tries + 1)
        .returning(Appointment.id)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    if taken is None:
        return "not due"
    row = s.get_one(Appointment, appointment_id, populate_existing=True)
    location = s.get_one(Location, row.location_id)
    config = sync.connection(s)
    why = _nothing_to_do(row, location, config)
    if why is not None or config is None:
        write(s, row.id, sync_claimed_until=None, sync_due_at=None, sync_error=None)
        return why or "no connection"
    push = _push(s, row, location, config, until)
    _note_the_attempt(s, push, now)
    return push


def write(s: Session, appointment_id: int, **values: Any) -> None:
    """Change columns of this room without counting up the row's version: whoever books or moves it at this moment need
    not begin again because of us."""
    s.execute(
        update(Appointment)
        .where(Appointment.id == appointment_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def still_ours(s: Session, push: Push) -> Appointment | None:
    """The row, locked and freshly read, if the claim still holds. A claim's end is unlike that of any other claim."""
    return s.scalars(
        select(Appointment)
        .where(Appointment.id == push.appointment_id, Appointment.sync_claimed_until == push.claimed_until)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()


def changed_since(row: Appointment, push: Push) -> bool:
    """Whether the CRM was told of something that does not hold any more."""
    now = (sync.stands(row, push.rules), row.starts_at, row.ends_at)
    return now != (push.stands, *push.times)


def _nothing_to_do(row: Appointment, location: Location, config: TenantCrmConfig | None) -> str | None:
    if row.source == sync.OUTSIDE:
        return "it came from the CRM"
    if config is None:
        return "no connection takes bookings"
    if row.external_id is not None or row.sync_asked_at is not None:
        return None
    if not sync.stands(row, sync.rules_of(config)):
        return "it never was there"
    return "the location is not linked to the CRM" if location.crm_location_id is None else None


def _push(s: Session, row: Appointment, location: Location, config: TenantCrmConfig, until: datetime) -> Push:
    rules = sync.rules_of(config)
    held = None
    if row.external_starts_at is not None and row.external_ends_at is not None:
        held = (row.external_starts_at, row.external_ends_at)
    bays = s.scalars(select(Bay).where(Bay.location_id == location.id)).all()
    return Push(
        appointment_id=row.id,
        location_id=location.id,
        claimed_until=until,
        state=row.sync_state,
        config=config,
        rules=rules,
        draft=draft_of(s, row, location, config.connector),
        stands=sync.stands(row, rules),
        external_id=row.external_id,
        held=held,
        asked_at=row.sync_asked_at,
        starts=tuple(dict.fromkeys(_starts(row))),
        cancel_note=cancellation_note(row),
        note=conversation_note(row, location),
        person=_person(s, row, location),
        bays=max(1, sum(bay.active for bay in bays)),
        bay=next((bay.name for bay in bays if bay.id == row.bay_id), ""),
        ours=tuple(own_times(s, location.id, row.starts_at, row.ends_at, without=row.id)),
    )


def _person(s: Session, row: Appointment, location: Location) -> Person | None:
    lead = s.get(Lead, row.lead_id) if row.lead_id else None
    if lead is None or not (lead.phone or lead.email):
        return None
    return Person(
        first_name=lead.first_name,
        last_name=lead.last_name,
        phone=lead.phone,
        email=lead.email,
        location_external_id=location.crm_location_id,
    )


def own_times(s: Session, location_id: int, start: datetime, end: datetime, *, without: int) -> list[Times]:
    """The times of our other appointments that meet [start, end)."""
    rows = s.execute(
        select(Appointment.starts_at, Appointment.ends_at).where(
            Appointment.location_id == location_id,
            Appointment.status.in_(ACTIVE),
            Appointment.source != sync.OUTSIDE,
            Appointment.starts_at < end,
            Appointment.ends_at > start,
            Appointment.id != without,
        )
    )
    return [(starts, ends) for starts, ends in rows]


def _note_the_attempt(s: Session, push: Push, now: datetime) -> None:
    """Written before the CRM is asked: who finds this row after a crash must know that something may have happened."""
    if push.external_id is None and push.stands:
        write(s, push.appointment_id, sync_asked_at=push.asked_at or now)
    elif push.external_id is not None and (not push.stands or push.held != push.times):
        write(s, push.appointment_id, external_starts_at=None, external_ends_at=None)


def _starts(row: Appointment) -> Iterator[datetime]:
    """The present start first; then the others, the newest first."""
    yield row.starts_at
    for entry in reversed(row.history):
        for name in ("to", "from"):
            if isinstance(entry, dict) and isinstance(entry.get(name), str):
                yield datetime.fromisoformat(entry[name]).astimezone(UTC)
