"""Stop, start and help by text: obeyed at once, confirmed by exactly one party, told to the shop."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app import create_app
from crm.consents import is_opted_out
from crm.db import Database
from crm.models import (
    Appointment,
    ChatMessage,
    ChatSession,
    Lead,
)
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_PHONE, TestDatabase, World
from tests.integration.sms_help import SID, form, post
from tests.runtimes import runtime_for


@pytest.fixture
def runtime(test_database: TestDatabase, redis_url: str, clock: FixedClock) -> Iterator[Runtime]:
    with runtime_for(test_database, redis_url, clock) as made:
        yield made


@pytest.fixture
def web(runtime: Runtime) -> FlaskClient:
    return create_app(runtime).test_client()


def test_stop_is_obeyed_at_once_on_all_channels_and_only_at_this_business(
    web: FlaskClient, world: World, db: Database
) -> None:
    post(web, form(world, "STOP"))
    with db.tenant(world.north.tenant_id) as session:
        assert is_opted_out(session, world.north.tenant_id, "sms", CUSTOMER_PHONE)
        assert is_opted_out(session, world.north.tenant_id, "email", "dana@example.com")
        assert session.get_one(Lead, world.north.lead_id).status == "opted_out"
        assert session.get_one(ChatSession, world.north.session_id).answer_due_at is None
        # No Twilio account is configured here, so nobody else would confirm it.
        confirmation = session.scalars(select(ChatMessage).where(ChatMessage.direction == "out")).one()
        assert confirmation.kind == "consent"
        assert "unsubscribed" in confirmation.body
    with db.tenant(world.south.tenant_id) as session:
        assert not is_opted_out(session, world.south.tenant_id, "sms", CUSTOMER_PHONE)


def test_a_keyword_that_the_carrier_answers_is_not_answered_twice(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, db: Database
) -> None:
    with runtime_for(test_database, redis_url, clock, twilio_account_sid="AC" + "0" * 32) as runtime:
        web = create_app(runtime).test_client()
        post(web, form(world, "STOP", sid=SID + "1"))
        post(web, form(world, "HELP", sid=SID + "2"))
        with db.tenant(world.north.tenant_id) as session:
            assert session.scalars(select(ChatMessage).where(ChatMessage.direction == "out")).all() == []
        # A phrase is nothing Twilio acts on, so its one confirmation is ours. A second stop would get none.
        post(web, form(world, "START", sid=SID + "4"))
        post(web, form(world, "stop texting me", sid=SID + "3"))
        with db.tenant(world.north.tenant_id) as session:
            assert [
                m.kind for m in session.scalars(select(ChatMessage).where(ChatMessage.direction == "out"))
            ] == ["consent"]


def test_start_undoes_a_stop_and_help_answers(web: FlaskClient, world: World, db: Database) -> None:
    for number, words in enumerate(("STOP", "START", "HELP")):
        post(web, form(world, words, sid=f"{SID}{number}"))
    with db.tenant(world.north.tenant_id) as session:
        assert not is_opted_out(session, world.north.tenant_id, "sms", CUSTOMER_PHONE)
        answers = session.scalars(
            select(ChatMessage.body).where(ChatMessage.direction == "out").order_by(ChatMessage.id)
        ).all()
        assert len(answers) == 3
        assert "North Tint" in answers[2]


def test_cancel_with_an_appointment_is_obeyed_and_the_shop_is_told(
    web: FlaskClient, world: World, db: Database, clock: FixedClock
) -> None:
    with db.tenant(world.north.tenant_id) as session:
        session.add(
            Appointment(
                tenant_id=world.north.tenant_id, location_id=world.north.location_id, bay_id=world.north.bay_ids[0],
                lead_id=world.north.lead_id, service_ids=[1], starts_at=clock.now() + timedelta(days=1),
                ends_at=clock.now() + timedelta(days=1, hours=2), source="test",
            )
        )  # fmt: skip
    post(web, form(world, "CANCEL"))
    with db.tenant(world.north.tenant_id) as session:
        assert is_opted_out(session, world.north.tenant_id, "sms", CUSTOMER_PHONE)
        assert session.scalars(select(Appointment.status)).one() == "booked"
        notice = session.scalars(select(ChatMessage).where(ChatMessage.kind == "notice")).one()
        assert "Tue, Nov 24" in notice.body
        assert notice.to_address != CUSTOMER_PHONE
