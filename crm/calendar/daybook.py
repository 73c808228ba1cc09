"""What the rules need to know about one location, read in a constant number of queries."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.calendar.hours import Stretch, load_hours, open_stretches
from crm.models import Appointment, Bay, Location

ACTIVE = ("booked", "confirmed")


@dataclass(frozen=True)
class DayBook:
    """A location's rules, open stretches and busy bays from now to the end of its horizon.

    `open` and each list in `busy` are sorted and free of overlaps. `busy` has a key for every active bay;
    whatever else makes a bay busy (a buffer, a block from an outside calendar) is one more stretch in it.
    """

    timezone: ZoneInfo
    slot: timedelta
    notice: timedelta
    horizon: timedelta
    open: tuple[Stretch, ...]
    busy: Mapping[int, tuple[Stretch, ...]]

    def open_around(self, wanted: Stretch) -> Stretch | None:
        """The open stretch that holds all of `wanted`, or None."""
        return next((one for one in _starting_before(self.open, wanted.starts_at) if one.holds(wanted)), None)

    def free_bays(self, wanted: Stretch) -> list[int]:
        """Ids of the active bays with nothing on them during `wanted`, in stable order."""
        return [bay for bay, taken in self.busy.items() if not _overlaps(taken, wanted)]


def load_day_book(
    s: Session, location: Location, now: datetime, *, ignore_appointment_id: int | None = None
) -> DayBook:
    """Read everything `crm.calendar.slots.fits` needs: four queries, however long the horizon is.

    `ignore_appointment_id` leaves out the appointment about to be moved: it must not stand in its own way.
    """
    hours = load_hours(s, location)
    horizon = timedelta(days=location.horizon_days)
    first, last = (moment.astimezone(hours.timezone).date() for moment in (now, now + horizon))
    bays = s.scalars(select(Bay.id).where(Bay.location_id == location.id, Bay.active).order_by(Bay.id))
    busy: dict[int, list[Stretch]] = {bay: [] for bay in bays}
    # One day more at the end: work that starts inside the horizon may end after it.
    taken = s.execute(
        select(Appointment.bay_id, Appointment.starts_at, Appointment.ends_at).where(
            Appointment.location_id == location.id,
            Appointment.status.in_(ACTIVE),
            Appointment.ends_at > now,
            Appointment.starts_at < now + horizon + timedelta(days=2),
            Appointment.id != (ignore_appointment_id or 0),
        )
    )
    for bay_id, starts_at, ends_at in taken:
        if bay_id in busy:
            busy[bay_id].append(Stretch(starts_at.astimezone(UTC), ends_at.astimezone(UTC)))
    return DayBook(
        timezone=hours.timezone,
        slot=timedelta(minutes=location.slot_minutes),
        notice=timedelta(minutes=location.notice_minutes),
        horizon=horizon,
        open=tuple(open_stretches(hours, first, last)),
        busy={bay: _merged(stretches) for bay, stretches in busy.items()},
    )


def _merged(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    merged: list[Stretch] = []
    for stretch in sorted(stretches):
        if merged and stretch.starts_at <= merged[-1].ends_at:
            stretch = Stretch(merged[-1].starts_at, max(merged.pop().ends_at, stretch.ends_at))
        merged.append(stretch)
    return tuple(merged)


def _starting_before(stretches: tuple[Stretch, ...], moment: datetime) -> tuple[Stretch, ...]:
    """The last stretch that starts at or before `moment`, as a tuple of one or none."""
    index = bisect_right(stretches, moment, key=lambda stretch: stretch.starts_at)
    return stretches[index - 1 : index] if index else ()


def _overlaps(taken: tuple[Stretch, ...], wanted: Stretch) -> bool:
    """True when `wanted` meets one of the sorted, non-overlapping stretches; touching ends do not meet."""
    index = bisect_right(taken, wanted.ends_at, key=lambda stretch: stretch.starts_at)
    # A stretch starting exactly at the end of `wanted` only touches it, so look at the one before as well.
    return any(
        one.starts_at < wanted.ends_at and wanted.starts_at < one.ends_at
        for one in taken[max(index - 2, 0) : index]
    )
