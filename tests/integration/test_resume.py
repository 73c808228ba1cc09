"""A cadence stops at the customer's word and goes on after silence: never past a stop, a booking, a person or an open
question."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from app import create_app
from channels.sms.effects import take_effect
from channels.sms.errors import rule_for
from crm.consent_stops import Stop, stop_person
from crm.db import Database
from crm.models import ChatMessage, Lead
from crm.sessions import hand_back
from ops.clock import FixedClock
from scheduler import resume
from scheduler.dispatch import write_touch
from scheduler.resume import NOT_PAUSED, resume_lead
from tests.conftest import TestDatabase, World
from tests.integration.answering import Shop, answering
from tests.integration.booking_help import booked
from tests.integration.calendar_help import add_offer, dana, local
from tests.integration.resume_help import (
    THREE_DAYS,
    begun,
    resume_all,
    run_of,
    states,
    talked,
    told,
    touch,
    wall,
)  # fmt: skip
from tests.integration.sms_help import form, post
from tests.integration.talking import change, hear, put, rows, scripted


@pytest.fixture
def shop(test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World) -> Iterator[Shop]:
    with answering(test_database, redis_url, clock) as made:
        yield made


@pytest.mark.parametrize("channel", ["sms", "email"])
def test_a_reply_pauses_at_once_also_what_a_dispatcher_has_claimed(
    shop: Shop, db: Database, world: World, clock: FixedClock, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = begun(db, world.north, clock, steps=1)
    runtime = shop.with_model(scripted())
    clock.moment = touch(db, world.north, ids[1]).due_at
    from scheduler import dispatch

    real = dispatch.decide

    def after_a_reply(*args: Any) -> Any:
        if channel == "sms":
            web = create_app(runtime).test_client()
            post(web, form(world, "what does it cost?"))
        else:
            hear(runtime, world.north, "what does it cost?", channel)
        return real(*args)

    monkeypatch.setattr(dispatch, "decide", after_a_reply)
    assert write_touch(db, world.north.tenant_id, ids[1], clock) is None
    assert states(db, world.north) == ["written"] + ["paused"] * 12
    row = touch(db, world.north, ids[1])
    assert (row.reason, row.claim_token) == ("the customer replied", None)
    assert row.resume_at == clock.now() + THREE_DAYS
    assert [m.kind for m in rows(db, world.north, ChatMessage, ChatMessage.direction == "out")] == ["touch"]


def test_after_silence_the_rest_goes_on_in_the_same_rows_at_lawful_hours(
    shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    ids = begun(db, world.north, clock)
    runtime = talked(shop, world)
    assert states(db, world.north) == ["written"] * 3 + ["paused"] * 10
    clock.advance(THREE_DAYS - timedelta(hours=1))
    assert resume_all(runtime, world.north) == []
    # The last word was the reply, some seconds after the customer's own.
    clock.advance(timedelta(hours=2))
    outcomes = resume_all(runtime, world.north)
    # One look for the ten of them, which one of them stands for.
    assert [outcome[:21] for outcome in outcomes] == ["taken up: 10 touches "]
    assert states(db, world.north) == ["written"] * 3 + ["planned"] * 10
    again = run_of(db, world.north)[3:]
    assert [row.id for row in again] == ids[3:]
    assert {row.resume_at for row in again} == {clock.now()}
    assert all(row.due_at >= clock.now() for row in again)
    assert [row.due_at for row in again] == sorted(row.due_at for row in again)
    for row in again:
        weekday, hour = wall(row.due_at)
        assert weekday != 6, row.local_time
        assert 9 <= hour < 18, f"step {row.step} at {row.local_time}: the shop is closed"
    assert told(db, world.north)[0][:2] == ("run 1 taken up: 10 touches", "cadence")


def test_an_old_reply_does_not_pause_it_again_and_a_new_one_does(
    shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    ids = begun(db, world.north, clock)
    runtime = talked(shop, world)
    clock.advance(THREE_DAYS + timedelta(hours=1))
    resume_all(runtime, world.north)
    clock.moment = touch(db, world.north, ids[3]).due_at
    assert write_touch(db, world.north.tenant_id, ids[3], clock) is not None
    clock.advance(timedelta(hours=1))
    runtime = talked(shop, world, "and is it safe?")
    assert states(db, world.north) == ["written"] * 4 + ["paused"] * 9
    clock.advance(THREE_DAYS + timedelta(hours=1))
    outcome = resume_all(runtime, world.north)[0]
    assert outcome.startswith("taken up: 9 touches")
    clock.moment = touch(db, world.north, ids[4]).due_at
    assert write_touch(db, world.north.tenant_id, ids[4], clock) is not None
    assert [what for what, _, _ in told(db, world.north)] == [
        "run 1 taken up: 10 touches",
        "run 1 taken up: 9 touches",
    ]


def test_silence_is_counted_from_the_last_word_of_either(
    shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    begun(db, world.north, clock)
    runtime = talked(shop, world)
    clock.advance(timedelta(days=2))
    put(db, world.north, clock.now(), "One more thing: we are closed on Friday.", kind="staff")
    runtime.outbox.deliver(world.north.tenant_id, rows(db, world.north, ChatMessage)[-1].id)
    spoke = clock.now()
    clock.advance(timedelta(days=1, hours=1))
    assert resume_all(runtime, world.north)[0].startswith("waits until")
    assert {row.resume_at for row in run_of(db, world.north)[3:]} == {spoke + THREE_DAYS}
    clock.moment = spoke + THREE_DAYS
    assert resume_all(runtime, world.north)[0].startswith("taken up")


def test_who_waits_for_an_answer_is_sent_no_advertising(
    shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    begun(db, world.north, clock)
    runtime = shop.with_model(scripted())
    hear(runtime, world.north, "how much for a Civic?")
    clock.advance(THREE_DAYS + timedelta(minutes=1))
    assert "is being answered" in resume_all(runtime, world.north)[0]
    assert states(db, world.north)[3:] == ["paused"] * 10
    # The agent gave up and a person was told: nobody has answered.
    change(db, world.north, "update chat_sessions set answer_due_at = null where id = :session")
    clock.advance(timedelta(hours=6))
    assert "nobody has answered" in resume_all(runtime, world.north)[0]
    clock.advance(timedelta(days=14))
    assert resume_all(runtime, world.north)[0].startswith("ended: nobody has answered")
    assert states(db, world.north)[3:] == ["ended"] * 10


def test_an_answer_that_never_arrived_is_no_answer(
    shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    begun(db, world.north, clock)
    runtime = talked(shop, world)
    change(db, world.north, "update chat_messages set status = 'undelivered' where kind = 'reply'")
    clock.advance(THREE_DAYS + timedelta(hours=1))
    assert "did not reach the customer" in resume_all(runtime, world.north)[0]
    assert states(db, world.north)[3:] == ["paused"] * 10


def test_nothing_goes_on_after_a_stop(shop: Shop, db: Database, world: World, clock: FixedClock) -> None:
    begun(db, world.north, clock)
    runtime = talked(shop, world)
    hear(runtime, world.north, "STOP")
    clock.advance(THREE_DAYS + timedelta(hours=1))
    assert resume_all(runtime, world.north) == []
    assert set(states(db, world.north)[3:]) == {"ended"}
    # Also where the stop did not find the rows: a stop of another shop of the business came while they were locked.
    change(db, world.north, "update touch_points set status = 'paused', resume_at = :now where status = 'ended'",
           now=clock.now())  # fmt: skip
    assert resume_all(runtime, world.north)[0] == "ended: the customer said stop"
    assert set(states(db, world.north)[3:]) == {"ended"}


def test_nothing_goes_on_after_a_booking(shop: Shop, db: Database, world: World, clock: FixedClock) -> None:
    begun(db, world.north, clock)
    runtime = talked(shop, world)
    booked(db, dana(world.north), clock, add_offer(db, dana(world.north), starts_at=local(30, 10)))
    assert set(states(db, world.north)[3:]) == {"ended"}
    change(db, world.north, "update touch_points set status = 'paused', resume_at = :now where status = 'ended'",
           now=clock.now() + THREE_DAYS)  # fmt: skip
    clock.advance(THREE_DAYS + timedelta(hours=1))
    assert resume_all(runtime, world.north)[0] == "ended: the customer booked"


def test_a_person_on_the_line_keeps_it_paused_until_they_hand_it_back(
    shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    begun(db, world.north, clock)
    runtime = talked(shop, world)
    change(db, world.north, "update chat_sessions set state = 'human' where id = :session")
    hear(runtime, world.north, "a person please")
    clock.advance(THREE_DAYS + timedelta(hours=1))
    assert resume_all(runtime, world.north)[0] == "waits: a person has the conversation"
    assert resume_all(runtime, world.north) == [], "nobody looks at it every few seconds"
    clock.advance(timedelta(days=9))
    with db.tenant(world.north.tenant_id) as session:
        assert hand_back(session, world.north.session_id, who="Sam", now=clock.now())
    clock.advance(THREE_DAYS - timedelta(hours=1))
    assert resume_all(runtime, world.north) == []
    clock.advance(timedelta(hours=1))
    assert resume_all(runtime, world.north)[0].startswith("taken up: 10")


def test_four_workers_take_it_up_once(shop: Shop, db: Database, world: World, clock: FixedClock) -> None:
    ids = begun(db, world.north, clock)
    runtime = talked(shop, world)
    clock.advance(THREE_DAYS + timedelta(hours=1))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda one: resume_lead(runtime, world.north.tenant_id, one), ids[3:7]))
    assert sorted(one == NOT_PAUSED for one in found) == [False, True, True, True]
    assert len(told(db, world.north)) == 1
    assert resume_lead(runtime, world.south.tenant_id, ids[3]) == NOT_PAUSED, "a stranger finds nothing"


def test_a_reply_that_comes_while_it_is_taken_up_wins(
    shop: Shop,
    db: Database,
    world: World,
    clock: FixedClock,
    owner_engine: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = begun(db, world.north, clock)
    runtime = talked(shop, world)
    clock.advance(THREE_DAYS + timedelta(hours=1))
    real = resume.take_up
    with ThreadPoolExecutor(1) as pool:
        waiting: list[Any] = []

        def meanwhile(*args: Any, **given: Any) -> str:
            waiting.append(pool.submit(hear, runtime, world.north, "I am back"))
            until_somebody_waits(owner_engine)
            return real(*args, **given)

        monkeypatch.setattr(resume, "take_up", meanwhile)
        assert resume_lead(runtime, world.north.tenant_id, ids[3]).startswith("taken up")
        waiting[0].result(20)
    assert states(db, world.north)[3:] == ["paused"] * 10
    assert {row.resume_at for row in run_of(db, world.north)[3:]} == {clock.now() + THREE_DAYS}


def until_somebody_waits(owner_engine: Any) -> None:
    """Until a transaction waits for a lock, within bounds."""
    import time

    from sqlalchemy import text

    for _ in range(400):
        with owner_engine.connect() as connection:
            if connection.scalar(text("select count(*) from pg_locks where not granted")):
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits")


@pytest.mark.parametrize(
    ("mode", "outcome"), [("never", "ended: the plan does not go on"), ("restart", "taken up")]
)
def test_what_the_plan_wants_after_silence(
    shop: Shop,
    db: Database,
    world: World,
    clock: FixedClock,
    mode: str,
    outcome: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun(db, world.north, clock)
    runtime = talked(shop, world)
    real = resume.plan_for
    monkeypatch.setattr(resume, "plan_for", lambda *args: real(*args).model_copy(update={"resume": mode}))
    clock.advance(THREE_DAYS + timedelta(hours=1))
    assert resume_all(runtime, world.north)[0].startswith(outcome)
    assert set(states(db, world.north)[3:]) == {"ended"}
    begun_anew = states(db, world.north, 2)
    # Who has written is not greeted again.
    assert begun_anew == ([] if mode == "never" else ["skipped"] * 3 + ["planned"] * 10)


def test_what_was_left_out_stays_out(shop: Shop, db: Database, world: World, clock: FixedClock) -> None:
    ids = begun(db, world.north, clock)
    change(db, world.north, "update touch_points set status = 'skipped', reason = 'by hand' where id = :id",
           id=ids[5])  # fmt: skip
    runtime = talked(shop, world)
    clock.advance(THREE_DAYS + timedelta(hours=1))
    assert resume_all(runtime, world.north)[0].startswith("taken up: 9")
    row = touch(db, world.north, ids[5])
    assert (row.status, row.reason) == ("skipped", "by hand")


def test_the_last_step_written_leaves_nothing_to_take_up(
    shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    begun(db, world.north, clock)
    runtime = talked(shop, world)
    change(
        db, world.north, "update leads set phone_bad_since = now(), email_bad_since = now() where id = :lead"
    )
    clock.advance(THREE_DAYS + timedelta(hours=1))
    assert resume_all(runtime, world.north)[0] == "ended: nothing of the plan is left that may be sent"
    assert "planned" not in states(db, world.north)


@pytest.mark.parametrize(
    ("scope", "left"), [("all", {"ended"}), ("marketing", {"planned"})], ids=["stop", "no promotions"]
)
def test_a_stop_takes_reminders_too_and_no_promotions_does_not(
    db: Database, world: World, clock: FixedClock, scope: Any, left: set[str]
) -> None:
    begun(db, world.north, clock, steps=1)
    change(
        db, world.north, "update touch_points set kind = 'reminder', outlives_replies = true where step > 11"
    )
    with db.tenant(world.north.tenant_id) as session:
        lead = session.get_one(Lead, world.north.lead_id, with_for_update=True)
        channels: Any = frozenset({"sms", "email"})
        stop_person(session, lead, Stop(channels, scope, "customer", "test", "stop", clock.now()))
    assert set(states(db, world.north)[1:11]) == {"ended"}
    assert set(states(db, world.north)[11:]) == left


def test_a_reply_leaves_reminders_and_a_carriers_stop_does_not(
    shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    begun(db, world.north, clock, steps=1)
    change(
        db, world.north, "update touch_points set kind = 'reminder', outlives_replies = true where step > 11"
    )
    runtime = shop.with_model(scripted())
    hear(runtime, world.north, "see you then")
    assert states(db, world.north)[11:] == ["planned"] * 2
    number = put(db, world.north, clock.now(), kind="staff")
    with db.tenant(world.north.tenant_id) as session:
        message = session.get_one(ChatMessage, number)
        take_effect(session, message, rule_for(21610), clock.now())
    assert states(db, world.north)[11:] == ["ended"] * 2


def test_a_plan_that_is_gone_ends_it(shop: Shop, db: Database, world: World, clock: FixedClock) -> None:
    begun(db, world.north, clock)
    runtime = talked(shop, world)
    change(db, world.north, "update touch_points set plan_version = 7")
    clock.advance(THREE_DAYS + timedelta(hours=1))
    assert resume_all(runtime, world.north)[0] == "ended: its plan cannot be read any more"
    assert resume_all(runtime, world.north) == []
