"""The inbound text: stored exactly once with all it says, owed an answer, in the right conversation."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient
from sqlalchemy import func, select
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from app import create_app
from crm.consents import has_grant
from crm.db import Database
from crm.media import spoken
from crm.models import (
    ChatMessage,
    ChatSession,
    ConsentEvent,
    Lead,
    TouchPoint,
    WebhookEvent,
)
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_PHONE, TestDatabase, World
from tests.integration.sms_help import SID, URL, form, post
from tests.runtimes import PUBLIC, TOKEN, runtime_for


@pytest.fixture
def runtime(test_database: TestDatabase, redis_url: str, clock: FixedClock) -> Iterator[Runtime]:
    with runtime_for(test_database, redis_url, clock) as made:
        yield made


@pytest.fixture
def web(runtime: Runtime) -> FlaskClient:
    return create_app(runtime).test_client()


def test_a_signed_text_is_stored_and_owed_an_answer(
    web: FlaskClient, world: World, db: Database, runtime: Runtime, clock: FixedClock
) -> None:
    answer = post(web, form(world, "How much for a full tint?"))
    assert answer.status_code == 200
    assert answer.mimetype == "text/xml"
    assert b"<Response></Response>" in answer.data
    with db.tenant(world.north.tenant_id) as session:
        message = session.scalars(select(ChatMessage)).one()
        assert (message.body, message.session_id, message.status) == (
            "How much for a full tint?",
            world.north.session_id,
            "received",
        )
        assert message.raw is not None
        assert message.raw["FromCity"] == ""
        chat = session.get_one(ChatSession, world.north.session_id)
        assert chat.last_inbound_id == message.id
        assert chat.answer_due_at == clock.now() + timedelta(seconds=3)
        assert has_grant(session, world.north.tenant_id, "sms", CUSTOMER_PHONE)
    with db.tenant(world.south.tenant_id) as session:
        assert session.scalar(select(func.count()).select_from(ChatMessage)) == 0
        assert session.get_one(ChatSession, world.south.session_id).answer_due_at is None
    assert runtime.queue.take_due(clock.now()) == []
    clock.advance(timedelta(seconds=3))
    assert runtime.queue.take_due(clock.now()) == [
        ("answer", world.north.tenant_id, str(world.north.session_id))
    ]


def test_the_same_message_is_stored_once(web: FlaskClient, world: World, db: Database) -> None:
    fields = form(world)
    assert [post(web, fields).status_code for _ in range(3)] == [200, 200, 200]
    with db.tenant(world.north.tenant_id) as session:
        assert session.scalar(select(func.count()).select_from(ChatMessage)) == 1


def test_the_same_message_twenty_times_in_parallel_is_stored_once(
    runtime: Runtime, world: World, db: Database
) -> None:
    app = create_app(runtime)
    for sender in (CUSTOMER_PHONE, "+13125550188"):
        fields = {**form(world, sid=SID + sender[-1]), "From": sender}
        with ThreadPoolExecutor(20) as pool:
            codes = list(
                pool.map(lambda _, fields=fields: post(app.test_client(), fields).status_code, range(20))
            )
        assert codes == [200] * 20
    with db.tenant(world.north.tenant_id) as session:
        assert session.scalar(select(func.count()).select_from(ChatMessage)) == 2
        assert session.scalar(select(func.count()).select_from(Lead)) == 2
        assert session.scalar(select(func.count()).select_from(ChatSession)) == 2


def test_a_stranger_becomes_a_lead_with_the_evidence(web: FlaskClient, world: World, db: Database) -> None:
    assert post(web, {**form(world, "Do you tint trucks?"), "From": "+13125550177"}).status_code == 200
    with db.tenant(world.north.tenant_id) as session:
        lead = session.scalars(select(Lead).where(Lead.phone == "+13125550177")).one()
        assert (lead.source, lead.status, lead.location_id) == ("text", "new", world.north.location_id)
        grant = session.scalars(select(ConsentEvent)).one()
        assert (grant.action, grant.actor, grant.evidence) == ("grant", "customer", "Do you tint trucks?")


@pytest.mark.parametrize(
    ("sender", "to", "whose"),
    [
        ("72345", None, "north"),
        ("SHOPNEWS", None, "north"),
        ("whatsapp:+13125550199", None, "north"),
        ("", None, "north"),
        (CUSTOMER_PHONE, "+19995550000", "nobody"),
    ],
)
def test_what_belongs_to_no_conversation_is_kept_aside_once(
    sender: str, to: str | None, whose: str, web: FlaskClient, world: World, db: Database
) -> None:
    fields = {**form(world, "Your code is 123456"), "From": sender, "To": to or world.north.phone}
    assert [post(web, fields).status_code for _ in range(2)] == [200, 200]
    scope = db.tenant(world.north.tenant_id) if whose == "north" else db.system()
    with scope as session:
        event = session.scalars(select(WebhookEvent)).one()
        assert event.status == "quarantined"
        assert b"Your+code+is+123456" in event.body
    with db.tenant(world.north.tenant_id) as session:
        assert session.scalar(select(func.count()).select_from(ChatMessage)) == 0


def test_a_burst_is_one_debt_that_waits_for_quiet(
    web: FlaskClient, world: World, db: Database, clock: FixedClock, runtime: Runtime
) -> None:
    start = clock.now()
    for number in range(12):
        post(web, form(world, f"part {number}", sid=f"{SID}{number}"))
        clock.advance(timedelta(seconds=2))
    with db.tenant(world.north.tenant_id) as session:
        # Everlasting bursts are answered all the same: after 20 seconds at the latest.
        assert session.get_one(ChatSession, world.north.session_id).answer_due_at == start + timedelta(
            seconds=20
        )
    clock.advance(timedelta(seconds=10))
    assert runtime.queue.take_due(clock.now()) == [
        ("answer", world.north.tenant_id, str(world.north.session_id))
    ]


def test_a_reply_pauses_the_cadence(web: FlaskClient, world: World, db: Database, clock: FixedClock) -> None:
    with db.tenant(world.north.tenant_id) as session:
        session.add(
            TouchPoint(
                tenant_id=world.north.tenant_id, lead_id=world.north.lead_id, session_id=world.north.session_id,
                plan="default", cadence_run=1, step=3, channel="sms", template="times", due_at=clock.now(), local_time="x",
            )
        )  # fmt: skip
    post(web, form(world))
    with db.tenant(world.north.tenant_id) as session:
        touch = session.scalars(select(TouchPoint)).one()
        assert (touch.status, touch.reason) == ("paused", "the customer replied")


def test_a_message_for_a_person_is_not_answered_but_told(
    web: FlaskClient, world: World, db: Database
) -> None:
    with db.tenant(world.north.tenant_id) as session:
        session.get_one(ChatSession, world.north.session_id).state = "human"
    post(web, form(world, "are you there?"))
    with db.tenant(world.north.tenant_id) as session:
        assert session.get_one(ChatSession, world.north.session_id).answer_due_at is None
        notice = session.scalars(select(ChatMessage).where(ChatMessage.kind == "notice")).one()
        assert "are you there?" in notice.body


def test_when_the_database_is_away_twilio_is_asked_to_come_again(
    world: World, runtime: Runtime, owner_engine: Any
) -> None:
    web = create_app(runtime).test_client()
    with owner_engine.begin() as connection:
        connection.exec_driver_sql("alter table chat_messages rename to chat_messages_away")
    assert post(web, form(world)).status_code == 503


def test_when_redis_is_away_the_message_is_stored_all_the_same(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, db: Database
) -> None:
    with runtime_for(test_database, redis_url, clock) as runtime:
        runtime.queue._redis = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=1)
        assert post(create_app(runtime).test_client(), form(world)).status_code == 200
        assert runtime.queue.lost == 1
    with db.tenant(world.north.tenant_id) as session:
        assert session.get_one(ChatSession, world.north.session_id).answer_due_at is not None


def test_every_parameter_is_kept(web: FlaskClient, world: World, db: Database) -> None:
    fields: dict[str, Any] = {
        **form(world, "Hi\x00 there 👍"), "AddOns": '{"status": "successful"}', "NewIn2027": "é",
        "Twice": ["b", "a"], "Nul": "a\x00b",
    }  # fmt: skip
    signature = RequestValidator(TOKEN).compute_signature(PUBLIC + URL, MultiDict(fields))
    assert web.post(URL, data=fields, headers={"X-Twilio-Signature": signature}).status_code == 200
    with db.tenant(world.north.tenant_id) as session:
        message = session.scalars(select(ChatMessage)).one()
        assert message.body == "Hi there 👍"
        assert message.raw == {**fields, "Body": "Hi there 👍", "Nul": "ab"}


def test_an_empty_text_is_a_message_too(web: FlaskClient, world: World, db: Database) -> None:
    assert post(web, form(world, "")).status_code == 200
    with db.tenant(world.north.tenant_id) as session:
        message = session.scalars(select(ChatMessage)).one()
        assert message.body == ""
        assert spoken(message) == "[sent an empty message]"
        assert session.get_one(ChatSession, world.north.session_id).answer_due_at is not None


def test_the_fallback_stores_the_text_and_keeps_what_went_wrong(
    web: FlaskClient, world: World, db: Database
) -> None:
    fields = form(world, "hello?", ErrorCode="11200", ErrorUrl=f"{PUBLIC}{URL}")
    for _ in range(2):
        assert post(web, fields, url=f"{URL}/fallback").status_code == 200
    with db.tenant(world.north.tenant_id) as session:
        message = session.scalars(select(ChatMessage)).one()
        assert message.raw is not None
        assert message.raw["ErrorCode"] == "11200"
    with db.system() as session:
        event = session.scalars(select(WebhookEvent)).one()
        assert (event.source, event.status) == ("twilio_fallback", "processed")
        assert event.note == f"Twilio's error 11200 at {PUBLIC}{URL}"


def test_the_fallback_after_the_first_address_changes_nothing(
    web: FlaskClient, world: World, db: Database
) -> None:
    assert post(web, form(world)).status_code == 200
    again = form(world, ErrorCode="11205", ErrorUrl=f"{PUBLIC}{URL}")
    assert post(web, again, url=f"{URL}/fallback").status_code == 200
    with db.tenant(world.north.tenant_id) as session:
        assert session.scalar(select(func.count()).select_from(ChatMessage)) == 1


def test_only_posts_are_taken(web: FlaskClient) -> None:
    for path in (URL, f"{URL}/fallback", "/hooks/twilio/status"):
        assert web.get(path).status_code == 405
