"""What a person at the shop does with the calendar, what becomes of an appointment, and the file a customer gets."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from icalendar import Calendar
from sqlalchemy import Engine, text

from channels.outbox import as_outgoing
from crm.calendar.booking import (
    Booker,
    Override,
    book,
    book_directly,
    cancel,
    complete,
    confirm,
    move,
    move_directly,
    no_show,
)
from crm.calendar.job import Job
from crm.calendar.refusals import BookingConflict, BookingRefused
from crm.calendar.rules import Refusal
from crm.db import Database
from crm.models import Appointment, ChatMessage, Lead, Location
from ops.clock import FixedClock
from tests.conftest import World
from tests.integration.calendar_help import add_offer, add_turn, call, customers, dana, local

TINT = Job((1,), 150)


def owner(clock: FixedClock, why: str | None = None) -> Booker:
    """A person at the shop, acting for no lead in particular."""
    return Booker(None, None, "owner", clock.now(), why=why)


def direct(
    db: Database,
    world: World,
    clock: FixedClock,
    start: datetime,
    *rules: Refusal,
    job: Job = TINT,
    **changes: Any,
) -> Appointment:
    """A booking from the command line for north's customer; `changes` are made to the location first."""
    override = Override("Sam", "regular customer", frozenset(rules)) if rules else None
    with db.tenant(world.north.tenant_id) as s:
        location = s.get_one(Location, world.north.location_id)
        for name, value in changes.items():
            setattr(location, name, value)
        return book_directly(s, location, world.north.lead_id, job, start, owner(clock), override)


def test_an_owner_books_by_the_same_rules(db: Database, world: World, clock: FixedClock) -> None:
    made = direct(db, world, clock, local(24, 9), buffer_before_minutes=15, buffer_after_minutes=30)
    assert (made.source, made.offer_id, made.override, made.labour_minutes) == ("owner", None, None, 150)
    assert (made.blocked_from, made.blocked_until) == (local(24, 8, 45), local(24, 12))
    with db.tenant(world.north.tenant_id) as s:
        assert s.get_one(Lead, world.north.lead_id).status == "booked"
    with pytest.raises(BookingConflict, match="not open") as caught:
        direct(db, world, clock, local(24, 17))
    assert len(caught.value.alternatives) == 3
    with pytest.raises(ValueError, match="time zone"):
        direct(db, world, clock, local(24, 9).replace(tzinfo=None))


def test_an_override_is_recorded_and_lifts_only_what_it_names(
    db: Database, world: World, clock: FixedClock
) -> None:
    with pytest.raises(BookingConflict) as caught:
        direct(db, world, clock, local(24, 17), "too_soon", max_jobs_per_day=0)
    assert caught.value.refusals == ("closed", "jobs_full")
    made = direct(db, world, clock, local(24, 17), "closed", "jobs_full")
    record = {"by": "Sam", "why": "regular customer", "rules": ["closed", "jobs_full"]}
    assert (made.override, made.history[0]["override"]) == (record, record)
    assert made.ends_at == local(24, 19, 30)


def test_nobody_may_put_two_cars_on_one_bay(
    db: Database, world: World, clock: FixedClock, owner_engine: Engine
) -> None:
    every = ("past", "too_soon", "too_late_today", "too_far", "closed", "off_grid", "jobs_full")
    for _ in world.north.bay_ids:
        direct(db, world, clock, local(24, 9), *every)
    with pytest.raises(BookingConflict, match="just taken"):
        direct(db, world, clock, local(24, 9), *every)


def test_a_car_that_is_left_is_booked_for_the_window(db: Database, world: World, clock: FixedClock) -> None:
    ppf = Job((1,), 600, "drop_off")
    made = direct(db, world, clock, local(24, 9, 15), job=ppf)
    assert (made.arrives_from, made.arrives_until) == (local(24, 9), local(24, 10))
    assert (made.starts_at, made.ends_at, made.visit) == (local(24, 10), local(25, 11), "drop_off")
    with db.tenant(world.north.tenant_id) as s:
        moved, before = move_directly(s, made.id, local(27, 9), owner(clock))
    # The 26th is not closed in this world; Saturday ends at two.
    assert (before, moved.starts_at, moved.ends_at) == (local(24, 10), local(27, 10), local(28, 11))


def test_move_directly_keeps_the_old_time_until_the_new_one_is_taken(
    db: Database, world: World, clock: FixedClock
) -> None:
    made = direct(db, world, clock, local(24, 9))
    direct(db, world, clock, local(25, 9))
    direct(db, world, clock, local(25, 9))
    with db.tenant(world.north.tenant_id) as s, pytest.raises(BookingConflict):
        move_directly(s, made.id, local(25, 9), owner(clock))
    with db.tenant(world.north.tenant_id) as s:
        kept = s.get_one(Appointment, made.id)
        assert (kept.starts_at, kept.sequence, len(kept.history)) == (local(24, 9), 0, 1)
        move_directly(s, made.id, local(24, 10), owner(clock, "running late"))
        same, _ = move_directly(s, made.id, local(24, 10), owner(clock))
        assert (same.starts_at, same.sequence, len(same.history)) == (local(24, 10), 1, 2)
        assert same.history[1]["why"] == "running late"


def test_a_confirmed_time_is_not_confirmed_when_moved(db: Database, world: World, clock: FixedClock) -> None:
    who = dana(world.north)
    with db.tenant(world.north.tenant_id) as s:
        made = book(s, add_offer(db, who, local(24, 9)), who.booker(clock.now()))
        assert confirm(s, who.booker(clock.now())).status == "confirmed"
        assert len(confirm(s, who.booker(clock.now()), made.id).history) == 2
        moved, _ = move(s, add_offer(db, who, local(25, 9)), replace(who.booker(clock.now()), message_id=8))
        assert moved.status == "booked"


def test_what_may_become_of_an_appointment(db: Database, world: World, clock: FixedClock) -> None:
    made = direct(db, world, clock, local(24, 9))
    with db.tenant(world.north.tenant_id) as s:
        for change in (complete, no_show):
            with pytest.raises(BookingRefused, match="not started"):
                change(s, owner(clock), made.id)
    clock.advance(timedelta(days=1, hours=3))
    later = owner(clock, "called")
    with db.tenant(world.north.tenant_id) as s:
        assert no_show(s, later, made.id).status == "no_show"
        assert s.get_one(Lead, world.north.lead_id, populate_existing=True).status == "engaged"
        assert complete(s, later, made.id).status == "completed"
        assert s.get_one(Lead, world.north.lead_id, populate_existing=True).status == "won"
        assert [one["what"] for one in complete(s, later, made.id).history] == [
            "booked",
            "no_show",
            "completed",
        ]
        with pytest.raises(BookingRefused, match="is completed, so it cannot be cancelled"):
            cancel(s, later, made.id)
        with pytest.raises(BookingRefused, match="is completed, so it cannot be moved"):
            move_directly(s, made.id, local(27, 9), later)


def test_a_cancellation_is_final_and_frees_the_bay(db: Database, world: World, clock: FixedClock) -> None:
    made = [direct(db, world, clock, local(24, 9)) for _ in world.north.bay_ids]
    with db.tenant(world.north.tenant_id) as s:
        for _ in range(2):
            assert len(cancel(s, owner(clock, "sold the car"), made[0].id).history) == 2
        with pytest.raises(BookingRefused, match="is cancelled, so it cannot be confirmed"):
            confirm(s, owner(clock), made[0].id)
    assert direct(db, world, clock, local(24, 9)).bay_id == made[0].bay_id


def test_a_customer_changes_only_their_own(db: Database, world: World, clock: FixedClock) -> None:
    made = direct(db, world, clock, local(24, 9))
    (other,) = customers(db, world.north, 1)
    with db.tenant(world.north.tenant_id) as s:
        for change in (confirm, cancel, complete, no_show):
            with pytest.raises(BookingRefused, match="no such appointment"):
                change(s, other.booker(clock.now()), made.id)
        with pytest.raises(BookingRefused, match="no such appointment"):
            move_directly(s, made.id, local(25, 9), other.booker(clock.now()))
    with db.tenant(world.south.tenant_id) as s, pytest.raises(BookingRefused):
        cancel(s, owner(clock), made.id)


def test_done_work_still_counts_for_its_day(db: Database, world: World, clock: FixedClock) -> None:
    made = direct(db, world, clock, local(23, 11), max_jobs_per_day=1, same_day_cutoff=time(17))
    clock.advance(timedelta(hours=3))
    with db.tenant(world.north.tenant_id) as s:
        complete(s, owner(clock), made.id)
    with pytest.raises(BookingConflict) as caught:
        direct(db, world, clock, local(23, 15))
    assert caught.value.refusals == ("jobs_full",)


def test_a_writer_who_knows_only_start_and_end_blocks_that(
    db: Database, world: World, clock: FixedClock, owner_engine: Engine
) -> None:
    shop = world.north
    values = {"t": shop.tenant_id, "l": shop.location_id, "b": shop.bay_ids[0], "s": local(24, 9)}
    with owner_engine.begin() as connection:
        insert = (
            "insert into appointments (tenant_id, location_id, bay_id, service_ids, starts_at, ends_at, source)"
            " values (:t, :l, :b, '{}', :s, :e, 'crm') returning id"
        )
        row_id = connection.execute(text(insert), {**values, "e": local(24, 11)}).scalar_one()
        moved = "update appointments set starts_at = :s, ends_at = :e where id = :id"
        connection.execute(text(moved), {"s": local(25, 9), "e": local(25, 10), "id": row_id})
    with db.tenant(shop.tenant_id) as s:
        row = s.get_one(Appointment, row_id)
        assert (row.blocked_from, row.blocked_until) == (local(25, 9), local(25, 10))
        assert row.labour_minutes == 120


def test_the_mail_that_says_it_is_booked_carries_the_file(
    db: Database, world: World, clock: FixedClock
) -> None:
    who = dana(world.north)
    files = []
    for start, name in ((local(24, 9), "book"), (local(25, 9), "move"), (None, "cancel")):
        ctx = add_turn(db, clock, who, "yes please" if start else "please cancel my appointment")
        arguments = {"offer_id": add_offer(db, who, start)} if start else {}
        assert not call(ctx, name, **arguments)[1].is_error
        with db.tenant(ctx.tenant_id) as s:
            (file,) = as_outgoing(s, reply(ctx.turn_id, who, clock)).attachments
            files.append(file)
            assert as_outgoing(s, reply(ctx.turn_id, who, clock, channel="sms")).attachments == ()
            assert as_outgoing(s, reply(None, who, clock)).attachments == ()
    assert [file.name for file in files] == ["appointment.ics", "appointment.ics", "cancelled.ics"]
    calendars = [Calendar.from_ical(file.content) for file in files]
    events = [one.walk("VEVENT")[0] for one in calendars]
    assert [one["method"] for one in calendars] == ["REQUEST", "REQUEST", "CANCEL"]
    assert [event["sequence"] for event in events] == [0, 1, 2]
    assert [event.start for event in events] == [local(24, 9), local(25, 9), local(25, 9)]
    assert len({event["uid"] for event in events}) == 1


def reply(turn_id: int | None, who: Any, clock: FixedClock, channel: str = "email") -> ChatMessage:
    """The answer of a turn, as it waits in the outbox."""
    return ChatMessage(
        tenant_id=who.shop.tenant_id,
        session_id=who.session_id,
        lead_id=who.lead_id,
        turn_id=turn_id,
        direction="out",
        channel=channel,
        kind="reply",
        status="pending",
        body="You are booked.",
        from_address="shop@north.example",
        to_address="dana@example.com",
        created_at=clock.now(),
    )
