"""`leads keys`: a key is shown once, works at once, is listed by its beginning, and is worth nothing when revoked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
import redis
from click.testing import Result
from sqlalchemy import Engine

from crm.db import Database
from ops.clock import FixedClock
from ops.queue import WakeQueue
from tests.conftest import TestDatabase, World
from tests.integration.api_help import PHONE, Api, serving
from tests.integration.calendar_commands_help import refused, running

Run = Callable[..., Result]


@pytest.fixture
def run(test_database: TestDatabase, clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setenv("PUBLIC_BASE_URL", "https://hooks.example.com")
    yield from running(test_database, clock, monkeypatch)


@pytest.fixture
def api(
    db: Database, queue: WakeQueue, clock: FixedClock, redis_client: redis.Redis, owner_engine: Engine
) -> Iterator[Api]:
    with serving(db, queue, clock, redis_client, owner_engine) as made:
        yield made


def test_a_key_lives_and_dies(run: Run, api: Api, world: World) -> None:
    made = run("keys", "add", "website", "--tenant", "north")
    assert made.exit_code == 0, made.output
    key = made.stdout.strip()
    assert "https://hooks.example.com/api/v1/leads" in made.stderr
    assert key not in made.stderr
    assert api.tell(world.north, {"phone": PHONE}, key=key).status_code == 201
    listed = run("keys", "list", "--tenant", "north")
    assert key not in listed.output
    assert key[:16] in listed.stdout
    (row,) = json.loads(run("keys", "list", "--json", "--tenant", "north").stdout)
    assert (row["name"], row["kind"], row["revoked_at"]) == ("website", "server", None)
    assert row["last_used_at"].startswith("2026-11-23T15:00:00")
    # Another business sees and revokes nothing of it.
    assert "no key yet" in run("keys", "list", "--tenant", "south").stdout
    assert "no key" in refused(run, "keys", "revoke", key, "--tenant", "south")
    assert "is revoked" in run("keys", "revoke", key[:16], "--tenant", "north").stdout
    assert api.tell(world.north, {"phone": PHONE}, key=key).status_code == 401
    assert "revoked already" in refused(run, "keys", "revoke", key, "--tenant", "north")
    assert "no key yet" in run("keys", "list", "--tenant", "north").stdout
    assert len(json.loads(run("keys", "list", "--json", "--all", "--tenant", "north").stdout)) == 1


def test_a_form_key_comes_with_its_form_and_the_form_works(run: Run, api: Api, world: World) -> None:
    made = run(
        "keys",
        "add",
        "page",
        "--form",
        "--location",
        "north",
        "--redirect-host",
        "WWW.Shop.example",
        "--tenant",
        "north",
    )
    assert made.exit_code == 0, made.output
    key = made.stdout.strip()
    assert key.startswith("leads_form_")
    for part in (f'value="{key}"', 'name="leave_this_empty"', 'value="https://www.shop.example/thanks"'):
        assert part in made.stderr
    posted = {"form_key": key, "name": "Pat", "phone": PHONE, "redirect": "https://www.shop.example/thanks"}
    response = api.submit({**posted, "consent.sms.given": "on", "consent.sms.text": "Text me"})
    assert (response.status_code, response.headers["Location"]) == (303, "https://www.shop.example/thanks")


def test_one_of_several_keys_of_a_name_is_meant_by_its_number(run: Run, api: Api, world: World) -> None:
    first, second = (
        json.loads(run("keys", "add", "website", "--json", "--tenant", "north").stdout) for _ in range(2)
    )
    assert first["key"] != second["key"]
    assert "say which by number" in refused(run, "keys", "revoke", "website", "--tenant", "north")
    assert run("keys", "revoke", str(first["id"]), "--tenant", "north").exit_code == 0
    assert api.tell(world.north, {"phone": PHONE}, key=second["key"]).status_code == 201
    assert api.tell(world.north, {"phone": PHONE}, key=first["key"]).status_code == 401
    # Now the name means one of them again.
    assert run("keys", "revoke", "website", "--tenant", "north").exit_code == 0


def test_what_makes_no_key(run: Run, world: World) -> None:
    assert "no host" in refused(
        run, "keys", "add", "x", "--form", "--redirect-host", "https://a.example", "--tenant", "north"
    )
    assert "--form" in refused(run, "keys", "add", "x", "--redirect-host", "a.example", "--tenant", "north")
    assert "letters" in refused(run, "keys", "add", "a/b", "--tenant", "north")
    assert "no location 'east'" in refused(run, "keys", "add", "x", "--location", "east", "--tenant", "north")
