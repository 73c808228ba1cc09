"""`leads waves` as its owner uses it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from click.testing import Result

from crm.db import Database
from crm.models import Lead, TouchPoint, Wave
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import TestDatabase, World
from tests.integration.calendar_commands_help import local, refused, running
from tests.integration.wave_help import people, row, turn
from tests.runtimes import runtime_for

LONG = timedelta(days=200)


@pytest.fixture
def clock() -> FixedClock:
    """Monday eleven in Chicago, inside the hours of touches."""
    return FixedClock(local(23, 11))


@pytest.fixture
def runtime(test_database: TestDatabase, redis_url: str, clock: FixedClock) -> Iterator[Runtime]:
    with runtime_for(test_database, redis_url, clock) as made:
        yield made


@pytest.fixture
def run(
    test_database: TestDatabase, world: World, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Result]]:
    for any_run in running(test_database, clock, monkeypatch):

        def one(*arguments: str, base: Callable[..., Result] = any_run) -> Result:
            return base("waves", *arguments, "--tenant", "north")

        yield one


def test_a_dry_run_counts_and_starts_nothing(run: Any, db: Database, world: World, clock: FixedClock) -> None:
    people(db, world.north, clock.now(), 5)
    people(db, world.north, clock.now(), 2, granted=None, email=None)
    people(db, world.south, clock.now(), 7)
    shown = run("start", "spring", "--per-day", "2", "--dry-run")
    assert shown.exit_code == 0, shown.output
    assert "5 of 8 leads would be written to, in 3 days of sending. Nothing was started." in shown.stdout
    assert "2      no address that works, or no consent for it" in shown.stdout
    assert "1      heard from within 90 days" in shown.stdout
    told = json.loads(
        run("start", "spring", "--per-day", "2", "--dry-run", "--json", "--source", "csv").stdout
    )
    assert (told["match"], told["looked_at"], told["passed"]["came from test"]) == (0, 8, 7)
    with db.tenant(world.north.tenant_id) as s:
        assert s.query(Wave).count() == 0
        assert s.query(TouchPoint).count() == 0


def test_start_show_pause_resume_stop(
    run: Any, db: Database, world: World, clock: FixedClock, runtime: Runtime
) -> None:
    assert "No wave yet." in run("list").stdout
    people(db, world.north, clock.now(), 3)
    started = run(
        "start", "spring", "--per-day", "480", "--status", "lost,won", "--older-than", "120d", "--by", "Sam"
    )
    assert started.exit_code == 0, started.output
    (found,) = json.loads(run("list", "--json").stdout)
    assert found["filter"] == {"older_than_days": 120, "statuses": ["lost", "won"], "sources": None}
    with db.tenant(world.north.tenant_id) as s:
        one = s.query(Wave.id).scalar()
    turn(runtime, world.north, one)
    shown = run("show", "spring").stdout
    assert "Wave spring: running" in shown
    assert "1 leads taken, 0 written to" in shown
    assert "3 messages to come" in shown
    assert "lost, won leads from anywhere, not heard from for 120 days" in shown
    assert run("pause", "spring", "--by", "Sam").exit_code == 0
    assert refused(run, "pause", "spring") == "leads: spring is not running, it is paused\n"
    assert "paused by Sam" in run("show", "spring").stdout
    assert run("resume", "spring").exit_code == 0
    assert "3 planned messages will not be sent" in run("stop", "spring", "--by", "Sam").stdout
    assert (row(db, world.north, one).status, row(db, world.north, one).reason) == (
        "stopped",
        "stopped by Sam",
    )
    assert "spring is over: it is stopped" in refused(run, "stop", "spring")
    assert "spring  stopped  reactivation" in run("list").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("start", "Big Wave", "--per-day", "5"), "is no name of a wave"),
        (("start", "w", "--per-day", "5", "--plan", "nothing"), "no cadence plan 'nothing'"),
        (("start", "w", "--per-day", "5", "--plan", "default"), "a wave needs a plan without a step 1"),
        (("start", "w", "--per-day", "5", "--older-than", "soon"), "a number of days like 90d"),
        (("start", "w", "--per-day", "5", "--older-than", "5d"), "--older-than:"),
        (("start", "w", "--per-day", "5", "--status", "booked"), "--status:"),
        (("start", "w", "--per-day", "5", "--location", "moon"), "there is no location 'moon'"),
        (("show", "w"), "there is no wave w; there is none yet"),
    ],
)
def test_what_is_refused(run: Any, arguments: tuple[str, ...], says: str) -> None:
    assert says in refused(run, *arguments)


def test_names_are_a_businesss_own(run: Any, db: Database, world: World, clock: FixedClock) -> None:
    from tests.integration.wave_help import begin

    begin(db, world.south, clock.now())
    assert "there is no wave spring; there is none yet" in refused(run, "stop", "spring")
    assert run("start", "spring", "--per-day", "5").exit_code == 0
    assert "there was a wave spring before" in refused(run, "start", "spring", "--per-day", "5")
    with db.tenant(world.north.tenant_id) as s:
        assert s.query(Wave).count() == 1
        assert s.query(Lead).count() == 1
