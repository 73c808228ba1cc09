"""A touch that waited does not leave once its enquiry is over or its step was stopped, and what ends an enquiry for whom."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from crm.db import Database
from crm.models import ChatMessage
from crm.template_blocks import block_step
from crm.touches import FOLLOW_UP
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import TestDatabase, World
from tests.integration.cadence_rows import start
from tests.integration.gate_help import OLD, ask, at_noon, held_text, in_the_morning
from tests.integration.talking import change, decisions, put
from tests.runtimes import FakeSender


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


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("booked", "the customer booked"),
        ("won", "the customer booked"),
        ("lost", "the lead is lost"),
        ("unreachable", "the lead is unreachable"),
    ],
)
def test_a_held_touch_does_not_outlive_its_enquiry(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, status: str, reason: str
) -> None:
    message_id = held_text(runtime, db, world.north, clock)
    change(db, world.north, "update leads set status = :status where id = :lead", status=status)
    assert in_the_morning(runtime, db, world.north, clock, message_id) == "dropped"
    assert decisions(db, world.north, message_id)[1:] == [("drop", [reason])]


@pytest.mark.parametrize("status", ["new", "engaged", "quoted"])
def test_one_that_goes_on_gets_it(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, status: str
) -> None:
    message_id = held_text(runtime, db, world.north, clock)
    change(db, world.north, "update leads set status = :status where id = :lead", status=status)
    assert in_the_morning(runtime, db, world.north, clock, message_id) == "sent"


@pytest.mark.parametrize(
    ("status", "changed", "verdict"),
    [
        ("lost", False, "allow"),
        ("won", False, "allow"),
        ("lost", True, "drop"),
        ("won", True, "drop"),
        ("booked", False, "drop"),
        ("unreachable", False, "drop"),
    ],
)
def test_a_wave_writes_to_leads_as_it_chose_them(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, status: str, changed: bool, verdict: str
) -> None:
    first, *_ = start(db, world.north, clock.now())
    change(
        db, world.north, "insert into waves (id, tenant_id, name, plan, filter, per_day, author, begun_at, next_at)"
        " values (1, :tenant, 'spring', 'default', '{}', 5, 'Sam', :at, :at)",
        tenant=world.north.tenant_id, at=clock.now(),
    )  # fmt: skip
    change(db, world.north, "update touch_points set wave_id = 1")
    at = clock.now() + (timedelta(seconds=1) if changed else -OLD)
    change(
        db, world.north, "insert into lead_changes (tenant_id, lead_id, what, before, after, who, why, at)"
        " values (:tenant, :lead, 'state', 'new', :status, 'Sam', 'test', :at)",
        tenant=world.north.tenant_id, status=status, at=at,
    )  # fmt: skip
    change(db, world.north, "update leads set status = :status where id = :lead", status=status)
    message_id = put(db, world.north, clock.now(), kind="touch", touch_point_id=first)
    assert ask(db, world.north, message_id, clock.now()).verdict == verdict


@pytest.mark.parametrize(("status", "verdict"), [("won", "allow"), ("booked", "allow"), ("lost", "drop")])
def test_a_date_the_customer_named_outlives_a_booking_of_before(
    runtime: Runtime, db: Database, world: World, clock: FixedClock, status: str, verdict: str
) -> None:
    first, *_ = start(db, world.north, clock.now())
    change(db, world.north, f"update touch_points set plan = '{FOLLOW_UP}'")
    change(db, world.north, "update leads set status = :status where id = :lead", status=status)
    message_id = put(db, world.north, clock.now(), kind="touch", touch_point_id=first)
    assert ask(db, world.north, message_id, clock.now()).verdict == verdict


@pytest.mark.parametrize(
    ("plan", "step", "channel", "verdict"),
    [
        ("default", 1, "sms", "withhold"),
        ("default", 1, "email", "allow"),
        ("default", 11, "sms", "allow"),
        ("no_show", 1, "sms", "allow"),
    ],
)
def test_a_step_that_was_stopped_while_its_text_waited(
    runtime: Runtime,
    db: Database,
    world: World,
    clock: FixedClock,
    plan: str,
    step: int,
    channel: str,
    verdict: str,
) -> None:
    first, *_ = start(db, world.north, clock.now())
    message_id = put(db, world.north, clock.now(), kind="touch", touch_point_id=first)
    with db.tenant(world.north.tenant_id) as s:
        block_step(s, s.get_one(ChatMessage, message_id), plan, step, channel, "harm", clock.now())
    assert ask(db, world.north, message_id, clock.now()).verdict == verdict
    change(db, world.north, "update template_blocks set lifted_at = :at", at=clock.now())
    assert ask(db, world.north, message_id, clock.now()).verdict == "allow"
