"""A time that was shown is called open only as long as the calendar would still take it; and it belongs to the message that
named it last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select

from agent.context import AsOf, build_context
from agent.models.playbook import PlaybookModel
from crm.calendar import booking
from crm.db import Database
from crm.models import Appointment, ChatSession, LocationClosure, Offer, Tenant
from ops.clock import FixedClock
from tests.conftest import TestDatabase, World
from tests.integration.answering import Shop, answering
from tests.integration.calendar_help import Customer, add_message, add_offer, customers, dana, local
from tests.integration.talking import answer, call, hear, outgoing, rows, say, scripted

ASKED = ("full ceramic tint 2021 honda civic sedan, how much?", "do you have something wednesday at 9 am?")
WEDNESDAY = "Wed, Nov 25 at 9:00 AM"


@pytest.fixture
def shop(test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World) -> Iterator[Shop]:
    with answering(test_database, redis_url, clock) as made:
        yield made


@pytest.fixture
def shown(db: Database, world: World) -> list[int]:
    """Three times in one message of ours to Dana."""
    who = dana(world.north)
    found = [add_offer(db, who, local(day, 9), shown=None) for day in (24, 25, 27)]
    message_id = add_message(db, who)
    with db.tenant(world.north.tenant_id) as s:
        for offer in s.scalars(select(Offer).where(Offer.id.in_(found))):
            offer.message_id = message_id
    return found


def known(db: Database, world: World, clock: FixedClock, **more: Any) -> dict[str, Any]:
    """The records of a turn that answers a new message of Dana."""
    newest = add_message(db, dana(world.north), direction="in", status="received", body="still open?")
    with db.tenant(world.north.tenant_id) as s:
        chat = s.get_one(ChatSession, world.north.session_id)
        chat.last_inbound_id, chat.last_channel = newest, "sms"
        return build_context(s, chat, clock.now(), **more).facts


def open_days(db: Database, world: World, clock: FixedClock) -> list[str]:
    return [one["date"][-2:] for one in known(db, world, clock)["offers"]]


def book(db: Database, who: Customer, offer_id: int, clock: FixedClock) -> None:
    with db.tenant(who.shop.tenant_id) as s:
        booking.book(s, offer_id, who.booker(clock.now()))


def fill(db: Database, world: World, clock: FixedClock, day: int) -> None:
    """Others take every bay of that morning."""
    for one in customers(db, world.north, len(world.north.bay_ids), first=1000 + 10 * day):
        book(db, one, add_offer(db, one, local(day, 9), code="tint-full-sedan-carbon"), clock)


@contextmanager
def queries(db: Database) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    yield seen
    event.remove(db.engine, "before_cursor_execute", note)


def test_a_time_that_others_took_is_not_open(
    db: Database, world: World, clock: FixedClock, shown: list[int]
) -> None:
    assert open_days(db, world, clock) == ["24", "25", "27"]
    fill(db, world, clock, 25)
    assert open_days(db, world, clock) == ["24", "27"]


def test_neither_is_one_on_a_day_that_was_closed_since(
    db: Database, world: World, clock: FixedClock, shown: list[int]
) -> None:
    where = {"tenant_id": world.north.tenant_id, "location_id": world.north.location_id}
    with db.tenant(world.north.tenant_id) as s:
        day = local(27, 9).date()
        s.add(LocationClosure(**where, starts_on=day, ends_on=day, reason="stock-taking"))
    assert open_days(db, world, clock) == ["24", "25"]


def test_nor_one_that_is_held_for_somebody_else(
    db: Database, world: World, clock: FixedClock, shown: list[int]
) -> None:
    earlier = [
        add_offer(db, one, local(24, 9)) for one in customers(db, world.north, len(world.north.bay_ids))
    ]
    with db.tenant(world.north.tenant_id) as s:
        s.get_one(Tenant, world.north.tenant_id).settings = {"hold_offers_minutes": 20}
        for offer in s.scalars(select(Offer).where(Offer.id.in_(earlier))):
            offer.held_until = clock.now() + timedelta(minutes=20)
    again = [add_offer(db, dana(world.north), local(day, 9)) for day in (24, 25)]
    with db.tenant(world.north.tenant_id) as s:
        newest = s.get_one(Offer, again[-1]).message_id
        s.get_one(Offer, again[0]).message_id = newest
    assert open_days(db, world, clock) == ["25"]


def test_ones_own_time_is_no_offer_and_does_not_stand_in_its_own_way(
    db: Database, world: World, clock: FixedClock, shown: list[int]
) -> None:
    for one in customers(db, world.north, len(world.north.bay_ids) - 1):
        book(db, one, add_offer(db, one, local(24, 9)), clock)
    book(db, dana(world.north), shown[0], clock)
    # Half an hour later on the same bay: free only for a move of this very appointment.
    half_past = add_offer(db, dana(world.north), local(24, 9, 30), shown=None)
    with db.tenant(world.north.tenant_id) as s:
        s.get_one(Offer, half_past).message_id = s.get_one(Offer, shown[0]).message_id
    facts = known(db, world, clock)
    assert [(one["date"][-2:], one["time"]) for one in facts["offers"]] == [
        ("24", "09:30"), ("25", "09:00"), ("27", "09:00"),
    ]  # fmt: skip
    # For other work that appointment is in the way like anybody's.
    with db.tenant(world.north.tenant_id) as s:
        other = world.north.service_ids["tint-windshield-ceramic"]
        s.get_one(Offer, half_past).service_ids = [other]
    assert open_days(db, world, clock) == ["25", "27"]


def test_looking_back_at_a_turn_asks_no_calendar_of_today(
    db: Database, world: World, clock: FixedClock, shown: list[int]
) -> None:
    fill(db, world, clock, 25)
    newest = known(db, world, clock)["offers"]
    with db.tenant(world.north.tenant_id) as s:
        trigger = s.get_one(ChatSession, world.north.session_id).last_inbound_id or 0
    then = known(db, world, clock, as_of=AsOf(trigger, 0, "sms"))["offers"]
    assert (len(newest), len(then)) == (2, 3)


def test_one_look_whatever_the_number(
    db: Database, world: World, clock: FixedClock, shown: list[int]
) -> None:
    known(db, world, clock)
    with queries(db) as few:
        known(db, world, clock)
    with db.tenant(world.north.tenant_id) as s:
        message_id = s.get_one(Offer, shown[0]).message_id
    more = [add_offer(db, dana(world.north), local(27, hour), shown=None) for hour in (11, 12, 13, 14, 15)]
    with db.tenant(world.north.tenant_id) as s:
        for offer in s.scalars(select(Offer).where(Offer.id.in_(more))):
            offer.message_id = message_id
    with queries(db) as many:
        assert len(known(db, world, clock)["offers"]) == 8
    assert len(many) == len(few)
    with db.tenant(world.north.tenant_id) as s:
        for offer in s.scalars(select(Offer)):
            offer.expires_at = clock.now()
    with queries(db) as none:
        assert known(db, world, clock)["offers"] == []
    assert len(none) <= len(few) - 7, "without offers nobody looks"


def test_nobody_is_told_that_a_taken_time_is_open(
    shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    runtime = shop.with_model(PlaybookModel())
    for words in ASKED:
        hear(runtime, world.north, words)
        answer(runtime, world.north)
    assert f"{WEDNESDAY} is open" in shop.texts()[-1]
    fill(db, world, clock, 25)
    hear(runtime, world.north, "do you still have wednesday at 9 am?")
    answer(runtime, world.north)
    assert WEDNESDAY not in shop.texts()[-1]
    lie, other = say(f"Yes, {WEDNESDAY} is still open."), say("Which other day suits you?")
    hear(runtime, world.north, "really?")
    answer(shop.with_model(scripted(lie, other)), world.north)
    assert shop.texts()[-1] == "Which other day suits you?"


def test_a_yes_to_a_time_that_was_taken_meanwhile_gets_the_nearest(
    shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    runtime = shop.with_model(PlaybookModel())
    for words in ASKED:
        hear(runtime, world.north, words)
        answer(runtime, world.north)
    fill(db, world, clock, 25)
    hear(runtime, world.north, "yes please")
    answer(runtime, world.north)
    assert "Wed, Nov 25 at 11:30 AM" in shop.texts()[-1]
    assert rows(db, world.north, Appointment, Appointment.lead_id == world.north.lead_id) == []


def test_a_time_that_is_named_again_belongs_to_the_newer_message(
    shop: Shop, db: Database, world: World, shown: list[int]
) -> None:
    again = say("Yes, Wed, Nov 25 at 9:00 AM is open. Shall I book it for you?")
    runtime = shop.with_model(scripted(again, call("book", offer_id=shown[1]), say("Thanks!")))
    hear(runtime, world.north, "is wednesday at 9 open?")
    answer(runtime, world.north)
    newest = outgoing(db, world.north)[-1].id
    before, stamped, after = (one.message_id for one in rows(db, world.north, Offer))
    assert stamped == newest
    assert before == after != newest, "what it does not name stays where it was shown"
    hear(runtime, world.north, "yes please")
    answer(runtime, world.north)
    (visit,) = rows(db, world.north, Appointment)
    assert visit.offer_id == shown[1]
    assert rows(db, world.north, Offer)[1].message_id == newest, "to be booked is not to be shown again"


def test_a_time_that_is_gone_is_not_shown_by_its_denial(
    shop: Shop, db: Database, world: World, clock: FixedClock, shown: list[int]
) -> None:
    fill(db, world, clock, 25)
    first = rows(db, world.north, Offer, Offer.id == shown[1])[0].message_id
    denial = say("Sorry, Wed, Nov 25 at 9:00 AM is taken. Fri, Nov 27 at 9:00 AM is open.")
    runtime = shop.with_model(scripted(denial, say("Which other day suits you?")))
    hear(runtime, world.north, "wednesday at 9?")
    answer(runtime, world.north)
    assert rows(db, world.north, Offer, Offer.id == shown[1])[0].message_id == first
