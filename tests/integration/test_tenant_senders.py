"""Each tenant's texts go through its own Twilio account where it has one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from sqlalchemy import Engine

from channels.sms.accounts import Account, TenantSenders
from channels.sms.sender import LocalSender, TwilioSender
from crm.db import Database
from crm.models import CarrierAccount
from ops.clock import FixedClock
from ops.secrets import SecretBox
from scheduler.runtime import Runtime
from scheduler.senders import pace_of, text_sender
from tests.conftest import TestDatabase, World
from tests.integration.talking import message_of, put
from tests.runtimes import KEY, runtime_for, settings_for
from tests.standins.twilio import TwilioStandIn

OWN = "AC" + "9" * 32


@pytest.fixture
def twilio() -> Iterator[TwilioStandIn]:
    with TwilioStandIn(account_sid=OWN, auth_token="own", services={"MG" + "1" * 32: []}) as running:
        yield running


@pytest.fixture
def runtime(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, twilio: TwilioStandIn
) -> Iterator[Runtime]:
    with runtime_for(test_database, redis_url, clock, twilio_api_base=twilio.url) as made:
        yield made


def connect(db: Database, world: World, token: str = "own") -> None:
    with db.tenant(world.north.tenant_id) as session:
        session.add(
            CarrierAccount(
                tenant_id=world.north.tenant_id,
                account_sid=OWN,
                auth_token_encrypted=SecretBox(KEY).encrypt(token),
                messaging_service_sid="MG" + "1" * 32,
            )
        )


def test_one_shop_has_its_own_account_and_the_other_the_installations(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, twilio: TwilioStandIn
) -> None:
    connect(db, world)
    north, south = (put(db, shop, clock.now()) for shop in (world.north, world.south))
    assert runtime.outbox.deliver(world.north.tenant_id, north) == "sent"
    assert runtime.outbox.deliver(world.south.tenant_id, south) == "sent"
    assert [one.messaging_service_sid for one in twilio.messages] == ["MG" + "1" * 32]
    row = message_of(db, world.north, north)
    assert (row.carrier, row.carrier_id) == ("twilio", twilio.messages[0].sid)
    assert message_of(db, world.south, south).carrier == "local"
    assert twilio.messages[0].body == row.body


def test_a_changed_token_is_noticed_after_the_first_refusal(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, owner_engine: Engine
) -> None:
    connect(db, world, token="old")
    message_id = put(db, world.north, clock.now())
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "pending"
    with db.tenant(world.north.tenant_id) as session:
        for row in session.query(CarrierAccount):
            row.auth_token_encrypted = SecretBox(KEY).encrypt("own")
    due = message_of(db, world.north, message_id).send_after
    assert due is not None
    clock.advance(due - clock.now())
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "sent"


def test_a_token_that_cannot_be_read_is_the_owners_business_and_nothing_is_in_doubt(
    runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    connect(db, world)
    with db.tenant(world.north.tenant_id) as session:
        session.query(CarrierAccount).update({"auth_token_encrypted": b"not encrypted at all"})
    message_id = put(db, world.north, clock.now())
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "pending"
    assert str(message_of(db, world.north, message_id).error).startswith("the shop's Twilio account: ")


def test_an_account_is_looked_up_once_a_minute() -> None:
    asked: list[int] = []
    seconds = [0.0]

    def lookup(tenant_id: int) -> Account | None:
        asked.append(tenant_id)
        return None

    senders = TenantSenders(LocalSender(), lookup, lambda _: LocalSender(), lambda: seconds[0])
    for moment in (0.0, 59.0, 61.0):
        seconds[0] = moment
        assert senders.sender_of(7) is senders.default
    assert asked == [7, 7]
    assert senders.sender_of(None) is senders.default


def test_a_pace_is_kept_only_where_twilio_takes_the_texts(
    test_database: TestDatabase, redis_url: str, redis_client: redis.Redis, db: Database
) -> None:
    local = settings_for(test_database, redis_url)
    assert pace_of(local, redis_client) is None
    twilio = settings_for(test_database, redis_url, twilio_account_sid=OWN, twilio_segments_per_second="3.5")
    pace = pace_of(twilio, redis_client)
    assert pace is not None
    assert pace.rate == 3.5
    assert isinstance(text_sender(twilio, db).default, TwilioSender)
