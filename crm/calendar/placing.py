"""Putting work on a bay: one writer of a location at a time, every free bay tried, and the constraint believed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from psycopg2 import errors
from sqlalchemy import exists, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from crm.calendar.book import DayBook
from crm.calendar.booker import queue_up
from crm.calendar.daybook import ACTIVE, load_day_book
from crm.calendar.holds import HeldFor
from crm.calendar.job import Job
from crm.calendar.refusals import BookingConflict
from crm.calendar.rules import NOTHING_LIFTED, Refusal, Slot
from crm.calendar.slots import nearest, place
from crm.calendar.sync import mark_changed
from crm.models import Appointment, Bay, Location

T = TypeVar("T")


@dataclass(frozen=True)
class Wish:
    """A start for a job; `ends_by` is the end the customer was told, if any, and `window` then when they were told to
    bring a car that is left (twice None for one that waits); rules in `lifted` are not asked."""

    job: Job
    starts_at: datetime
    ends_by: datetime | None = None
    window: tuple[datetime | None, datetime | None] = (None, None)
    lifted: frozenset[Refusal] = NOTHING_LIFTED
    ignore_appointment_id: int | None = None
    held_for: HeldFor | None = None

    def book(self, s: Session, location: Location, now: datetime, until: datetime | None = None) -> DayBook:
        """The day book as it is for this wish."""
        return load_day_book(
            s,
            location,
            now,
            ignore_appointment_id=self.ignore_appointment_id,
            until=until,
            held_for=self.held_for,
        )


class NotFree(Exception):
    """A wish that cannot be had; becomes a BookingConflict once the lock is given back."""

    def __init__(self, wish: Wish, refusals: Sequence[Refusal]) -> None:
        super().__init__()
        self.wish, self.refusals = wish, tuple(refusals)


def queued(s: Session, location: Location, now: datetime, write: Callable[[], T]) -> T:
    """Run `write` as the only writer of this location. Raises BookingConflict with the nearest free times."""
    try:
        # The savepoint's end on a refusal gives the lock back, and others go on while this one looks around.
        with s.begin_nested():
            queue_up(s, location.id)
            # Whoever waited may have waited for a change of the rules: holidays and limits stand in this row.
            s.refresh(location)
            return write()
    except NotFree as refused:
        wish = refused.wish
        # What is held for anybody else is no alternative, not even when this offer was made before.
        wish = replace(wish, held_for=HeldFor(wish.held_for.session_id) if wish.held_for else None)
        others = nearest(wish.book(s, location, now), wish.job, now, max(wish.starts_at, now))
        raise BookingConflict(refused.refusals, others) from None


def take_a_bay(
    s: Session, location: Location, wish: Wish, now: datetime, put_on: Callable[[Slot, int], None]
) -> None:
    """Try every free bay inside a savepoint of its own. Raises NotFree when none can be had."""
    if wish.job.visit == "wait" and not _any_bay_free(s, location, wish):
        raise NotFree(wish, ("taken",))
    book = wish.book(s, location, now, until=max(now, wish.starts_at))
    verdict = place(book, wish.job, wish.starts_at, now, wish.lifted)
    if verdict.slot is None or not _as_told(book, verdict.slot, wish):
        raise NotFree(wish, verdict.refusals or ("closed",))
    for bay_id in verdict.slot.bay_ids:
        try:
            with s.begin_nested():
                put_on(verdict.slot, bay_id)
                mark_changed(s, now)
                s.flush()
        except DBAPIError as error:
            if not isinstance(error.orig, errors.ExclusionViolation | errors.DeadlockDetected):
                raise
        else:
            return
    raise NotFree(wish, ("taken",))


def _any_bay_free(s: Session, location: Location, wish: Wish) -> bool:
    """Whether some bay has nothing on it at the start. Everybody who lost a race comes through here while others wait
    behind them, so this is asked before anything that takes longer. It decides nothing but a plain "taken"."""
    busy = exists().where(
        Appointment.bay_id == Bay.id,
        Appointment.status.in_(ACTIVE),
        Appointment.blocked_from <= wish.starts_at,
        Appointment.blocked_until > wish.starts_at,
        Appointment.id != (wish.ignore_appointment_id or 0),
    )
    free = select(Bay.id).where(Bay.location_id == location.id, Bay.active, ~busy).limit(1)
    return s.scalar(free) is not None


def fill_in(appointment: Appointment, job: Job, slot: Slot, bay_id: int) -> None:
    """Write a job's place and times into its row."""
    appointment.bay_id = bay_id
    appointment.service_ids, appointment.visit = list(job.service_ids), job.visit
    appointment.labour_minutes = job.labour_minutes
    appointment.starts_at, appointment.ends_at = slot.starts_at, slot.ends_at
    appointment.blocked_from, appointment.blocked_until = slot.blocked_from, slot.blocked_until
    appointment.arrives_from, appointment.arrives_until = slot.arrives_from, slot.arrives_until


def start_for(s: Session, location: Location, job: Job, starts_at: datetime, now: datetime) -> datetime:
    """When work starts if a person names `starts_at`: for a car that is left, a time within the day's window means
    the end of that window, when the car is there."""
    if job.visit == "wait":
        return starts_at
    book = load_day_book(s, location, now, until=max(now, starts_at))
    window = book.arrival_on(book.day_of(starts_at))
    return window.ends_at if window and window.starts_at <= starts_at < window.ends_at else starts_at


def _as_told(book: DayBook, slot: Slot, wish: Wish) -> bool:
    """A customer who waits was told when the work is done, one who leaves the car when to bring it and on which day it
    is done."""
    if wish.ends_by is None:
        return True
    if wish.job.visit == "wait":
        return slot.ends_at <= wish.ends_by
    if (slot.arrives_from, slot.arrives_until) != wish.window:
        return False
    return book.day_of(slot.ends_at) <= book.day_of(wish.ends_by)
