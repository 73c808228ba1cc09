"""`leads connect`: a location gets its number, mailbox and CRM; what another one has is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from click.testing import Result
from sqlalchemy import select

from crm.carrier_accounts import Credentials, credentials_of
from crm.db import Database
from crm.models import Location, TenantCrmConfig
from ops.clock import FixedClock
from ops.secrets import SecretBox
from tests.conftest import TestDatabase, World
from tests.integration.calendar_commands_help import refused, running
from tests.runtimes import INBOUND_TOKEN, KEY

Run = Callable[..., Result]


@pytest.fixture
def run(test_database: TestDatabase, clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    for name, value in {
        "PUBLIC_BASE_URL": "https://leads.example.com",
        "TWILIO_PHONE_NUMBER": "(312) 555-0123",
        "SENDGRID_INBOUND_TOKEN": INBOUND_TOKEN,
        "SHOPMONKEY_API_KEY": "the-key",
        "ENCRYPTION_KEY": KEY,
    }.items():
        monkeypatch.setenv(name, value)
    yield from running(test_database, clock, monkeypatch)


def test_a_location_is_connected_and_the_addresses_are_said(run: Run, db: Database, world: World) -> None:
    options = ("--tenant", "north", "--mailbox", "Leads@Reply.example", "--crm-location", "loc-1")
    said = run("connect", *options)
    assert said.exit_code == 0, said.output
    with db.tenant(world.north.tenant_id) as session:
        location = session.get_one(Location, world.north.location_id)
        assert (location.phone, location.mailbox) == (world.north.phone, "leads@reply.example")
        assert location.crm_location_id == "loc-1"
        config = session.scalars(select(TenantCrmConfig)).one()
        assert SecretBox(KEY).decrypt(config.api_key_encrypted) == "the-key"
        assert b"the-key" not in config.api_key_encrypted
    for path in (
        "twilio/sms#rc=2&rp=ct,rt,5xx",
        "twilio/sms/fallback",
        f"sendgrid/inbound/{INBOUND_TOKEN}",
        f"shopmonkey/{config.hook_token}",
    ):
        assert f"https://leads.example.com/hooks/{path}\n" in said.output
    assert run("connect", "--tenant", "north").output.count(config.hook_token) == 1
    with db.tenant(world.south.tenant_id) as session:
        assert session.get_one(Location, world.south.location_id).phone == world.south.phone
        assert session.scalars(select(TenantCrmConfig)).all() == []


def test_the_number_of_the_environment_is_for_a_location_that_has_none(
    run: Run, db: Database, world: World
) -> None:
    with db.tenant(world.north.tenant_id) as session:
        session.get_one(Location, world.north.location_id).phone = None
    assert run("connect", "--tenant", "north").exit_code == 0
    with db.tenant(world.north.tenant_id) as session:
        assert session.get_one(Location, world.north.location_id).phone == "+13125550123"
    # The other shop has a number of its own: neither is it taken away, nor is "another has that number" in the way.
    said = run("connect", "--tenant", "south", "--mailbox", "leads@south.example")
    assert said.exit_code == 0, said.output
    with db.tenant(world.south.tenant_id) as session:
        assert session.get_one(Location, world.south.location_id).phone == world.south.phone
    assert run("connect", "--tenant", "south", "--phone", "(312) 555-0177").exit_code == 0
    with db.tenant(world.south.tenant_id) as session:
        assert session.get_one(Location, world.south.location_id).phone == "+13125550177"


def test_what_another_shop_has_is_refused(run: Run, db: Database, world: World) -> None:
    assert "has that number or mailbox" in refused(
        run, "connect", "--tenant", "north", "--phone", world.south.phone
    )
    assert "no valid phone number" in refused(run, "connect", "--tenant", "north", "--phone", "12")
    assert "no mailbox" in refused(run, "connect", "--tenant", "north", "--mailbox", "a+b@c.example")
    assert "no location 'elsewhere'" in refused(
        run, "connect", "--tenant", "north", "--location", "elsewhere"
    )
    with db.tenant(world.north.tenant_id) as session:
        assert session.get_one(Location, world.north.location_id).phone == world.north.phone
        assert session.scalars(select(TenantCrmConfig)).all() == []


OWN = "AC" + "b" * 32


def _account(db: Database, world: World) -> Credentials | None:
    with db.tenant(world.north.tenant_id) as session:
        return credentials_of(session, SecretBox(KEY))


def test_a_business_gets_its_own_account_and_its_token_is_rotated(
    run: Run, db: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENANT_TWILIO_AUTH_TOKEN", "first-token")
    said = run("connect", "--tenant", "north", "--twilio-account", OWN, "--twilio-service", "MG" + "1" * 32)
    assert said.exit_code == 0, said.output
    account = _account(db, world)
    assert account is not None
    assert (account.account_sid, account.tokens) == (OWN, ("first-token",))
    assert account.messaging_service_sid == "MG" + "1" * 32
    assert "already" in run("connect", "--tenant", "north", "--twilio-account", OWN).output
    monkeypatch.setenv("TENANT_TWILIO_AUTH_TOKEN", "second-token")
    assert "old one still signs" in run("connect", "--tenant", "north", "--twilio-account", OWN).output
    account = _account(db, world)
    assert account is not None
    assert account.tokens == ("second-token", "first-token")
    assert "second-token" not in repr(account)
    monkeypatch.setenv("TENANT_TWILIO_SHARED_KEY", "the-shared-key")
    assert run("connect", "--tenant", "north", "--twilio-shared-key", "key-1").exit_code == 0
    assert "forgotten" in run("connect", "--tenant", "north", "--forget-old-token").output
    account = _account(db, world)
    assert account is not None
    assert (account.tokens, account.shared_key_id, account.shared_key) == (
        ("second-token",), "key-1", "the-shared-key",
    )  # fmt: skip
    assert run("connect", "--tenant", "north", "--twilio-service", "none").exit_code == 0
    assert "back to the account" in run("connect", "--tenant", "north", "--no-twilio-account").output
    assert _account(db, world) is None


def test_what_is_no_account_of_this_business_is_refused(
    run: Run, db: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENANT_TWILIO_AUTH_TOKEN", "token")
    assert "no account SID" in refused(run, "connect", "--tenant", "north", "--twilio-account", "AC1")
    assert "no Twilio account of its own" in refused(
        run, "connect", "--tenant", "north", "--twilio-service", "none"
    )
    assert (
        run("connect", "--tenant", "south", "--phone", "+13125550102", "--twilio-account", OWN).exit_code == 0
    )
    assert "another business has that Twilio account" in refused(
        run, "connect", "--tenant", "north", "--twilio-account", OWN
    )
    monkeypatch.setenv("ENCRYPTION_KEY", "")
    monkeypatch.setenv("SHOPMONKEY_API_KEY", "")
    assert "ENCRYPTION_KEY" in refused(
        run, "connect", "--tenant", "north", "--twilio-account", "AC" + "c" * 32
    )
    assert _account(db, world) is None


def test_a_short_code_can_be_a_shops_number(run: Run, db: Database, world: World) -> None:
    assert run("connect", "--tenant", "north", "--phone", "72345").exit_code == 0
    with db.tenant(world.north.tenant_id) as session:
        assert session.get_one(Location, world.north.location_id).phone == "72345"
