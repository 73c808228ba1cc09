"""Booking against a real database: the rules, the last word of the constraint, and forty people at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, text

from crm.calendar.booking import book, cancel, move, upcoming
from crm.calendar.daybook import load_day_book
from crm.calendar.job import Job
from crm.calendar.labels import label
from crm.calendar.offers import OfferFor, make_offers
from crm.calendar.refusals import BookingConflict, BookingRefused
from crm.calendar.rules import refusals
from crm.calendar.slots import Wanted, find_slots
from crm.db import Database
from crm.models import (
    Appointment,
    Bay,
    Lead,
    Location,
    LocationClosure,
    LocationHours,
    TouchPoint,
)
from ops.clock import FixedClock
from tests.conftest import World
from tests.integration.calendar_help import Customer, add_message, add_offer, customers, dana, local

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
        connection.execute(_TAKE, _taken(who, bay_id, start, hours))


_TAKE = text(
    "insert into appointments (tenant_id, location_id, bay_id, service_ids, starts_at, ends_at, source)"
    " values (:tenant, :location, :bay, '{}', :start, :end, 'crm')"
)


def _taken(who: Customer, bay_id: int, start: Any, hours: int = 3) -> dict[str, Any]:
    return {
        "tenant": who.shop.tenant_id,
        "location": who.shop.location_id,
        "bay": bay_id,
        "start": start,
        "end": start + timedelta(hours=hours),
    }


def test_a_booking_changes_everything_it_must(db: Database, world: World, clock: FixedClock) -> None:
    who = dana(world.north)
    _plan_a_touch(db, who, clock)
    appointment = booked(db, who, clock, add_offer(db, who, local(24, 9)))
    with db.tenant(who.shop.tenant_id) as s:
        assert s.get_one(Lead, who.lead_id).status == "booked"
        touch = s.scalars(select(TouchPoint)).one()
        assert (touch.status, touch.reason) == ("ended", "booked")
    assert appointment.bay_id in who.shop.bay_ids
    assert (appointment.status, appointment.source, appointment.sync_state) == ("booked", "agent", "pending")
    assert appointment.history == [
        {
            "who": "agent",
            "when": "2026-11-23T15:00:00+00:00",
            "what": "booked",
            "message": 7,
            "offer": appointment.offer_id,
        }
    ]


def test_the_same_offer_again_is_the_same_appointment(db: Database, world: World, clock: FixedClock) -> None:
    who = dana(world.north)
    offer_id = add_offer(db, who, local(24, 9))
    first = booked(db, who, clock, offer_id)
    clock.advance(timedelta(hours=60))
    assert booked(db, who, clock, offer_id).id == first.id


def test_two_workers_with_one_offer_make_one_appointment(
    db: Database, world: World, clock: FixedClock
) -> None:
    who = dana(world.north)
    offer_id = add_offer(db, who, local(24, 9))
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: booked(db, who, clock, offer_id).id, range(8)))
    assert len(set(ids)) == 1


def test_forty_people_want_one_time(
    db: Database, world: World, clock: FixedClock, owner_engine: Engine
) -> None:
    for number, start in enumerate((local(24, 9), local(25, 13), local(27, 15))):
        people = customers(db, world.north, 40, first=1000 + 100 * number)
        offers = [add_offer(db, who, start) for who in people]
        with ThreadPoolExecutor(40) as pool:
            pairs = zip(people, offers, strict=True)
            results = list(pool.map(lambda pair: _try(db, pair[0], clock, pair[1]), pairs))
        won = [one for one in results if isinstance(one, Appointment)]
        lost = [one for one in results if isinstance(one, BookingConflict)]
        assert len(won) == len({one.bay_id for one in won}) == 2
        assert len(lost) == 38
        assert all(len(one.alternatives) == 3 for one in lost)
        assert all(start not in [slot.starts_at for slot in one.alternatives] for one in lost)
    with owner_engine.connect() as connection:
        assert connection.execute(OVERLAPS).scalar_one() == 0


def test_the_constraint_stops_a_booking_the_rules_did_not_see(
    db: Database, world: World, clock: FixedClock, owner_engine: Engine
) -> None:
    who = dana(world.north)
    offer_id = add_offer(db, who, local(24, 9))
    first, second = who.shop.bay_ids
    with ThreadPoolExecutor(1) as pool:
        with _uncommitted(owner_engine, who, [first]):
            running = pool.submit(booked, db, who, clock, offer_id)
            _wait_for_a_waiter(owner_engine)
        assert running.result(timeout=20).bay_id == second


def test_both_bays_taken_by_somebody_else_at_the_same_moment(
    db: Database, world: World, clock: FixedClock, owner_engine: Engine
) -> None:
    who = dana(world.north)
    offer_id = add_offer(db, who, local(24, 9))
    with ThreadPoolExecutor(1) as pool:
        with _uncommitted(owner_engine, who, who.shop.bay_ids):
            running = pool.submit(refused, db, who, clock, offer_id)
            _wait_for_a_waiter(owner_engine)
        conflict = running.result(timeout=20)
    assert isinstance(conflict, BookingConflict)
    assert conflict.code == "taken"
    assert local(24, 9) not in [slot.starts_at for slot in conflict.alternatives]
    with db.tenant(who.shop.tenant_id) as s:
        assert s.get_one(Lead, who.lead_id).status == "new"
        assert upcoming(s, who.lead_id, clock.now()) == []


@pytest.mark.parametrize(
    ("minutes_later", "shown", "code"),
    [
        (0, None, "not_shown"),
        (0, "withheld", "not_shown"),
        (0, "undelivered", "not_shown"),
        (0, "dropped", "not_shown"),
        (0, "failed", "not_shown"),
        (22 * 60 + 1, "delivered", "expired"),
        (24 * 60, "delivered", "past"),
    ],
)
def test_refusals(
    db: Database, world: World, clock: FixedClock, minutes_later: int, shown: str | None, code: str
) -> None:
    who = dana(world.north)
    offer_id = add_offer(db, who, local(24, 9), shown=shown)
    clock.advance(timedelta(minutes=minutes_later))
    refusal = refused(db, who, clock, offer_id)
    assert refusal.code == code
    assert str(refusal).endswith(".")
    assert not isinstance(refusal, BookingConflict)


def test_the_shops_notice_holds_when_accepting(db: Database, world: World, clock: FixedClock) -> None:
    who = dana(world.north)
    offer_id = add_offer(db, who, local(23, 10, 30), expires_at=local(23, 10, 30))
    assert refused(db, who, clock, offer_id).code == "too_soon"


def test_a_day_closed_since_the_offer_is_refused(db: Database, world: World, clock: FixedClock) -> None:
    who = dana(world.north)
    offer_id = add_offer(db, who, local(24, 9))
    with db.tenant(who.shop.tenant_id) as s:
        day = local(24, 9).date()
        s.add(
            LocationClosure(
                tenant_id=who.shop.tenant_id, location_id=who.shop.location_id, starts_on=day, ends_on=day
            )
        )
    conflict = refused(db, who, clock, offer_id)
    assert isinstance(conflict, BookingConflict)
    assert conflict.code == "closed"
    assert all(slot.starts_at.date() != day for slot in conflict.alternatives)
    assert conflict.alternatives


def test_an_inactive_bay_is_not_used(db: Database, world: World, clock: FixedClock) -> None:
    first, second = customers(db, world.north, 2)
    offers = [add_offer(db, who, local(24, 9)) for who in (first, second)]
    with db.tenant(world.north.tenant_id) as s:
        s.get_one(Bay, world.north.bay_ids[0]).active = False
    assert booked(db, first, clock, offers[0]).bay_id == world.north.bay_ids[1]
    assert refused(db, second, clock, offers[1]).code == "taken"


def test_somebody_elses_offer_is_unknown(db: Database, world: World, clock: FixedClock) -> None:
    who = dana(world.north)
    (other,) = customers(db, world.north, 1)
    foreign = refused(db, who, clock, add_offer(db, other, local(24, 9)))
    missing = refused(db, who, clock, 10**9)
    assert foreign.code == missing.code == "unknown"
    assert str(foreign) == str(missing)


def test_another_tenants_offer_is_unknown(db: Database, world: World, clock: FixedClock) -> None:
    who = dana(world.north)
    offer_id = add_offer(db, dana(world.south), local(24, 9))
    assert refused(db, who, clock, offer_id).code == "unknown"
    with db.tenant(world.south.tenant_id) as s:
        assert s.scalars(select(Appointment)).all() == []


def test_other_tenants_appointments_do_not_take_our_bays(
    db: Database, world: World, clock: FixedClock
) -> None:
    for who in customers(db, world.south, 2):
        booked(db, who, clock, add_offer(db, who, local(24, 9)))
    assert booked(db, dana(world.north), clock, add_offer(db, dana(world.north), local(24, 9))).id


def test_the_same_service_twice_means_move(db: Database, world: World, clock: FixedClock) -> None:
    who = dana(world.north)
    booked(db, who, clock, add_offer(db, who, local(24, 9)))
    refusal = refused(db, who, clock, add_offer(db, who, local(25, 9)))
    assert refusal.code == "already_booked"
    assert "Tue, Nov 24 at 9:00 AM" in str(refusal)


def test_another_service_may_be_booked_as_well(db: Database, world: World, clock: FixedClock) -> None:
    who = dana(world.north)
    booked(db, who, clock, add_offer(db, who, local(24, 9)))
    booked(db, who, clock, add_offer(db, who, local(25, 9), code="coating-ceramic"))
    with db.tenant(who.shop.tenant_id) as s:
        assert [one.starts_at for one in upcoming(s, who.lead_id, clock.now())] == [
            local(24, 9),
            local(25, 9),
        ]


def test_move_is_in_place_and_remembers(db: Database, world: World, clock: FixedClock) -> None:
    who = dana(world.north)
    first = booked(db, who, clock, add_offer(db, who, local(24, 9)))
    offer_id = add_offer(db, who, local(24, 9, 30))
    for _ in range(2):
        with db.tenant(who.shop.tenant_id) as s:
            moved, before = move(s, offer_id, who.booker(clock.now()))
        assert (moved.id, moved.starts_at, before) == (first.id, local(24, 9, 30), local(24, 9))
    assert [entry["what"] for entry in moved.history] == ["booked", "moved"]
    assert moved.history[1]["from"] == "2026-11-24T15:00:00+00:00"


def test_a_failed_move_keeps_the_old_time(
    db: Database, world: World, clock: FixedClock, owner_engine: Engine
) -> None:
    who = dana(world.north)
    first = booked(db, who, clock, add_offer(db, who, local(24, 9)))
    offer_id = add_offer(db, who, local(25, 9))
    for bay_id in who.shop.bay_ids:
        take(owner_engine, who, bay_id, local(25, 9))
    with db.tenant(who.shop.tenant_id) as s, pytest.raises(BookingConflict):
        move(s, offer_id, who.booker(clock.now()))
    with db.tenant(who.shop.tenant_id) as s:
        kept = s.get_one(Appointment, first.id)
        assert (kept.starts_at, kept.status, len(kept.history)) == (local(24, 9), "booked", 1)


def test_a_move_stopped_by_the_constraint_takes_the_other_bay(
    db: Database, world: World, clock: FixedClock, owner_engine: Engine
) -> None:
    who = dana(world.north)
    booked(db, who, clock, add_offer(db, who, local(24, 13)))
    offer_id = add_offer(db, who, local(24, 9))

    def moving() -> Appointment:
        with db.tenant(who.shop.tenant_id) as s:
            return move(s, offer_id, who.booker(clock.now()))[0]

    with ThreadPoolExecutor(1) as pool:
        with _uncommitted(owner_engine, who, who.shop.bay_ids[:1]):
            running = pool.submit(moving)
            _wait_for_a_waiter(owner_engine)
        moved = running.result(timeout=20)
    assert (moved.bay_id, moved.starts_at) == (who.shop.bay_ids[1], local(24, 9))
    assert [entry["what"] for entry in moved.history] == ["booked", "moved"]


def test_cancel_frees_the_time_and_the_lead_is_open_again(
    db: Database, world: World, clock: FixedClock
) -> None:
    who = dana(world.north)
    offer_id = add_offer(db, who, local(24, 9))
    booked(db, who, clock, offer_id)
    with db.tenant(who.shop.tenant_id) as s:
        gone = cancel(s, who.booker(clock.now()))
    assert (gone.status, gone.history[-1]["what"], gone.sequence) == ("cancelled", "cancelled", 1)
    later = replace(who.booker(clock.now()), message_id=8)
    with db.tenant(who.shop.tenant_id) as s:
        assert s.get_one(Lead, who.lead_id).status == "engaged"
        with pytest.raises(BookingRefused, match="no upcoming appointment"):
            cancel(s, later)
        with pytest.raises(BookingRefused, match="no upcoming appointment"):
            move(s, add_offer(db, who, local(25, 9)), later)
    with db.tenant(who.shop.tenant_id) as s:
        assert book(s, offer_id, later).id != gone.id


def test_the_same_message_has_one_effect_whatever_came_after(
    db: Database, world: World, clock: FixedClock
) -> None:
    who = dana(world.north)
    offer_id = add_offer(db, who, local(24, 9))
    first = booked(db, who, clock, offer_id)
    later = replace(who.booker(clock.now()), message_id=8)
    with db.tenant(who.shop.tenant_id) as s:
        move(s, add_offer(db, who, local(25, 9)), later)
    again = booked(db, who, clock, offer_id)
    assert (again.id, again.starts_at, len(again.history)) == (first.id, local(25, 9), 2)
    for _ in range(2):
        with db.tenant(who.shop.tenant_id) as s:
            assert cancel(s, replace(later, message_id=9)).id == first.id
    again = booked(db, who, clock, offer_id)
    assert (again.id, again.status, len(again.history)) == (first.id, "cancelled", 3)


def test_finding_times_costs_the_same_whatever_is_booked(
    db: Database, world: World, clock: FixedClock, owner_engine: Engine
) -> None:
    who = dana(world.north)
    with db.tenant(who.shop.tenant_id) as s:
        location = s.get_one(Location, who.shop.location_id)
        before = _queries(db, lambda: find_slots(s, location, TINT, clock.now()))
    for day in (24, 25, 27):
        for bay_id in who.shop.bay_ids:
            take(owner_engine, who, bay_id, local(day, 9))
    with db.tenant(who.shop.tenant_id) as s:
        location = s.get_one(Location, who.shop.location_id)
        after = _queries(db, lambda: find_slots(s, location, TINT, clock.now(), Wanted(after=time(13))))
    assert before == after == 6


def test_everything_found_can_be_booked(db: Database, world: World, clock: FixedClock) -> None:
    who = dana(world.north)
    service_id = world.north.service_ids["tint-full-sedan-carbon"]
    with db.tenant(who.shop.tenant_id) as s:
        location = s.get_one(Location, who.shop.location_id)
        slots = find_slots(s, location, TINT, clock.now())
        whom = OfferFor(who.session_id, who.lead_id, replace(TINT, service_ids=(service_id,)))
        offers = make_offers(s, location, whom, slots, clock.now())
        ids = [offer.id for offer in offers]
        assert [offer.expires_at for offer in offers] == [
            min(clock.now() + timedelta(hours=48), slot.starts_at - timedelta(minutes=120)) for slot in slots
        ]
    message_id = add_message(db, who)
    for offer_id, slot in zip(ids, slots, strict=True):
        with db.tenant(who.shop.tenant_id) as s:
            s.execute(text("update offers set message_id = :m"), {"m": message_id})
            appointment = book(s, offer_id, who.booker(clock.now()))
            assert (appointment.starts_at, appointment.ends_at) == (slot.starts_at, slot.ends_at)
            cancel(s, who.booker(clock.now()), appointment.id)


def test_a_night_with_a_missing_hour(db: Database, world: World, clock: FixedClock) -> None:
    who = dana(world.north)
    clock.moment = local(12, 9, month=3, year=2027)
    sunday = local(14, 0, month=3, year=2027).date()
    with db.tenant(who.shop.tenant_id) as s:
        s.add(
            LocationHours(
                tenant_id=who.shop.tenant_id,
                location_id=who.shop.location_id,
                weekday=6,
                opens=time(0),
                closes=time(6),
            )
        )
        s.flush()
        location = s.get_one(Location, who.shop.location_id)
        slots = find_slots(s, location, TINT, clock.now(), Wanted(sunday, sunday), limit=50)
        day_book = load_day_book(s, location, clock.now())
    labels = [label(slot.starts_at, location.timezone).split(" at ")[1] for slot in slots]
    assert labels == ["12:00 AM", "12:30 AM", "1:00 AM", "1:30 AM", "3:00 AM", "3:30 AM"]
    offer_id = add_offer(db, who, slots[3].starts_at)
    appointment = booked(db, who, clock, offer_id)
    assert label(appointment.ends_at, location.timezone) == "Sun, Mar 14 at 5:00 AM"
    assert refusals(day_book, TINT, slots[3].starts_at, clock.now()) == []


def _try(db: Database, who: Customer, clock: FixedClock, offer_id: int) -> Appointment | BookingConflict:
    try:
        return booked(db, who, clock, offer_id)
    except BookingConflict as conflict:
        return conflict


@contextmanager
def _uncommitted(owner_engine: Engine, who: Customer, bay_ids: list[int]) -> Iterator[None]:
    """Appointments on these bays on Tuesday at nine that become visible when the block ends."""
    with owner_engine.begin() as connection:
        connection.execute(
            text("select set_config('app.tenant_id', :id, true)"), {"id": str(who.shop.tenant_id)}
        )
        for bay_id in bay_ids:
            connection.execute(_TAKE, _taken(who, bay_id, local(24, 9)))
        yield


def _wait_for_a_waiter(owner_engine: Engine) -> None:
    """Until some transaction of this database waits for another one; bounded by the test's time-out."""
    waiting = text(
        "select count(*) from pg_locks l join pg_stat_activity a using (pid)"
        " where not l.granted and a.datname = current_database()"
    )
    for _ in range(2000):
        with owner_engine.connect() as connection:
            if connection.execute(waiting).scalar_one():
                return
    raise AssertionError("nobody ever waited for the constraint")


def _queries(db: Database, work: Any) -> int:
    seen: list[str] = []

    def note(*arguments: Any) -> None:
        seen.append(arguments[2])

    event.listen(db.engine, "before_cursor_execute", note)
    work()
    event.remove(db.engine, "before_cursor_execute", note)
    return len(seen)


def _plan_a_touch(db: Database, who: Customer, clock: FixedClock) -> None:
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
