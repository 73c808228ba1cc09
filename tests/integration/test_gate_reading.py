"""How the gate and the outbox read and write: few messages to the database, never another tenant's row, never what
was true before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy.exc import NoResultFound

from channels.carrier import Accepted
from channels.gate.facts import read_facts
from channels.outcomes import settle_accepted
from crm.consents import record_consent
from crm.db import Database
from crm.models import ChatMessage
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import TestDatabase, World
from tests.integration.gate_help import ask, at_noon, counted
from tests.integration.talking import change, message_of, put
from tests.runtimes import FakeSender

CLOSED = "the shop is closed, and its messages keep to its hours"


@pytest.fixture
def sms() -> FakeSender:
    return FakeSender()


@pytest.fixture
def runtime(
    test_database: TestDatabase,
    redis_url: str,
    clock: FixedClock,
    world: World,
    db: Database,
    sms: FakeSender,
) -> Iterator[Runtime]:
    with at_noon(test_database, redis_url, clock, world, db, sms) as made:
        yield made


@pytest.mark.parametrize("kind", ["reply", "touch"])
def test_a_text_is_claimed_decided_and_kept_in_three_messages_to_the_database(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, kind: str
) -> None:
    first, second = (put(db, world.north, clock.now(), kind=kind) for _ in range(2))
    with counted(runtime.db) as seen:
        assert runtime.outbox.deliver(world.north.tenant_id, first) == "sent"
    assert [statement.split()[0] for statement in seen] == ["select", "select", "insert"]
    row = message_of(db, world.north, first)
    assert (row.tries, row.claim_token, row.claimed_until) == (1, None, None)
    assert message_of(db, world.north, second).tries == 0


def test_the_facts_of_another_tenants_message_are_none(
    runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    message_id = put(db, world.north, clock.now(), kind="touch")
    with db.tenant(world.north.tenant_id) as session:
        message = session.get_one(ChatMessage, message_id)
        assert read_facts(session, message, clock.now()).timezone == "America/Chicago"
        session.expunge(message)
    with db.tenant(world.south.tenant_id) as session, pytest.raises(NoResultFound):
        read_facts(session, message, clock.now())


CHANGES: list[tuple[str, str, str]] = [
    (
        "insert into location_closures (tenant_id, location_id, starts_on, ends_on, reason)"
        " values (:tenant, :location, '2026-11-23', '2026-11-23', 'snow')",
        "delete from location_closures where reason = 'snow'",
        CLOSED,
    ),
    (
        "insert into location_special_hours (tenant_id, location_id, on_date, opens, closes)"
        " values (:tenant, :location, '2026-11-23', '15:00', '17:00')",
        "delete from location_special_hours",
        CLOSED,
    ),
    (
        "update location_hours set opens = '15:00' where weekday = 0",
        "update location_hours set opens = '09:00' where weekday = 0",
        CLOSED,
    ),
    (
        "update tenants set settings = '{\"max_segments_per_day\": 1}';"
        " update chat_messages set segments = 2 where kind = 'touch'",
        "update tenants set settings = '{}'",
        "the shop's limit of 1 text parts a day is used up",
    ),
    (
        "update leads set postal_code = '96813'",
        "update leads set postal_code = null",
        "outside the lawful hours of the recipient: Mon 08:00 in Pacific/Honolulu, Mon 12:00 in America/Chicago",
    ),
]


@pytest.mark.parametrize(("before", "after", "reason"), CHANGES)
def test_what_changed_counts_at_the_very_next_decision(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, before: str, after: str, reason: str
) -> None:
    """What is remembered hangs on what the database says now: nothing of it is ever out of date."""
    shop, message_id = world.north, put(db, world.north, clock.now(), kind="touch")
    for _ in range(2):
        assert ask(db, shop, message_id, clock.now()).verdict == "allow"
        for statement in before.split(";"):
            change(db, shop, statement, tenant=shop.tenant_id)
        found = ask(db, shop, message_id, clock.now())
        assert (found.verdict, found.reasons) == ("hold", (reason,))
        change(db, shop, after)


@pytest.mark.parametrize(
    ("address", "said"), [("Dana@Example.com", "dana@example.com"), ("JÖRG@example.com", "jörg@example.com")]
)
def test_a_stop_by_mail_is_found_however_the_address_is_written(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, address: str, said: str
) -> None:
    shop = world.north
    change(db, shop, "update leads set email = :email where id = :lead", email=address)
    message_id = put(db, shop, clock.now(), kind="touch")
    assert ask(db, shop, message_id, clock.now()).verdict == "allow"
    with db.tenant(shop.tenant_id) as session:
        record_consent(
            session, tenant_id=shop.tenant_id, channel="email", address=said, action="revoke", actor="customer",
            source="test", evidence="stop", effective_at=clock.now(),
        )  # fmt: skip
    assert ask(db, shop, message_id, clock.now()).verdict == "withhold"


def _sent(db: Database, world: World, message_id: int) -> None:
    change(db, world.north, "update chat_messages set status = 'delivered' where id = :id", id=message_id)


def _with_an_id(db: Database, world: World, message_id: int) -> None:
    change(db, world.north, "update chat_messages set carrier_id = 'other' where id = :id", id=message_id)


@pytest.mark.parametrize("meanwhile", [_sent, _with_an_id])
def test_a_row_that_others_moved_on_is_not_settled_at_once(
    runtime: Runtime,
    db: Database,
    world: World,
    clock: FixedClock,
    meanwhile: Callable[[Database, World, int], None],
) -> None:
    message_id = put(db, world.north, clock.now())
    meanwhile(db, world, message_id)
    before = message_of(db, world.north, message_id)
    accepted = Accepted("fake", "SM1", "queued")
    assert settle_accepted(db, world.north.tenant_id, message_id, accepted, clock.now()) is None
    after = message_of(db, world.north, message_id)
    assert (after.status, after.carrier_id, after.sent_at) == (before.status, before.carrier_id, None)


def test_only_its_own_tenant_settles_a_row(
    runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    message_id, now = put(db, world.north, clock.now()), clock.now() + timedelta(seconds=1)
    accepted = Accepted("fake", "SM1", "queued")
    assert settle_accepted(db, world.south.tenant_id, message_id, accepted, now) is None
    assert message_of(db, world.north, message_id).status == "pending"
    assert settle_accepted(db, world.north.tenant_id, message_id, accepted, now) == "sent"
    row = message_of(db, world.north, message_id)
    assert (row.carrier, row.carrier_id, row.carrier_status, row.sent_at) == ("fake", "SM1", "queued", now)


HELD = "update chat_messages set status = 'sending', claimed_until = :until where id = :id"


def test_a_row_that_somebody_holds_is_not_claimed_before_the_lease_is_over(
    runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    shop, message_id = world.north, put(db, world.north, clock.now())
    change(db, shop, HELD, id=message_id, until=clock.now() + timedelta(seconds=30))
    assert runtime.outbox.reconcile(shop.tenant_id, message_id) == "not claimed"
    clock.advance(timedelta(seconds=31))
    assert runtime.outbox.reconcile(shop.tenant_id, message_id) != "not claimed"


def test_a_row_that_is_not_due_is_not_claimed(
    runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    shop, message_id = world.north, put(db, world.north, clock.now())
    change(db, shop, "update chat_messages set send_after = :at where id = :id", id=message_id,
           at=clock.now() + timedelta(seconds=1))  # fmt: skip
    assert runtime.outbox.deliver(shop.tenant_id, message_id) == "not claimed"
    clock.advance(timedelta(seconds=1))
    assert runtime.outbox.deliver(shop.tenant_id, message_id) == "sent"
