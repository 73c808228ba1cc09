"""What the shop changed in the outside calendar becomes true here: it decides, our rules only take note.

Every function works on one appointment in the caller's transaction, as the only writer of its location, and only if the
row is still the one that was compared: whoever changed it meanwhile is looked at again next time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.calendar.book import DayBook
from crm.calendar.booker import Booker, queue_up
from crm.calendar.crowding import Found, find_bay
from crm.calendar.daybook import ACTIVE, load_day_book
from crm.calendar.hours import Stretch
from crm.calendar.offers import job_of
from crm.calendar.outside import SOURCE, put_elsewhere
from crm.calendar.own_entries import stamp_of
from crm.calendar.reading_back import Difference
from crm.calendar.rules import refusals
from crm.calendar.states import cancel
from crm.calendar.telling import owe, state_of
from crm.connectors.records import ExternalAppointment
from crm.models import Appointment, Location
from crm.reminders import plan_reminders

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Outside:
    """The outside calendar that decided: its name for people, the connection, how long a change has to stand before
    anybody is told."""

    name: str
    config_id: int
    settle: timedelta


@dataclass(frozen=True)
class Done:
    """What was taken over. `crowded`: no bay was free at that time, so the shop has more cars than places then."""

    appointment: Appointment
    what: str
    crowded: bool = False


def take_move(
    s: Session, location: Location, found: Difference, outside: Outside, now: datetime
) -> Done | None:
    """Give our appointment the times of its entry. None when the row is another one by now."""
    entry = found.entry
    row = _still(s, location, found)
    if row is None or entry is None or row.status not in ACTIVE:
        return None
    before, starts = state_of(row), row.starts_at.astimezone(UTC)
    job = job_of(s, row)
    book = load_day_book(s, location, now, ignore_appointment_id=row.id, until=max(now, entry.ends_at))
    broken = [one for one in refusals(book, job, entry.starts_at, now) if one not in ("taken", "past")]
    place = find_bay(s, location, row, Stretch(entry.starts_at, entry.ends_at), job)
    entry_of_history = Booker(None, None, SOURCE, now, why=f"moved in {outside.name}").entry(
        "moved", **{"from": starts.isoformat(), "to": entry.starts_at.isoformat()}, **_remarks(place, broken)
    )
    owe(s, row, before, outside.config_id, now, outside.settle)
    _write(row, book, place, entry)
    row.history = [*row.history, entry_of_history]
    row.override = _override(outside, place, broken) or row.override
    row.sequence += 1
    if starts != row.starts_at:
        # Who has confirmed one time has not confirmed another.
        row.status = "booked"
    _agree(row, entry)
    plan_reminders(s, row, now)
    s.flush()
    put_elsewhere(s, location, place.displaced, now)
    return Done(row, "moved", place.crowded)


def take_cancellation(
    s: Session, location: Location, found: Difference, outside: Outside, why: str, now: datetime
) -> Done | None:
    """Cancel our appointment, because it is cancelled there or gone. None when the row is another one by now."""
    row = _still(s, location, found)
    if row is None or row.status not in ACTIVE:
        return None
    owe(s, row, state_of(row), outside.config_id, now, outside.settle)
    cancel(s, Booker(None, None, SOURCE, now, why=why), row.id)
    _agree(row, found.entry)
    s.flush()
    return Done(row, "cancelled")


def take_note(s: Session, location: Location, found: Difference) -> bool:
    """Keep the entry's id and version, so that the next change of it is seen as one."""
    row = _still(s, location, found)
    if row is None or found.entry is None:
        return False
    _agree(row, found.entry)
    s.flush()
    return True


def _still(s: Session, location: Location, found: Difference) -> Appointment | None:
    queue_up(s, location.id)
    statement = select(Appointment).where(Appointment.id == found.ours.appointment_id).with_for_update()
    row = s.scalar(statement.execution_options(populate_existing=True))
    return row if row is not None and stamp_of(row) == found.ours.stamp else None


def _agree(row: Appointment, entry: ExternalAppointment | None) -> None:
    """Both calendars say the same now, so nothing is owed to the outside one."""
    stands = entry is not None and not entry.cancelled
    row.external_starts_at = entry.starts_at if entry is not None and stands else None
    row.external_ends_at = entry.ends_at if entry is not None and stands else None
    if entry is not None:
        row.external_id, row.external_version = entry.external_id, entry.version
    row.sync_state = "pushed"
    row.sync_due_at = row.sync_claimed_until = row.sync_asked_at = row.sync_error = None
    row.sync_tries = 0


def _write(row: Appointment, book: DayBook, place: Found, entry: ExternalAppointment) -> None:
    length = row.ends_at - row.starts_at
    row.bay_id = place.bay_id
    row.starts_at, row.ends_at = entry.starts_at, entry.ends_at
    row.blocked_from, row.blocked_until = place.blocked.starts_at, place.blocked.ends_at
    if row.visit == "wait":
        # A car that is left stands over breaks and nights, so its length says nothing of the work.
        more = (entry.ends_at - entry.starts_at - length) // timedelta(minutes=1)
        row.labour_minutes = max(1, row.labour_minutes + more)
    else:
        row.arrives_from, row.arrives_until = _arrival(book, entry.starts_at)


def _arrival(book: DayBook, starts_at: datetime) -> tuple[datetime, datetime]:
    """When the car is to be brought: in the day's window if that is over by then, else within the hour before."""
    window = book.arrival_on(book.day_of(starts_at))
    if window is not None and window.ends_at <= starts_at:
        return window.starts_at, window.ends_at
    return starts_at - HOUR, starts_at


def _remarks(place: Found, broken: list[Any]) -> dict[str, Any]:
    remarks: dict[str, Any] = {"against": sorted(broken)} if broken else {}
    return {**remarks, "crowded": True} if place.crowded else remarks


def _override(outside: Outside, place: Found, broken: list[Any]) -> dict[str, Any] | None:
    """As `Override.record` keeps it; a bay that is taken is said too, because the row stands beside the bays then."""
    rules = sorted([*broken, *(["taken"] if place.crowded else [])])
    return {"by": outside.name, "why": f"moved in {outside.name}", "rules": rules} if rules else None
