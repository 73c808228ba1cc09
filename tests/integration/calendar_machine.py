"""The calendar as a state machine: random days at a random shop, every step judged by the oracle.

What it holds to, whatever happens:
- a full search finds exactly the starts the oracle allows, with the bays and the ends the oracle works out;
- every offer made is bookable when booked at once, and so is a start named directly if and only if the oracle
  allows it on some bay;
- nothing that was booked broke a rule at that moment; a refusal leaves everything as it was;
- a move that fails keeps the old time; the database never holds two jobs on one bay at one time.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from sqlalchemy import Engine

from crm.calendar.booking import Booker, book, book_directly, cancel, move, move_directly
from crm.calendar.offers import OfferFor, make_offers
from crm.calendar.refusals import BookingConflict, BookingRefused
from crm.calendar.slots import find_slots, free_slots, refusals
from crm.db import Database
from crm.models import Appointment, Location, LocationClosure, Offer
from tests.integration.calendar_judge import FIVE, JudgedCalendar, Wish, soonest
from tests.integration.calendar_oracle_shop import Held
from tests.integration.calendar_shops import (
    OPEN_DAYS,
    held,
    jobs,
    new_customer,
    oracle_job,
    shops,
    write_shop,
    write_special,
)


class CalendarMachine(JudgedCalendar):
    """One shop in one zone; `db` and `owner` are the test's real database."""

    def __init__(self, db: Database, owner: Engine, zone: str) -> None:
        super().__init__()
        self.db, self.owner, self.zone = db, owner, zone
        self.held: list[Held] = []
        # Of each appointment that is on: who it is for and what.
        self.known: dict[int, tuple[Booker, Wish]] = {}
        # Offers that were shown and not taken yet.
        self.shown: list[tuple[Booker, Wish, Offer]] = []

    @initialize(data=st.data())
    def open_shop(self, data: st.DataObject) -> None:
        """A random shop some days before the clocks change."""
        self.shop, bays, self.now = data.draw(shops(self.zone))
        self.place = write_shop(self.db, self.owner, self.shop, bays)
        self.judge_anew()

    @rule(days=st.integers(0, 4), ticks=st.integers(1, 24 * 12))
    def time_passes(self, days: int, ticks: int) -> None:
        """Up to some days and hours."""
        self.now += timedelta(days=days) + ticks * FIVE
        self.judge_anew()

    @rule(ahead=st.integers(0, 9), length=st.integers(1, 2))
    def close_days(self, ahead: int, length: int) -> None:
        """A closure; what is booked there stays booked."""
        first = self.today() + timedelta(days=ahead)
        closed = (first, first + timedelta(days=length - 1))
        if closed not in self.shop.closures:
            self.shop.closures.append(closed)
            of = {"tenant_id": self.place.tenant_id, "location_id": self.place.location_id}
            with self.session() as s:
                s.add(LocationClosure(**of, starts_on=closed[0], ends_on=closed[1]))
            self.judge_anew()

    @rule(ahead=st.integers(0, 9), hours=st.sampled_from(OPEN_DAYS))
    def special_hours(self, ahead: int, hours: list[Any]) -> None:
        """Other hours on one date."""
        day = self.today() + timedelta(days=ahead)
        self.shop.special[day] = hours
        with self.session() as s:
            write_special(s, self.place, day, hours)
        self.judge_anew()

    @rule(wish=jobs)
    def search_everything(self, wish: Wish) -> None:
        """Short work reaches into every corner of the calendar, so it is always searched for as well."""
        for one in (wish, (["wash"], None), (["tint"], "truck")):
            self.search(one)

    def search(self, wish: Wish) -> None:
        """Offered = accepted = allowed, for every start of the horizon."""
        job = oracle_job(*wish)
        allowed = self.oracle.allowed(job, self.held)
        with self.session() as s:
            found = free_slots(self.day_book(s), self.job(s, wish), self.now)
        told = {slot.starts_at: (set(slot.bay_ids), slot.ends_at) for slot in found}
        lasting = {start: ends for start, ends in allowed.items() if self.oracle.lasts(job, start)}
        assert len(told) == len(found)
        if job.drop_off:
            self.one_a_day(told, lasting)
            return
        assert told == {start: soonest(ends) for start, ends in lasting.items()}

    @rule(wish=jobs, start=st.data())
    def ask_about_any_start(self, wish: Wish, start: st.DataObject) -> None:
        """The rules' own answer about a random moment, on the grid or not."""
        moment = self.moment(start)
        allowed = self.bays_for(oracle_job(*wish), moment, self.held)
        with self.session() as s:
            why = refusals(self.day_book(s), self.job(s, wish), moment, self.now)
        assert (not why) == bool(allowed), (why, allowed)

    @rule(wish=jobs, pick=st.integers(0, 2), at_once=st.booleans())
    def offer_times(self, wish: Wish, pick: int, at_once: bool) -> None:
        """A customer is offered times and takes one of them at once, or keeps it in mind."""
        with self.session() as s:
            location, job = s.get_one(Location, self.place.location_id), self.job(s, wish)
            slots = find_slots(s, location, job, self.now)
            if not slots:
                assert not self.lasting(oracle_job(*wish))
                return
            lead_id, session_id, reply_id = new_customer(s, self.place)
            whom = OfferFor(session_id, lead_id, job)
            offers = make_offers(s, location, whom, slots, self.now)
            for offer in offers:
                offer.message_id = reply_id
            chosen = offers[pick % len(offers)]
        booker = Booker(lead_id, session_id, "agent", self.now)
        if at_once:
            self._take(booker, wish, chosen, must_succeed=True)
        else:
            self.shown.append((booker, wish, chosen))

    @precondition(lambda self: self.shown)
    @rule(pick=st.integers(0, 99))
    def take_an_old_offer(self, pick: int) -> None:
        """Later, when it may have gone."""
        booker, wish, offer = self.shown.pop(pick % len(self.shown))
        self._take(replace(booker, now=self.now), wish, offer, must_succeed=False)

    @rule(wish=jobs, start=st.data())
    def book_any_start(self, wish: Wish, start: st.DataObject) -> None:
        """A person books without an offer: accepted if and only if the oracle allows it."""
        moment = self.moment(start)
        expected = self.starts_for(oracle_job(*wish), moment, self.held)
        with self.session() as s:
            lead_id, session_id, _ = new_customer(s, self.place)
        booker = Booker(lead_id, session_id, "owner", self.now)
        try:
            with self.session() as s:
                location = s.get_one(Location, self.place.location_id)
                booked = book_directly(s, location, lead_id, self.job(s, wish), moment, booker)
        except BookingConflict as conflict:
            self.refused_rightly(conflict, wish, moment, expected, self.held)
        else:
            assert booked.starts_at in expected
            self.now_on(booked, booker, wish)

    @precondition(lambda self: self.known)
    @rule(pick=st.integers(0, 99), start=st.data())
    def move_one(self, pick: int, start: st.DataObject) -> None:
        """To any moment: the new time is taken, or the old one kept as it was."""
        appointment_id, (booker, wish) = sorted(self.known.items())[pick % len(self.known)]
        moment = self.moment(start)
        others = [one for one in self.held if one.id != appointment_id]
        (old,) = [one for one in self.held if one.id == appointment_id]
        expected = self.starts_for(oracle_job(*wish), moment, others)
        try:
            with self.session() as s:
                moved, before = move_directly(s, appointment_id, moment, replace(booker, now=self.now))
        except BookingConflict as conflict:
            self.refused_rightly(conflict, wish, moment, expected, others)
        else:
            assert before == old.starts_at
            if moved.starts_at != before:
                assert moved.starts_at in expected
                self.now_on(moved, booker, wish)

    @precondition(lambda self: self.known)
    @rule(pick=st.integers(0, 99), nth=st.integers(0, 2))
    def move_to_an_offer(self, pick: int, nth: int) -> None:
        """The way a customer moves: times are found as if the old one were not there, one is taken."""
        appointment_id, (booker, wish) = sorted(self.known.items())[pick % len(self.known)]
        booker = replace(booker, now=self.now)
        with self.session() as s:
            old = s.get_one(Appointment, appointment_id)
            if old.starts_at <= self.now:
                return
            location, job = s.get_one(Location, self.place.location_id), self.job(s, wish)
            slots = find_slots(s, location, job, self.now, ignore_appointment_id=appointment_id)
            if not slots:
                return
            assert booker.session_id
            assert booker.lead_id
            whom = OfferFor(booker.session_id, booker.lead_id, job)
            offer = make_offers(s, location, whom, [slots[nth % len(slots)]], self.now)[0]
            offer.message_id = new_customer(s, self.place)[2]
            offer_id = offer.id
        with self.session() as s:
            moved, before = move(s, offer_id, booker)
        (was,) = [one for one in self.held if one.id == appointment_id]
        assert (moved.id, before) == (appointment_id, was.starts_at)
        self.now_on(moved, booker, wish)

    @precondition(lambda self: self.known)
    @rule(pick=st.integers(0, 99))
    def cancel_one(self, pick: int) -> None:
        """Its time is free again."""
        appointment_id, (booker, _) = sorted(self.known.items())[pick % len(self.known)]
        with self.session() as s:
            assert cancel(s, replace(booker, now=self.now), appointment_id).status == "cancelled"
        self.held = [one for one in self.held if one.id != appointment_id]
        del self.known[appointment_id]

    @invariant()
    def the_database_holds_what_was_agreed(self) -> None:
        """Nothing more, nothing less, nothing moved, and never two jobs on one bay."""
        if not hasattr(self, "place"):
            return
        with self.session() as s:
            assert held(s, self.place) == sorted(self.held, key=lambda one: one.id)
        for one, other in combinations(self.held, 2):
            meet = one.blocked_from < other.blocked_until and other.blocked_from < one.blocked_until
            assert one.bay != other.bay or not meet

    def _take(self, booker: Booker, wish: Wish, offer: Offer, *, must_succeed: bool) -> None:
        job, starts_at = oracle_job(*wish), offer.starts_at
        expected = [
            start
            for start in self.starts_for(job, starts_at, self.held)
            if self.as_told(job, soonest(self.bays_for(job, start, self.held))[1], offer.ends_at)
        ]
        try:
            with self.session() as s:
                booked = book(s, offer.id, booker)
        except BookingConflict as conflict:
            assert not must_succeed
            self.refused_rightly(conflict, wish, starts_at, expected, self.held)
        except BookingRefused:
            assert not must_succeed
            assert min(offer.expires_at, offer.arrives_from or starts_at) <= self.now
        else:
            assert booked.starts_at in expected
            self.now_on(booked, booker, wish)
