"""`leads consent`: reading the ledger, and what a person of the shop may and may not change."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import leads
from crm.consents import is_opted_out, record_consent
from crm.db import Database
from crm.models import ConsentEvent
from ops.clock import FixedClock
from tests.conftest import CUSTOMER_EMAIL, CUSTOMER_PHONE, TestDatabase, World
from tests.integration.cadence_rows import start, touch
from tests.integration.talking import change, lead_of, put, rows

STRANGER = "+13125550166"
WHO = ("--who", "Sam", "--evidence", "said so on the phone")


@pytest.fixture
def run(test_database: TestDatabase, world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    from ops import settings

    monkeypatch.setenv("DATABASE_URL", test_database.app_url)
    settings.get_settings.cache_clear()

    def call(*arguments: str, tenant: str = "north") -> Result:
        return CliRunner().invoke(leads, ["consent", *arguments, "--tenant", tenant])

    yield call
    settings.get_settings.cache_clear()


def said(
    db: Database, world: World, clock: FixedClock, action: Any = "revoke", actor: Any = "customer"
) -> None:
    with db.tenant(world.north.tenant_id) as session:
        record_consent(
            session, tenant_id=world.north.tenant_id, channel="sms", address=CUSTOMER_PHONE, action=action,
            actor=actor, source="wrote by sms", evidence="\x1b[31mlose my number", effective_at=clock.now(),
        )  # fmt: skip


def test_a_lead_shows_both_addresses_with_the_words(
    run: Any, db: Database, world: World, clock: FixedClock
) -> None:
    said(db, world, clock)
    shown = run(str(world.north.lead_id))
    assert shown.exit_code == 0, shown.output
    assert f"sms {CUSTOMER_PHONE}: stopped since 2026-11-23 15:00:00 UTC" in shown.output
    assert "lose my number" in shown.output
    assert "\x1b[31m" not in shown.output
    assert f"email {CUSTOMER_EMAIL}: unknown" in shown.output
    assert "The cadence by text: may not: this person said stop on 2026-11-23" in shown.output
    assert "owed" in shown.output, "that Twilio has still to be told"
    assert "lose my number" not in run(CUSTOMER_PHONE, tenant="south").output


def test_json_has_every_event(run: Any, db: Database, world: World, clock: FixedClock) -> None:
    said(db, world, clock)
    said(db, world, clock, "grant")
    card = json.loads(run(CUSTOMER_PHONE, "--json").output)
    (address,) = card["addresses"]
    assert address["state"] == "granted"
    assert [event["action"] for event in address["events"]] == ["revoke", "grant"]
    assert json.loads(run(STRANGER, "--json").output)["addresses"][0]["events"] == []


def test_what_is_no_lead_and_no_address_is_said_so(run: Any) -> None:
    for asked in ("99", "nobody"):
        shown = run(asked)
        assert shown.exit_code == 2
        assert asked in shown.output


def test_the_shop_stops_a_lead_and_may_undo_its_own_stop(
    run: Any, db: Database, world: World, clock: FixedClock
) -> None:
    ids = start(db, world.north, clock.now())
    waiting = put(db, world.north, clock.now(), "Hello", kind="touch")
    done = run("stop", str(world.north.lead_id), *WHO)
    assert done.exit_code == 0, done.output
    assert CUSTOMER_PHONE in done.output
    assert CUSTOMER_EMAIL in done.output
    assert {touch(db, world.north, one).status for one in ids} == {"ended"}
    assert lead_of(db, world.north).status == "opted_out"
    with db.tenant(world.north.tenant_id) as session:
        from crm.models import ChatMessage

        assert session.get_one(ChatMessage, waiting).status == "withheld"
    events = [event for event in rows(db, world.north, ConsentEvent) if event.action == "revoke"]
    assert {(event.actor, event.source, event.evidence) for event in events} == {
        ("shop", "entered by Sam", "said so on the phone")
    }
    assert run("allow", str(world.north.lead_id), *WHO).exit_code == 0
    with db.tenant(world.north.tenant_id) as session:
        assert not is_opted_out(session, world.north.tenant_id, "sms", CUSTOMER_PHONE)


@pytest.mark.parametrize("how", ["wrote", "asked on the phone"])
def test_the_shop_may_not_undo_the_customers_stop(
    run: Any, db: Database, world: World, clock: FixedClock, how: str
) -> None:
    if how == "wrote":
        said(db, world, clock)
    else:
        assert run("stop", CUSTOMER_PHONE, "--customer-asked", *WHO).exit_code == 0
    refused = run("allow", CUSTOMER_PHONE, *WHO)
    assert refused.exit_code == 2
    assert "only their own START" in refused.output
    with db.tenant(world.north.tenant_id) as session:
        assert is_opted_out(session, world.north.tenant_id, "sms", CUSTOMER_PHONE)


def test_one_channel_or_only_offers(run: Any, db: Database, world: World, clock: FixedClock) -> None:
    assert run("stop", str(world.north.lead_id), "--channel", "email", *WHO).exit_code == 0
    assert run("stop", str(world.north.lead_id), "--channel", "sms", "--offers-only", *WHO).exit_code == 0
    with db.tenant(world.north.tenant_id) as session:
        assert is_opted_out(session, world.north.tenant_id, "email", CUSTOMER_EMAIL)
        assert not is_opted_out(session, world.north.tenant_id, "sms", CUSTOMER_PHONE)
        assert is_opted_out(session, world.north.tenant_id, "sms", CUSTOMER_PHONE, "marketing")
    assert "no offers" in run(CUSTOMER_PHONE).output


def test_a_stop_waits_for_a_lead_that_does_not_exist_yet(run: Any, db: Database, world: World) -> None:
    assert run("stop", STRANGER, *WHO).exit_code == 0
    with db.tenant(world.north.tenant_id) as session:
        assert is_opted_out(session, world.north.tenant_id, "sms", STRANGER)
    with db.tenant(world.south.tenant_id) as session:
        assert not is_opted_out(session, world.south.tenant_id, "sms", STRANGER)


def test_name_and_words_are_asked_for(run: Any) -> None:
    assert "--who" in run("stop", STRANGER, "--evidence", "x").output
    assert "--evidence" in run("allow", STRANGER, "--who", "Sam").output


def test_assuming_consent_needs_a_ground_and_can_be_taken_back(
    run: Any, db: Database, world: World, clock: FixedClock
) -> None:
    def channel_of_first() -> str:
        from crm.touches import halt_touches

        with db.tenant(world.north.tenant_id) as session:
            halt_touches(session, world.north.lead_id, "ended", "over")
        clock.advance(timedelta(seconds=1))
        return touch(db, world.north, start(db, world.north, clock.now(), grant=False)[0]).channel

    change(db, world.north, "update tenants set settings = '{\"max_segments\": 2}'")
    assert channel_of_first() == "email"
    assert (
        run("assume", "--who", "Sam", "--evidence", "The form says: by sending you agree to texts.").exit_code
        == 0
    )
    assert channel_of_first() == "sms"
    assert "the shop stated" in run(str(world.north.lead_id)).output
    assert run("require", "--who", "Sam", "--evidence", "new form").exit_code == 0
    assert channel_of_first() == "email"
