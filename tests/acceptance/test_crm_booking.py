"""A quote at Shopmonkey becomes an appointment in Shopmonkey's calendar; the shop moves it there, the customer hears of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from crm.calendar.labels import label
from crm.connectors.shopmonkey.config import create_crm_config
from crm.db import Database
from crm.models import Location
from ops.secrets import SecretBox
from tests.acceptance.customer import Texter
from tests.acceptance.processes import System, eventually, running
from tests.acceptance.records import Records
from tests.conftest import MONDAY_NINE_IN_CHICAGO, TestDatabase, World
from tests.standins.shopmonkey import ShopmonkeyStandIn
from tests.standins.twilio import TwilioStandIn

pytestmark = pytest.mark.processes

PUBLIC = "https://hooks.example.com"
PHONE = "+13125550163"
CIVIC = {"year": 2019, "make": "Honda", "model": "Civic", "type": "Sedan"}
LABEL = re.compile(r"\w{3}, \w{3} \d{1,2} at \d{1,2}:\d\d [AP]M")
ZONE = "America/Chicago"


@dataclass
class Site:
    """North, connected to Shopmonkey and Twilio."""

    system: System
    records: Records
    world: World
    shopmonkey: ShopmonkeyStandIn
    twilio: TwilioStandIn

    def told(self) -> None:
        """Shopmonkey tells what changed."""
        self.shopmonkey.deliver_due()

    def ours(self) -> dict[str, Any]:
        """Our one appointment."""
        (row,) = self.records.rows("appointments", self.world.north.tenant_id)
        return row

    def theirs(self) -> list[dict[str, Any]]:
        """What stands in Shopmonkey's calendar."""
        return self.shopmonkey.rows("appointment")


@pytest.fixture
def site(
    db: Database,
    world: World,
    test_database: TestDatabase,
    owner_engine: Engine,
    redis_url: str,
    tmp_path: Path,
) -> Iterator[Site]:
    with ExitStack() as stack:
        twilio = stack.enter_context(TwilioStandIn(auto_callbacks=True))
        env = {
            "TWILIO_ACCOUNT_SID": twilio.account_sid,
            "TWILIO_AUTH_TOKEN": twilio.auth_token,
            "TWILIO_API_BASE": twilio.url,
        }
        system = System(tmp_path / "system", test_database, redis_url, env)
        system.set_time(MONDAY_NINE_IN_CHICAGO + timedelta(minutes=75))
        shopmonkey = stack.enter_context(ShopmonkeyStandIn(clock=system.now, announces=True))
        shopmonkey.reach[PUBLIC] = system.url
        _connect(db, world, shopmonkey, system)
        records = Records(owner_engine)
        records.set_quiet_window(0.3)
        stack.enter_context(running(system))
        yield Site(system, records, world, shopmonkey, twilio)


def _connect(db: Database, world: World, shopmonkey: ShopmonkeyStandIn, system: System) -> None:
    box, tenant_id = SecretBox(system.encryption_key), world.north.tenant_id
    with db.tenant(tenant_id) as session:
        config = create_crm_config(
            session, tenant_id, shopmonkey.api_key, shopmonkey.url, box, webhook_secret="hook-secret"
        )
        config.signature_mode = "enforce"
        hook = shopmonkey.add_row(
            "webhook",
            name="Lead Orchestrator",
            url=f"{PUBLIC}/hooks/shopmonkey/{config.hook_token}",
            triggers=["Order", "Appointment"],
            secret="hook-secret",
            enabled=True,
            error=False,
            errorMessage=None,
            errorDate=None,
            version=3,
            locationId=None,
        )
        config.webhook_external_id = hook["id"]
        session.get_one(Location, world.north.location_id).crm_location_id = shopmonkey.location_id


def test_a_quote_is_booked_there_moved_there_and_the_customer_is_told(site: Site) -> None:
    riley = Texter(site.system, site.twilio, site.world.north.phone, PHONE)
    lead = site.shopmonkey.add_lead(
        "Riley", "Park", PHONE, None, vehicle=CIVIC, services=["Ceramic window tint"], opt_in=True
    )
    site.told()
    eventually(riley.received, 30, "the first text")
    offered = riley.say("Hi! How much is ceramic tint, and what times do you have this week?")
    chosen = LABEL.findall(offered)[0]
    assert chosen in riley.say(f"{chosen} is good, please book it.")
    theirs = eventually(site.theirs, 30, "the appointment stands in Shopmonkey's calendar")
    assert len(theirs) == 1
    row, ours = theirs[0], site.ours()
    assert datetime.fromisoformat(row["startDate"]) == ours["starts_at"]
    assert (row["customerId"], row["locationId"]) == (lead.customer_id, site.shopmonkey.location_id)
    assert not any(row.get(flag) for flag in ("sendConfirmation", "sendReminder", "useSMS", "useEmail"))
    # Shopmonkey tells us of our own entry too, and nobody is told anything because of it.
    site.told()
    known = len(riley.received())
    moved_to = ours["starts_at"] + timedelta(days=1)
    site.shopmonkey.move_appointment(row["id"], moved_to)
    site.told()
    eventually(lambda: site.ours()["starts_at"] == moved_to, 30, "the move is read back")
    # A change has to stand for a while before the customer hears of it.
    assert riley.received()[known:] == []
    site.system.set_time(site.system.now() + timedelta(minutes=2))
    text = eventually(lambda: riley.received()[known:], 60, "the customer is told of the new time")
    assert len(text) == 1
    assert label(moved_to, ZONE) in text[0]
    assert (site.ours()["starts_at"], site.ours()["status"]) == (moved_to, "booked")
    assert len(site.theirs()) == 1
    _the_shop_deletes_it(site, riley, row["id"])
    site.system.stop()
    assert site.system.errors() == []


def _the_shop_deletes_it(site: Site, riley: Texter, external_id: str) -> None:
    """Missed once it may be a list that lags; missed twice it is gone, and the customer hears of that too."""
    known = len(riley.received())
    site.shopmonkey.delete_appointment(external_id)
    site.told()

    def cancelled() -> bool:
        site.system.set_time(site.system.now() + timedelta(seconds=10))
        return bool(site.ours()["status"] == "cancelled")

    eventually(cancelled, 60, "the deletion is read back")
    site.system.set_time(site.system.now() + timedelta(minutes=2))
    (text,) = eventually(lambda: riley.received()[known:], 60, "the customer is told of the cancellation")
    assert "had to cancel your appointment" in text
    assert site.theirs() == []
