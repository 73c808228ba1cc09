"""Soft holds: an offered time is kept for whoever was shown it, for a while and for customers only."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time, timedelta

import pytest

from crm.calendar.booking import Booker, book, book_directly
from crm.calendar.holds import HeldFor
from crm.calendar.job import Job
from crm.calendar.offers import OfferFor, make_offers
from crm.calendar.refusals import BookingConflict
from crm.calendar.slots import Wanted, find_slots
from crm.db import Database
from crm.models import Bay, Location, Offer, Tenant
from ops.clock import FixedClock
from tests.conftest import World
from tests.integration.calendar_help import Customer, add_message, customers, local

NINE = Wanted(date(2026, 11, 24), date(2026, 11, 24), time(9), None)


def found(db: Database, world: World, clock: FixedClock, who: Customer | None) -> list[str]:
    """The free starts of Tuesday morning for this customer, or for a person at the shop."""
    with db.tenant(world.north.tenant_id) as s:
        location = s.get_one(Location, world.north.location_id)
        slots = find_slots(
            s,
            location,
            job(world),
            clock.now(),
            replace(NINE, before=NINE.after),
            held_for=HeldFor(who.session_id) if who else None,
        )
        return [f"{slot.starts_at:%H:%M}" for slot in slots]


def job(world: World) -> Job:
    """A tint of two and a half hours."""
    return Job((world.north.service_ids["tint-full-sedan-carbon"],), 150, "wait", frozenset({("tint", "t")}))


def offer_nine(db: Database, world: World, clock: FixedClock, who: Customer) -> int:
    """Show one customer Tuesday at nine, whoever was shown it already; returns the offer's id."""
    message_id = add_message(db, who)
    with db.tenant(world.north.tenant_id) as s:
        location = s.get_one(Location, world.north.location_id)
        slots = find_slots(s, location, job(world), clock.now(), replace(NINE, before=NINE.after))
        whom = OfferFor(who.session_id, who.lead_id, job(world))
        (offer,) = make_offers(s, location, whom, slots, clock.now())
        offer.message_id = message_id
        return offer.id


@pytest.fixture
def held(db: Database, world: World) -> None:
    """North holds offers for twenty minutes and has one bay left."""
    with db.tenant(world.north.tenant_id) as s:
        s.get_one(Tenant, world.north.tenant_id).settings = {"hold_offers_minutes": 20}
        s.get_one(Bay, world.north.bay_ids[0]).active = False


def test_nothing_is_held_unless_the_tenant_wants_it(db: Database, world: World, clock: FixedClock) -> None:
    first, second = customers(db, world.north, 2)
    offer_id = offer_nine(db, world, clock, first)
    with db.tenant(world.north.tenant_id) as s:
        assert s.get_one(Offer, offer_id).held_until is None
    assert found(db, world, clock, second) == ["15:00"]


@pytest.mark.usefixtures("held")
def test_a_held_time_is_nobody_elses_for_a_while(db: Database, world: World, clock: FixedClock) -> None:
    first, second = customers(db, world.north, 2)
    offer_nine(db, world, clock, first)
    assert [found(db, world, clock, who) for who in (first, second, None)] == [["15:00"], [], ["15:00"]]
    clock.advance(timedelta(minutes=20))
    assert found(db, world, clock, second) == ["15:00"]


@pytest.mark.usefixtures("held")
def test_of_two_who_were_shown_it_the_first_may_have_it(
    db: Database, world: World, clock: FixedClock
) -> None:
    first, second = customers(db, world.north, 2)
    offers = [offer_nine(db, world, clock, who) for who in (first, second)]
    with db.tenant(world.north.tenant_id) as s, pytest.raises(BookingConflict, match="just taken") as caught:
        book(s, offers[1], second.booker(clock.now()))
    # The held time with its two and a half hours is no alternative either.
    assert all(
        abs(slot.starts_at - local(24, 9)) >= timedelta(minutes=150) for slot in caught.value.alternatives
    )
    with db.tenant(world.north.tenant_id) as s:
        assert book(s, offers[0], first.booker(clock.now())).starts_at == local(24, 9)


@pytest.mark.usefixtures("held")
def test_a_person_at_the_shop_is_not_kept_from_it_and_a_booked_offer_holds_nothing_more(
    db: Database, world: World, clock: FixedClock
) -> None:
    first, second = customers(db, world.north, 2)
    offer_id = offer_nine(db, world, clock, first)
    with db.tenant(world.north.tenant_id) as s:
        s.get_one(Bay, world.north.bay_ids[0]).active = True
        book(s, offer_id, first.booker(clock.now()))
    assert found(db, world, clock, second) == ["15:00"]
    offer_nine(db, world, clock, first)
    assert found(db, world, clock, second) == []
    with db.tenant(world.north.tenant_id) as s:
        location = s.get_one(Location, world.north.location_id)
        owner = Booker(None, None, "owner", clock.now())
        made = book_directly(s, location, second.lead_id, job(world), local(24, 9), owner)
        assert made.bay_id in world.north.bay_ids
