"""The gate at the moment of sending: every reason, kept with the decision."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from channels.outbox import Outbox
from crm.db import Database
from crm.models import SendDecision, Staff
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_EMAIL, CUSTOMER_PHONE, TestDatabase, World
from tests.integration.gate_help import Prepare, at_noon, book, notice, sql, stop
from tests.integration.talking import (
    MINUTE,
    change,
    chat_of,
    decisions,
    hear,
    lead_of,
    message_of,
    pause,
    put,
    rows,
)
from tests.runtimes import FakeSender, runtime_for


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


@pytest.fixture
def outbox(runtime: Runtime) -> Outbox:
    return runtime.outbox


STOPPED = "this person said stop on 2026-11-23 18:00 UTC"
HUMAN = sql("update chat_sessions set state = 'human' where id = :session")
NEWER = sql("update chat_sessions set last_inbound_id = 999999, last_inbound_at = :now where id = :session")
BAD_PHONE = sql("update leads set phone_bad_since = :now where id = :lead")
CONFIRMED: Prepare = lambda db, shop, clock: book(db, shop, clock, "confirmed")  # noqa: E731
CANCELLED: Prepare = lambda db, shop, clock: book(db, shop, clock, "cancelled")  # noqa: E731
DONE: Prepare = lambda db, shop, clock: book(db, shop, clock, days=-2)  # noqa: E731
BAD_EMAIL = sql("update leads set email_bad_since = :now where id = :lead")


@pytest.mark.parametrize(
    ("prepare", "kind", "channel", "status", "reason"),
    [
        (None, "reply", "sms", "sent", "every check passed"),
        (None, "touch", "sms", "sent", "every check passed"),
        (stop, "reply", "sms", "withheld", STOPPED),
        (stop, "touch", "sms", "withheld", STOPPED),
        (stop, "confirmation", "sms", "withheld", STOPPED),
        (stop, "reminder", "sms", "withheld", STOPPED),
        (stop, "consent", "sms", "sent", "every check passed"),
        (BAD_PHONE, "reply", "sms", "withheld", "this address does not work"),
        (BAD_PHONE, "reply", "email", "sent", "every check passed"),
        (BAD_EMAIL, "touch", "email", "withheld", "this address does not work"),
        (NEWER, "reply", "sms", "dropped", "the customer wrote again before this was sent"),
        (NEWER, "touch", "email", "dropped", "the customer wrote after this was planned"),
        (NEWER, "confirmation", "sms", "sent", "every check passed"),
        (NEWER, "consent", "sms", "sent", "every check passed"),
        (HUMAN, "reply", "sms", "dropped", "a person has taken over the conversation"),
        (HUMAN, "touch", "sms", "dropped", "a person has taken over the conversation"),
        (HUMAN, "consent", "sms", "sent", "every check passed"),
        (book, "touch", "sms", "dropped", "the customer already has an appointment"),
        (book, "reply", "sms", "sent", "every check passed"),
        (CONFIRMED, "touch", "sms", "dropped", "the customer already has an appointment"),
        (CANCELLED, "touch", "sms", "sent", "every check passed"),
        (DONE, "touch", "sms", "sent", "every check passed"),
    ],
)  # fmt: skip
def test_what_may_go_and_why_not(
    prepare: Prepare | None, kind: str, channel: str, status: str, reason: str,
    outbox: Outbox, db: Database, world: World, clock: FixedClock, sms: FakeSender,
) -> None:  # fmt: skip
    message_id = put(db, world.north, clock.now(), kind=kind, channel=channel)
    if prepare is not None:
        prepare(db, world.north, clock)
    assert outbox.deliver(world.north.tenant_id, message_id) == status
    verdict = {"sent": "allow", "withheld": "withhold", "dropped": "drop"}[status]
    assert decisions(db, world.north, message_id) == [(verdict, [reason])]
    row = message_of(db, world.north, message_id)
    assert (len(sms.sent), row.tries) == ((1, 1) if status == "sent" else (0, 0))
    assert row.error == (None if status == "sent" else reason)
    assert (row.final_at is None) is (status == "sent")
    assert outbox.deliver(world.north.tenant_id, message_id) == "not claimed"


def test_a_stop_holds_at_this_business_only(
    outbox: Outbox, db: Database, world: World, clock: FixedClock
) -> None:
    stop(db, world.north, clock)
    assert outbox.deliver(world.south.tenant_id, put(db, world.south, clock.now())) == "sent"


@pytest.mark.parametrize(("minutes", "status"), [(4, "sent"), (5, "sent"), (6, "withheld")])
def test_the_one_answer_to_a_stop_has_five_minutes(
    outbox: Outbox, db: Database, world: World, clock: FixedClock, minutes: int, status: str
) -> None:
    stop(db, world.north, clock)
    message_id = put(db, world.north, clock.now(), kind="consent")
    clock.advance(timedelta(minutes=minutes))
    assert outbox.deliver(world.north.tenant_id, message_id) == status


@pytest.mark.parametrize(
    ("first", "then", "status"),
    [
        ("customer", "customer", "sent"),
        ("customer", "shop", "withheld"),
        ("customer", "crm", "withheld"),
        ("carrier", "customer", "sent"),
        ("carrier", "crm", "withheld"),
        ("shop", "shop", "sent"),
    ],
)
def test_who_may_undo_a_stop(
    outbox: Outbox, db: Database, world: World, clock: FixedClock, first: str, then: str, status: str
) -> None:
    stop(db, world.north, clock, actor=first)
    stop(db, world.north, clock, "grant", then)
    assert outbox.deliver(world.north.tenant_id, put(db, world.north, clock.now())) == status


def test_staff_hears_of_everything(
    outbox: Outbox, db: Database, world: World, clock: FixedClock, sms: FakeSender, owner_engine: Engine
) -> None:
    message_id = notice(db, world.north, clock)
    stop(db, world.north, clock)
    for prepare in (BAD_PHONE, NEWER, HUMAN):
        prepare(db, world.north, clock)
    pause(owner_engine, world.north)
    assert outbox.deliver(world.north.tenant_id, message_id) == "sent"
    (staff,) = rows(db, world.north, Staff)
    assert sms.sent[0].to_address == staff.phone


@pytest.mark.parametrize(
    ("channel", "allowed", "status"),
    [
        ("sms", [], "withheld"),
        ("sms", ["(312) 555-0199"], "sent"),
        ("sms", [CUSTOMER_EMAIL], "withheld"),
        ("email", [CUSTOMER_PHONE], "withheld"),
        ("email", [CUSTOMER_EMAIL.upper()], "sent"),
    ],
)
def test_demo_mode_writes_to_the_listed_only(
    test_database: TestDatabase, redis_url: str, db: Database, world: World, clock: FixedClock,
    channel: str, allowed: list[str], status: str,
) -> None:  # fmt: skip
    fake = FakeSender()
    given: dict[str, Any] = {"demo_mode": True, "demo_allow_list": ",".join(allowed)}
    with runtime_for(test_database, redis_url, clock, sms=fake, email=fake, **given) as runtime:
        message_id = put(db, world.north, clock.now(), channel=channel)
        assert runtime.outbox.deliver(world.north.tenant_id, message_id) == status
        staff_notice = notice(db, world.north, clock)
        assert runtime.outbox.deliver(world.north.tenant_id, staff_notice) == "withheld"
    assert len(fake.sent) == (status == "sent")


def test_a_paused_business_waits_and_then_sends(
    outbox: Outbox, db: Database, world: World, clock: FixedClock, sms: FakeSender, owner_engine: Engine
) -> None:
    message_id = put(db, world.north, clock.now())
    pause(owner_engine, world.north)
    assert outbox.deliver(world.north.tenant_id, message_id) == "pending"
    assert outbox.deliver(world.north.tenant_id, message_id) == "not claimed"
    clock.advance(15 * MINUTE)
    pause(owner_engine, world.north, "active")
    assert outbox.deliver(world.north.tenant_id, message_id) == "sent"
    (held, _) = rows(db, world.north, SendDecision)
    assert (held.decision, held.reasons) == ("hold", ["the business is paused"])
    assert held.hold_until == held.decided_at + 15 * MINUTE
    assert len(sms.sent) == 1


def test_too_late_is_too_late(outbox: Outbox, db: Database, world: World, clock: FixedClock) -> None:
    message_id = put(db, world.north, clock.now(), expires_at=clock.now() + MINUTE)
    clock.advance(MINUTE)
    assert outbox.deliver(world.north.tenant_id, message_id) == "withheld"
    assert decisions(db, world.north, message_id) == [("withhold", ["it is too late for this message"])]


def test_the_hardest_verdict_wins_and_all_reasons_are_kept(
    outbox: Outbox, db: Database, world: World, clock: FixedClock, owner_engine: Engine
) -> None:
    message_id = put(db, world.north, clock.now())
    pause(owner_engine, world.north)
    HUMAN(db, world.north, clock)
    stop(db, world.north, clock)
    assert outbox.deliver(world.north.tenant_id, message_id) == "withheld"
    assert decisions(db, world.north, message_id) == [
        ("withhold", [STOPPED, "the business is paused", "a person has taken over the conversation"])
    ]


def test_the_announcement_of_a_hand_off_goes_although_the_customer_wrote_again(
    outbox: Outbox, runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    message_id = put(db, world.north, clock.now(), answers_up_to=1)
    change(
        db,
        world.north,
        "update chat_messages set raw = '{\"announces_hand_off\": true}' where id = :id",
        id=message_id,
    )
    HUMAN(db, world.north, clock)
    hear(runtime, world.north, "hello?")
    assert outbox.deliver(world.north.tenant_id, message_id) == "sent"


def test_a_dropped_reply_leaves_its_question_open(
    outbox: Outbox, runtime: Runtime, db: Database, world: World, clock: FixedClock
) -> None:
    first = hear(runtime, world.north, "how much?").message_id
    message_id = put(db, world.north, clock.now(), answers_up_to=first)
    change(
        db, world.north,
        "update chat_messages set raw = '{\"answered_before\": 0}' where id = :id", id=message_id,
    )  # fmt: skip
    change(db, world.north, "update chat_sessions set answered_up_to = :id where id = :session", id=first)
    hear(runtime, world.north, "and on Saturday?")
    assert outbox.deliver(world.north.tenant_id, message_id) == "dropped"
    assert chat_of(db, world.north).answered_up_to == 0


def test_the_gate_changes_nothing_about_the_lead(
    outbox: Outbox, db: Database, world: World, clock: FixedClock
) -> None:
    before = lead_of(db, world.north).version
    outbox.deliver(world.north.tenant_id, put(db, world.north, clock.now()))
    assert lead_of(db, world.north).version == before
