"""What an error of the carrier means for the row: tried again, given up, left to the owner."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from channels.outcomes import BACKOFF, MISCONFIGURED_WAIT, MOST_SLOW_TRIES, retry_wait
from crm.db import Database
from crm.models import TouchPoint
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.runtime import Runtime
from tests.conftest import TestDatabase, World
from tests.integration.outbox_help import due, error
from tests.integration.talking import (
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
