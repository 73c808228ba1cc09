"""Several writers at once: workers with one offer, forty people, and the last word of the constraint."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine

from crm.calendar.booking import move, upcoming
from crm.calendar.refusals import BookingConflict
from crm.db import Database
from crm.models import (
    Appointment,
    Lead,
)
from ops.clock import FixedClock
from tests.conftest import World
from tests.integration.booking_help import (
    OVERLAPS,
    attempt,
    booked,
    patient,
    refused,
    uncommitted,
    wait_for_a_waiter,
)
from tests.integration.calendar_help import add_offer, customers, dana, local


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
    waiting = patient(db)
    for number, start in enumerate((local(24, 9), local(25, 13), local(27, 15))):
        people = customers(db, world.north, 40, first=1000 + 100 * number)
        offers = [add_offer(db, who, start) for who in people]
        with ThreadPoolExecutor(40) as pool:
            pairs = zip(people, offers, strict=True)
            results = list(pool.map(lambda pair: attempt(waiting, pair[0], clock, pair[1]), pairs))
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
        with uncommitted(owner_engine, who, [first]):
            running = pool.submit(booked, db, who, clock, offer_id)
            wait_for_a_waiter(owner_engine)
        assert running.result(timeout=60).bay_id == second


def test_both_bays_taken_by_somebody_else_at_the_same_moment(
    db: Database, world: World, clock: FixedClock, owner_engine: Engine
) -> None:
    who = dana(world.north)
    offer_id = add_offer(db, who, local(24, 9))
    with ThreadPoolExecutor(1) as pool:
        with uncommitted(owner_engine, who, who.shop.bay_ids):
            running = pool.submit(refused, db, who, clock, offer_id)
            wait_for_a_waiter(owner_engine)
        conflict = running.result(timeout=60)
    assert isinstance(conflict, BookingConflict)
    assert conflict.code == "taken"
    assert local(24, 9) not in [slot.starts_at for slot in conflict.alternatives]
    with db.tenant(who.shop.tenant_id) as s:
        assert s.get_one(Lead, who.lead_id).status == "new"
        assert upcoming(s, who.lead_id, clock.now()) == []


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
        with uncommitted(owner_engine, who, who.shop.bay_ids[:1]):
            running = pool.submit(moving)
            wait_for_a_waiter(owner_engine)
        moved = running.result(timeout=60)
    assert (moved.bay_id, moved.starts_at) == (who.shop.bay_ids[1], local(24, 9))
    assert [entry["what"] for entry in moved.history] == ["booked", "moved"]
