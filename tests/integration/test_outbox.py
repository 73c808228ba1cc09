"""Sending: once, later, never, or not known; and what the carrier tells us afterwards."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from twilio.request_validator import RequestValidator

from app import create_app
from channels.carrier import CarrierError
from channels.outcomes import BACKOFF, LOOKS, MISCONFIGURED_WAIT
from crm.db import Database
from crm.models import ChatMessage, TouchPoint
from crm.routing import owed
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_PHONE, TestDatabase, World
from tests.integration.talking import (
    MINUTE,
    SlowSender,
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
from tests.runtimes import PUBLIC, TOKEN, FakeSender, runtime_for

SID = "SM" + "0" * 31


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


def error(kind: Any, code: str | None = None, **more: Any) -> CarrierError:
    return CarrierError(f"it is {kind}", kind=kind, code=code, **more)


def due(runtime: Runtime) -> list[tuple[str, str]]:
    """What the sweeper would wake now."""
    with runtime.db.system() as session:
        return [(row.job, row.row_id) for row in owed(session, runtime.clock.now())]


def callback(
    web: FlaskClient, db: Database, world: World, message_id: int, status: str, sid: str = SID, **more: str
) -> int:
    """A signed status callback about one of our messages."""
    outbox = message_of(db, world.north, message_id).outbox_id
    return post_status(web, str(outbox), MessageSid=sid, MessageStatus=status, **more)


def post_status(web: FlaskClient, outbox: str, *, token: str = TOKEN, **fields: str) -> int:
    url = f"/hooks/twilio/status?o={outbox}"
    signature = RequestValidator(token).compute_signature(PUBLIC + url, fields)
    return web.post(url, data=fields, headers={"X-Twilio-Signature": signature}).status_code


def test_pending_becomes_sent(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    message_id = put(db, world.north, clock.now(), "It is $449.")
    assert due(runtime) == [("deliver", str(message_id))]
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "sent"
    (sent,) = sms.sent
    assert (sent.to_address, sent.from_address, sent.body) == (
        CUSTOMER_PHONE,
        world.north.phone,
        "It is $449.",
    )
    row = message_of(db, world.north, message_id)
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
    message_id = put(db, world.north, clock.now(), expires_at=clock.now() + timedelta(seconds=4))
    sms.errors = [error("transient")]
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
    assert outgoing(db, world.north, "notice") == []
    second = put(db, world.north, clock.now())
    assert runtime.outbox.deliver(world.north.tenant_id, second) == "withheld"
    assert sms.sent == []


def _uncertain(runtime: Runtime, world: World, sms: FakeSender, message_id: int, *, went_out: bool) -> None:
    sms.errors, sms.accepts_before_error = [error("uncertain")], went_out
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "unknown"


def test_a_lost_answer_is_asked_about_and_never_repeated(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    message_id = put(db, world.north, clock.now())
    _uncertain(runtime, world, sms, message_id, went_out=True)
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "not claimed"
    assert due(runtime) == []
    clock.advance(LOOKS[0])
    assert due(runtime) == [("reconcile", str(message_id))]
    assert jobs.reconcile(runtime, world.north.tenant_id, str(message_id)) == "sent"
    assert len(sms.sent) == 1
    row = message_of(db, world.north, message_id)
    assert (row.carrier_id, row.error) == (f"fake-{row.outbox_id}", None)


def _look_three_times(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, message_id: int
) -> str:
    status = ""
    for _ in LOOKS:
        row = message_of(db, world.north, message_id)
        assert row.send_after is not None
        clock.advance(row.send_after - clock.now())
        status = jobs.reconcile(runtime, world.north.tenant_id, str(message_id))
    return status


def test_a_reply_without_a_trace_is_sent_once_more_and_no_third_time(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    message_id = put(db, world.north, clock.now())
    _uncertain(runtime, world, sms, message_id, went_out=False)
    sms.errors = [error("uncertain")]
    assert _look_three_times(runtime, db, world, clock, message_id) == "unknown", "its second try"
    assert message_of(db, world.north, message_id).tries == 2
    assert _look_three_times(runtime, db, world, clock, message_id) == "failed"
    assert message_of(db, world.north, message_id).tries == 2
    assert "may not have arrived" in outgoing(db, world.north, "notice")[0].body
    assert sms.sent == []


def test_the_second_try_goes_through_the_gate_again(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    message_id = put(db, world.north, clock.now())
    _uncertain(runtime, world, sms, message_id, went_out=False)
    change(db, world.north, "update chat_sessions set state = 'human' where id = :session")
    assert _look_three_times(runtime, db, world, clock, message_id) == "dropped"
    assert [verdict for verdict, _ in decisions(db, world.north, message_id)] == ["allow", "drop"]


def test_a_touch_without_a_trace_is_never_repeated(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    clock.advance(timedelta(hours=3))
    message_id = put(db, world.north, clock.now(), kind="touch")
    _uncertain(runtime, world, sms, message_id, went_out=False)
    assert _look_three_times(runtime, db, world, clock, message_id) == "failed"
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
    _uncertain(runtime, world, sms, message_id, went_out=True)

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
    _uncertain(runtime, world, sms, message_id, went_out=True)

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
    _uncertain(runtime, world, sms, second, went_out=False)
    looked: list[frozenset[str]] = []
    monkeypatch.setattr(sms, "find", lambda message: looked.append(message.known_ids))
    clock.advance(LOOKS[0])
    runtime.outbox.reconcile(world.north.tenant_id, second)
    assert looked == [frozenset({f"fake-{message_of(db, world.north, first).outbox_id}"})]


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
    assert notice.body == "A message to Dana did not arrive: the carrier says error 30005"


def test_an_opt_out_told_in_a_callback_becomes_ours(
    web: FlaskClient, runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    message_id = put(db, world.north, clock.now())
    runtime.outbox.deliver(world.north.tenant_id, message_id)
    callback(web, db, world, message_id, "failed", ErrorCode="21610")
    assert stops(db, world.north) == [("carrier", "sms")]


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
    _uncertain(runtime, world, sms, message_id, went_out=True)
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
    _uncertain(runtime, world, sms, message_id, went_out=True)
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
    _uncertain(runtime, world, sms, message_id, went_out=True)
    sms.finds = False
    assert _look_three_times(runtime, db, world, clock, message_id) == "failed"
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
