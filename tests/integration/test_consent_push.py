"""Telling Twilio about stops it cannot have noticed, over a real socket to its stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from crm.carrier_accounts import set_account, set_service
from crm.consents import record_consent
from crm.db import Database
from crm.models import ConsentPush
from ops.clock import FixedClock
from ops.secrets import SecretBox
from scheduler import jobs
from scheduler.consent_push import NO_ACCOUNT, SUPERSEDED, wait_after
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_PHONE, TestDatabase, World
from tests.integration.talking import flush, hear, outgoing, rows
from tests.runtimes import KEY, TOKEN, runtime_for
from tests.standins.twilio import TwilioStandIn

SID = "AC" + "1" * 32
SERVICE = "MG" + "2" * 32
LATER = timedelta(minutes=11)


@pytest.fixture
def twilio(world: World) -> Iterator[TwilioStandIn]:
    with TwilioStandIn(SID, TOKEN, numbers={world.north.phone, world.south.phone}) as standin:
        yield standin


@pytest.fixture
def runtime(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, twilio: TwilioStandIn
) -> Iterator[Runtime]:
    with runtime_for(
        test_database, redis_url, clock, twilio_account_sid=SID, twilio_api_base=twilio.url
    ) as made:
        yield made


def push(runtime: Runtime, db: Database, world: World, number: int = 0) -> tuple[str, ConsentPush]:
    """Run the job of one owed row; what it said, and the row afterwards."""
    row = rows(db, world.north, ConsentPush)[number]
    said = jobs.JOBS["consent_push"](runtime, world.north.tenant_id, str(row.id))
    return said, rows(db, world.north, ConsentPush)[number]


def test_a_stop_in_words_is_confirmed_and_then_told_to_twilio(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, twilio: TwilioStandIn
) -> None:
    hear(runtime, world.north, "please stop texting me")
    assert push(runtime, db, world)[0] == "not due"
    flush(runtime, world.north)
    assert outgoing(db, world.north)[0].status == "sent"
    clock.advance(LATER)
    said, row = push(runtime, db, world)
    assert (said, row.error) == ("done", None)
    (told,) = twilio.consents
    assert told["contact_id"] == CUSTOMER_PHONE
    assert (told["sender_id"], told["status"], told["source"]) == (
        world.north.phone, "opt-out", "opt-out-message",
    )  # fmt: skip
    assert told["date_of_consent"] == "2026-11-23T15:00:00Z"
    assert twilio.is_blocked(CUSTOMER_PHONE, world.north.phone)
    assert not twilio.is_blocked(CUSTOMER_PHONE, world.south.phone)
    assert push(runtime, db, world)[0] == "not due", "once"


def test_the_sweeper_finds_what_is_owed(
    runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    from crm.routing import owed

    hear(runtime, world.north, "lose my number")
    for wait, expected in ((timedelta(0), 0), (LATER, 1)):
        clock.advance(wait)
        with db.system() as session:
            found = [one for one in owed(session, clock.now()) if one.job == "consent_push"]
        assert len(found) == expected


def test_a_service_stands_for_all_its_numbers_and_a_tenants_own_account_is_used(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, twilio: TwilioStandIn
) -> None:
    twilio.services = {SERVICE: [world.north.phone]}
    with db.tenant(world.north.tenant_id) as session:
        set_account(session, world.north.tenant_id, SecretBox(KEY), SID, TOKEN)
        set_service(session, SERVICE)
    hear(runtime, world.north, "unsubscribe me", "email")
    clock.advance(LATER)
    assert push(runtime, db, world)[0] == "done"
    assert [(one["sender_id"], one["source"]) for one in twilio.consents] == [(SERVICE, "others")]
    assert twilio.is_blocked(CUSTOMER_PHONE, world.north.phone)


def test_a_start_meanwhile_leaves_nothing_to_tell(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, twilio: TwilioStandIn
) -> None:
    hear(runtime, world.north, "leave me alone")
    hear(runtime, world.north, "START")
    clock.advance(LATER)
    said, row = push(runtime, db, world)
    assert (said, row.error) == ("done", SUPERSEDED)
    assert twilio.consents == []


def test_a_start_in_other_words_opens_the_line_at_twilio_too(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, twilio: TwilioStandIn
) -> None:
    hear(runtime, world.north, "leave me alone")
    clock.advance(LATER)
    push(runtime, db, world)
    hear(runtime, world.north, "please start texting me again")
    assert push(runtime, db, world, 1)[0] == "done"
    assert [one["status"] for one in twilio.consents] == ["opt-out", "opt-in"]
    assert not twilio.is_blocked(CUSTOMER_PHONE, world.north.phone)


@pytest.mark.parametrize(
    ("fault", "status"),
    [(500, "owed"), (429, "owed"), (401, "owed"), ("drop_connection", "owed"), (400, "failed")],
)
def test_what_twilio_did_not_take_is_tried_again_or_shown(
    runtime: Runtime,
    db: Database,
    world: World,
    clock: FixedClock,
    twilio: TwilioStandIn,
    fault: int | str,
    status: str,
) -> None:
    hear(runtime, world.north, "no more texts")
    clock.advance(LATER)
    twilio.fail_next(1, fault, path="/v1/Consents")
    said, row = push(runtime, db, world)
    assert (said, row.status) == (status, status)
    assert row.error
    if status == "owed":
        assert row.next_try_at == clock.now() + wait_after(1)
        clock.advance(wait_after(1))
        assert push(runtime, db, world)[0] == "done"


def test_a_record_that_twilio_refuses_is_a_failure_with_its_code(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, twilio: TwilioStandIn
) -> None:
    twilio.numbers = {"+13125550000"}
    hear(runtime, world.north, "no more texts")
    clock.advance(LATER)
    said, row = push(runtime, db, world)
    assert said == "failed"
    assert "error 20002" in (row.error or "")


def test_without_an_account_there_is_nobody_to_tell(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, db: Database
) -> None:
    with runtime_for(test_database, redis_url, clock) as runtime:
        hear(runtime, world.north, "no more texts")
        clock.advance(LATER)
        said, row = push(runtime, db, world)
    assert (said, row.error) == ("done", NO_ACCOUNT)


def test_what_the_carrier_said_itself_is_not_told_back(world: World, db: Database, clock: FixedClock) -> None:
    with db.tenant(world.north.tenant_id) as session:
        record_consent(
            session, tenant_id=world.north.tenant_id, channel="sms", address=CUSTOMER_PHONE, action="revoke",
            actor="carrier", source="carrier error 21610", evidence="x", effective_at=clock.now(),
        )  # fmt: skip
    assert rows(db, world.north, ConsentPush) == []


def test_waits_grow_and_end() -> None:
    waits = [wait_after(tries) for tries in range(1, 30)]
    assert waits == sorted(waits)
    assert waits[0] == timedelta(minutes=1)
    assert waits[-1] == timedelta(hours=6)
