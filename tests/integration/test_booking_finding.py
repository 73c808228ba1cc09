"""Finding times against a real database, and booking what was found."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta

from sqlalchemy import Engine, text

from crm.calendar.booking import book, cancel
from crm.calendar.daybook import load_day_book
from crm.calendar.labels import label
from crm.calendar.offers import OfferFor, make_offers
from crm.calendar.rules import refusals
from crm.calendar.slots import Wanted, find_slots
from crm.db import Database
from crm.models import (
    Location,
    LocationHours,
)
from ops.clock import FixedClock
from tests.conftest import World
from tests.integration.booking_help import (
    TINT,
    booked,
    queries_of,
    take,
)
from tests.integration.calendar_help import add_message, add_offer, dana, local


def test_finding_times_costs_the_same_whatever_is_booked(
    db: Database, world: World, clock: FixedClock, owner_engine: Engine
) -> None:
    who = dana(world.north)
    with db.tenant(who.shop.tenant_id) as s:
        location = s.get_one(Location, who.shop.location_id)
        before = queries_of(db, lambda: find_slots(s, location, TINT, clock.now()))
    for day in (24, 25, 27):
        for bay_id in who.shop.bay_ids:
            take(owner_engine, who, bay_id, local(day, 9))
    with db.tenant(who.shop.tenant_id) as s:
        location = s.get_one(Location, who.shop.location_id)
        after = queries_of(db, lambda: find_slots(s, location, TINT, clock.now(), Wanted(after=time(13))))
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
