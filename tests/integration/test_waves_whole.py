"""A wave through the real dispatcher, gate and outbox; what the customer does then is a conversation like any other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from crm.cadence_report import report_on
from crm.db import Database
from crm.models import ChatMessage, ChatSession, Lead, TouchPoint
from crm.template_blocks import block_step
from crm.waves import find_wave, results_of
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.dispatch import dispatch
from scheduler.runtime import Runtime
from tests.conftest import Shop, TestDatabase, World
from tests.integration.calendar_commands_help import local
from tests.integration.talking import hear
from tests.integration.wave_help import begin, old_lead, touched, turn
from tests.runtimes import FakeSender, runtime_for

MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> FixedClock:
    """Monday eleven in Chicago, inside the hours of touches."""
    return FixedClock(local(23, 11))


@pytest.fixture
def sms() -> FakeSender:
    return FakeSender()


@pytest.fixture
def runtime(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, sms: FakeSender
) -> Iterator[Runtime]:
    with runtime_for(test_database, redis_url, clock, sms=sms) as made:
        yield made


def asked_long_ago(db: Database, shop: Shop, clock: FixedClock) -> tuple[int, str]:
    """A lost lead that once wrote, and its phone."""
    with db.tenant(shop.tenant_id) as s:
        lead, chat = old_lead(s, shop, clock.now(), wish="ceramic tint")
        chat.last_inbound_id, chat.last_inbound_at = 1, clock.now() - timedelta(days=200)
        return lead.id, str(lead.phone)


def send_all(runtime: Runtime, shop: Shop) -> None:
    """The dispatcher writes what is due, and the outbox sends it."""
    dispatch(runtime)
    with runtime.db.tenant(shop.tenant_id) as s:
        chats = s.scalars(
            select(ChatMessage.session_id).where(ChatMessage.status == "pending").distinct()
        ).all()
    for chat in chats:
        jobs.flush(runtime, shop.tenant_id, str(chat))


def begun(db: Database, world: World, clock: FixedClock, runtime: Runtime) -> tuple[int, int, str]:
    """A wave whose only lead has got its first text: the wave, the lead and the phone."""
    lead_id, phone = asked_long_ago(db, world.north, clock)
    one = begin(db, world.north, clock.now())
    turn(runtime, world.north, one)
    send_all(runtime, world.north)
    return one, lead_id, phone


def test_a_lost_lead_that_once_wrote_gets_the_first_text(
    db: Database, world: World, clock: FixedClock, runtime: Runtime, sms: FakeSender
) -> None:
    one, lead_id, phone = begun(db, world, clock, runtime)
    (out,) = sms.sent
    assert out.to_address == phone
    assert 'You asked us some time ago. Is your request "ceramic tint" still of interest to you?' in out.body
    assert "STOP" in out.body
    touches = touched(db, world.north, one)[lead_id]
    assert [(t.step, t.status) for t in touches] == [(2, "written"), (3, "planned"), (4, "planned")]


def test_who_answers_is_in_a_normal_conversation(
    db: Database, world: World, clock: FixedClock, runtime: Runtime, sms: FakeSender
) -> None:
    one, lead_id, phone = begun(db, world, clock, runtime)
    clock.advance(timedelta(minutes=10))
    receipt = hear(runtime, world.north, "Yes, how much is it for a sedan?", from_address=phone)
    assert {t.status for t in touched(db, world.north, one)[lead_id][1:]} == {"paused"}
    clock.advance(timedelta(seconds=20))
    assert jobs.answer(runtime, world.north.tenant_id, str(receipt.session_id)) == "done"
    assert len(sms.sent) == 2, "the agent has answered"
    clock.advance(timedelta(days=12))
    send_all(runtime, world.north)
    assert len(sms.sent) == 2, "the wave says nothing more to them"
    with db.tenant(world.north.tenant_id) as s:
        results = results_of(s, find_wave(s, world.north.tenant_id, "spring"))
        assert (results.reached, results.answered, results.opted_out) == (1, 1, 0)
        report = report_on(s, world.north.tenant_id, clock.now() - timedelta(days=30), clock.now())
        assert (report.totals["sent"], report.totals["answered"]) == (1, 1)
        assert s.get_one(Lead, lead_id).status != "opted_out"


def test_who_says_stop_hears_nothing_more(
    db: Database, world: World, clock: FixedClock, runtime: Runtime, sms: FakeSender
) -> None:
    one, lead_id, phone = begun(db, world, clock, runtime)
    clock.advance(timedelta(minutes=10))
    hear(runtime, world.north, "STOP", from_address=phone)
    assert {t.status for t in touched(db, world.north, one)[lead_id][1:]} == {"ended"}
    clock.advance(timedelta(days=12))
    send_all(runtime, world.north)
    assert not [out for out in sms.sent[1:] if "some time ago" in out.body or "last message" in out.body]
    with db.tenant(world.north.tenant_id) as s:
        assert results_of(s, find_wave(s, world.north.tenant_id, "spring")).opted_out == 1
        report = report_on(s, world.north.tenant_id, clock.now() - timedelta(days=30), clock.now())
        assert (report.totals["answered"], report.totals["opted_out"]) == (0, 1)


def test_the_whole_plan_goes_to_who_is_silent(
    db: Database, world: World, clock: FixedClock, runtime: Runtime, sms: FakeSender
) -> None:
    one, lead_id, _ = begun(db, world, clock, runtime)
    for _ in range(12 * 24):
        clock.advance(timedelta(hours=1))
        send_all(runtime, world.north)
    touches = touched(db, world.north, one)[lead_id]
    assert [(t.step, t.status) for t in touches] == [(2, "written"), (3, "written"), (4, "written")]
    assert "This is our last message" in sms.sent[-1].body
    turn(runtime, world.north, one)
    with db.tenant(world.north.tenant_id) as s:
        assert find_wave(s, world.north.tenant_id, "spring").status == "done"


def test_a_step_that_was_stopped_is_skipped_and_says_so(
    db: Database, world: World, clock: FixedClock, runtime: Runtime, sms: FakeSender
) -> None:
    asked_long_ago(db, world.north, clock)
    with db.tenant(world.north.tenant_id) as s:
        chat = s.scalars(select(ChatSession).order_by(ChatSession.id.desc()).limit(1)).one()
        message = ChatMessage(
            tenant_id=chat.tenant_id, session_id=chat.id, lead_id=chat.lead_id, direction="out", channel="sms",
            kind="reply", status="delivered", body="w", from_address="a", to_address="b",
        )  # fmt: skip
        s.add(message)
        s.flush()
        assert block_step(s, message, "reactivation", 2, "sms", "9 of 90 people said stop", clock.now())
    one = begin(db, world.north, clock.now())
    turn(runtime, world.north, one)
    send_all(runtime, world.north)
    assert sms.sent == []
    with db.tenant(world.north.tenant_id) as s:
        first = s.scalars(select(TouchPoint).where(TouchPoint.step == 2)).one()
        assert (first.status, "9 of 90 people said stop" in str(first.reason)) == ("skipped", True)
