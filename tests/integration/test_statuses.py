"""What the carrier tells us afterwards: repeated, late, out of order, early, or about something else."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from app import create_app
from channels.outcomes import LOOKS
from crm.db import Database
from crm.models import ChatMessage
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import TestDatabase, World
from tests.integration.outbox_help import SID, callback, due, look_three_times, post_status, uncertain
from tests.integration.talking import (
    MINUTE,
    SlowSender,
    message_of,
    put,
    rows,
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


@pytest.mark.parametrize(
    ("told", "final"),
    [
        (["queued", "sending", "sent", "delivered"], "delivered"),
        (["delivered", "sent", "sending", "queued"], "delivered"),
        (["sent", "sent", "delivered", "delivered"], "delivered"),
        (["delivered", "undelivered"], "delivered"),
        (["sent", "undelivered", "sent", "delivered"], "undelivered"),
        (["sent", "read"], "delivered"),
        (["sent", "nonsense", ""], "sent"),
        (["canceled"], "failed"),
    ],
)
def test_the_carriers_statuses_only_move_forward(
    web: FlaskClient,
    runtime: Runtime,
    db: Database,
    world: World,
    clock: FixedClock,
    told: list[str],
    final: str,
) -> None:
    message_id = put(db, world.north, clock.now())
    runtime.outbox.deliver(world.north.tenant_id, message_id)
    assert [callback(web, db, world, message_id, status) for status in told] == [204] * len(told)
    row = message_of(db, world.north, message_id)
    assert row.status == final
    assert (row.final_at is None) is (final == "sent")


@pytest.mark.parametrize(
    ("told", "status"), [("sent", "sent"), ("delivered", "delivered"), ("undelivered", "undelivered")]
)
def test_a_callback_faster_than_our_own_commit(
    test_database: TestDatabase,
    redis_url: str,
    clock: FixedClock,
    db: Database,
    world: World,
    told: str,
    status: str,
) -> None:
    slow = SlowSender()
    with runtime_for(test_database, redis_url, clock, sms=slow) as runtime:
        web = create_app(runtime).test_client()
        message_id = put(db, world.north, clock.now())
        worker = threading.Thread(target=runtime.outbox.deliver, args=(world.north.tenant_id, message_id))
        worker.start()
        try:
            assert slow.reached.wait(20)
            sid = f"fake-{slow.sent[0].outbox_id}"
            assert callback(web, db, world, message_id, told, sid) == 204
            assert message_of(db, world.north, message_id).status == status
        finally:
            slow.may_answer.set()
            worker.join(20)
        row = message_of(db, world.north, message_id)
        assert (row.status, row.carrier_status, row.carrier_id) == (status, told, sid)
        assert len(slow.sent) == 1


def test_a_callback_resolves_a_lost_answer(
    web: FlaskClient, runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    message_id = put(db, world.north, clock.now())
    uncertain(runtime, world, sms, message_id, went_out=True)
    callback(web, db, world, message_id, "sent")
    row = message_of(db, world.north, message_id)
    assert (row.status, row.carrier_id) == ("sent", SID)
    clock.advance(LOOKS[0])
    assert due(runtime) == []


@pytest.mark.parametrize(("told", "status"), [("sent", "sent"), ("delivered", "delivered")])
def test_a_late_callback_stops_the_second_try(
    web: FlaskClient,
    runtime: Runtime,
    db: Database,
    world: World,
    clock: FixedClock,
    sms: FakeSender,
    told: str,
    status: str,
) -> None:
    message_id = put(db, world.north, clock.now())
    uncertain(runtime, world, sms, message_id, went_out=True)
    sms.finds = False
    for _ in LOOKS:
        clock.advance(10 * MINUTE)
        runtime.outbox.reconcile(world.north.tenant_id, message_id)
    assert message_of(db, world.north, message_id).status == "pending", "about to be sent once more"
    callback(web, db, world, message_id, told)
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "not claimed"
    assert (message_of(db, world.north, message_id).status, len(sms.sent)) == (status, 1)


def test_a_late_callback_corrects_what_we_gave_up(
    web: FlaskClient, runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    clock.advance(timedelta(hours=3))
    message_id = put(db, world.north, clock.now(), kind="touch")
    uncertain(runtime, world, sms, message_id, went_out=True)
    sms.finds = False
    assert look_three_times(runtime, db, world, clock, message_id) == "failed"
    callback(web, db, world, message_id, "delivered")
    row = message_of(db, world.north, message_id)
    assert (row.status, row.error) == ("delivered", None)


def test_callbacks_about_nothing_of_ours_are_harmless(
    web: FlaskClient, runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    message_id = put(db, world.north, clock.now())
    runtime.outbox.deliver(world.north.tenant_id, message_id)
    before = vars(message_of(db, world.north, message_id)).copy()
    fields = {"MessageSid": SID, "MessageStatus": "delivered"}
    assert post_status(web, str(uuid.uuid4()), **fields) == 204
    assert post_status(web, "not-a-uuid", **fields) == 204
    assert post_status(web, "", **fields) == 204
    assert post_status(web, str(before["outbox_id"]), token="other", **fields) == 403
    after = vars(message_of(db, world.north, message_id)).copy()
    del before["_sa_instance_state"], after["_sa_instance_state"]
    assert after == before
    assert rows(db, world.south, ChatMessage) == []


def test_a_status_with_the_id_of_another_message_changes_neither(
    web: FlaskClient, runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    first = put(db, world.north, clock.now(), kind="confirmation")
    runtime.outbox.deliver(world.north.tenant_id, first)
    second = put(db, world.north, clock.now(), kind="confirmation")
    uncertain(runtime, world, sms, second, went_out=False)
    sid = message_of(db, world.north, first).carrier_id
    assert callback(web, db, world, second, "delivered", sid) == 204
    assert [message_of(db, world.north, one).status for one in (first, second)] == ["sent", "unknown"]
    assert callback(web, db, world, second, "sent", "SM" + "1" * 32) == 204
    assert message_of(db, world.north, second).status == "sent"


def test_two_callbacks_at_once_while_a_worker_asks_about_the_row(
    web: FlaskClient, runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    """All of them lock the conversation first; any other order is a deadlock now and then."""
    message_id = put(db, world.north, clock.now())
    uncertain(runtime, world, sms, message_id, went_out=True)
    clock.advance(LOOKS[0])
    asks = runtime.outbox
    work = [
        lambda: callback(web, db, world, message_id, "undelivered", SID, ErrorCode="30005"),
        lambda: callback(web, db, world, message_id, "sent", SID),
        lambda: asks.reconcile(world.north.tenant_id, message_id),
    ]
    with ThreadPoolExecutor(6) as pool:
        said = [future.result(30) for future in [pool.submit(one) for one in work * 2]]
    assert [one for one in said if isinstance(one, int)] == [204] * 4
    assert message_of(db, world.north, message_id).carrier_id is not None
