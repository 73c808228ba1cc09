"""`leads experiment` as its owner uses it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from click.testing import Result

from crm.db import Database
from crm.models import Experiment
from ops.clock import FixedClock
from tests.conftest import TestDatabase, World
from tests.integration.calendar_commands_help import refused, running
from tests.integration.experiment_rows import Story, begin, talk
from tests.integration.talking import rows


@pytest.fixture
def run(
    test_database: TestDatabase, world: World, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Result]]:
    """`leads experiment ...` for the shop in the north, with both vendors' keys."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key-of-a-test")
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-a-test")
    monkeypatch.setenv("AI_PROVIDER", "claude")
    monkeypatch.setenv("ANTHROPIC_MODEL", "claude-haiku-5-5")
    for any_run in running(test_database, clock, monkeypatch):

        def one(command: str, *arguments: str, base: Callable[..., Result] = any_run) -> Result:
            return base("experiment", command, *arguments, "--tenant", "north")

        yield one


def test_start_report_stop(run: Any, db: Database, world: World, clock: FixedClock) -> None:
    started = run("start", "one", "--arm", "control", "--arm", "mini,provider=openai,model=gpt-6-luna,weight=3",
                  "--by", "Sam")  # fmt: skip
    assert started.exit_code == 0, started.output
    assert "control (weight 1): claude/claude-haiku-5-5" in started.stdout
    (experiment,) = rows(db, world.north, Experiment)
    assert experiment.arms == [
        {"name": "control", "weight": 1, "provider": "claude", "model": "claude-haiku-5-5"},
        {"name": "mini", "weight": 3, "provider": "openai", "model": "gpt-6-luna"},
    ]
    assert (experiment.started_by, experiment.started_at) == ("Sam", clock.now())
    clock.advance(timedelta(hours=1))
    stopped = run("stop", "--because", "we know enough")
    assert stopped.exit_code == 0, stopped.output
    assert refused(run, "stop") == "leads: one was stopped before: we know enough\n"
    listed = json.loads(run("list", "--json").stdout)
    assert [(one["name"], one["status"], one["stopped_because"]) for one in listed] == [
        ("one", "stopped", "we know enough")
    ]
    assert "mini: openai/gpt-6-luna" in run("list").stdout


def test_a_report_compares_the_arms(run: Any, db: Database, world: World, clock: FixedClock) -> None:
    begin(db, world.north, clock.now())
    for number in range(12):
        talk(
            db,
            world.north,
            clock.now(),
            Story(cost=900 + number, booked="booked" if number % 2 else None),
            arm="control",
        )
        talk(
            db,
            world.north,
            clock.now(),
            Story(cost=300 + number, seconds=1.0, stopped=number < 3),
            arm="mini",
        )
    elsewhere = (("openai", "luna", False), ("claude", "haiku", True))
    talk(db, world.north, clock.now(), Story(cost=50_000, attempts=elsewhere), arm="mini")
    clock.advance(timedelta(hours=2))
    shown = run("report")
    assert shown.exit_code == 0, shown.output
    lines = {line[:22].strip(): line[22:] for line in shown.stdout.splitlines()}
    assert "Experiment one: running" in shown.stdout
    assert "mini:     openai/luna (weight 1)" in shown.stdout
    assert "6: 50.0% [25.4% to 74.6%]" in shown.stdout
    assert "-50.0 [-74.6 to -16.4] (*)" in shown.stdout
    assert "$0.0009 [$0.0009 to $0.0009]" in shown.stdout
    assert "-$0.0006 [-$0.0006 to -$0.0006] (*)" in shown.stdout
    assert "Answers that failed over to another model are in no cost and no time." in shown.stdout
    assert lines["failed over"].split() == ["0", "1"]
    whole = json.loads(run("report", "one", "--json").stdout)
    assert [arm["name"] for arm in whole["arms"]] == ["control", "mini"]
    assert whole["arms"][1]["rates"]["opted_out"]["count"] == 3
    assert {one["harm"] for one in whole["watches"]} == {"stops", "bookings", "unanswered"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["report"], "there is no experiment yet"),
        (["stop", "two"], "there is no experiment two"),
        (["start", "x", "--arm", "a"], "an experiment has two to 5 arms, this one has 1"),
        (["start", "x", "--arm", "a", "--arm", "b"], "arms 'a' and 'b' do not differ: both are claude/claude-haiku-5-5"),
        (["start", "x", "--arm", "a", "--arm", "b,provider=gemini"], "unknown provider 'gemini'; there is claude, openai"),
        (["start", "x", "--arm", "a", "--arm", "b,policy=2"], "names policy version 2, which does not exist; there is none"),
        (["start", "x y", "--arm", "a", "--arm", "b,provider=playbook"], "'x y' is no name of an experiment"),
        (["start", "x", "--arm", "a", "--arm", "b,color=red"], "'color=red' in arm 'b' is not understood"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence(run: Any, arguments: list[str], sentence: str) -> None:
    assert sentence in refused(run, *arguments)


def test_an_arm_without_a_key_is_refused(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    said = refused(run, "start", "x", "--arm", "a", "--arm", "b,provider=openai")
    assert said == "leads: arm 'b' asks openai, which has no key in this installation\n"
