"""Sending: once, later or never."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from channels.carrier import Accepted
from channels.claims import START_WITHIN_S
from channels.outbox import STOPPED
from channels.outcomes import LOOKS
from crm.db import Database
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_PHONE, TestDatabase, World
from tests.integration.outbox_help import due
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


def test_pending_becomes_sent(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    message_id = put(db, world.north, clock.now(), "It is $449.")
    assert due(runtime) == [("deliver", str(message_id))]
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "sent"
    (sent,) = sms.sent
    row = message_of(db, world.north, message_id)
    assert (sent.to_address, sent.from_address, sent.body) == (CUSTOMER_PHONE, world.north.phone, row.body)
    assert "It is $449." in row.body
    assert (row.carrier, row.carrier_id, row.carrier_status) == ("fake", f"fake-{row.outbox_id}", "queued")
    assert (row.tries, row.sent_at, row.claim_token, row.claimed_until) == (1, clock.now(), None, None)
    assert decisions(db, world.north, message_id) == [("allow", ["every check passed"])]
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "not claimed"
    assert due(runtime) == []


def test_another_tenants_worker_cannot_send_it(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    message_id = put(db, world.north, clock.now())
    assert runtime.outbox.deliver(world.south.tenant_id, message_id) == "not claimed"
    assert runtime.outbox.reconcile(world.south.tenant_id, message_id) == "not claimed"
    assert sms.sent == []


def test_many_workers_send_it_once(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    message_id = put(db, world.north, clock.now())
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: runtime.outbox.deliver(world.north.tenant_id, message_id), range(8)))
    assert sorted(seen) == ["not claimed"] * 7 + ["sent"]
    assert len(sms.sent) == 1


def test_a_stop_that_comes_while_a_worker_claims_does_not_deadlock(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender, owner_engine: Engine
) -> None:
    """The inbox holds the session and then withholds the row; the worker must not hold the row already."""
    message_id = put(db, world.north, clock.now())
    with ThreadPoolExecutor(1) as pool:
        with db.tenant(world.north.tenant_id) as inbox:
            inbox.execute(
                text("select id from chat_sessions where id = :id for update"), {"id": world.north.session_id}
            )
            worker = pool.submit(runtime.outbox.deliver, world.north.tenant_id, message_id)
            _wait_for_a_lock(owner_engine)
            inbox.execute(
                text("update chat_messages set status = 'withheld' where id = :id"), {"id": message_id}
            )
        assert worker.result(20) == "not claimed"
    assert sms.sent == []


def _wait_for_a_lock(engine: Engine) -> None:
    end = time.monotonic() + 20
    # The locks are for everybody to see; who waits for what is not.
    query = text(
        "select count(*) from pg_locks l join pg_stat_activity a on a.pid = l.pid"
        " where not l.granted and a.datname = current_database()"
    )
    while time.monotonic() < end:
        with engine.connect() as connection:
            if connection.execute(query).scalar_one():
                return
        time.sleep(0.02)
    raise AssertionError("nobody waits for a lock")


def test_an_empty_text_is_never_sent(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    message_id = put(db, world.north, clock.now())
    change(
        db, world.north, "update chat_messages set body = :body where id = :id", id=message_id, body="\u200b "
    )
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "failed"
    assert message_of(db, world.north, message_id).error == "the text was empty"
    assert (sms.sent, len(outgoing(db, world.north, "notice"))) == ([], 1)


def test_a_worker_that_stood_still_checks_again_and_does_not_send_on_an_old_claim(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    message_id = put(db, world.north, clock.now())
    moments = iter([0.0, START_WITHIN_S + 1])
    frozen = replace(runtime.outbox, seconds=lambda: next(moments))
    assert frozen.deliver(world.north.tenant_id, message_id) == "pending"
    assert sms.sent == []
    row = message_of(db, world.north, message_id)
    assert (row.tries, row.claimed_until, row.send_after) == (0, None, clock.now())
    assert decisions(db, world.north, message_id)[-1] == ("hold", [STOPPED])
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "sent"
    assert len(sms.sent) == 1


def test_a_worker_that_stood_still_for_long_leaves_the_row_to_whoever_took_it(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    """Meanwhile the row was looked for in vain, sent by somebody else, and is now with the carrier."""
    message_id = put(db, world.north, clock.now())
    calls = itertools.count()

    def seconds() -> float:
        if next(calls) == 1:
            for _ in LOOKS:
                clock.advance(timedelta(minutes=10))
                jobs.reconcile(runtime, world.north.tenant_id, str(message_id))
            return 700.0
        return 0.0

    assert (
        replace(runtime.outbox, seconds=seconds).deliver(world.north.tenant_id, message_id)
        == "settled meanwhile"
    )
    assert len(sms.sent) == 1
    assert message_of(db, world.north, message_id).status == "sent"


def test_the_carrier_may_keep_a_touch_no_longer_than_the_lawful_hours(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    clock.advance(timedelta(hours=8, minutes=50))
    touch = put(db, world.north, clock.now(), kind="touch")
    assert runtime.outbox.deliver(world.north.tenant_id, touch) == "sent"
    reply = put(db, world.north, clock.now())
    assert runtime.outbox.deliver(world.north.tenant_id, reply) == "sent"
    assert [sent.valid_s for sent in sms.sent] == [600, None]


def test_two_accepted_texts_with_one_id_do_not_stop_the_outbox(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    first, second = (put(db, world.north, clock.now(), kind="confirmation") for _ in range(2))
    runtime.outbox.deliver(world.north.tenant_id, first)
    taken = message_of(db, world.north, first).carrier_id
    sms.send = lambda message: Accepted("fake", str(taken), "queued")  # type: ignore[method-assign]
    assert runtime.outbox.deliver(world.north.tenant_id, second) == "sent"
    assert message_of(db, world.north, second).carrier_id is None
