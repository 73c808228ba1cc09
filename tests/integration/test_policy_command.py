"""`leads policy` and `leads facts`: versions that only go live when they are told to, words that are read safely."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from agent.policy import default_policy
from cli.main import leads
from crm.db import Database
from crm.models import Location, PolicyVersion, Tenant
from crm.tenants import settings_of
from ops.clock import FixedClock
from ops.settings import get_settings
from tests.conftest import TestDatabase, World
from tests.integration.calendar_commands_help import refused, running
from tests.integration.talking import answer, hear, say, scripted
from tests.runtimes import FakeSender, runtime_for

Run = Callable[..., Result]
NORTH = ("--tenant", "north")
GOOD = "# Tone\nAs short as can be, always friendly.\n\n# A person\nCall `hand_off` when somebody complains about us.\n"


@pytest.fixture
def run(
    test_database: TestDatabase,
    world: World,
    clock: FixedClock,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Run]:
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("AI_PROVIDER", "playbook")
    yield from running(test_database, clock, monkeypatch)


def written(folder: Path, text: str) -> str:
    path = folder / "policy.md"
    path.write_text(text, encoding="utf-8")
    return str(path)


def live(db: Database, world: World) -> int | None:
    with db.tenant(world.north.tenant_id) as s:
        return settings_of(s.get_one(Tenant, world.north.tenant_id)).policy_version


def test_what_ships_is_shown_and_clean(run: Run) -> None:
    said = run("policy", "show", *NORTH)
    assert said.stdout.strip() == default_policy().strip()
    assert "the policy that ships, live" in said.stderr
    checked = run("policy", "check", *NORTH)
    assert (checked.exit_code, checked.stdout) == (0, "nothing found\n"), checked.output
    assert "What always holds" in run("policy", "show", "--frame", *NORTH).stdout


def test_a_version_is_stored_then_used_then_taken_back(
    run: Run, db: Database, world: World, tmp_path: Path
) -> None:
    name = written(tmp_path, GOOD)
    said = run("policy", "edit", "--file", name, "--note", "shorter", "--by", "Sam", *NORTH)
    assert said.exit_code == 0, said.output
    assert "Stored as version 1; it is not live" in said.stdout
    assert live(db, world) is None
    assert refused(run, "policy", "edit", "--file", name, "--from", "1", *NORTH).count("not changed") == 1
    assert "nothing was stored" in refused(run, "policy", "edit", "--file", name, *NORTH)
    used = run("policy", "use", "1", *NORTH)
    assert "Live from the next answer on: 1. The way back: leads policy use default" in used.stdout
    assert live(db, world) == 1
    (line,) = json.loads(run("policy", "history", "--json", *NORTH).stdout)
    assert (line["version"], line["author"], line["note"], line["live"]) == (1, "Sam", "shorter", True)
    assert "1 (live)" in run("policy", "history", *NORTH).stdout
    run("policy", "use", "default", *NORTH)
    assert live(db, world) is None
    with db.tenant(world.south.tenant_id) as s:
        assert s.scalars(select(PolicyVersion)).all() == []


def test_a_version_with_errors_is_kept_and_does_not_go_live(
    run: Run, db: Database, world: World, tmp_path: Path
) -> None:
    said = run("policy", "edit", "--file", written(tmp_path, GOOD + "Say it is $5.\n"), *NORTH)
    assert "error, line 6: It names a price ($5...)" in said.stderr
    assert run("policy", "check", "1", *NORTH).exit_code == 1
    result = run("policy", "use", "1", *NORTH)
    assert result.exit_code == 2
    assert "a version with errors does not go live" in result.stderr
    assert live(db, world) is None


def test_an_editor_starts_from_the_live_words(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def editor(text: str, **_: object) -> str:
        opened.append(text)
        return text + "\nRhyme, if you can.\n"

    monkeypatch.setattr("click.edit", editor)
    assert run("policy", "edit", *NORTH).exit_code == 0
    assert opened == [default_policy()]
    assert "Rhyme" in run("policy", "show", "1", *NORTH).stdout


def test_standard_input_and_bad_names(run: Run, tmp_path: Path) -> None:
    get_settings.cache_clear()
    piped = CliRunner().invoke(leads, ["policy", "edit", "--file", "-", *NORTH], input=GOOD)
    assert "version 1" in piped.stdout
    assert "no version 7" in refused(run, "policy", "show", "7", *NORTH)
    assert "is no version" in refused(run, "policy", "use", "live; rm -rf /", *NORTH)
    assert "cannot be read" in refused(run, "policy", "check", str(tmp_path / "no such"), *NORTH)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in refused(run, "policy", "check", str(tmp_path / "bytes"), *NORTH)


def test_what_a_terminal_would_obey_is_shown_harmless(run: Run, tmp_path: Path) -> None:
    run("policy", "edit", "--file", written(tmp_path, GOOD + "\x1b[2J gone\n"), *NORTH)
    shown = run("policy", "show", "1", *NORTH)
    assert "\x1b" not in shown.stdout
    assert "�[2J gone" in shown.stdout


def test_try_shows_both_sides_and_stores_nothing(
    run: Run,
    db: Database,
    world: World,
    clock: FixedClock,
    test_database: TestDatabase,
    redis_url: str,
    tmp_path: Path,
) -> None:
    name = written(tmp_path, GOOD)
    assert "no answered message yet" in refused(run, "policy", "try", name, *NORTH)
    models = [scripted(say("Hello there!"))]
    with runtime_for(test_database, redis_url, clock, models=models, sms=FakeSender("fake-sms")) as runtime:
        hear(runtime, world.north, "hi, what are your hours?")
        assert answer(runtime, world.north) == "done"
    said = run("policy", "try", name, "--turns", "3", *NORTH)
    assert said.exit_code == 0, said.output
    assert "customer: hi, what are your hours?" in said.stdout
    # What was said then had the courtesies of a first text around it.
    (then,) = [
        line for line in said.stdout.splitlines() if "said then, under the policy that ships: " in line
    ]
    assert "Hello there!" in then
    assert "LIVE POLICY" in said.stdout
    assert "new: 1 answers, 0 with a refused draft, 0 handed off, $0" in said.stdout
    assert "reads no policy" in said.stderr
    (line,) = [json.loads(run("policy", "try", name, "--json", *NORTH).stdout)]
    assert line["new"]["model"].startswith("playbook/")
    with db.tenant(world.north.tenant_id) as s:
        assert s.scalars(select(PolicyVersion)).all() == []


def test_facts_are_set_shown_and_taken_back(run: Run, db: Database, world: World) -> None:
    assert run("facts", "set", "parking", " behind   the shop ", *NORTH).stdout == (
        "all locations, parking: behind the shop\n"
    )
    said = run("facts", "set", "parking", "on the street", "--location", "north", *NORTH)
    assert said.stdout == "north, parking: on the street\n"
    shown = json.loads(run("facts", "show", "--json", *NORTH).stdout)
    assert shown["business"] == {"parking": "behind the shop"}
    assert shown["said"] == {"north": {"parking": "on the street"}}
    assert "(was: " in run("facts", "set", "parking", "next door", *NORTH).stdout
    assert run("facts", "unset", "parking", "--location", "north", *NORTH).exit_code == 0
    with db.tenant(world.north.tenant_id) as s:
        assert settings_of(s.get_one(Tenant, world.north.tenant_id)).shop_facts == {"parking": "next door"}
        assert s.get_one(Location, world.north.location_id).facts == {}
    with db.tenant(world.south.tenant_id) as s:
        assert s.get_one(Tenant, world.south.tenant_id).settings == {}


@pytest.mark.parametrize(
    ("key", "value", "part"),
    [
        ("price", "a deposit of $50", "may not name an amount"),
        ("1st", "yes", "no name of a fact"),
        ("a\nb", "yes", "no name of a fact"),
        ("parking", "  ", "say what is true"),
        ("parking", "x" * 500, "500 characters"),
    ],
)
def test_facts_that_are_none(run: Run, key: str, value: str, part: str) -> None:
    assert part in refused(run, "facts", "set", key, value, *NORTH)


def test_an_unknown_fact_is_named_with_those_there_are(run: Run) -> None:
    run("facts", "set", "parking", "yes", *NORTH)
    assert "there is parking" in refused(run, "facts", "unset", "wifi", *NORTH)
