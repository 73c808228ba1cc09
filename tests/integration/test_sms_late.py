"""Texts that reached us late: placed by the carrier's date, obeyed, answered while they are fresh."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app import create_app
from crm.consents import is_opted_out
from crm.db import Database
from crm.media import spoken
from crm.models import (
    CarrierCheck,
    ChatMessage,
    ChatSession,
    ConsentEvent,
    TouchPoint,
)
from crm.routing import open_carrier_checks
from crm.transcripts import read_transcript
from ops.clock import FixedClock
from scheduler.jobs import JOBS
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_PHONE, TestDatabase, World
from tests.integration.sms_help import ACCOUNT, form, post
from tests.runtimes import TOKEN, runtime_for
from tests.standins.twilio import TwilioStandIn
from tests.standins.twilio_messages import TwilioMessage

STRANGER = "+13125550177"
ROUND = timedelta(minutes=6)


@pytest.fixture
def twilio(clock: FixedClock) -> Iterator[TwilioStandIn]:
    with TwilioStandIn(ACCOUNT, TOKEN, clock=clock.now) as running:
        yield running


@pytest.fixture
def runtime(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, twilio: TwilioStandIn, world: World
) -> Iterator[Runtime]:
    given = {"twilio_account_sid": ACCOUNT, "twilio_api_base": twilio.url}
    with runtime_for(test_database, redis_url, clock, **given) as made:
        with made.db.system() as session:
            assert open_carrier_checks(session, clock.now(), everywhere=True) == 4
        yield made


@pytest.fixture
def web(runtime: Runtime) -> FlaskClient:
    return create_app(runtime).test_client()


def look(runtime: Runtime, world: World) -> str:
    """Run the location's look for lost texts."""
    with runtime.db.tenant(world.north.tenant_id) as session:
        check_id = session.scalars(select(CarrierCheck.id).where(CarrierCheck.kind == "inbound")).one()
    return JOBS["carrier_check"](runtime, world.north.tenant_id, str(check_id))


def arrive(web: FlaskClient, world: World, message: TwilioMessage) -> None:
    """The webhook of a message comes after all."""
    fields = form(world, message.body, message.sid, From=message.from_ or "")
    assert post(web, fields).status_code == 200


def bodies(db: Database, world: World) -> list[str]:
    inbound = select(ChatMessage.body).where(ChatMessage.direction == "in").order_by(ChatMessage.id)
    with db.tenant(world.north.tenant_id) as session:
        return list(session.scalars(inbound))


def lose(twilio: TwilioStandIn, world: World, body: str, sender: str = CUSTOMER_PHONE) -> TwilioMessage:
    return twilio.lose_inbound(sender, world.north.phone, body)


def test_what_is_too_old_is_told_to_the_shop_and_not_answered(
    runtime: Runtime, world: World, db: Database, clock: FixedClock, twilio: TwilioStandIn
) -> None:
    with db.tenant(world.north.tenant_id) as session:
        session.add(
            TouchPoint(
                tenant_id=world.north.tenant_id, lead_id=world.north.lead_id, session_id=world.north.session_id,
                plan="default", cadence_run=1, step=3, channel="sms", template="times", due_at=clock.now(), local_time="x",
            )
        )  # fmt: skip
    lose(twilio, world, "Can I come today?")
    clock.advance(timedelta(hours=13))
    assert look(runtime, world) == "1 recovered"
    with db.tenant(world.north.tenant_id) as session:
        message = session.scalars(select(ChatMessage).where(ChatMessage.direction == "in")).one()
        assert message.kind == "inbound"
        assert session.get_one(ChatSession, world.north.session_id).answer_due_at is None
        notice = session.scalars(select(ChatMessage).where(ChatMessage.kind == "notice")).one()
        assert "Dana wrote on Mon, Nov 23 at 9:00 AM" in notice.body
        assert "Can I come today?" in notice.body
        assert session.scalars(select(TouchPoint.status)).one() == "paused"
        assert session.scalars(select(ConsentEvent.evidence)).all() == ["Can I come today?"]


def test_an_old_text_takes_no_answer_away_from_a_new_one(
    runtime: Runtime, web: FlaskClient, world: World, db: Database, clock: FixedClock, twilio: TwilioStandIn
) -> None:
    lose(twilio, world, "old")
    clock.advance(timedelta(hours=13))
    fresh = form(world, "new", "SM" + "9" * 32)
    assert post(web, fresh).status_code == 200
    with db.tenant(world.north.tenant_id) as session:
        before = session.get_one(ChatSession, world.north.session_id)
    assert look(runtime, world) == "1 recovered"
    with db.tenant(world.north.tenant_id) as session:
        after = session.get_one(ChatSession, world.north.session_id)
        assert (after.last_inbound_id, after.answer_due_at) == (before.last_inbound_id, before.answer_due_at)


def test_a_late_text_stands_where_it_was_written_and_says_so(
    runtime: Runtime, web: FlaskClient, world: World, db: Database, clock: FixedClock, twilio: TwilioStandIn
) -> None:
    lose(twilio, world, "one")
    clock.advance(timedelta(minutes=10))
    assert post(web, form(world, "two", "SM" + "9" * 32)).status_code == 200
    clock.advance(timedelta(minutes=10))
    assert look(runtime, world) == "1 recovered"
    assert bodies(db, world) == ["two", "one"]
    with db.tenant(world.north.tenant_id) as session:
        assert [line.body for line in read_transcript(session, world.north.lead_id)] == ["one", "two"]
        late = session.scalars(select(ChatMessage).where(ChatMessage.body == "one")).one()
        assert "reached us late" in spoken(late)
        assert "reached us late" not in spoken(
            session.scalars(select(ChatMessage).where(ChatMessage.body == "two")).one()
        )


def test_a_lost_stop_is_obeyed_however_old_and_a_lost_start_undoes_no_later_stop(
    runtime: Runtime, web: FlaskClient, world: World, db: Database, clock: FixedClock, twilio: TwilioStandIn
) -> None:
    lose(twilio, world, "START")
    clock.advance(timedelta(minutes=5))
    assert post(web, form(world, "STOP", "SM" + "9" * 32)).status_code == 200
    clock.advance(ROUND)
    assert look(runtime, world) == "1 recovered"
    lose(twilio, world, "STOP", STRANGER)
    clock.advance(timedelta(hours=14))
    assert look(runtime, world) == "1 recovered"
    with db.tenant(world.north.tenant_id) as session:
        for phone in (CUSTOMER_PHONE, STRANGER):
            assert is_opted_out(session, world.north.tenant_id, "sms", phone)
