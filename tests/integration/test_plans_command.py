"""`leads plans`: a business's own plans in versions; what has begun goes on by its own, what begins follows the newest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import text

from crm.cadence_plans import UnchangedPlan, plan_lines, save_version
from crm.consent_policy import settings_for
from crm.db import Database
from crm.models import ChatSession, Lead, Tenant, TouchPoint
from ops.clock import FixedClock
from scheduler.plan import Plan, UnknownPlan, body_of, load_plan, plan_for, plan_name_for
from scheduler.touches import start_cadence
from tests.conftest import Shop, TestDatabase, World
from tests.integration.calendar_commands_help import refused, running

Run = Callable[..., Result]
NORTH = ("--tenant", "north")
GENTLE = """name: gentle
apart: 3h
steps:
  - {step: 1, after: 0m, channel: sms, template: hello, about: "hello"}
  - {step: 2, after: 3d, channel: email, template: details, about: "details", part: morning}
"""


@pytest.fixture
def run(
    test_database: TestDatabase, world: World, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Run]:
    yield from running(test_database, clock, monkeypatch)


def written(folder: Path, words: str) -> str:
    path = folder / "plan.yaml"
    path.write_text(words, encoding="utf-8")
    return str(path)


def saved(run: Run, folder: Path, words: str = GENTLE, *more: str) -> dict[str, Any]:
    result = run("plans", "save", written(folder, words), "--json", *NORTH, *more)
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def begin(db: Database, shop: Shop, clock: FixedClock, plan: str) -> list[tuple[int, int | None]]:
    """Start a cadence of this plan; step and version of its rows."""
    with db.tenant(shop.tenant_id) as session:
        session.execute(text("delete from touch_points"))
        lead = session.get_one(Lead, shop.lead_id)
        chat = session.get_one(ChatSession, shop.session_id)
        rows = start_cadence(session, lead, chat, now=clock.now(), plan=plan)
        return [(row.step, row.plan_version) for row in rows]


def test_a_plan_is_saved_shown_and_listed(run: Run, tmp_path: Path) -> None:
    assert saved(run, tmp_path, GENTLE, "--who", "Ana", "--note", "less of it") == {
        "name": "gentle",
        "version": 1,
    }
    assert "says the same already" in refused(run, "plans", "save", written(tmp_path, GENTLE), *NORTH)
    longer = GENTLE.replace("after: 3d", "after: 4d")
    assert saved(run, tmp_path, longer)["version"] == 2
    shown = run("plans", "show", "gentle", "--version", "1", "--yaml", *NORTH).stdout
    assert "after: 3d" in shown
    assert "part: morning" in shown
    assert "says the same already" not in run("plans", "save", written(tmp_path, shown), *NORTH).output
    rows = json.loads(run("plans", "history", "gentle", "--json", *NORTH).stdout)
    assert [(row["version"], row["newest"], row["author"]) for row in rows][-1] == (1, False, "Ana")
    assert [row["version"] for row in rows] == [3, 2, 1], "the file that `show` writes is the plan it shows"
    listed = {row["name"]: row for row in json.loads(run("plans", "list", "--json", *NORTH).stdout)}
    assert listed["gentle"]["version"] == 3
    assert listed["default"]["usual"]
    assert "gentle, version 3: cadence, spread over 10m" in run("plans", "show", "gentle", *NORTH).stdout
    assert "No plan was changed" in run("plans", "history", "--tenant", "south").stdout, "another business's"
    assert (
        "there is no cadence plan 'gentle'"
        in refused(run, "plans", "show", "gentle", "--tenant", "south").lower()
    )


def test_what_makes_no_sense_is_not_saved(run: Run, tmp_path: Path, db: Database, world: World) -> None:
    bad = written(tmp_path, GENTLE.replace("details,", "nonsense,").replace("part: morning", "days: [sun]"))
    for command in ("check", "save"):
        result = run("plans", command, bad, *NORTH)
        assert result.exit_code == 2
        assert result.stderr.splitlines() == [
            "leads: step 2: there is no template 'nonsense'",
            "leads: step 2: no hour that the law allows fits it",
        ]
    assert json.loads(run("plans", "check", bad, "--json", *NORTH).stdout)["problems"][0].startswith("step 2")
    assert run("plans", "check", written(tmp_path, GENTLE), *NORTH).stdout == "nothing found\n"
    assert "cannot be read" in refused(run, "plans", "check", str(tmp_path / "none.yaml"), *NORTH)
    (tmp_path / "odd.yaml").write_bytes(b"\xff\xfe\x00")
    assert "no text in UTF-8" in refused(run, "plans", "check", str(tmp_path / "odd.yaml"), *NORTH)
    assert "--who" in refused(run, "plans", "save", written(tmp_path, GENTLE), "--who", " ", *NORTH)
    with db.tenant(world.north.tenant_id) as session:
        assert plan_lines(session, world.north.tenant_id) == []


def test_new_leads_follow_the_newest_and_old_ones_their_own(
    run: Run, tmp_path: Path, db: Database, world: World, clock: FixedClock
) -> None:
    north = world.north
    assert begin(db, north, clock, "default")[0] == (1, None)
    own = GENTLE.replace("name: gentle", "name: default")
    saved(run, tmp_path, own)
    assert begin(db, north, clock, "default") == [(1, 1), (2, 1)]
    saved(run, tmp_path, own.replace("after: 3d", "after: 9d"))
    assert [row[1] for row in begin(db, north, clock, "default")] == [2, 2]
    assert begin(db, world.south, clock, "default")[0][1] is None, "another business has what ships"
    with db.tenant(north.tenant_id) as session:
        by = {version: plan_for(session, north.tenant_id, "default", version) for version in (None, 1, 2)}
        newest = plan_for(session, north.tenant_id, "default")
        assert by[None] == load_plan("default"), "what was planned by the one that ships stays with it"
        assert [by[v].steps[1].after.days for v in (1, 2)] == [3, 9]
        assert (newest, newest.version) == (by[2], 2)
        for name, version in (("default", 3), ("nonsense", None), ("gentle", 1)):
            with pytest.raises(UnknownPlan):
                plan_for(session, north.tenant_id, name, version)
    with db.tenant(world.south.tenant_id) as session, pytest.raises(UnknownPlan):
        plan_for(session, world.south.tenant_id, "default", 1)


def test_the_history_counts_the_touches_of_each_version(
    run: Run, tmp_path: Path, db: Database, world: World, clock: FixedClock
) -> None:
    saved(run, tmp_path)
    begin(db, world.north, clock, "gentle")
    saved(run, tmp_path, GENTLE.replace("after: 3d", "after: 9d"))
    with db.tenant(world.north.tenant_id) as session:
        lines = plan_lines(session, world.north.tenant_id)
        rows = session.query(TouchPoint).filter(TouchPoint.plan == "gentle").all()
    assert [(line.version, line.touches) for line in lines] == [(2, 0), (1, 2)]
    assert {row.resume_after_s for row in rows} == {3 * 24 * 3600}
    assert {row.kind for row in rows} == {"touch"}


def test_leads_of_a_source_go_by_their_own_plan(run: Run, tmp_path: Path, db: Database, world: World) -> None:
    saved(run, tmp_path)
    with db.tenant(world.north.tenant_id) as session:
        source = session.get_one(Lead, world.north.lead_id).source

    def followed() -> str:
        with db.tenant(world.north.tenant_id) as session:
            return plan_name_for(session, session.get_one(Lead, world.north.lead_id))

    assert followed() == "default"
    assert "go by gentle" in run("plans", "use", "gentle", "--source", source, *NORTH).stdout
    assert followed() == "gentle"
    assert run("plans", "use", "gentle", "--source", "elsewhere", *NORTH).exit_code == 0
    assert "elsewhere, " in run("plans", "list", *NORTH).stdout
    assert "by the usual plan" in run("plans", "use", "usual", "--source", source, *NORTH).stdout
    assert followed() == "default"
    assert "no longer by default" in run("plans", "use", "gentle", *NORTH).stdout
    assert followed() == "gentle"
    with db.tenant(world.north.tenant_id) as session:
        settings = settings_for(session, world.north.tenant_id)
    assert (settings.cadence, settings.plan_by_source) == ("gentle", {"elsewhere": "gentle"})


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("use", "nonsense"), "there is default, follow_up"),
        (("use", "no_show"), "of the kind no_show"),
        (("use", "usual"), "say with --source"),
        (("use", "usual", "--source", "never"), "say with --source"),
        (("show", "../default"), "no cadence plan"),
        (("show", "default", "--version", "4"), "no version 4"),
        (("history", "nonsense"), "no plan"),
    ],
)
def test_refusals_are_sentences(run: Run, arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in refused(run, "plans", *arguments, *NORTH)


def test_what_ships_can_be_saved_and_taken_back(run: Run, tmp_path: Path) -> None:
    shipped = run("plans", "show", "default", "--shipped", "--yaml", *NORTH).stdout
    assert saved(run, tmp_path, shipped) == {"name": "default", "version": 1}
    assert saved(run, tmp_path, shipped.replace("after: 30d", "after: 29d"))["version"] == 2
    assert json.loads(run("plans", "show", "default", "--json", *NORTH).stdout)["version"] == 2
    assert saved(run, tmp_path, shipped)["version"] == 3


def test_two_who_save_at_once_make_two_versions(db: Database, world: World, clock: FixedClock) -> None:
    tenant_id = world.north.tenant_id

    def save(days: int) -> int | None:
        plan = Plan.model_validate(body_of(load_plan("default")) | {"apart": f"{days}h"})
        with db.tenant(tenant_id) as session:
            return save_version(session, tenant_id, "default", body_of(plan), author="two", now=clock.now())

    with ThreadPoolExecutor(4) as pool:
        assert sorted(filter(None, pool.map(save, range(1, 9)))) == list(range(1, 9))
    with db.tenant(tenant_id) as session:
        body = body_of(plan_for(session, tenant_id, "default"))
        with pytest.raises(UnchangedPlan):
            save_version(session, tenant_id, "default", body, author="two", now=clock.now())
    with db.tenant(world.south.tenant_id) as session:
        assert plan_for(session, world.south.tenant_id, "default").version is None
        assert session.get_one(Tenant, world.south.tenant_id).settings.get("plan_by_source") is None
