"""What hangs on an error of the carrier: templates, number ranges, the ledger, and the owner who is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from app import create_app
from crm.consents import opt_out_of
from crm.db import Database
from crm.models import TemplateBlock
from crm.template_blocks import lift, standing_blocks
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_PHONE, Shop, TestDatabase, World
from tests.integration.outbox_help import callback, error
from tests.integration.talking import MINUTE, message_of, outgoing, plan_touch, put
from tests.runtimes import FakeSender, runtime_for

NOON = 180 * MINUTE


@pytest.fixture
def sms() -> FakeSender:
    return FakeSender()


@pytest.fixture
def runtime(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, sms: FakeSender
) -> Iterator[Runtime]:
    clock.advance(NOON)
    with runtime_for(test_database, redis_url, clock, sms=sms, email=FakeSender()) as made:
        yield made


@pytest.fixture
def web(runtime: Runtime) -> FlaskClient:
    return create_app(runtime).test_client()


def blocks(db: Database, shop: Shop) -> list[TemplateBlock]:
    with db.tenant(shop.tenant_id) as session:
        return standing_blocks(session)


def touch(runtime: Runtime, db: Database, shop: Shop) -> int:
    """A touch with a template, handed over."""
    now = runtime.clock.now()
    message_id = put(db, shop, now, kind="touch", touch_point_id=plan_touch(db, shop, now))
    assert runtime.outbox.deliver(shop.tenant_id, message_id) == "sent"
    return message_id


def test_a_filtered_touch_stops_its_template_and_says_how_to_go_on(
    web: FlaskClient, runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    message_id = touch(runtime, db, world.north)
    assert callback(web, db, world, message_id, "undelivered", ErrorCode="30007") == 204
    assert callback(web, db, world, message_id, "undelivered", ErrorCode="30007") == 204
    (block,) = blocks(db, world.north)
    assert (block.channel, block.template, block.message_id) == ("sms", "times", message_id)
    assert blocks(db, world.south) == []
    (told,) = outgoing(db, world.north, "notice")
    assert 'The text "times" is not sent any more' in told.body
    assert "leads templates unblock times" in told.body
    clock.advance(24 * 60 * MINUTE)
    later = put(
        db, world.north, clock.now(), kind="touch", touch_point_id=plan_touch(db, world.north, clock.now())
    )
    assert runtime.outbox.deliver(world.north.tenant_id, later) == "withheld"
    with db.tenant(world.north.tenant_id) as session:
        assert lift(session, "times", "Sam", clock.now()) == 1
        assert standing_blocks(session) == []


def test_a_filtered_reply_blocks_nothing_and_is_told(
    web: FlaskClient, runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    message_id = put(db, world.north, clock.now())
    runtime.outbox.deliver(world.north.tenant_id, message_id)
    callback(web, db, world, message_id, "undelivered", ErrorCode="30007")
    assert blocks(db, world.north) == []
    (told,) = outgoing(db, world.north, "notice")
    assert told.body.startswith("A text to Dana was not delivered: the carrier filtered the text as spam")
    assert message_of(db, world.north, message_id).status == "undelivered"


def test_suspected_fraud_holds_the_numbers_around(
    web: FlaskClient, runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    message_id = put(db, world.north, clock.now())
    runtime.outbox.deliver(world.north.tenant_id, message_id)
    callback(web, db, world, message_id, "undelivered", ErrorCode="30450")
    assert [block.template for block in blocks(db, world.north)] == ["numbers:+1312555"]
    second = put(db, world.north, clock.now(), kind="confirmation")
    assert runtime.outbox.deliver(world.north.tenant_id, second) == "withheld"
    (told,) = outgoing(db, world.north, "notice")
    assert runtime.outbox.deliver(world.north.tenant_id, told.id) == "sent", "the shop's own people are told"


def test_a_known_litigator_is_never_written_to_again(
    web: FlaskClient, runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    message_id = put(db, world.north, clock.now())
    runtime.outbox.deliver(world.north.tenant_id, message_id)
    callback(web, db, world, message_id, "undelivered", ErrorCode="30640")
    with db.tenant(world.north.tenant_id) as session:
        stop = opt_out_of(session, world.north.tenant_id, "sms", CUSTOMER_PHONE)
        assert stop is not None
        assert (stop.actor, stop.source) == ("carrier", "carrier error 30640")
    assert "known litigator" in outgoing(db, world.north, "notice")[0].body


def test_an_owner_is_told_once_a_day_that_texts_do_not_go_out(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, sms: FakeSender
) -> None:
    for day in range(2):
        for _ in range(2):
            message_id = put(db, world.north, clock.now(), kind="confirmation")
            sms.errors = [error("misconfigured", "20003")]
            assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "pending"
        assert len(outgoing(db, world.north, "notice")) == day + 1
        clock.advance(24 * 60 * MINUTE)
    assert outgoing(db, world.north, "notice")[0].body.startswith(
        "Texts are not going out: Twilio refused our credentials"
    )
    assert blocks(db, world.north) == [], "an alert blocks nothing"


def test_an_unregistered_number_is_tried_again_later_and_told(
    web: FlaskClient, runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    message_id = put(db, world.north, clock.now())
    runtime.outbox.deliver(world.north.tenant_id, message_id)
    callback(web, db, world, message_id, "undelivered", ErrorCode="30034")
    assert message_of(db, world.north, message_id).status == "pending"
    assert "10DLC" in outgoing(db, world.north, "notice")[0].body


def test_an_unknown_code_says_nothing_about_the_number(
    web: FlaskClient, runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    message_id = put(db, world.north, clock.now())
    runtime.outbox.deliver(world.north.tenant_id, message_id)
    callback(web, db, world, message_id, "failed", ErrorCode="39999")
    row = message_of(db, world.north, message_id)
    assert (row.status, row.error) == ("failed", "the carrier says: error 39999")
    assert blocks(db, world.north) == []
    assert outgoing(db, world.north, "notice")[0].body.endswith(
        "did not arrive: the carrier says: error 39999"
    )
