"""The daily look at Twilio for statuses that no callback brought, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from channels.sms.sender import TwilioSender
from channels.sms.statuses import AFTER_ERROR, EVERY, NO_MORE_NEWS, check_statuses, plan_status_check
from crm.db import Database
from crm.models import CarrierCheck
from crm.routing import owed
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import Shop, TestDatabase, World
from tests.integration.talking import lead_of, message_of, put, rows
from tests.runtimes import PUBLIC, FakeSender, runtime_for
from tests.standins.twilio import TwilioStandIn


@pytest.fixture
def twilio() -> Iterator[TwilioStandIn]:
    with TwilioStandIn() as running:
        yield running


@pytest.fixture
def source(twilio: TwilioStandIn) -> TwilioSender:
    return TwilioSender(twilio.account_sid, twilio.auth_token, api_base=twilio.url, callback_base=PUBLIC)


@pytest.fixture
def runtime(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, source: TwilioSender
) -> Iterator[Runtime]:
    with runtime_for(test_database, redis_url, clock, sms=source, email=FakeSender()) as made:
        yield made


def sent(runtime: Runtime, db: Database, shop: Shop) -> int:
    message_id = put(db, shop, runtime.clock.now(), kind="confirmation")
    assert runtime.outbox.deliver(shop.tenant_id, message_id) == "sent"
    return message_id


def planned(db: Database, shop: Shop, clock: FixedClock) -> int:
    with db.tenant(shop.tenant_id) as session:
        plan_status_check(session, shop.tenant_id, shop.location_id, clock.now())
        plan_status_check(session, shop.tenant_id, shop.location_id, clock.now())
    (check,) = rows(db, shop, CarrierCheck)
    return check.id


def look(runtime: Runtime, source: TwilioSender, shop: Shop, check_id: int) -> str:
    return check_statuses(runtime.db, runtime.clock, source, shop.tenant_id, check_id)


def test_missing_statuses_are_fetched_once_a_day(
    runtime: Runtime,
    db: Database,
    world: World,
    clock: FixedClock,
    source: TwilioSender,
    twilio: TwilioStandIn,
) -> None:
    shop = world.north
    check_id = planned(db, shop, clock)
    arrived, lost, silent = (sent(runtime, db, shop) for _ in range(3))
    other = sent(runtime, db, world.south)
    for message, (status, code) in zip(
        twilio.messages,
        [("delivered", None), ("undelivered", 30006), ("sent", None), ("delivered", None)],
        strict=True,
    ):
        message.status, message.error_code = status, code
    assert look(runtime, source, shop, check_id) == "not claimed"
    clock.advance(EVERY - timedelta(hours=1))
    young = sent(runtime, db, shop)
    clock.advance(timedelta(hours=1))
    with db.system() as session:
        assert ("carrier_check", str(check_id)) in [
            (row.job, row.row_id) for row in owed(session, clock.now())
        ]
    assert look(runtime, source, world.south, check_id) == "not claimed"
    assert look(runtime, source, shop, check_id) == "3 of 4 moved"
    assert message_of(db, shop, arrived).status == "delivered"
    row = message_of(db, shop, lost)
    assert (row.status, row.error_code) == ("undelivered", "30006")
    assert lead_of(db, shop).phone_bad_since == clock.now()
    assert message_of(db, shop, silent).final_at is None, "a phone that was off may still say something"
    assert message_of(db, shop, young).final_at is None
    assert message_of(db, world.south, other).status == "sent", "another shop's business"
    (check,) = rows(db, shop, CarrierCheck)
    assert (check.next_at, check.claimed_until, check.checked_until) == (
        clock.now() + EVERY,
        None,
        clock.now(),
    )
    assert look(runtime, source, shop, check_id) == "not claimed"
    clock.advance(NO_MORE_NEWS - EVERY)
    look(runtime, source, shop, check_id)
    row = message_of(db, shop, silent)
    assert (row.status, row.error, row.final_at) == ("sent", None, clock.now()), (
        "unknown for good, no failure"
    )


def test_a_carrier_that_cannot_be_asked_is_asked_again_soon(
    runtime: Runtime,
    db: Database,
    world: World,
    clock: FixedClock,
    source: TwilioSender,
    twilio: TwilioStandIn,
) -> None:
    check_id = planned(db, world.north, clock)
    message_id = sent(runtime, db, world.north)
    clock.advance(EVERY)
    twilio.fail_next(1, 503)
    assert look(runtime, source, world.north, check_id).startswith("0 of 1 moved; ")
    (check,) = rows(db, world.north, CarrierCheck)
    assert (check.next_at, check.claimed_until) == (clock.now() + AFTER_ERROR, None)
    assert "Twilio" in str(check.error)
    clock.advance(AFTER_ERROR)
    twilio.messages[0].status = "delivered"
    assert look(runtime, source, world.north, check_id) == "1 of 1 moved"
    assert message_of(db, world.north, message_id).status == "delivered"
    assert rows(db, world.north, CarrierCheck)[0].error is None
