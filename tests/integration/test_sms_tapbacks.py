"""Reactions by text: stored as what they are, answered only where silence would be rude, and never read for our words."""

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
from crm.models import ChatMessage, ChatSession, TouchPoint
from crm.transcripts import read_transcript
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_PHONE, TestDatabase, World
from tests.integration.sms_help import form, post
from tests.runtimes import runtime_for


@pytest.fixture
def runtime(test_database: TestDatabase, redis_url: str, clock: FixedClock) -> Iterator[Runtime]:
    with runtime_for(test_database, redis_url, clock) as made:
        yield made


@pytest.fixture
def web(runtime: Runtime) -> FlaskClient:
    return create_app(runtime).test_client()


def test_a_like_of_a_statement_is_stored_and_changes_nothing(
    web: FlaskClient, world: World, db: Database, clock: FixedClock
) -> None:
    with db.tenant(world.north.tenant_id) as session:
        session.add(
            TouchPoint(
                tenant_id=world.north.tenant_id, lead_id=world.north.lead_id, session_id=world.north.session_id,
                plan="default", cadence_run=1, step=3, channel="sms", template="times", due_at=clock.now(), local_time="x",
            )
        )  # fmt: skip
    text = "Liked “You are booked. Reply STOP to opt out.”"
    assert post(web, form(world, text)).status_code == 200
    with db.tenant(world.north.tenant_id) as session:
        message = session.scalars(select(ChatMessage)).one()
        assert (message.kind, message.body, message.body_full) == ("automatic", "[reacted with 👍]", text)
        assert message.raw is not None
        assert message.raw["Body"] == text
        chat = session.get_one(ChatSession, world.north.session_id)
        assert (chat.answer_due_at, chat.last_inbound_id) == (None, None)
        assert session.scalars(select(TouchPoint.status)).one() == "planned"
        assert not is_opted_out(session, world.north.tenant_id, "sms", CUSTOMER_PHONE)
        (line,) = read_transcript(session, world.north.lead_id)
        assert (line.body, line.body_full) == ("[reacted with 👍]", text)


def test_a_like_of_a_question_is_answered_without_our_words_in_it(
    web: FlaskClient, world: World, db: Database, clock: FixedClock
) -> None:
    text = "Liked “Does Tue, Nov 24 at 9:00 AM work? Reply STOP to opt out.”"
    assert post(web, form(world, text)).status_code == 200
    with db.tenant(world.north.tenant_id) as session:
        message = session.scalars(select(ChatMessage)).one()
        assert message.kind == "inbound"
        assert "9:00" not in spoken(message)
        assert "STOP" not in spoken(message)
        assert "confirms nothing" in spoken(message)
        chat = session.get_one(ChatSession, world.north.session_id)
        assert chat.answer_due_at == clock.now() + timedelta(seconds=3)
        assert not is_opted_out(session, world.north.tenant_id, "sms", CUSTOMER_PHONE)
