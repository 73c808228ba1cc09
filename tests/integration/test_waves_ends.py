"""A wave that does harm stops itself; what it has planned ends with it; whom it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from crm.db import Database
from crm.lead_states import move
from crm.models import ChatMessage, Lead, TouchPoint
from crm.sample import add_sample_location
from crm.sessions import open_session
from crm.waves import find_wave, results_of, stop_wave
from ops.clock import FixedClock
from scheduler.recheck import halt_reason
from scheduler.runtime import Runtime
from tests.conftest import Shop, TestDatabase, World
from tests.integration.calendar_commands_help import local
from tests.integration.results_help import stop
from tests.integration.wave_help import begin, old_lead, people, row, touched, turn
from tests.runtimes import runtime_for

MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> FixedClock:
    """Monday eleven in Chicago, inside the hours of touches."""
    return FixedClock(local(23, 11))


@pytest.fixture
def runtime(test_database: TestDatabase, redis_url: str, clock: FixedClock) -> Iterator[Runtime]:
    with runtime_for(test_database, redis_url, clock) as made:
        yield made


def _stop(db: Database, shop: Shop, clock: FixedClock) -> None:
    with db.tenant(shop.tenant_id) as s:
        stop_wave(s, find_wave(s, shop.tenant_id, "spring", lock=True), "stopped by Sam", clock.now())


def sent(db: Database, shop: Shop, wave_id: int, clock: FixedClock, status: str = "delivered") -> list[int]:
    """The first touch of everybody taken has gone out; their leads."""
    with db.tenant(shop.tenant_id) as s:
        found = []
        for touch in s.scalars(select(TouchPoint).where(TouchPoint.wave_id == wave_id, TouchPoint.step == 2)):
            message = ChatMessage(
                tenant_id=shop.tenant_id, session_id=touch.session_id, lead_id=touch.lead_id, direction="out",
                channel="sms", kind="touch", status=status, body="words", from_address="a", to_address="b",
                touch_point_id=touch.id, sent_at=clock.now() if status == "delivered" else None,
                created_at=clock.now(), send_after=clock.now(),
            )  # fmt: skip
            s.add(message)
            s.flush()
            touch.status, touch.message_id = "written", message.id
            found.append(touch.lead_id)
        return found


def say_stop(db: Database, shop: Shop, lead_ids: list[int], clock: FixedClock) -> None:
    with db.tenant(shop.tenant_id) as s:
        for lead_id in lead_ids:
            stop(s, open_session(s, s.get_one(Lead, lead_id)), clock.now() + MINUTE)


@pytest.mark.parametrize(("stops", "over"), [(2, False), (3, True)])
def test_a_wave_that_does_harm_stops_itself_and_says_so(
    db: Database, world: World, clock: FixedClock, runtime: Runtime, stops: int, over: bool
) -> None:
    people(db, world.north, clock.now(), 12)
    people(db, world.south, clock.now(), 2)
    one, theirs = begin(db, world.north, clock.now()), begin(db, world.south, clock.now())
    turn(runtime, world.south, theirs, 2)
    turn(runtime, world.north, one, 10)
    say_stop(db, world.north, sent(db, world.north, one, clock)[:stops], clock)
    clock.advance(2 * MINUTE)
    said = turn(runtime, world.north, one)
    assert said == (["stopped: too many people said stop"] if over else ["1 taken"])
    kept = row(db, world.north, one)
    with db.tenant(world.north.tenant_id) as s:
        results = results_of(s, kept)
        notices = [m.body for m in s.scalars(select(ChatMessage).where(ChatMessage.kind == "notice"))]
        statuses = {t.status for t in s.scalars(select(TouchPoint).where(TouchPoint.step != 2))}
    assert results.opted_out == stops
    assert kept.status == ("stopped" if over else "running")
    assert len(notices) == over
    if over:
        assert notices[0].startswith(
            "The wave spring has stopped itself: 3 of 10 people said stop, the limit is 4 %"
        )
        assert statuses == {"ended"}
        assert results.to_come == 0
    assert row(db, world.south, theirs).status == "running", "their wave is nobody else's"


def test_what_waits_in_the_outbox_does_not_go(
    db: Database, world: World, clock: FixedClock, runtime: Runtime
) -> None:
    people(db, world.north, clock.now(), 2)
    one = begin(db, world.north, clock.now())
    turn(runtime, world.north, one, 2)
    sent(db, world.north, one, clock, "pending")
    _stop(db, world.north, clock)
    with db.tenant(world.north.tenant_id) as s:
        messages = s.scalars(select(ChatMessage)).all()
        assert [(m.status, m.error) for m in messages] == [("dropped", "the wave spring was stopped")] * 2


def test_one_person_at_two_leads_is_written_to_once(
    db: Database, world: World, clock: FixedClock, runtime: Runtime
) -> None:
    with db.tenant(world.north.tenant_id) as s:
        first, _ = old_lead(s, world.north, clock.now())
        second, _ = old_lead(s, world.north, clock.now())
        first.email, second.email = None, None
        s.flush()
        # At another shop of the business.
        other = add_sample_location(
            s,
            world.north.tenant_id,
            slug="west",
            name="West",
            phone="+13125550109",
            mailbox="west@north.example",
        )
        second.location_id, second.phone = other.id, first.phone
        s.flush()
    one = begin(db, world.north, clock.now())
    turn(runtime, world.north, one, 4)
    assert len(touched(db, world.north, one)) == 1
    assert row(db, world.north, one).passed["is in this wave already"] == 1


@pytest.mark.parametrize("status", ["lost", "won"])
def test_a_lead_that_was_lost_before_is_written_to_and_one_lost_since_is_not(
    db: Database, world: World, clock: FixedClock, runtime: Runtime, status: str
) -> None:
    people(db, world.north, clock.now(), 1, status=status)
    one = begin(db, world.north, clock.now(), statuses=("lost", "won"))
    turn(runtime, world.north, one)
    (touches,) = touched(db, world.north, one).values()
    with db.tenant(world.north.tenant_id) as s:
        lead = s.get_one(Lead, touches[0].lead_id)
        chat, touch = open_session(s, lead), s.get_one(TouchPoint, touches[0].id)
        assert halt_reason(s, lead, chat, touch, clock.now()) is None
        touch.wave_id = None
        ended = halt_reason(s, lead, chat, touch, clock.now())
        assert ended is not None, "of a cadence that is no wave it is the end"
        assert ended[0] == "ended"
        touch.wave_id = one
        move(s, lead, "engaged", who="Sam", why="test", now=clock.now() + MINUTE, by_person=True)
        move(s, lead, status, who="Sam", why="test", now=clock.now() + MINUTE, by_person=True)
        s.flush()
        assert halt_reason(s, lead, chat, touch, clock.now()) == ended
