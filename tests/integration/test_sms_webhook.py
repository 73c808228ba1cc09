"""The inbound text: signatures, exactly-once storage, stop words, the burst, the strangers."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from twilio.request_validator import RequestValidator

from app import create_app
from channels.sms.signature import SignatureCheck
from crm.consents import has_grant, is_opted_out
from crm.db import Database
from crm.models import (
    Appointment,
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
from tests.runtimes import PUBLIC, TOKEN, runtime_for

URL = "/hooks/twilio/sms"
SID = "SM" + "0" * 31


@pytest.fixture
def runtime(test_database: TestDatabase, redis_url: str, clock: FixedClock) -> Iterator[Runtime]:
    with runtime_for(test_database, redis_url, clock) as made:
        yield made


@pytest.fixture
def web(runtime: Runtime) -> FlaskClient:
    return create_app(runtime).test_client()


def form(world: World, body: str = "hi", sid: str = SID + "1", **more: str) -> dict[str, str]:
    return {
        "MessageSid": sid, "AccountSid": "AC" + "0" * 32, "From": CUSTOMER_PHONE, "To": world.north.phone,
        "Body": body, "NumMedia": "0", "FromCity": "", **more,
    }  # fmt: skip


def post(web: FlaskClient, fields: dict[str, str], url: str = URL, token: str = TOKEN) -> Any:
    signature = RequestValidator(token).compute_signature(PUBLIC + url, fields)
    return web.post(url, data=fields, headers={"X-Twilio-Signature": signature})


VECTOR = {
    "CallSid": "CA1234567890ABCDE", "Caller": "+14158675309", "Digits": "1234", "From": "+14158675309",
    "To": "+18005551212",
}  # fmt: skip


@pytest.mark.parametrize(
    ("base", "fields", "signature"),
    [
        ("https://mycompany.com", VECTOR, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("https://mycompany.com:443", VECTOR, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("http://mycompany.com:1234", VECTOR, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        ("http://mycompany.com:80", VECTOR, "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        ("https://mycompany.com", {**VECTOR, "From": "+12349013030", "Caller": "+12349013030"}, "0/KCTR6DLpKmkAf8muzZqo1nDgQ="),
        (
            "https://mycompany.com",
            {"Sid": "CA123", "SidAccount": "AC123", "Digits": ["5678", "1234", "1234"]},
            "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
        ),
    ],
)  # fmt: skip
def test_published_signature_vectors(base: str, fields: dict[str, Any], signature: str) -> None:
    app = Flask("vectors")
    check = SignatureCheck(base, [TOKEN])
    for given, expected in ((signature, True), (signature[:-2] + "A=", False)):
        with app.test_request_context(
            "/myapp.php?foo=1&bar=2", method="POST", data=fields, headers={"X-Twilio-Signature": given}
        ):
            from flask import request

            assert check.is_valid(request) is expected


def test_our_own_vector_with_empty_fields_and_emoji() -> None:
    fields = {
        "AccountSid": "AC" + "0" * 32, "Body": "Yes – 9am 👍", "From": "+14155550100", "FromCity": "",
        "MessageSid": "SM" + "0" * 32, "NumMedia": "0", "To": "+14155550199",
    }  # fmt: skip
    with Flask("v").test_request_context(
        "/sms/inbound",
        method="POST",
        data=fields,
        headers={"X-Twilio-Signature": "12R1TNuE+SEoiiTozrdEuxONVYE="},
    ):
        from flask import request

        assert SignatureCheck("https://hooks.example.com", [TOKEN]).is_valid(request)


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


def _broken(fields: dict[str, str], how: str) -> tuple[dict[str, str], dict[str, str], str]:
    """The request after one thing about it was changed: (fields, headers, url)."""
    good = RequestValidator(TOKEN).compute_signature(PUBLIC + URL, fields)
    headers = {"X-Twilio-Signature": good}
    url = URL
    if how == "no header":
        headers = {}
    elif how == "empty header":
        headers = {"X-Twilio-Signature": ""}
    elif how == "wrong token":
        headers = {"X-Twilio-Signature": RequestValidator("54321").compute_signature(PUBLIC + URL, fields)}
    elif how == "body changed":
        fields = {**fields, "Body": "other"}
    elif how == "sender changed":
        fields = {**fields, "From": "+13125550000"}
    elif how == "parameter added":
        fields = {**fields, "Extra": "1"}
    elif how == "parameter removed":
        fields = {key: value for key, value in fields.items() if key != "FromCity"}
    elif how == "other url":
        headers = {"X-Twilio-Signature": RequestValidator(TOKEN).compute_signature(PUBLIC + "/other", fields)}
    elif how == "query added":
        url = URL + "?x=1"
    elif how == "signature cut":
        headers = {"X-Twilio-Signature": good[:-1]}
    elif how == "not base64":
        headers = {"X-Twilio-Signature": "é" * 5}
    elif how == "body hash trick":
        # A query naming bodySHA256 makes the SDK's validator check the URL only, if the caller lets it.
        url = URL + "?bodySHA256=" + "0" * 64
        headers = {"X-Twilio-Signature": RequestValidator(TOKEN).compute_signature(PUBLIC + url, {})}
    return fields, headers, url


@pytest.mark.parametrize(
    "how",
    [
        "no header", "empty header", "wrong token", "body changed", "sender changed", "parameter added",
        "parameter removed", "other url", "query added", "signature cut", "not base64", "body hash trick",
    ],
)  # fmt: skip
def test_every_way_of_breaking_a_signature_is_refused(
    how: str, web: FlaskClient, world: World, db: Database
) -> None:
    fields, headers, url = _broken(form(world), how)
    assert web.post(url, data=fields, headers=headers).status_code == 403
    with db.tenant(world.north.tenant_id) as session:
        assert session.scalar(select(func.count()).select_from(ChatMessage)) == 0


def test_during_a_rotation_both_tokens_sign(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World
) -> None:
    with runtime_for(
        test_database, redis_url, clock, twilio_auth_token="new", twilio_auth_token_previous=TOKEN
    ) as runtime:
        web = create_app(runtime).test_client()
        assert post(web, form(world, sid=SID + "1"), token="new").status_code == 200
        assert post(web, form(world, sid=SID + "2"), token=TOKEN).status_code == 200
        assert post(web, form(world, sid=SID + "3"), token="other").status_code == 403


def test_without_any_token_nothing_is_accepted(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World
) -> None:
    with runtime_for(test_database, redis_url, clock, twilio_auth_token=None) as runtime:
        assert post(create_app(runtime).test_client(), form(world), token="").status_code == 403


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


@pytest.mark.parametrize(("sender", "to"), [("72345", None), (CUSTOMER_PHONE, "+19995550000")])
def test_what_belongs_to_no_conversation_is_quarantined(
    sender: str, to: str | None, web: FlaskClient, world: World, db: Database
) -> None:
    fields = {**form(world), "From": sender, "To": to or world.north.phone}
    assert [post(web, fields).status_code for _ in range(2)] == [200, 200]
    with db.system() as session:
        assert session.scalars(select(WebhookEvent.status)).all() == ["quarantined"]


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
        # A phrase is nothing Twilio acts on, so its one confirmation is ours.
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
