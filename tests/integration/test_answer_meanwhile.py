"""What happens while the agent thinks: newer texts, a stop, a person, another worker. The customer never gets an answer
that came too late, and nothing is done behind their back."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agent.models.base import ModelReply, ModelRequest
from crm.db import Database
from crm.models import Appointment, ToolCallRow
from crm.routing import owed
from ops.clock import FixedClock
from ops.turnstile import Turnstile
from scheduler import answer as answer_module
from scheduler.answer import answer as think
from scheduler.runtime import Runtime
from scheduler.summaries import DUE_AT, summarise
from tests.acceptance.processes import eventually
from tests.conftest import TestDatabase, World
from tests.integration.answering import Shop, Slow, answering, turn_under_way, turns
from tests.integration.calendar_help import add_offer, dana, local
from tests.integration.talking import (
    after,
    answer,
    asked,
    call,
    change,
    chat_of,
    flush,
    hear,
    outgoing,
    rows,
    say,
    scripted,
)
from tests.integration.test_summaries import converse


@pytest.fixture
def shop(test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World) -> Iterator[Shop]:
    with answering(test_database, redis_url, clock) as made:
        yield made


def test_a_newer_text_drops_the_draft_and_both_are_answered(shop: Shop, db: Database, world: World) -> None:
    slow = Slow(say("It is too early to say."))
    runtime = shop.with_model(slow)
    hear(runtime, world.north, "how much?")
    with turn_under_way(runtime, world, slow) as outcome:
        hear(runtime, world.north, "for a Civic")
    assert outcome == ["dropped"]
    assert turns(db, world) == [("dropped", "the customer wrote again")]
    model = scripted(say("Which film?"))
    assert answer(shop.with_model(model), world.north) == "done"
    assert asked(model) == "how much?\nfor a Civic"
    assert shop.texts() == ["Which film?"]


def test_a_text_between_the_reply_and_its_sending_reopens_the_question(
    shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    runtime = shop.with_model(scripted(say("It depends on the car.")))
    hear(runtime, world.north, "how much?")
    clock.advance(timedelta(seconds=20))
    assert think(runtime, world.north.tenant_id, world.north.session_id) == "done"
    hear(runtime, world.north, "open on Saturday?")
    assert flush(runtime, world.north) == "dropped"
    model = scripted(say("Yes. And which car is it?"))
    assert answer(shop.with_model(model), world.north) == "done"
    assert asked(model) == "how much?\nopen on Saturday?"
    assert "It depends" not in str(model.requests[0].items)
    assert shop.texts() == ["Yes. And which car is it?"]


def test_a_reply_that_still_waits_was_not_said(
    shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    runtime = shop.with_model(scripted(say("It depends on the car.")))
    hear(runtime, world.north, "how much?")
    clock.advance(timedelta(seconds=20))
    assert think(runtime, world.north.tenant_id, world.north.session_id) == "done"
    change(db, world.north, "update chat_messages set send_after = :later where kind = 'reply'",
           later=clock.now() + timedelta(minutes=10))  # fmt: skip
    hear(runtime, world.north, "open on Saturday?")
    model = scripted(say("Yes. And which car is it?"))
    assert answer(shop.with_model(model), world.north) == "done"
    assert asked(model) == "how much?\nopen on Saturday?"
    assert [m.status for m in outgoing(db, world.north)] == ["dropped", "sent"]


def test_a_stop_during_the_turn_sends_nothing_of_it(shop: Shop, db: Database, world: World) -> None:
    slow = Slow(say("Which car is it?"))
    runtime = shop.with_model(slow)
    hear(runtime, world.north, "how much?")
    with turn_under_way(runtime, world, slow) as outcome:
        hear(runtime, world.north, "STOP")
    assert outcome == ["dropped"]
    (confirmation,) = shop.texts()
    assert "unsubscribed" in confirmation
    assert answer(runtime, world.north) == "not due"
    assert chat_of(db, world.north).answer_due_at is None


def test_a_stop_while_a_turn_dies_does_not_bring_the_debt_back(
    shop: Shop, db: Database, world: World
) -> None:
    holder: list[Runtime] = []

    def stop_and_die(_: ModelRequest) -> ModelReply:
        hear(holder[0], world.north, "STOP")
        raise RuntimeError("the worker broke")

    holder.append(shop.with_model(scripted(stop_and_die)))
    hear(holder[0], world.north, "how much?")
    with pytest.raises(RuntimeError):
        answer(holder[0], world.north)
    assert chat_of(db, world.north).answer_due_at is None


def test_a_person_who_takes_over_during_the_turn_is_not_talked_over(
    shop: Shop, db: Database, world: World
) -> None:
    slow = Slow(say("Which car is it?"))
    runtime = shop.with_model(slow)
    hear(runtime, world.north, "how much?")
    with turn_under_way(runtime, world, slow) as outcome:
        change(db, world.north, "update chat_sessions set state = 'human' where id = :session")
        hear(runtime, world.north, "hello?")
    assert outcome == ["dropped"]
    assert turns(db, world) == [("dropped", "a person took over")]
    assert shop.texts() == []
    with runtime.db.system() as session:
        assert [row for row in owed(session, runtime.clock.now()) if row.job == "answer"] == []


def test_a_worker_that_comes_back_too_late_says_nothing(
    shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    slow = Slow(say("I was slow."))
    runtime = shop.with_model(slow)
    hear(runtime, world.north, "how much?")
    with turn_under_way(runtime, world, slow) as outcome:
        fast = shop.with_model(scripted(say("Which car is it?")))
        assert answer(fast, world.north, timedelta(minutes=2)) == "done"
    assert outcome == ["abandoned"]
    assert shop.texts() == ["Which car is it?"]
    assert [status for status, _ in turns(db, world)] == ["abandoned", "done"]


BOOKED = "You're booked for Tue, Nov 24 at 9:00 AM."


def booking_interrupted(shop: Shop, db: Database, world: World, clock: FixedClock, event: Any) -> str:
    """The customer agrees to an offer; `event(runtime)` happens while the model decides to book it."""
    offer = add_offer(db, dana(world.north), local(24, 9))
    holder: list[Runtime] = []
    model = scripted(after(lambda: event(holder[0]), call("book", offer_id=offer)))
    holder.append(shop.with_model(model))
    hear(holder[0], world.north, "yes please, Tuesday at 9 works")
    outcome = answer(holder[0], world.north)
    model.assert_done()
    assert rows(db, world.north, Appointment) == []
    assert rows(db, world.north, ToolCallRow) == []
    return outcome


@pytest.mark.parametrize("words", ["STOP", "wait, not yet"])
def test_nothing_is_booked_after_the_customer_wrote_again(
    shop: Shop, db: Database, world: World, clock: FixedClock, words: str
) -> None:
    outcome = booking_interrupted(shop, db, world, clock, lambda runtime: hear(runtime, world.north, words))
    assert outcome == "dropped"
    assert turns(db, world) == [("dropped", "the customer wrote again")]
    assert BOOKED not in shop.texts()


def test_nothing_is_booked_after_a_person_took_over(
    shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    def take_over(_: Runtime) -> None:
        change(db, world.north, "update chat_sessions set state = 'human' where id = :session")

    assert booking_interrupted(shop, db, world, clock, take_over) == "dropped"
    assert turns(db, world) == [("dropped", "a person took over")]
    assert (shop.texts(), chat_of(db, world.north).answer_due_at) == ([], None)


def test_nothing_is_booked_by_a_worker_that_lost_its_lease(
    shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    def lose(_: Runtime) -> None:
        change(
            db, world.north, "update chat_sessions set lease_token = gen_random_uuid() where id = :session"
        )

    assert booking_interrupted(shop, db, world, clock, lose) == "abandoned"
    assert shop.texts() == []


def test_a_person_who_took_over_and_gave_back_leaves_no_question_open(
    shop: Shop, db: Database, world: World, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The turn was stopped for a reason that is gone when it ends: the customer is answered by the next one."""

    def take_over(_: Runtime) -> None:
        change(db, world.north, "update chat_sessions set state = 'human' where id = :session")

    finish = answer_module._finish

    def after_giving_back(*given: Any) -> str:
        change(db, world.north, "update chat_sessions set state = 'agent' where id = :session")
        return finish(*given)

    monkeypatch.setattr(answer_module, "_finish", after_giving_back)
    assert booking_interrupted(shop, db, world, clock, take_over) == "dropped"
    assert turns(db, world) == [("dropped", "a person took over")]
    monkeypatch.undo()
    assert answer(shop.with_model(scripted(say("Which time would you like?"))), world.north) == "done"
    assert shop.texts() == ["Which time would you like?"]


class Far(Slow):
    """The same over the network."""

    provider, model = "claude", "claude-haiku-5-5"


def at_one_turnstile(shop: Shop, model: Slow) -> tuple[Runtime, Runtime]:
    """The runtimes of two threads of one process with a single place; the first one has the model."""
    turnstile = Turnstile(places=1)
    other = shop.with_model(scripted(say("Which film?")))
    return replace(shop.with_model(model), turnstile=turnstile), replace(other, turnstile=turnstile)


def test_who_waits_for_a_model_keeps_nobody_from_their_turn(shop: Shop, world: World) -> None:
    far = Far(say("It depends on the car."))
    runtime, other = at_one_turnstile(shop, far)
    hear(runtime, world.north, "how much?")
    hear(other, world.south, "and for a Civic?")
    with turn_under_way(runtime, world, far) as outcome:
        assert runtime.db.engine.pool.checkedout() == 0, "no transaction is open meanwhile"  # type: ignore[attr-defined]
        assert answer(other, world.south) == "done"
        assert shop.texts() == ["Which film?"]
    assert outcome == ["done"]
    assert shop.texts() == ["Which film?", "It depends on the car."]


def test_who_waits_for_a_summary_keeps_nobody_from_their_turn(shop: Shop, db: Database, world: World) -> None:
    far = Far(say("They asked many things."))
    runtime, other = at_one_turnstile(shop, far)
    converse(db, world.north, DUE_AT + 2)
    hear(other, world.south, "and for a Civic?")
    with ThreadPoolExecutor(1) as pool:
        summary = pool.submit(summarise, runtime, world.north.tenant_id, world.north.session_id)
        assert far.reached.wait(20)
        assert answer(other, world.south) == "done"
        far.may_answer.set()
        assert summary.result(20) == "stored"
    assert runtime.turnstile._line == []


def test_nobody_begins_a_turn_before_there_is_a_place(shop: Shop, db: Database, world: World) -> None:
    runtime = replace(shop.with_model(scripted(say("Which film?"))), turnstile=Turnstile(places=1))
    hear(runtime, world.north, "how much?")
    with ThreadPoolExecutor(1) as pool:
        with runtime.turnstile.inside():
            turn = pool.submit(answer, runtime, world.north)
            eventually(lambda: len(runtime.turnstile._line) == 2)
            assert chat_of(db, world.north).lease_token is None
        assert turn.result(20) == "done"
