"""Booking against a real database: what it changes, and what the rules refuse."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from crm.calendar.booking import upcoming
from crm.calendar.refusals import BookingConflict
from crm.db import Database
from crm.models import (
    Appointment,
    Bay,
    Lead,
    LocationClosure,
    TouchPoint,
)
from ops.clock import FixedClock
from tests.conftest import World
from tests.integration.booking_help import (
    booked,
    plan_a_touch,
    refused,
)
from tests.integration.calendar_help import add_offer, customers, dana, local


def test_a_booking_changes_everything_it_must(db: Database, world: World, clock: FixedClock) -> None:
    who = dana(world.north)
    plan_a_touch(db, who, clock)
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
