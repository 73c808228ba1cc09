"""`leads crm`: a key is tried before it is kept, locations are matched, a webhook stands, and what fails is said."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import select, text

from crm.connections import secrets_of
from crm.db import Database
from crm.models import Appointment, CrmCheck, Location, TenantCrmConfig
from ops.clock import FixedClock
from ops.secrets import SecretBox
from tests.conftest import TestDatabase, World
from tests.contract.shopmonkey_site import OddShopmonkey
from tests.integration.calendar_commands_help import refused, running
from tests.integration.test_tenant_file import book
from tests.runtimes import KEY

Run = Callable[..., Result]
PUBLIC = "https://leads.example.com"


@pytest.fixture
def shopmonkey() -> Iterator[OddShopmonkey]:
    with OddShopmonkey() as server:
        yield server


@pytest.fixture
def run(
    test_database: TestDatabase,
    clock: FixedClock,
    redis_url: str,
    shopmonkey: OddShopmonkey,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Run]:
    for name, value in {
        "ENCRYPTION_KEY": KEY,
        "REDIS_URL": redis_url,
        "SHOPMONKEY_API_BASE": shopmonkey.url,
        "PUBLIC_BASE_URL": PUBLIC,
        "TENANT_ID": "north",
    }.items():
        monkeypatch.setenv(name, value)
    for running_ in running(test_database, clock, monkeypatch):
        monkeypatch.setenv("TENANT_ID", "north")
        yield running_


@pytest.fixture
def key_file(tmp_path: Path, shopmonkey: OddShopmonkey) -> str:
    path = tmp_path / "key"
    path.write_text(shopmonkey.api_key + "\n")
    return str(path)


def stored(db: Database, world: World) -> TenantCrmConfig | None:
    with db.tenant(world.north.tenant_id) as session:
        return session.scalars(select(TenantCrmConfig)).first()


def connected(run: Run, key_file: str, shopmonkey: OddShopmonkey) -> Result:
    result = run("crm", "connect", "--key-file", key_file, "--map", f"north={shopmonkey.location_id}")
    assert result.exit_code == 0, result.output
    return result


def test_a_crm_is_connected_its_key_encrypted_and_its_webhook_registered(
    run: Run, db: Database, clock: FixedClock, world: World, shopmonkey: OddShopmonkey, key_file: str
) -> None:
    ahead = book(db, world.north, clock, 24, 10)
    result = connected(run, key_file, shopmonkey)
    assert "shopmonkey is connected" in result.stdout
    assert "the webhook is registered and switched on" in result.stdout
    assert "1 appointments that are booked already go into its calendar" in result.stdout
    assert shopmonkey.api_key not in result.output
    config = stored(db, world)
    assert config is not None
    assert SecretBox(KEY).decrypt(config.api_key_encrypted) == shopmonkey.api_key
    (hook,) = shopmonkey.rows("webhook")
    assert hook["url"] == f"{PUBLIC}/hooks/shopmonkey/{config.hook_token}"
    assert config.webhook_external_id == hook["id"]
    with db.tenant(world.north.tenant_id) as session:
        assert session.get_one(Location, world.north.location_id).crm_location_id == shopmonkey.location_id
        assert session.get_one(Appointment, ahead).sync_due_at == clock.now()
    with db.tenant(world.south.tenant_id) as session:
        assert session.scalars(select(TenantCrmConfig)).all() == []
    again = connected(run, key_file, shopmonkey)
    assert "shopmonkey has a new key" in again.stdout
    assert len(shopmonkey.rows("webhook")) == 1


def test_a_key_is_asked_for_without_echo_and_one_that_does_not_work_is_not_kept(
    run: Run,
    db: Database,
    world: World,
    shopmonkey: OddShopmonkey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[bool] = []

    def prompt(_text: str, *, hide_input: bool) -> str:
        asked.append(hide_input)
        return "no such key"

    monkeypatch.setattr("cli.crm_parts.click.prompt", prompt)
    assert "that is no key" in refused(run, "crm", "connect")
    path = tmp_path / "bad"
    path.write_text("nosuchkey")
    said = refused(run, "crm", "connect", "--key-file", str(path))
    assert "the CRM was not connected" in said
    assert "nosuchkey" not in said
    assert asked == [True]
    assert stored(db, world) is None
    shopmonkey.stop()
    path.write_text(shopmonkey.api_key)
    assert "not connected" in refused(run, "crm", "connect", "--key-file", str(path))
    assert stored(db, world) is None


def test_locations_are_matched_by_name_or_by_hand_and_never_twice(
    run: Run, db: Database, world: World, shopmonkey: OddShopmonkey, key_file: str
) -> None:
    named = shopmonkey.add_location("NORTH  Tint")
    result = run("crm", "connect", "--key-file", key_file, "--no-webhook")
    assert result.exit_code == 0, result.output
    assert f"{named}" in result.stdout
    with db.tenant(world.north.tenant_id) as session:
        assert session.get_one(Location, world.north.location_id).crm_location_id == named
    assert shopmonkey.rows("webhook") == []
    for given, said in {
        "north=nowhere": "the key sees no location 'nowhere'",
        "west=x": "there is no location 'west'",
        "north": "is no pair",
    }.items():
        assert said in refused(run, "crm", "connect", "--key-file", key_file, "--map", given)
    assert run("location", "add", "west", "West", "--timezone", "America/Chicago").exit_code == 0
    left = run("crm", "connect", "--key-file", key_file, "--no-webhook")
    assert "not matched: west" in left.stderr


def test_without_an_https_address_there_is_no_webhook_and_that_is_said(
    run: Run, shopmonkey: OddShopmonkey, key_file: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLIC_BASE_URL", "http://127.0.0.1:8080")
    assert "PUBLIC_BASE_URL is no https address" in connected(run, key_file, shopmonkey).stderr
    assert shopmonkey.rows("webhook") == []
    assert "no webhook" in refused(run, "crm", "rotate", "webhook-secret")


def test_test_says_what_works_and_what_does_not(
    run: Run, db: Database, world: World, shopmonkey: OddShopmonkey, key_file: str
) -> None:
    assert "no CRM is connected" in refused(run, "crm", "test")
    connected(run, key_file, shopmonkey)
    well = run("crm", "test")
    assert well.exit_code == 0, well.output
    assert [line.split()[:2] for line in well.stdout.splitlines()] == [
        [f"{what}:", "works"] for what in ("key", "locations", "orders", "services", "calendar", "webhook")
    ]
    shopmonkey.rows("webhook")[0]["enabled"] = False
    with db.tenant(world.north.tenant_id) as session:
        session.get_one(Location, world.north.location_id).crm_location_id = "gone"
    ill = run("crm", "test", "--json")
    assert ill.exit_code == 1
    found = {one["what"]: one["works"] for one in json.loads(ill.stdout)}
    assert found == {"key": True, "locations": False, "reading": None, "webhook": False}
    with db.tenant(world.north.tenant_id) as session:
        session.scalars(select(TenantCrmConfig)).one().api_key_encrypted = SecretBox(KEY).encrypt("old")
    dead = run("crm", "test")
    assert dead.exit_code == 1
    assert "FAILS" in dead.stdout.splitlines()[0]


def test_a_key_is_replaced_only_by_one_that_sees_the_same_locations(
    run: Run, db: Database, world: World, shopmonkey: OddShopmonkey, key_file: str, tmp_path: Path
) -> None:
    connected(run, key_file, shopmonkey)
    config = stored(db, world)
    assert config is not None
    hook, before = config.hook_token, bytes(config.api_key_encrypted)
    bad = tmp_path / "bad"
    bad.write_text("nosuchkey")
    assert "the key was not replaced" in refused(run, "crm", "rotate", "key", "--key-file", str(bad))
    with db.tenant(world.north.tenant_id) as session:
        session.get_one(Location, world.north.location_id).crm_location_id = "of-another-account"
    assert "does not see north" in refused(run, "crm", "rotate", "key", "--key-file", key_file)
    config = stored(db, world)
    assert config is not None
    assert bytes(config.api_key_encrypted) == before
    with db.tenant(world.north.tenant_id) as session:
        session.get_one(Location, world.north.location_id).crm_location_id = shopmonkey.location_id
    assert "the new key is used" in run("crm", "rotate", "key", "--key-file", key_file).stdout
    config = stored(db, world)
    assert config is not None
    assert bytes(config.api_key_encrypted) != before
    assert config.hook_token == hook


def test_a_secret_is_replaced_while_the_old_one_still_counts(
    run: Run, db: Database, world: World, shopmonkey: OddShopmonkey, key_file: str
) -> None:
    connected(run, key_file, shopmonkey)
    box = SecretBox(KEY)

    def known() -> list[str]:
        config = stored(db, world)
        assert config is not None
        return secrets_of(box, config)

    (first,) = known()
    result = run("crm", "rotate", "webhook-secret")
    assert result.exit_code == 0, result.output
    newest, old = known()
    assert (old, newest == first) == (first, False)
    assert not any(secret in result.output for secret in (newest, old))
    assert shopmonkey.rows("webhook")[0]["secret"] == newest
    assert "only the newest" in run("crm", "rotate", "forget-old-secret").stdout
    assert known() == [newest]
    assert "there was no old secret" in run("crm", "rotate", "forget-old-secret").stdout


def test_status_says_how_far_it_was_looked_what_failed_and_what_waits(
    run: Run, db: Database, clock: FixedClock, world: World, shopmonkey: OddShopmonkey, key_file: str
) -> None:
    assert "no CRM is connected" in run("crm", "status").stderr
    book(db, world.north, clock, 24, 10)
    connected(run, key_file, shopmonkey)
    assert "none yet; the worker opens them" in run("crm", "status").stdout
    with db.system() as session:
        session.execute(text("select open_crm_checks(:now)"), {"now": clock.now()})
    with db.tenant(world.north.tenant_id) as session:
        rows = {row.kind: row for row in session.scalars(select(CrmCheck))}
        rows["orders"].watermark = clock.now() - timedelta(minutes=1)
        rows["appointments"].error, rows["appointments"].failures = "Shopmonkey does not answer", 3
        session.scalars(select(TenantCrmConfig)).one().webhook_state = "registered and switched on"
    said = run("crm", "status")
    assert said.exit_code == 0, said.output
    for part in (
        "registered and switched on; signatures are watched",
        "seen up to 2026-11-23 14:59:00 UTC",
        "Shopmonkey does not answer (3 in a row)",
        "Dana",
    ):
        assert part in said.stdout
    connection, pushes = json.loads(run("crm", "status", "--json").stdout)
    assert {one["kind"] for one in connection["looks"]} == {"orders", "appointments", "catalogue", "webhook"}
    assert [one["who"] for one in pushes["pending_appointments"]] == ["Dana"]
    assert "api_key" not in json.dumps(connection)


def test_status_says_how_often_each_of_many_locations_is_looked_at(
    run: Run, db: Database, clock: FixedClock, world: World, shopmonkey: OddShopmonkey, key_file: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    connected(run, key_file, shopmonkey)
    with db.system() as session:
        session.execute(text("select open_crm_checks(:now)"), {"now": clock.now()})
    assert "orders:       nothing seen yet; every 30 s\n" in run("crm", "status").stdout
    monkeypatch.setattr("crm.connections.connected_locations", lambda _: 200)
    monkeypatch.setattr("cli.crm.connected_locations", lambda _: 200)
    said = run("crm", "status").stdout
    assert "; every 13 min, new ones anywhere every 30 s" in said
    assert "appointments: nothing seen yet; every 13 min\n" in said
    assert "catalogue:    nothing seen yet; every 1 h\n" in said
    connection, _ = json.loads(run("crm", "status", "--json").stdout)
    assert connection["seconds_between_looks"]["orders"] == 800
    assert connection["seconds_between_looks"]["new_orders_anywhere"] == 30


def test_a_key_given_again_wakes_what_waited_for_the_owner(
    run: Run, db: Database, clock: FixedClock, world: World, shopmonkey: OddShopmonkey, key_file: str
) -> None:
    connected(run, key_file, shopmonkey)
    with db.system() as session:
        session.execute(text("select open_crm_checks(:now)"), {"now": clock.now()})
    with db.tenant(world.north.tenant_id) as session:
        for row in session.scalars(select(CrmCheck)):
            row.next_at, row.failures = clock.now() + timedelta(hours=6), 9
    run("crm", "rotate", "key", "--key-file", key_file)
    with db.tenant(world.north.tenant_id) as session:
        assert {(row.next_at, row.failures) for row in session.scalars(select(CrmCheck))} == {
            (clock.now(), 0)
        }
