"""`leads connect`: a location gets its number, mailbox and CRM; what another one has is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from click.testing import Result
from sqlalchemy import select

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
        assert (location.phone, location.mailbox) == ("+13125550123", "leads@reply.example")
        assert location.crm_location_id == "loc-1"
        config = session.scalars(select(TenantCrmConfig)).one()
        assert SecretBox(KEY).decrypt(config.api_key_encrypted) == "the-key"
        assert b"the-key" not in config.api_key_encrypted
    for path in ("twilio/sms", f"sendgrid/inbound/{INBOUND_TOKEN}", f"shopmonkey/{config.hook_token}"):
        assert f"https://leads.example.com/hooks/{path}\n" in said.output
    assert run("connect", "--tenant", "north").output.count(config.hook_token) == 1
    with db.tenant(world.south.tenant_id) as session:
        assert session.get_one(Location, world.south.location_id).phone == world.south.phone
        assert session.scalars(select(TenantCrmConfig)).all() == []


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
