"""Taking over one difference at a time, and telling the shop where it has to know."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from crm.calendar.labels import label, visit_label
from crm.calendar.reading_back import Difference
from crm.calendar.refused import BookingRefused
from crm.calendar.sync import who
from crm.calendar.taking_over import Done, Outside, take_cancellation, take_move, take_note
from crm.models import Appointment, Lead, Location
from crm.notices import notify_staff
from crm.sessions import open_session
from scheduler.runtime import Runtime

log = structlog.get_logger(__name__)


@dataclass
class Taking:
    """One look's work: at which location, by which calendar, what was taken over and what went wrong."""

    runtime: Runtime
    tenant_id: int
    location_id: int
    outside: Outside
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def take_over(taking: Taking, difference: Difference, why: str | None = None) -> bool:
    """Carry one difference out in a transaction of its own; False when the row was changed meanwhile, or cannot be
    changed (then the look says so, and the others go on). `missing` ones are left to who looks for them."""
    if difference.kind == "missing":
        return False
    try:
        done = _carry_out(taking, difference, why)
    except (SQLAlchemyError, BookingRefused) as error:
        log.exception("crm_change_not_taken", appointment_id=difference.ours.appointment_id)
        taking.problems.append(
            f"appointment {difference.ours.appointment_id} could not be {difference.kind}: {type(error).__name__}"
        )
        return False
    if done:
        taking.counts[difference.kind] += 1
    return done


def _carry_out(taking: Taking, difference: Difference, why: str | None) -> bool:
    runtime, outside, now = taking.runtime, taking.outside, taking.runtime.clock.now()
    tell: tuple[int, datetime] | None = None
    notices: list[int] = []
    with runtime.db.tenant(taking.tenant_id) as session:
        location = session.get_one(Location, taking.location_id)
        if difference.kind == "known":
            return take_note(session, location, difference)
        if difference.kind == "restored":
            notices = _tell_restored(session, location, difference, outside, now)
            done = None
        elif difference.kind == "moved":
            done = take_move(session, location, difference, outside, now)
        else:
            reason = why or f"cancelled in {outside.name}"
            done = take_cancellation(session, location, difference, outside, reason, now)
        if done is not None:
            row = done.appointment
            tell = None if row.tell_due_at is None else (row.id, row.tell_due_at)
            notices = _tell_crowded(session, location, done, outside, now) if done.crowded else []
    if tell is not None:
        runtime.queue.wake("appointment_tell", taking.tenant_id, *tell)
    for message_id in notices:
        runtime.queue.wake("deliver", taking.tenant_id, message_id, now)
    return done is not None or bool(notices)


def _tell_crowded(
    session: Session, location: Location, done: Done, outside: Outside, now: datetime
) -> list[int]:
    row = done.appointment
    text = (
        f"{{who}} was moved in {outside.name} to {visit_label(row, location.timezone)}, where every bay has a car"
        " already. It is written down beside the bays; please see that there is room, or move one of them."
    )
    return tell_shop(session, location, row, text, f"crm_crowded:{row.id}:{row.sequence}", now)


def _tell_restored(
    session: Session, location: Location, found: Difference, outside: Outside, now: datetime
) -> list[int]:
    row = session.get(Appointment, found.ours.appointment_id)
    if row is None or row.status != "cancelled" or found.entry is None:
        return []
    text = (
        f"The appointment of {{who}} on {label(found.entry.starts_at, location.timezone)} is cancelled here but stands"
        f" in {outside.name}. The time is kept free of other bookings; the customer was told nothing. Delete it there,"
        " or book it again."
    )
    return tell_shop(session, location, row, text, f"crm_restored:{row.id}:{found.entry.external_id}", now)


def tell_shop(
    session: Session, location: Location, row: Appointment, text: str, dedupe_key: str, now: datetime
) -> list[int]:
    """Write to the shop's people about an appointment, once; `{who}` becomes the customer. Returns the messages to wake
    after the commit."""
    if row.lead_id is None:
        return []
    lead = session.get_one(Lead, row.lead_id)
    rows = notify_staff(
        session,
        session=open_session(session, lead),
        lead=lead,
        location=location,
        text=text.replace("{who}", who(lead)),
        dedupe_key=dedupe_key,
        now=now,
        kind="alert",
    )
    return [one.id for one in rows]
