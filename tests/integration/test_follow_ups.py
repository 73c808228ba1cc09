"""A date the customer named: written once on that day, past small talk, and never past a stop, a booking or a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from crm.db import Database
from crm.follow_ups import plan_follow_up
from crm.models import ChatMessage, ChatSession, Lead, TouchPoint
from crm.touches import halt_touches
from ops.clock import FixedClock
from scheduler.dispatch import write_touch
from scheduler.runtime import Runtime
from tests.conftest import Shop, TestDatabase, World
from tests.integration.cadence_rows import change, consent, messages, start, touch
from tests.integration.calendar_help import add_offer, dana, local
from tests.integration.talking import hear
from tests.runtimes import runtime_for

DAY = date(2026, 12, 7)


def plan(db: Database, shop: Shop, clock: FixedClock, channel: str = "sms", day: date = DAY) -> int:
    """The customer's follow-up; its id."""
    with db.tenant(shop.tenant_id) as s:
        lead, chat = s.get_one(Lead, shop.lead_id), s.get_one(ChatSession, shop.session_id)
        return plan_follow_up(
            s, lead, chat, day=day, note="ceramic tint", channel=channel, timezone="America/Chicago", now=clock.now()
        ).id  # fmt: skip


@pytest.fixture
def runtime(test_database: TestDatabase, redis_url: str, clock: FixedClock) -> Iterator[Runtime]:
    """The wired parts; what matters here is the inbox."""
    with runtime_for(test_database, redis_url, clock) as made:
        yield made


@pytest.fixture
def due(db: Database, world: World, clock: FixedClock) -> int:
    """A follow-up by text whose hour has come."""
    consent(db, world.north, "grant", clock.now())
    number = plan(db, world.north, clock)
    clock.moment = local(7, 10, month=12)
    return number


def notices(db: Database, shop: Shop) -> list[ChatMessage]:
    return [one for one in messages(db, shop) if one.kind == "notice"]


def test_it_is_written_on_its_day_and_once(db: Database, world: World, clock: FixedClock, due: int) -> None:
    clock.advance(timedelta(minutes=-1))
    assert write_touch(db, world.north.tenant_id, due, clock) is None
    clock.advance(timedelta(minutes=1))
    message_id = write_touch(db, world.north.tenant_id, due, clock)
    assert write_touch(db, world.north.tenant_id, due, clock) is None
    (message,) = messages(db, world.north)
    assert (message.id, message.kind, message.channel) == (message_id, "touch", "sms")
    assert "You asked us to write to you again around today about: ceramic tint." in message.body
    assert touch(db, world.north, due).status == "written"


def test_it_speaks_the_customers_language(db: Database, world: World, clock: FixedClock, due: int) -> None:
    change(db, world.north, "update leads set language = 'es' where id = :lead")
    assert write_touch(db, world.north.tenant_id, due, clock) is not None
    assert "Nos pidio que le escribiéramos por estas fechas" in messages(db, world.north)[0].body


def test_thanks_does_not_stop_it_and_pauses_the_cadence(
    runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    number = plan(db, world.north, clock)
    ids = start(db, world.north, clock.now())
    assert len(ids) == 13, "a follow-up is no cadence that runs"
    hear(runtime, world.north, "thanks, talk then")
    hear(runtime, world.north, "and one more thing")
    assert {touch(db, world.north, each).status for each in ids} == {"paused"}
    assert touch(db, world.north, number).status == "planned"
    hear(runtime, world.north, "STOP")
    assert touch(db, world.north, number).status == "ended"


def test_an_unanswered_message_comes_first(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, due: int
) -> None:
    hear(runtime, world.north, "hi, it is me again")
    assert write_touch(db, world.north.tenant_id, due, clock) is None
    row = touch(db, world.north, due)
    assert (row.status, row.due_at) == ("planned", clock.now() + timedelta(minutes=15))
    change(db, world.north, "update chat_sessions set answer_due_at = null where id = :session")
    clock.advance(timedelta(minutes=15))
    assert write_touch(db, world.north.tenant_id, due, clock) is not None


def test_a_person_who_has_the_conversation_is_told(
    db: Database, world: World, clock: FixedClock, due: int
) -> None:
    with db.tenant(world.north.tenant_id) as s:
        halt_touches(s, world.north.lead_id, "paused", "human")
    change(db, world.north, "update chat_sessions set state = 'human' where id = :session")
    assert write_touch(db, world.north.tenant_id, due, clock) is None
    row = touch(db, world.north, due)
    assert row.status == "skipped"
    assert "was told" in (row.reason or "")
    (notice,) = notices(db, world.north)
    assert "asked to hear from you today about: ceramic tint" in notice.body
    assert len(messages(db, world.north)) == 1, "the customer hears from the person"


@pytest.mark.parametrize("why", ["stop", "visit"])
def test_a_stop_or_a_visit_ahead_ends_it_at_the_last_moment(
    db: Database, world: World, clock: FixedClock, due: int, why: str
) -> None:
    if why == "stop":
        consent(db, world.north, "revoke", clock.now())
    else:
        offer_id = add_offer(db, dana(world.north), local(9, 9, month=12))
        change(
            db, world.north,
            "insert into appointments (tenant_id, location_id, lead_id, bay_id, service_ids, starts_at, ends_at, status,"
            " source, offer_id) select tenant_id, location_id, lead_id, :bay, service_ids, starts_at, ends_at, 'booked',"
            " 'agent', id from offers where id = :offer",
            offer=offer_id, bay=world.north.bay_ids[0],
        )  # fmt: skip
    assert write_touch(db, world.north.tenant_id, due, clock) is None
    assert touch(db, world.north, due).status == "ended"
    assert [one for one in messages(db, world.north) if one.kind == "touch"] == []


def test_an_old_booking_does_not_stop_what_was_asked_for(
    db: Database, world: World, clock: FixedClock, due: int
) -> None:
    change(db, world.north, "update leads set status = 'won' where id = :lead")
    assert write_touch(db, world.north.tenant_id, due, clock) is not None


def test_a_new_date_replaces_the_old_one(db: Database, world: World, clock: FixedClock) -> None:
    first, second = plan(db, world.north, clock), plan(db, world.north, clock, day=date(2027, 1, 8))
    assert touch(db, world.north, first).status == "ended"
    row = touch(db, world.north, second)
    assert (row.status, row.cadence_run) == ("planned", touch(db, world.north, first).cadence_run + 1)
    with db.tenant(world.south.tenant_id) as s:
        assert s.query(TouchPoint).count() == 0


def test_a_mail_was_asked_for_so_a_mail_is_written(db: Database, world: World, clock: FixedClock) -> None:
    number = plan(db, world.north, clock, channel="email")
    clock.moment = local(7, 10, month=12)
    assert write_touch(db, world.north.tenant_id, number, clock) is not None
    (message,) = messages(db, world.north)
    assert (message.channel, message.subject) == ("email", "You asked us to write again")
