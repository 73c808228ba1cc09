"""Merging while an answer is being written or a message sent: nothing is lost, and nothing goes twice."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from crm.db import Database
from crm.models import Appointment, ChatMessage, ToolCallRow, Turn
from crm.routing import owed
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_PHONE, TestDatabase, World
from tests.integration.answering import Shop as Desk
from tests.integration.answering import Slow, answering, turn_under_way
from tests.integration.calendar_help import add_offer, add_turn, dana, local
from tests.integration.calendar_help import call as call_tool
from tests.integration.people_help import OTHER_PHONE, another_lead, chat, hear_other, lead, merge
from tests.integration.talking import (
    SlowSender,
    after,
    answer,
    asked,
    bare,
    call,
    change,
    flush,
    hear,
    outgoing,
    put,
    rows,
    say,
    scripted,
)
from tests.runtimes import runtime_for


@pytest.fixture
def desk(test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World) -> Iterator[Desk]:
    with answering(test_database, redis_url, clock) as made:
        yield made


def due(runtime: Runtime) -> list[tuple[str, str]]:
    with runtime.db.system() as session:
        return [(row.job, row.row_id) for row in owed(session, runtime.clock.now())]


def inbound(db: Database, world: World) -> list[tuple[str, int, int]]:
    found = rows(db, world.north, ChatMessage, ChatMessage.direction == "in")
    return [(row.body, row.session_id, row.lead_id) for row in found]


@pytest.mark.parametrize("thinking", ["mine", "theirs"])
def test_a_turn_under_way_neither_loses_nor_doubles(
    desk: Desk, db: Database, world: World, clock: FixedClock, thinking: str
) -> None:
    shop, other = world.north, another_lead(db, world.north)
    slow = Slow(say("A draft."))
    runtime = desk.with_model(slow)
    hear(runtime, shop, "first question")
    hear_other(runtime, other, "second question")
    here = shop if thinking == "mine" else other
    with turn_under_way(runtime, replace(world, north=here), slow) as outcome:
        merge(db, shop, other, clock.now())
    assert outcome == ["abandoned"]
    assert outgoing(db, shop, "reply") == []
    again = desk.with_model(model := scripted(say("Answer to both.")))
    assert answer(again, shop) == "done"
    assert "first question" in asked(model)
    assert "second question" in asked(model)
    assert [bare(one.body) for one in outgoing(db, shop, "reply")] == ["Answer to both."]
    assert {row.status for row in rows(db, shop, Turn)} == {"abandoned", "done"}


def test_a_turn_that_nothing_changes_for_goes_on(
    desk: Desk, db: Database, world: World, clock: FixedClock
) -> None:
    shop, other = world.north, another_lead(db, world.north)
    slow = Slow(say("Which car is it?"))
    runtime = desk.with_model(slow)
    hear(runtime, shop, "how much?")
    with turn_under_way(runtime, world, slow) as outcome:
        merge(db, shop, other, clock.now())
    assert outcome == ["done"]
    assert [bare(one.body) for one in outgoing(db, shop, "reply")] == ["Which car is it?"]


def test_a_tool_of_an_ended_turn_does_nothing(
    desk: Desk, db: Database, world: World, clock: FixedClock
) -> None:
    shop, other = world.north, another_lead(db, world.north)
    offer = add_offer(db, dana(other), local(24, 13))
    merging = after(lambda: merge(db, shop, other, clock.now()), call("book", offer_id=offer))
    runtime = desk.with_model(scripted(merging, say("Booked!"), say("Booked!")))
    hear_other(runtime, other, "yes please book it")
    answer(runtime, other)
    assert rows(db, shop, Appointment) == []
    assert [row for row in rows(db, shop, ToolCallRow) if row.is_write and not row.is_error] == []
    assert [one for one in outgoing(db, shop, "reply") if one.turn_id is not None] == []
    assert chat(db, shop, shop.session_id).answer_due_at is not None


@pytest.mark.parametrize("whose", ["mine", "theirs"])
def test_a_message_on_its_way_arrives_once(
    test_database: TestDatabase, redis_url: str, db: Database, world: World, clock: FixedClock, whose: str
) -> None:
    shop, other = world.north, another_lead(db, world.north)
    here = shop if whose == "mine" else other
    sender = SlowSender()
    with runtime_for(test_database, redis_url, clock, sms=sender) as runtime:
        hear(runtime, here, "hi", from_address=CUSTOMER_PHONE if whose == "mine" else OTHER_PHONE)
        change(db, here, "update chat_sessions set answer_due_at = null where id = :session")
        last = rows(db, shop, ChatMessage)[-1].id
        message_id = put(db, here, clock.now(), "On our way.", answers_up_to=last)
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(runtime.outbox.deliver, shop.tenant_id, message_id)
            assert sender.reached.wait(20)
            merge(db, shop, other, clock.now())
            sender.may_answer.set()
            assert future.result(20) == "sent"
        clock.advance(timedelta(hours=2))
        flush(runtime, shop)
        flush(runtime, other)
        assert [job for job, _ in due(runtime) if job in ("deliver", "reconcile")] == []
    assert len(sender.sent) == 1
    row = rows(db, shop, ChatMessage, ChatMessage.id == message_id)[0]
    assert (row.status, row.session_id, row.lead_id) == ("sent", shop.session_id, shop.lead_id)
    assert row.carrier_id is not None


def test_a_waiting_message_goes_once_after_the_merge(
    desk: Desk, db: Database, world: World, clock: FixedClock
) -> None:
    shop, other = world.north, another_lead(db, world.north)
    runtime = desk.with_model(scripted())
    put(db, other, clock.now(), "Your car is ready.", kind="confirmation")
    merge(db, shop, other, clock.now())
    flush(runtime, shop)
    flush(runtime, shop)
    assert len(desk.texts(OTHER_PHONE)) == 1


def test_a_tool_that_began_too_late_changes_nothing(db: Database, world: World, clock: FixedClock) -> None:
    """The turn looked whether it may go on, the leads were merged, and then its tool runs."""
    shop, other = world.north, another_lead(db, world.north)
    offer = add_offer(db, dana(other), local(24, 13))
    context = add_turn(db, clock, dana(other))
    merge(db, shop, other, clock.now())
    _, result = call_tool(context, "book", offer_id=offer)
    assert result.is_error
    _, result = call_tool(context, "update_lead", email="new@example.com")
    assert result.is_error
    assert rows(db, shop, Appointment) == []
    assert lead(db, shop, other.lead_id).email is None
