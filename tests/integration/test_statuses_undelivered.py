"""What the carrier tells us did not arrive: kept, told, tried once more, or counted against the number."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from app import create_app
from channels.carrier import Accepted
from channels.sms.effects import STRIKES
from crm.db import Database
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import TestDatabase, World
from tests.integration.outbox_help import callback
from tests.integration.talking import (
    MINUTE,
    decisions,
    lead_of,
    message_of,
    outgoing,
    put,
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


@pytest.fixture
def web(runtime: Runtime) -> FlaskClient:
    return create_app(runtime).test_client()


def test_an_error_of_the_carrier_is_kept_and_told(
    web: FlaskClient, runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    message_id = put(db, world.north, clock.now())
    runtime.outbox.deliver(world.north.tenant_id, message_id)
    callback(web, db, world, message_id, "undelivered", ErrorCode="30005")
    callback(web, db, world, message_id, "delivered")
    callback(web, db, world, message_id, "undelivered", ErrorCode="30005")
    row = message_of(db, world.north, message_id)
    assert (row.status, row.error_code, row.carrier_status) == ("undelivered", "30005", "undelivered")
    assert lead_of(db, world.north).phone_bad_since == clock.now()
    (notice,) = outgoing(db, world.north, "notice")
    assert (
        notice.body == "A message to Dana did not arrive: the carrier says:"
        " the number does not exist or is no longer in use (30005)"
    )


def test_an_opt_out_told_in_a_callback_becomes_ours(
    web: FlaskClient, runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    message_id = put(db, world.north, clock.now())
    runtime.outbox.deliver(world.north.tenant_id, message_id)
    callback(web, db, world, message_id, "failed", ErrorCode="21610")
    assert stops(db, world.north) == [("carrier", "sms")]


@pytest.mark.parametrize(
    ("code", "wait"), [("30003", 30), ("30008", 5), ("30500", 5), ("30036", 1), ("30610", 60)]
)
def test_what_did_not_arrive_goes_once_more_through_the_gate(
    web: FlaskClient,
    runtime: Runtime,
    db: Database,
    world: World,
    clock: FixedClock,
    sms: FakeSender,
    code: str,
    wait: int,
) -> None:
    message_id = put(db, world.north, clock.now(), kind="confirmation")
    runtime.outbox.deliver(world.north.tenant_id, message_id)
    first = message_of(db, world.north, message_id).carrier_id
    callback(web, db, world, message_id, "undelivered", ErrorCode=code)
    row = message_of(db, world.north, message_id)
    assert (row.status, row.carrier_id, row.error_code) == ("pending", None, code)
    assert row.send_after == clock.now() + wait * MINUTE
    assert callback(web, db, world, message_id, "undelivered", first, ErrorCode=code) == 204
    clock.advance(wait * MINUTE)
    sms.send = lambda message: Accepted("fake", "second", "queued")  # type: ignore[method-assign]
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "sent"
    assert [verdict for verdict, _ in decisions(db, world.north, message_id)] == ["allow", "allow"]
    callback(web, db, world, message_id, "failed", ErrorCode="30005")
    row = message_of(db, world.north, message_id)
    assert (row.status, row.carrier_id) == ("failed", "second")
    assert row.error == "the carrier says: the number does not exist or is no longer in use (30005)"


def test_a_try_that_arrived_after_all_stops_the_next_one(
    web: FlaskClient, runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    message_id = put(db, world.north, clock.now())
    runtime.outbox.deliver(world.north.tenant_id, message_id)
    first = message_of(db, world.north, message_id).carrier_id
    callback(web, db, world, message_id, "undelivered", ErrorCode="30003")
    callback(web, db, world, message_id, "delivered", first)
    clock.advance(60 * MINUTE)
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "not claimed"
    assert message_of(db, world.north, message_id).status == "delivered"


def test_a_touch_that_did_not_arrive_is_not_repeated(
    web: FlaskClient, runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    clock.advance(timedelta(hours=3))
    message_id = put(db, world.north, clock.now(), kind="touch")
    runtime.outbox.deliver(world.north.tenant_id, message_id)
    callback(web, db, world, message_id, "undelivered", ErrorCode="30003")
    row = message_of(db, world.north, message_id)
    assert (row.status, row.error) == (
        "undelivered", "the carrier says: the phone is switched off or out of reach (30003)",
    )  # fmt: skip
    assert outgoing(db, world.north, "notice") == []


def test_three_strikes_mark_the_number_and_an_arrival_clears_it(
    web: FlaskClient, runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    for count in range(STRIKES):
        assert lead_of(db, world.north).phone_bad_since is None, count
        message_id = put(db, world.north, clock.now(), kind="confirmation")
        runtime.outbox.deliver(world.north.tenant_id, message_id)
        callback(web, db, world, message_id, "undelivered", ErrorCode="30003")
    assert lead_of(db, world.north).phone_bad_since == clock.now()
    (told,) = outgoing(db, world.north, "notice")
    assert told.body.startswith("3 texts to Dana did not arrive: the phone is switched off")
    callback(
        web, db, world, message_id, "delivered", message_of(db, world.north, message_id).raw["earlier_ids"][0]
    )  # type: ignore[index]
    assert message_of(db, world.north, message_id).status == "delivered"
