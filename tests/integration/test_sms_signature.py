"""Whose webhook it is: published vectors, every way of breaking one, rotation, SharedKeys, businesses' own accounts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from sqlalchemy import func, select
from twilio.request_validator import HMAC_SHA1, HMAC_SHA256, RequestValidator

from app import create_app
from channels.sms.signature import SignatureCheck
from crm.carrier_accounts import forget_previous_token, set_account, set_shared_key
from crm.db import Database
from crm.models import (
    ChatMessage,
    WebhookEvent,
)
from ops.clock import FixedClock
from ops.secrets import SecretBox
from scheduler.runtime import Runtime
from tests.conftest import TestDatabase, World
from tests.integration.sms_help import SID, URL, form, post
from tests.runtimes import KEY, PUBLIC, TOKEN, runtime_for


@pytest.fixture
def runtime(test_database: TestDatabase, redis_url: str, clock: FixedClock) -> Iterator[Runtime]:
    with runtime_for(test_database, redis_url, clock) as made:
        yield made


@pytest.fixture
def web(runtime: Runtime) -> FlaskClient:
    return create_app(runtime).test_client()


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
        assert SignatureCheck("https://hooks.example.com", [TOKEN]).is_valid(request)


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


SHARED = ("webhooks_sharedkey_1", "shared-secret")


def _shared(web: FlaskClient, fields: dict[str, str], settings: str, key: str, algorithm: str) -> int:
    signature = RequestValidator(key).compute_signature(PUBLIC + URL, fields, algorithm)
    headers = {"X-Twilio-Signature": signature, "X-Twilio-Webhooks-Signature-Settings": settings}
    return web.post(URL, data=fields, headers=headers).status_code


def test_the_shared_key_vector() -> None:
    check = SignatureCheck("https://mycompany.com", [], {SHARED[0]: TOKEN})
    headers = {
        "X-Twilio-Signature": "033hgUJA9M/hXIZsYjwkerEP/DBm35nEri5FhCYjA5s=",
        "X-Twilio-Webhooks-Signature-Settings": f"key={SHARED[0]},algorithm=HMAC_SHA256",
    }
    with Flask("v").test_request_context(
        "/myapp.php?foo=1&bar=2", method="POST", data=VECTOR, headers=headers
    ):
        assert check.is_valid(request)


@pytest.mark.parametrize(
    ("settings", "key", "algorithm", "code"),
    [
        ("key=webhooks_sharedkey_1,algorithm=HMAC_SHA256", SHARED[1], HMAC_SHA256, 200),
        (" algorithm=hmac_sha256 , key=webhooks_sharedkey_1", SHARED[1], HMAC_SHA256, 200),
        ("key=webhooks_sharedkey_1,algorithm=HMAC_SHA256", "another", HMAC_SHA256, 403),
        ("key=webhooks_sharedkey_2,algorithm=HMAC_SHA256", SHARED[1], HMAC_SHA256, 403),
        # The header is not signed: it must not choose a weaker way, nor a token as a key.
        ("key=webhooks_sharedkey_1,algorithm=HMAC_SHA1", SHARED[1], HMAC_SHA1, 403),
        ("key=webhooks_sharedkey_1", SHARED[1], HMAC_SHA1, 403),
        ("key=,algorithm=HMAC_SHA256", "", HMAC_SHA256, 403),
        ("key=webhooks_sharedkey_1,algorithm=HMAC_SHA256", TOKEN, HMAC_SHA256, 403),
        ("algorithm=HMAC_SHA256", TOKEN, HMAC_SHA256, 403),
        ("key=webhooks_sharedkey_1,algorithm=MD5", SHARED[1], HMAC_SHA256, 403),
        ("nonsense", SHARED[1], HMAC_SHA256, 403),
    ],
)
def test_a_shared_key_signs_only_in_its_own_way(
    settings: str, key: str, algorithm: str, code: int,
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World,
) -> None:  # fmt: skip
    given = {"twilio_shared_key_id": SHARED[0], "twilio_shared_key": SHARED[1]}
    with runtime_for(test_database, redis_url, clock, **given) as runtime:
        web = create_app(runtime).test_client()
        assert _shared(web, form(world), settings, key, algorithm) == code
        # The token goes on signing beside it.
        assert post(web, form(world, sid=SID + "9")).status_code == 200


OWN = "AC" + "a1" * 16


def own_account(db: Database, world: World, token: str = "own-token") -> None:
    with db.tenant(world.north.tenant_id) as session:
        set_account(session, world.north.tenant_id, SecretBox(KEY), OWN, token)


def test_a_business_with_its_own_account_is_known_by_its_token(
    web: FlaskClient, world: World, db: Database, owner_engine: Any
) -> None:
    own_account(db, world)
    ours = form(world, sid=SID + "1", AccountSid=OWN)
    assert post(web, ours, token="own-token").status_code == 200
    assert post(web, {**ours, "MessageSid": SID + "2"}, token="wrong").status_code == 403
    # The installation's own token may speak for everybody, whatever account it names.
    assert post(web, {**ours, "MessageSid": SID + "3"}).status_code == 200
    # An account's token under another account's name is nobody's.
    assert post(web, form(world, sid=SID + "4"), token="own-token").status_code == 403
    unknown = form(world, sid=SID + "5", AccountSid="AC" + "b" * 32)
    assert post(web, unknown, token="own-token").status_code == 403
    with owner_engine.connect() as connection:
        stored = connection.exec_driver_sql("select auth_token_encrypted from carrier_accounts").scalar_one()
        assert b"own-token" not in bytes(stored)
    with db.tenant(world.north.tenant_id) as session:
        assert session.scalars(select(ChatMessage.carrier_id).order_by(ChatMessage.id)).all() == [
            SID + "1", SID + "3",
        ]  # fmt: skip


def test_one_business_cannot_put_words_into_another_ones_conversations(
    web: FlaskClient, world: World, db: Database
) -> None:
    own_account(db, world)
    forged = {**form(world, "cancel everything", AccountSid=OWN), "To": world.south.phone}
    assert post(web, forged, token="own-token").status_code == 200
    with db.tenant(world.south.tenant_id) as session:
        assert session.scalar(select(func.count()).select_from(ChatMessage)) == 0
    with db.system() as session:
        event = session.scalars(select(WebhookEvent)).one()
        assert (event.status, event.tenant_id) == ("quarantined", None)


def test_both_tokens_of_a_business_sign_until_the_old_one_is_forgotten(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, db: Database
) -> None:
    own_account(db, world, "first")
    with runtime_for(test_database, redis_url, clock) as runtime:
        web = create_app(runtime).test_client()

        def code(token: str, number: int) -> int:
            return post(web, form(world, sid=f"{SID}{number}", AccountSid=OWN), token=token).status_code

        assert code("first", 1) == 200
        own_account(db, world, "second")
        # Another process replaced it: what was remembered is looked up once more before a text is refused.
        assert _until(lambda: code("second", 2) == 200)
        assert code("first", 3) == 200
        with db.tenant(world.north.tenant_id) as session:
            assert forget_previous_token(session)
            assert not forget_previous_token(session)
            assert set_shared_key(session, SecretBox(KEY), *SHARED)
        fresh = create_app(runtime).test_client()
        fields = form(world, sid=SID + "4", AccountSid=OWN)
        assert post(fresh, fields, token="first").status_code == 403
        settings = f"key={SHARED[0]},algorithm=HMAC_SHA256"
        assert _shared(fresh, fields, settings, SHARED[1], HMAC_SHA256) == 200


def _until(done: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if done():
            return True
        time.sleep(0.05)
    return False


def test_a_token_that_cannot_be_read_asks_twilio_to_come_again(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, db: Database
) -> None:
    own_account(db, world)
    with runtime_for(test_database, redis_url, clock, encryption_key=None) as runtime:
        web = create_app(runtime).test_client()
        assert post(web, form(world, AccountSid=OWN), token="own-token").status_code == 503
        assert post(web, form(world)).status_code == 200
