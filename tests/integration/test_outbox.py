"""Sending: once, later or never; what an error means for the row."""

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
from channels.outcomes import BACKOFF, LOOKS, MISCONFIGURED_WAIT, MOST_SLOW_TRIES, retry_wait
from crm.db import Database
from crm.models import TouchPoint
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_PHONE, TestDatabase, World
from tests.integration.outbox_help import due, error
from tests.integration.talking import (
    change,
    decisions,
    lead_of,
    message_of,
    outgoing,
    plan_touch,
    put,
    rows,
    stops,
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


def test_what_was_certainly_not_sent_is_tried_again_and_then_a_person_is_told(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    message_id = put(db, world.north, clock.now())
    sms.errors = [error("transient") for _ in range(len(BACKOFF) + 1)]
    for wait in BACKOFF:
        assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "pending"
        assert message_of(db, world.north, message_id).send_after == clock.now() + wait
        clock.advance(wait - timedelta(seconds=1))
        assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "not claimed"
        clock.advance(timedelta(seconds=1))
        assert due(runtime) == [("deliver", str(message_id))]
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "failed"
    assert sms.sent == []
    (notice,) = outgoing(db, world.north, "notice")
    assert notice.body == "A message to Dana could not be sent: it is transient"
    row = message_of(db, world.north, message_id)
    assert (row.final_at, row.error, row.tries) == (clock.now(), "it is transient", len(BACKOFF) + 1)


def test_a_later_try_succeeds_and_forgets_the_error(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    message_id = put(db, world.north, clock.now())
    sms.errors = [error("transient", "20429", retry_after_s=90)]
    runtime.outbox.deliver(world.north.tenant_id, message_id)
    assert message_of(db, world.north, message_id).send_after == clock.now() + timedelta(seconds=90)
    clock.advance(timedelta(seconds=90))
    assert jobs.deliver(runtime, world.north.tenant_id, str(message_id)) == "sent"
    row = message_of(db, world.north, message_id)
    assert (row.error, row.error_code, row.tries, len(sms.sent)) == (None, None, 2, 1)


def test_a_try_that_would_come_too_late_is_not_made(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    message_id = put(db, world.north, clock.now(), expires_at=clock.now() + timedelta(seconds=60))
    sms.errors = [error("transient", retry_after_s=60)]
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "failed"


@pytest.mark.parametrize(
    ("code", "is_bad"), [("21211", True), ("21614", True), ("21635", True), ("21612", False)]
)
def test_a_permanent_error_ends_it_and_a_person_is_told(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender, code: str, is_bad: bool
) -> None:
    message_id = put(db, world.north, clock.now())
    sms.errors = [error("permanent", code)]
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "failed"
    assert message_of(db, world.north, message_id).error_code == code
    assert (lead_of(db, world.north).phone_bad_since is not None) is is_bad
    assert lead_of(db, world.south).phone_bad_since is None
    (notice,) = outgoing(db, world.north, "notice")
    assert runtime.outbox.deliver(world.north.tenant_id, notice.id) == "sent", "staff has another number"


def test_a_notice_that_fails_makes_no_notice(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    message_id = put(db, world.north, clock.now())
    sms.errors = [error("permanent"), error("permanent")]
    runtime.outbox.deliver(world.north.tenant_id, message_id)
    (notice,) = outgoing(db, world.north, "notice")
    assert runtime.outbox.deliver(world.north.tenant_id, notice.id) == "failed"
    assert len(outgoing(db, world.north, "notice")) == 1


def test_what_an_owner_must_mend_waits_and_says_so(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    message_id = put(db, world.north, clock.now(), expires_at=clock.now() + timedelta(hours=12))
    sms.errors = [error("misconfigured", "20003") for _ in range(10)]
    for _ in range(10):
        assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "pending"
        row = message_of(db, world.north, message_id)
        assert (row.error, row.error_code) == ("it is misconfigured", "20003")
        clock.advance(MISCONFIGURED_WAIT)
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "sent", "mended after fifty minutes"


def test_an_opt_out_only_the_carrier_knows_becomes_ours(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    planned = plan_touch(db, world.north, clock.now())
    message_id = put(db, world.north, clock.now())
    sms.errors = [error("opted_out", "21610")]
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "failed"
    assert stops(db, world.north) == [("carrier", "sms")]
    assert stops(db, world.south) == []
    (touch,) = rows(db, world.north, TouchPoint, TouchPoint.id == planned)
    assert (touch.status, touch.reason) == ("ended", "the carrier says this person opted out")
    (notice,) = outgoing(db, world.north, "notice")
    assert "gets no more texts" in notice.body, (
        "who expects this person has to know that the answer never came"
    )
    second = put(db, world.north, clock.now())
    assert runtime.outbox.deliver(world.north.tenant_id, second) == "withheld"
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


def test_a_busy_carrier_gets_more_time_and_rows_do_not_come_back_together(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    waits = []
    for _ in range(3):
        message_id = put(db, world.north, clock.now(), kind="confirmation")
        sms.errors = [error("transient", "20429", retry_after_s=60, slow_down=True)]
        assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "pending"
        due_at = message_of(db, world.north, message_id).send_after
        assert due_at is not None
        waits.append(due_at - clock.now())
    assert len(set(waits)) > 1
    assert all(timedelta(seconds=60) <= wait <= timedelta(seconds=75) for wait in waits)
    busy = error("transient", "20429", slow_down=True)
    assert retry_wait(busy, len(BACKOFF) + 1) == BACKOFF[-1]
    assert retry_wait(busy, MOST_SLOW_TRIES + 1) is None


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
