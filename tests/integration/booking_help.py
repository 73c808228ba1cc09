"""What the tests of booking share: bookings that must or must not succeed, and writers that know nothing of our lock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from crm.calendar.booking import book
from crm.calendar.job import Job
from crm.calendar.refusals import BookingConflict, BookingRefused
from crm.db import Database
from crm.models import (
    Appointment,
    TouchPoint,
)
from ops.clock import FixedClock
from tests.integration.calendar_help import Customer, local

OVERLAPS = text(
    "select count(*) from appointments a join appointments b on a.bay_id = b.bay_id and a.id < b.id"
    " and tstzrange(a.starts_at, a.ends_at) && tstzrange(b.starts_at, b.ends_at)"
    " where a.status in ('booked', 'confirmed') and b.status in ('booked', 'confirmed')"
)
TINT = Job((1,), 150)


def refused(db: Database, who: Customer, clock: FixedClock, offer_id: int) -> BookingRefused:
    """The refusal of a booking that must not succeed."""
    with db.tenant(who.shop.tenant_id) as s, pytest.raises(BookingRefused) as caught:
        book(s, offer_id, who.booker(clock.now()))
    return caught.value


def booked(db: Database, who: Customer, clock: FixedClock, offer_id: int) -> Appointment:
    """A booking that must succeed."""
    with db.tenant(who.shop.tenant_id) as s:
        return book(s, offer_id, who.booker(clock.now()))


def take(owner_engine: Engine, who: Customer, bay_id: int, start: Any, hours: int = 3) -> None:
    """An appointment written by somebody who knows nothing of our lock."""
    with owner_engine.begin() as connection:
        connection.execute(
            text("select set_config('app.tenant_id', :id, true)"), {"id": str(who.shop.tenant_id)}
        )
        connection.execute(_TAKE, taken(who, bay_id, start, hours))


_TAKE = text(
    "insert into appointments (tenant_id, location_id, bay_id, service_ids, starts_at, ends_at, source)"
    " values (:tenant, :location, :bay, '{}', :start, :end, 'crm')"
)


def patient(db: Database) -> Database:
    """The same database on connections that wait for a lock as long as a busy machine needs. Forty writers queue on one
    lock, and the application gives up after five seconds: on a slow machine the last of them would, and that is another
    subject than who gets the time."""

    def wait_longer(connection: Any, _: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("set lock_timeout = '120s'; set statement_timeout = '120s'")
        connection.commit()

    db.engine.dispose()
    event.listen(db.engine, "connect", wait_longer)
    return db


def taken(who: Customer, bay_id: int, start: Any, hours: int = 3) -> dict[str, Any]:
    """The values of such an appointment."""
    return {
        "tenant": who.shop.tenant_id,
        "location": who.shop.location_id,
        "bay": bay_id,
        "start": start,
        "end": start + timedelta(hours=hours),
    }


def attempt(db: Database, who: Customer, clock: FixedClock, offer_id: int) -> Appointment | BookingConflict:
    """A booking that may lose a race."""
    try:
        return booked(db, who, clock, offer_id)
    except BookingConflict as conflict:
        return conflict


@contextmanager
def uncommitted(owner_engine: Engine, who: Customer, bay_ids: list[int]) -> Iterator[None]:
    """Appointments on these bays on Tuesday at nine that become visible when the block ends."""
    with owner_engine.begin() as connection:
        connection.execute(
            text("select set_config('app.tenant_id', :id, true)"), {"id": str(who.shop.tenant_id)}
        )
        for bay_id in bay_ids:
            connection.execute(_TAKE, taken(who, bay_id, local(24, 9)))
        yield


def wait_for_a_waiter(owner_engine: Engine) -> None:
    """Until some transaction of this database waits for another one; a minute at most."""
    waiting = text(
        "select count(*) from pg_locks l join pg_stat_activity a using (pid)"
        " where not l.granted and a.datname = current_database()"
    )
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with owner_engine.connect() as connection:
            if connection.execute(waiting).scalar_one():
                return
    raise AssertionError("nobody ever waited for the constraint")


def queries_of(db: Database, work: Any) -> int:
    """How many statements some work takes."""
    seen: list[str] = []

    def note(*arguments: Any) -> None:
        seen.append(arguments[2])

    event.listen(db.engine, "before_cursor_execute", note)
    work()
    event.remove(db.engine, "before_cursor_execute", note)
    return len(seen)


def plan_a_touch(db: Database, who: Customer, clock: FixedClock) -> None:
    """A touch point that is still to come."""
    with db.tenant(who.shop.tenant_id) as s:
        s.add(
            TouchPoint(
                tenant_id=who.shop.tenant_id,
                lead_id=who.lead_id,
                session_id=who.session_id,
                plan="default",
                cadence_run=1,
                step=3,
                channel="sms",
                template="two_times",
                due_at=clock.now() + timedelta(hours=4),
                local_time="",
            )
        )
