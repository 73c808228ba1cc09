"""Sending that may have happened: asked about, found, repeated once at most, or left to a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from channels.carrier import Accepted
from channels.outcomes import LOOKS
from crm.db import Database
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.runtime import Runtime
from tests.conftest import TestDatabase, World
from tests.integration.outbox_help import due, error, look_three_times, uncertain
from tests.integration.talking import (
    change,
    decisions,
    message_of,
    outgoing,
    put,
)
from tests.runtimes import FakeSender, runtime_for


@pytest.fixture
def sms() -> FakeSender:
    return FakeSender()


@pytest.fixture
def runtime(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, sms: FakeSender
) -> Iterator[Runtime]:
    with runtime_for(test_database, redis_url, clock, sms=sms, email=FakeSender()) as made:
        yield made


def test_a_lost_answer_is_asked_about_and_never_repeated(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    message_id = put(db, world.north, clock.now())
    uncertain(runtime, world, sms, message_id, went_out=True)
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "not claimed"
    assert due(runtime) == []
    clock.advance(LOOKS[0])
    assert due(runtime) == [("reconcile", str(message_id))]
    assert jobs.reconcile(runtime, world.north.tenant_id, str(message_id)) == "sent"
    assert len(sms.sent) == 1
    row = message_of(db, world.north, message_id)
    assert (row.carrier_id, row.error) == (f"fake-{row.outbox_id}", None)


@pytest.mark.parametrize(
    ("said", "code", "status"),
    [
        ("delivered", None, "delivered"),
        ("undelivered", "30005", "undelivered"),
        ("failed", "30007", "failed"),
    ],
)
def test_what_is_found_with_its_last_word_is_over(
    runtime: Runtime,
    db: Database,
    world: World,
    clock: FixedClock,
    sms: FakeSender,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    code: str | None,
    status: str,
) -> None:
    """The callback may never come, and no later look would see anything new."""
    message_id = put(db, world.north, clock.now())
    uncertain(runtime, world, sms, message_id, went_out=True)
    carrier_id, went_out = f"fake-{message_of(db, world.north, message_id).outbox_id}", clock.now()
    monkeypatch.setattr(sms, "find", lambda _: Accepted("fake", carrier_id, said, code, went_out))
    clock.advance(LOOKS[0])
    assert jobs.reconcile(runtime, world.north.tenant_id, str(message_id)) == status
    row = message_of(db, world.north, message_id)
    assert (row.carrier_status, row.final_at, row.error_code) == (said, clock.now(), code)
    assert (row.error is None) is (said == "delivered")
    assert row.sent_at == went_out < clock.now(), "it counts from the moment it went out"


def test_a_reply_without_a_trace_is_sent_once_more_and_no_third_time(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    message_id = put(db, world.north, clock.now())
    uncertain(runtime, world, sms, message_id, went_out=False)
    sms.errors = [error("uncertain")]
    assert look_three_times(runtime, db, world, clock, message_id) == "unknown", "its second try"
    assert message_of(db, world.north, message_id).tries == 2
    assert look_three_times(runtime, db, world, clock, message_id) == "failed"
    assert message_of(db, world.north, message_id).tries == 2
    assert "may not have arrived" in outgoing(db, world.north, "notice")[0].body
    assert sms.sent == []


def test_the_second_try_goes_through_the_gate_again(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    message_id = put(db, world.north, clock.now())
    uncertain(runtime, world, sms, message_id, went_out=False)
    change(db, world.north, "update chat_sessions set state = 'human' where id = :session")
    assert look_three_times(runtime, db, world, clock, message_id) == "dropped"
    assert [verdict for verdict, _ in decisions(db, world.north, message_id)] == ["allow", "drop"]


def test_a_touch_without_a_trace_is_never_repeated(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    clock.advance(timedelta(hours=3))
    message_id = put(db, world.north, clock.now(), kind="touch")
    uncertain(runtime, world, sms, message_id, went_out=False)
    assert look_three_times(runtime, db, world, clock, message_id) == "failed"
    assert message_of(db, world.north, message_id).tries == 1
    assert sms.sent == []


def test_a_carrier_that_cannot_be_asked_is_asked_again(
    runtime: Runtime,
    db: Database,
    world: World,
    clock: FixedClock,
    sms: FakeSender,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    message_id = put(db, world.north, clock.now())
    uncertain(runtime, world, sms, message_id, went_out=True)

    def away(_: Any) -> None:
        raise error("transient")

    with monkeypatch.context() as patch:
        patch.setattr(sms, "find", away)
        for _ in range(len(LOOKS) + 2):
            clock.advance(LOOKS[0])
            assert jobs.reconcile(runtime, world.north.tenant_id, str(message_id)) == "unknown"
    clock.advance(LOOKS[0])
    assert jobs.reconcile(runtime, world.north.tenant_id, str(message_id)) == "sent"
    assert len(sms.sent) == 1


def test_a_carrier_that_can_never_be_asked_leaves_it_to_a_person(
    runtime: Runtime,
    db: Database,
    world: World,
    clock: FixedClock,
    sms: FakeSender,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    message_id = put(db, world.north, clock.now())
    uncertain(runtime, world, sms, message_id, went_out=True)

    def never(_: Any) -> None:
        raise error("permanent", "cannot_ask")

    monkeypatch.setattr(sms, "find", never)
    clock.advance(LOOKS[0])
    assert jobs.reconcile(runtime, world.north.tenant_id, str(message_id)) == "failed"
    assert "may not have arrived" in outgoing(db, world.north, "notice")[0].body
    assert len(sms.sent) == 1


def test_a_dead_senders_message_is_asked_about_first(
    runtime: Runtime,
    db: Database,
    world: World,
    clock: FixedClock,
    sms: FakeSender,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    message_id = put(db, world.north, clock.now())

    def die(message: Any) -> None:
        sms.sent.append(message)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sms, "send", die)
        with pytest.raises(KeyboardInterrupt):
            runtime.outbox.deliver(world.north.tenant_id, message_id)
    assert message_of(db, world.north, message_id).status == "sending"
    assert (due(runtime), runtime.outbox.reconcile(world.north.tenant_id, message_id)) == ([], "not claimed")
    clock.advance(timedelta(seconds=31))
    assert due(runtime) == [("reconcile", str(message_id))]
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "not claimed"
    assert runtime.outbox.reconcile(world.north.tenant_id, message_id) == "sent"
    assert len(sms.sent) == 1


def test_equal_texts_are_two_messages(
    runtime: Runtime,
    db: Database,
    world: World,
    clock: FixedClock,
    sms: FakeSender,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = put(db, world.north, clock.now(), "Thanks!")
    runtime.outbox.deliver(world.north.tenant_id, first)
    second = put(db, world.north, clock.now(), "Thanks!")
    uncertain(runtime, world, sms, second, went_out=False)
    looked: list[frozenset[str]] = []
    monkeypatch.setattr(sms, "find", lambda message: looked.append(message.known_ids))
    clock.advance(LOOKS[0])
    runtime.outbox.reconcile(world.north.tenant_id, second)
    assert looked == [frozenset({f"fake-{message_of(db, world.north, first).outbox_id}"})]
