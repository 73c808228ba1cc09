"""What an owner reads with the real command: one business never sees the other, not even where both know a customer."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from channels.inbound import Inbound
from channels.inbox import receive
from ops.clock import FixedClock
from scheduler.jobs import answer
from scheduler.runtime import Runtime
from tests.acceptance.processes import System
from tests.conftest import CUSTOMER_EMAIL, CUSTOMER_PHONE, Shop, TestDatabase, World
from tests.runtimes import runtime_for

WORDS = {"north": "How much is ceramic tint for my 2019 Honda Civic sedan?", "south": "Do you do sun strips?"}


def converse(runtime: Runtime, clock: FixedClock, shop: Shop) -> None:
    """The customer both shops know texts this one, and is answered."""
    text = Inbound(
        tenant_id=shop.tenant_id,
        location_id=shop.location_id,
        channel="sms",
        carrier="twilio",
        carrier_id=f"SM-{shop.slug}",
        from_address=CUSTOMER_PHONE,
        to_address=shop.phone,
        body=WORDS[shop.slug],
        received_at=clock.now(),
    )
    receipt = receive(runtime.db, runtime.queue, text, we_confirm_stops=False)
    clock.advance(timedelta(seconds=10))
    assert answer(runtime, shop.tenant_id, str(receipt.session_id)) == "done"


@pytest.fixture
def system(
    world: World, clock: FixedClock, test_database: TestDatabase, redis_url: str, tmp_path: Path
) -> System:
    """An installation whose processes do not run, with a conversation in each shop."""
    with runtime_for(test_database, redis_url, clock) as runtime:
        for shop in (world.north, world.south):
            converse(runtime, clock, shop)
    return System(tmp_path / "system", test_database, redis_url)


def test_each_shop_reads_its_own(system: System, world: World) -> None:
    for own, other in ((world.north, world.south), (world.south, world.north)):
        (line,) = system.leads_json("list", tenant=own.slug)
        assert (line["id"], line["phone"], line["email"]) == (own.lead_id, CUSTOMER_PHONE, CUSTOMER_EMAIL)
        card = system.leads_json("show", CUSTOMER_PHONE, tenant=own.slug)
        assert (card["line"]["id"], card["turns"]) == (own.lead_id, 1)
        told = system.leads_json("transcript", CUSTOMER_PHONE, tenant=own.slug)
        assert [(one["direction"], one["status"]) for one in told] == [("in", "received"), ("out", "sent")]
        assert told[0]["body"] == WORDS[own.slug]
        assert own.slug.title() in told[1]["body"]
        printed = system.leads("transcript", CUSTOMER_PHONE, env={"TENANT_ID": own.slug})
        assert WORDS[own.slug] in printed
        assert WORDS[other.slug] not in printed
        assert other.slug.title() not in printed


def test_the_other_shops_lead_does_not_exist(system: System, world: World) -> None:
    for command in ("show", "transcript"):
        refused = system.leads(command, str(world.south.lead_id), env={"TENANT_ID": "north"}, code=2)
        assert refused == ""


def test_with_two_businesses_the_command_wants_to_know_which(system: System) -> None:
    assert system.leads("list", code=2) == ""
    assert system.leads("list", env={"TENANT_ID": "nobody"}, code=2) == ""
    assert CUSTOMER_PHONE in system.leads("list", "--tenant", "south", env={"TENANT_ID": "nobody"})
