"""A conversation that goes in circles: the agent goes quiet and the shop is told once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from crm.db import Database
from crm.models import ChatSession, Turn
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import TestDatabase, World
from tests.integration.talking import (
    answer,
    change,
    chat_of,
    hear,
    lead_of,
    outgoing,
    plan_touch,
    rows,
    say,
    scripted,
)  # fmt: skip
from tests.runtimes import FakeSender, runtime_for

BOT = "Thank you for contacting us, somebody will be with you soon"


@pytest.fixture
def sms() -> FakeSender:
    return FakeSender()


@pytest.fixture
def runtime(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, sms: FakeSender
) -> Iterator[Runtime]:
    model = scripted(*[say("Which car is it?")] * 20)
    with runtime_for(test_database, redis_url, clock, models=[model], sms=sms, email=sms) as made:
        yield made


def rounds(runtime: Runtime, world: World, *bodies: str) -> list[str]:
    outcomes = []
    for body in bodies:
        hear(runtime, world.north, body)
        outcomes.append(answer(runtime, world.north))
    return outcomes


def test_the_agent_goes_quiet_and_the_shop_hears_of_it_once(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    plan_touch(db, world.north, clock.now())
    assert rounds(runtime, world, BOT, BOT, BOT) == ["done", "done", "not due"]
    chat = chat_of(db, world.north)
    assert chat.state == "human"
    assert chat.state_reason == "the same message came 3 times within an hour although it was answered"
    assert (chat.answer_due_at, chat.lease_token, lead_of(db, world.north).status) == (None, None, "human")
    assert len(rows(db, world.north, Turn)) == 2, "no model was asked"
    (notice,) = [
        row for row in outgoing(db, world.north, "notice") if (row.dedupe_key or "").startswith("loop:")
    ]
    assert notice.body.startswith("The assistant has stopped answering Dana: the same message came 3 times")
    assert notice.status == "sent"
    assert len([message for message in sms.sent if message.kind == "reply"]) == 2


def test_what_a_person_gave_back_is_judged_anew(
    runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    rounds(runtime, world, BOT, BOT, BOT)
    change(db, world.north, "update chat_sessions set state = 'agent', state_reason = null")
    assert rounds(runtime, world, BOT, "how much is it?") == ["done", "done"]


def test_the_cap_of_a_thread_is_the_shops(
    runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    change(db, world.north, "update tenants set settings = '{\"max_replies_per_hour\": 2}'")
    assert rounds(runtime, world, "one", "two", "three") == ["done", "done", "not due"]
    assert "2 times within one hour" in (chat_of(db, world.north).state_reason or "")


def test_a_days_old_conversation_is_no_loop(
    runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    change(db, world.north, "update tenants set settings = '{\"max_replies_per_day\": 2}'")
    assert rounds(runtime, world, "one", "two") == ["done", "done"]
    clock.advance(timedelta(hours=25))
    assert rounds(runtime, world, "three") == ["done"]
    assert rows(db, world.north, ChatSession, ChatSession.state == "human") == []
