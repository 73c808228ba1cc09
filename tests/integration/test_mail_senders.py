"""Each tenant's mail goes through its own SendGrid key or subuser where it has one; webhooks go by its own keys."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from channels.carrier import CarrierError
from channels.email.accounts import Account, TenantMailSenders
from channels.email.sender import LocalEmailSender, SendGridSender
from channels.outcomes import LOOKS, NOT_KNOWN
from crm.db import Database, make_engine
from crm.mail_accounts import (
    HookAccount,
    add_hook_key,
    credentials_of,
    forget_old_keys,
    hook_keys,
    hook_token,
    remove_account,
    set_account,
)
from ops.clock import FixedClock
from ops.secrets import SecretBox, SecretsError
from scheduler.runtime import Runtime
from scheduler.senders import email_sender
from tests.conftest import Shop, TestDatabase, World
from tests.integration.talking import message_of, outgoing, put
from tests.runtimes import INBOUND_TOKEN, KEY, FakeSender, runtime_for, settings_for
from tests.standins.sendgrid import SendGridStandIn
from tests.unit.test_email_sender import MESSAGE

BOX = SecretBox(KEY)
Open = Callable[..., Runtime]


@pytest.fixture
def sendgrid() -> Iterator[SendGridStandIn]:
    with SendGridStandIn(api_key="SG.own", subusers=["north"]) as running:
        yield running


@pytest.fixture
def open_with(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, sendgrid: SendGridStandIn
) -> Iterator[Open]:
    made: list[Any] = []

    def open_(**given: Any) -> Runtime:
        settings = {"sendgrid_api_base": sendgrid.url, "sms": FakeSender(), **given}
        made.append(runtime_for(test_database, redis_url, clock, **settings))
        runtime = made[-1].__enter__()
        assert isinstance(runtime, Runtime)
        return runtime

    yield open_
    for one in made:
        one.__exit__(None, None, None)


def connect(db: Database, shop: Shop, **given: Any) -> str:
    with db.tenant(shop.tenant_id) as session:
        return set_account(session, shop.tenant_id, BOX, **given)


def mail(db: Database, shop: Shop, clock: FixedClock) -> int:
    return put(db, shop, clock.now(), channel="email")


def test_one_shop_has_its_own_key_and_the_other_the_installations(
    open_with: Open, db: Database, world: World, clock: FixedClock, sendgrid: SendGridStandIn
) -> None:
    runtime = open_with()
    connect(db, world.north, api_key="SG.own", sender_domain="north-tint.example")
    north, south = (mail(db, shop, clock) for shop in (world.north, world.south))
    assert runtime.outbox.deliver(world.north.tenant_id, north) == "sent"
    assert runtime.outbox.deliver(world.south.tenant_id, south) == "sent"
    (sent,) = sendgrid.mails
    row = message_of(db, world.north, north)
    assert (row.carrier, row.carrier_id) == ("sendgrid", sent.x_message_id)
    assert sent.from_ == "shop@north-tint.example"
    assert sent.body["reply_to"]["email"].endswith("@north.example")
    assert sent.headers["Message-ID"] == row.rfc_message_id == f"<{row.outbox_id}@north-tint.example>"
    assert message_of(db, world.south, south).carrier == "local"


def test_a_subuser_is_served_by_the_installations_key(
    open_with: Open, db: Database, world: World, clock: FixedClock, sendgrid: SendGridStandIn
) -> None:
    runtime = open_with(sendgrid_api_key="SG.own")
    connect(db, world.north, subuser="north")
    for shop in (world.north, world.south):
        assert runtime.outbox.deliver(shop.tenant_id, mail(db, shop, clock)) == "sent"
    assert [one.subuser for one in sendgrid.mails] == ["north", ""]
    connect(db, world.north, subuser="gone")
    message_id = mail(db, world.north, clock)
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "pending"
    assert message_of(db, world.north, message_id).error_code == "403"


def test_a_changed_key_counts_at_the_next_try(
    open_with: Open, db: Database, world: World, clock: FixedClock, sendgrid: SendGridStandIn
) -> None:
    runtime = open_with()
    connect(db, world.north, api_key="SG.old")
    message_id = mail(db, world.north, clock)
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "pending"
    row = message_of(db, world.north, message_id)
    assert "the shop's own SendGrid key" in str(row.error)
    assert connect(db, world.north, api_key="SG.own") == "changed"
    assert row.send_after is not None
    clock.advance(row.send_after - clock.now())
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "sent"
    with db.tenant(world.north.tenant_id) as session:
        remove_account(session)
    assert runtime.outbox.deliver(world.north.tenant_id, mail(db, world.north, clock)) == "sent"
    assert len(sendgrid.mails) == 1, "the installation has no key, so the second one stayed here"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ({"api_key": "SG.own"}, "a stored secret cannot be read"),
        ({"subuser": "north"}, "neither it nor the installation"),
    ],
)
def test_an_account_that_cannot_be_used_is_the_owners_business_and_nothing_is_in_doubt(
    open_with: Open, db: Database, world: World, clock: FixedClock, spoil: dict[str, str], said: str
) -> None:
    runtime = open_with(encryption_key="7n2VWmqAjWTTIEuCWwNNm5ZQTlEVgyOk2mUqySpTrSY=")
    connect(db, world.north, **spoil)
    message_id = mail(db, world.north, clock)
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "pending"
    assert said in str(message_of(db, world.north, message_id).error)


def test_a_database_that_is_away_leaves_the_mail_for_later(
    test_database: TestDatabase, redis_url: str
) -> None:
    settings = settings_for(test_database, redis_url, sendgrid_api_key="SG.x")
    senders = email_sender(settings, Database(make_engine("postgresql://a:b@127.0.0.1:1/nothing")))
    with pytest.raises(CarrierError) as caught:
        senders.send(replace(MESSAGE, tenant_id=7))
    assert caught.value.kind == "transient"
    assert senders.sender_of(None) is senders.default


def test_an_account_keeps_its_sender_and_each_thread_its_client(sendgrid: SendGridStandIn) -> None:
    account = [Account(api_key="SG.own")]
    made: list[Account] = []

    def make(one: Account) -> SendGridSender:
        made.append(one)
        return SendGridSender(one.api_key or "", sendgrid.url)

    senders = TenantMailSenders(LocalEmailSender(), lambda _: account[0], make)
    first = senders.sender_of(1)
    assert senders.sender_of(1) is first
    assert senders.sender_of(2) is not first
    clients: list[int] = []
    threads = [threading.Thread(target=lambda: clients.append(id(first._client()))) for _ in range(2)]  # type: ignore[union-attr]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len({*clients, id(first._client())}) == 3  # type: ignore[union-attr]
    account[0] = Account(api_key="SG.new")
    assert senders.sender_of(1) is not first
    assert "SG.own" not in repr(made)


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("kind", ["reply", "touch"])
def test_a_mail_in_doubt_waits_for_its_event_and_is_never_repeated(
    open_with: Open,
    db: Database,
    world: World,
    clock: FixedClock,
    sendgrid: SendGridStandIn,
    events: bool,
    kind: str,
) -> None:
    runtime = open_with(sendgrid_api_key="SG.own", sendgrid_event_keys="a-key" if events else "")
    message_id = put(db, world.north, clock.now(), channel="email", kind=kind)
    sendgrid.fail_next(1, "accept_then_drop")
    assert runtime.outbox.deliver(world.north.tenant_id, message_id) == "unknown"
    seen = []
    for wait in LOOKS[: 3 if events else 1]:
        clock.advance(wait)
        seen.append(runtime.outbox.reconcile(world.north.tenant_id, message_id))
    assert seen == (["unknown", "unknown", "failed"] if events else ["failed"])
    row = message_of(db, world.north, message_id)
    assert row.error == NOT_KNOWN
    assert len(sendgrid.mails) == 1
    assert [one.body for one in outgoing(db, world.north, "notice") if "may not have arrived" in one.body]


def test_whose_webhook_it_is(test_database: TestDatabase, redis_url: str, db: Database, world: World) -> None:
    settings = settings_for(
        test_database, redis_url, sendgrid_inbound_keys="in", sendgrid_event_keys="ev",
        sendgrid_inbound_token_previous="the-last-one",
    )  # fmt: skip
    ours = HookAccount(None, ("in",), ("ev",))
    assert [hook_keys(db, settings, token) for token in (None, INBOUND_TOKEN, "the-last-one")] == [ours] * 3
    for unknown in ("", "x", INBOUND_TOKEN + "x", "é\udc80"[:1]):
        assert hook_keys(db, settings, unknown) is None
    connect(db, world.north, sender_domain="north.example")
    with db.tenant(world.north.tenant_id) as session:
        token = hook_token(session)
    north = world.north.tenant_id
    assert hook_keys(db, settings, token) == HookAccount(north, ("in",), ("ev",))
    connect(db, world.north, api_key="SG.own")
    assert hook_keys(db, settings, token) == HookAccount(north, (), ()), "never the installation's keys"
    with db.tenant(world.north.tenant_id) as session:
        assert [add_hook_key(session, "event", key) for key in ("a", "a", "b", "c")] == [
            True,
            False,
            True,
            True,
        ]
        assert add_hook_key(session, "inbound", "i")
    assert hook_keys(db, settings, token) == HookAccount(north, ("i",), ("c", "b"))
    with db.tenant(world.north.tenant_id) as session:
        assert (forget_old_keys(session), forget_old_keys(session)) == (True, False)
    assert hook_keys(db, settings, token) == HookAccount(north, ("i",), ("c",))
    with db.tenant(world.south.tenant_id) as session:
        assert hook_token(session) is None
        assert add_hook_key(session, "event", "x") is None
        remove_account(session)
    with db.tenant(world.north.tenant_id) as session:
        assert remove_account(session)
    assert hook_keys(db, settings, token) is None


def test_a_key_is_stored_encrypted_and_needs_the_encryption_key(db: Database, world: World) -> None:
    with db.tenant(world.north.tenant_id) as session:
        with pytest.raises(SecretsError):
            set_account(session, world.north.tenant_id, None, api_key="SG.own")
        session.rollback()
    assert connect(db, world.north, api_key="SG.own", subuser="north") == "new"
    assert connect(db, world.north, api_key="SG.own", subuser="north") == "unchanged"
    with db.tenant(world.north.tenant_id) as session:
        own = credentials_of(session, BOX)
        assert own is not None
        assert (own.api_key, own.subuser, own.sender_domain) == ("SG.own", "north", None)
        assert "SG.own" not in repr(own)
        with pytest.raises(SecretsError):
            credentials_of(session, None)
    connect(db, world.north, subuser="")
    with db.tenant(world.north.tenant_id) as session:
        own = credentials_of(session, BOX)
        assert own is not None
        assert (own.api_key, own.subuser) == ("SG.own", None)
