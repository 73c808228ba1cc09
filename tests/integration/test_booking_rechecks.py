"""What is asked again when a time is taken: the rules as they are behind the lock, and all that the customer was told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import time
from typing import Any

import pytest
from sqlalchemy import Engine

from agent.tools.base import ToolContext
from crm.calendar.booker import queue_up
from crm.calendar.booking import Booker, Override, book, book_directly, move_directly
from crm.calendar.job import Job, job_for
from crm.calendar.refusals import BookingConflict
from crm.db import Database
from crm.models import Appointment, Location, Service
from ops.clock import FixedClock
from tests.conftest import TestDatabase, World
from tests.integration.booking_help import wait_for_a_waiter
from tests.integration.calendar_commands_help import running
from tests.integration.calendar_help import add_offer, add_turn, call, dana, local
from tests.integration.tool_help import appointments, hear, show


@pytest.fixture
def ctx(db: Database, world: World, clock: FixedClock) -> ToolContext:
    """A turn of north's customer."""
    return add_turn(db, clock, dana(world.north))


@pytest.fixture
def cli(
    test_database: TestDatabase, world: World, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Any]]:
    """Runs a command; both shops are there."""
    yield from running(test_database, clock, monkeypatch)


def set_on_location(db: Database, world: World, **values: Any) -> None:
    """Change north's location in a transaction of its own."""
    with db.tenant(world.north.tenant_id) as s:
        location = s.get_one(Location, world.north.location_id)
        for column, value in values.items():
            setattr(location, column, value)


def strip(world: World, s: Any) -> Job:
    """A visit for a sun strip."""
    return job_for([s.get_one(Service, world.north.service_ids["tint-sunstrip"])], None)


CHANGES = [
    ({"holidays": {"country": "US", "open_on": []}}, "closed"),
    ({"notice_minutes": 10_000}, "too_soon"),
    ({"horizon_days": 1}, "too_far"),
]


@pytest.mark.parametrize(("change", "reason"), CHANGES)
def test_a_rule_that_changed_while_somebody_waited_holds_for_them(
    world: World, db: Database, clock: FixedClock, change: dict[str, Any], reason: str
) -> None:
    who = dana(world.north)
    offer_id = add_offer(db, who, local(26, 9), code="tint-sunstrip")
    with db.tenant(world.north.tenant_id) as s:
        location = s.get_one(Location, world.north.location_id)
        set_on_location(db, world, **change)
        booker = Booker(who.lead_id, who.session_id, "owner", clock.now())
        with pytest.raises(BookingConflict) as caught:
            book_directly(s, location, who.lead_id, strip(world, s), local(26, 9), booker)
        assert reason in caught.value.refusals
        with pytest.raises(BookingConflict) as caught:
            book(s, offer_id, who.booker(clock.now()))
        assert reason in caught.value.refusals
        assert s.query(Appointment).count() == 0


def test_a_move_asks_the_rules_again_behind_the_lock(world: World, db: Database, clock: FixedClock) -> None:
    who = dana(world.north)
    booker = Booker(who.lead_id, who.session_id, "owner", clock.now())
    with db.tenant(world.north.tenant_id) as s:
        location = s.get_one(Location, world.north.location_id)
        booked = book_directly(s, location, who.lead_id, strip(world, s), local(25, 9), booker)
    with db.tenant(world.north.tenant_id) as s:
        # Kept by a name: the session knows a row only as long as somebody holds it.
        location = s.get_one(Location, world.north.location_id)
        set_on_location(db, world, holidays={"country": "US", "open_on": []})
        assert location.holidays != {"country": "US", "open_on": []}
        with pytest.raises(BookingConflict):
            move_directly(s, booked.id, local(26, 9), booker)


@pytest.mark.parametrize(
    "arguments",
    [
        ("hours", "limits", "--jobs", "1"),
        ("hours", "skills", "{bay}", "tint"),
        ("hours", "holidays", "IL"),
    ],
)
def test_limits_and_skills_wait_for_whoever_books(
    cli: Callable[..., Any], world: World, db: Database, owner_engine: Engine, arguments: tuple[str, ...]
) -> None:
    given = [one.format(bay="Bay 1") for one in arguments]
    with ThreadPoolExecutor(1) as pool:
        with db.tenant(world.north.tenant_id) as s:
            queue_up(s, world.north.location_id)
            running_command = pool.submit(cli, *given, "--tenant", "north")
            wait_for_a_waiter(owner_engine)
            assert not running_command.done()
        result = running_command.result(60)
    assert result.exit_code == 0, result.output


def drop_off(db: Database, world: World, first: int, until: int) -> None:
    """When cars are brought."""
    set_on_location(db, world, drop_off_from=time(first), drop_off_until=time(until))


@pytest.mark.parametrize("tool", ["book", "move"])
def test_a_car_is_not_booked_in_for_another_hour_than_was_agreed(
    ctx: ToolContext, world: World, db: Database, clock: FixedClock, tool: str
) -> None:
    drop_off(db, world, 11, 12)
    ids = [world.north.service_ids["ppf-front"]]
    who = dana(world.north)
    if tool == "move":
        with db.tenant(ctx.tenant_id) as s:
            job = job_for([s.get_one(Service, ids[0])], None)
            booker = Booker(who.lead_id, who.session_id, "owner", clock.now())
            location = s.get_one(Location, ctx.location_id)
            book_directly(s, location, who.lead_id, job, local(30, 11), booker)
    found, _ = call(ctx, "find_times", service_ids=ids, from_date="2026-11-24", to_date="2026-11-24")
    (offer,) = found["offers"]
    assert offer["label"] == "drop off Tue, Nov 24 between 11:00 AM and 12:00 PM"
    show(ctx, world)
    drop_off(db, world, 9, 10)
    answer, result = call(ctx, tool, offer_id=offer["offer_id"])
    assert result.is_error
    labels = [one["label"] for one in answer["offers"]]
    assert "drop off Tue, Nov 24 between 9:00 and 10:00 AM" in labels
    assert [one.starts_at for one in appointments(ctx)] == ([local(30, 12)] if tool == "move" else [])
    drop_off(db, world, 11, 12)
    assert not call(ctx, tool, offer_id=offer["offer_id"])[1].is_error
    assert appointments(ctx)[0].arrives_from == local(24, 11)


def test_what_was_lifted_for_the_old_time_is_not_said_of_the_new_one(
    ctx: ToolContext, world: World, db: Database, clock: FixedClock
) -> None:
    who = dana(world.north)
    with db.tenant(ctx.tenant_id) as s:
        location = s.get_one(Location, ctx.location_id)
        booker = Booker(who.lead_id, who.session_id, "owner", clock.now())
        lifted = Override("Sam", "a regular", frozenset({"closed"}))
        book_directly(s, location, who.lead_id, strip(world, s), local(29, 9), booker, lifted)
    ctx = hear(ctx, world, "Wednesday at 1 PM works")
    offer_id = add_offer(db, who, local(25, 13), code="tint-sunstrip")
    assert not call(ctx, "move", offer_id=offer_id)[1].is_error
    (moved,) = appointments(ctx)
    assert moved.starts_at == local(25, 13)
    assert moved.override is None
    assert moved.history[0]["override"] == lifted.record()
    with db.tenant(ctx.tenant_id) as s:
        again, _ = move_directly(s, moved.id, local(29, 9), booker, lifted)
        assert again.override == lifted.record()
