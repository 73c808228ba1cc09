"""Moving and cancelling what is booked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Engine

from crm.calendar.booking import book, cancel, move
from crm.calendar.refusals import BookingConflict, BookingRefused
from crm.db import Database
from crm.models import (
    Appointment,
    Lead,
)
from ops.clock import FixedClock
from tests.conftest import World
from tests.integration.booking_help import (
    booked,
    take,
)
from tests.integration.calendar_help import add_offer, dana, local


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
