"""Experiments on real rows: who joins which arm, what is counted, and what is stopped."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from crm.db import Database
from crm.experiments import (
    ArmSpec,
    ExperimentRefused,
    arm_of,
    find_experiment,
    start_experiment,
    stop_experiment,
)
from crm.experiments.report import Report, report_on
from crm.models import ChatMessage, ChatSession, Experiment, ExperimentAssignment, PolicyVersion, Turn
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.harm import stop_harm, stop_if_harmful
from tests.conftest import Shop, TestDatabase, World
from tests.integration.experiment_rows import ARMS, PROVIDERS, Story, begin, new_chat, talk
from tests.integration.talking import answer, hear, rows, say, scripted
from tests.runtimes import FakeSender, runtime_for

HOUR = timedelta(hours=1)


def report(db: Database, shop: Shop, clock: FixedClock) -> Report:
    with db.tenant(shop.tenant_id) as s:
        return report_on(s, find_experiment(s, shop.tenant_id, None), clock.now())


def test_without_an_experiment_nobody_has_an_arm(db: Database, world: World, clock: FixedClock) -> None:
    with db.tenant(world.north.tenant_id) as s:
        assert arm_of(s, s.get_one(ChatSession, world.north.session_id), clock.now()) is None
    assert rows(db, world.north, ExperimentAssignment) == []


def test_a_conversation_joins_once_and_stays(db: Database, world: World, clock: FixedClock) -> None:
    shop = world.north
    experiment_id = begin(db, shop, clock.now())
    seen = []
    for _ in range(3):
        with db.tenant(shop.tenant_id) as s:
            seen.append(arm_of(s, s.get_one(ChatSession, shop.session_id), clock.now()))
        clock.advance(HOUR)
    assert seen[0] is not None
    assert seen == [seen[0]] * 3
    (joined,) = rows(db, shop, ExperimentAssignment)
    assert (joined.experiment_id, joined.arm) == (experiment_id, seen[0].name)
    assert joined.assigned_at == clock.now() - 3 * HOUR
    assert (seen[0].provider, seen[0].model) in [(arm.provider, arm.model) for arm in ARMS]


def test_the_recorded_arm_counts_more_than_the_hash(db: Database, world: World, clock: FixedClock) -> None:
    shop = world.north
    experiment_id = begin(db, shop, clock.now())
    with db.tenant(shop.tenant_id) as s:
        for chat, arm in ((new_chat(s, shop), "control"), (new_chat(s, shop), "mini")):
            s.add(
                ExperimentAssignment(
                    tenant_id=shop.tenant_id, experiment_id=experiment_id, session_id=chat.id, arm=arm,
                    assigned_at=clock.now(),
                )
            )  # fmt: skip
            s.flush()
            found = arm_of(s, chat, clock.now())
            assert found is not None
            assert found.name == arm


def test_two_workers_at_once_make_one_assignment(db: Database, world: World, clock: FixedClock) -> None:
    shop = world.north
    begin(db, shop, clock.now())

    def join(_: int) -> Any:
        with db.tenant(shop.tenant_id) as s:
            return arm_of(s, s.get_one(ChatSession, shop.session_id), clock.now())

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(join, range(8)))
    assert len(found) == 1
    assert len(rows(db, shop, ExperimentAssignment)) == 1


def test_a_stopped_experiment_gives_no_arm(db: Database, world: World, clock: FixedClock) -> None:
    shop = world.north
    begin(db, shop, clock.now())
    with db.tenant(shop.tenant_id) as s:
        assert arm_of(s, s.get_one(ChatSession, shop.session_id), clock.now()) is not None
        experiment = find_experiment(s, shop.tenant_id, "one", lock=True)
        stop_experiment(s, experiment, "enough", clock.now())
        assert arm_of(s, s.get_one(ChatSession, shop.session_id), clock.now()) is None
        with pytest.raises(ExperimentRefused, match="one was stopped before: enough"):
            stop_experiment(s, experiment, "again", clock.now())


def test_another_tenants_experiment_is_not_ours(db: Database, world: World, clock: FixedClock) -> None:
    begin(db, world.south, clock.now())
    with db.tenant(world.north.tenant_id) as s:
        assert arm_of(s, s.get_one(ChatSession, world.north.session_id), clock.now()) is None
        with pytest.raises(ExperimentRefused, match="there is no experiment yet"):
            find_experiment(s, world.north.tenant_id, None)


def test_an_experiment_that_cannot_be_is_refused(db: Database, world: World, clock: FixedClock) -> None:
    shop = world.north
    begin(db, shop, clock.now())
    with db.tenant(shop.tenant_id) as s:
        s.add(PolicyVersion(tenant_id=shop.tenant_id, version=1, body="# Policy", author="sam"))
        # Somebody else's version is none of ours.
        arms = [
            ArmSpec("a", provider="claude", policy_version=1),
            ArmSpec("b", provider="claude", policy_version=2),
        ]
        with pytest.raises(ExperimentRefused) as refused:
            start_experiment(s, shop.tenant_id, "one", arms, providers=PROVIDERS, by="sam", now=clock.now())
    said = str(refused.value)
    assert "names policy version 2, which does not exist; there is 1" in said
    assert "one is running; stop it first: leads experiment stop one" in said
    assert "there was an experiment one before" in said


def test_two_owners_at_once_start_one_experiment(db: Database, world: World, clock: FixedClock) -> None:
    def start(number: int) -> str:
        try:
            begin(db, world.north, clock.now(), f"race-{number}")
        except ExperimentRefused as refused:
            return str(refused)
        return "started"

    with ThreadPoolExecutor(6) as pool:
        said = list(pool.map(start, range(6)))
    assert said.count("started") == 1
    assert all("started" in one or "is running" in one for one in said)
    assert len(rows(db, world.north, Experiment)) == 1


def test_every_outcome_is_counted_once_and_only_its_own(
    db: Database, world: World, clock: FixedClock
) -> None:
    shop = world.north
    with db.tenant(shop.tenant_id) as s:
        # Before the experiment: a conversation in nobody's arm.
        new_chat(s, shop)
    begin(db, shop, clock.now())
    clock.advance(HOUR)
    stories = [
        Story(),
        Story(replied=True, booked="booked"),
        Story(replied=True, booked="cancelled"),
        Story(stopped=True),
        Story(hand_off="complaint"),
        Story(hand_off="asked_for_person"),
        Story(gave_up=True),
    ]
    for story in stories:
        talk(db, shop, clock.now(), story, arm="control")
    talk(db, shop, clock.now(), Story(booked="confirmed"), arm="mini")
    clock.advance(2 * HOUR)
    control, mini = report(db, shop, clock).arms
    assert (control.conversations, mini.conversations) == (7, 1)
    counted = {name: rate.count for name, rate in control.rates.items()}
    assert counted == {
        "booked": 1, "replied": 2, "opted_out": 1, "complained": 1, "handed_off": 3, "unanswered": 1,
    }  # fmt: skip
    assert {name: rate.count for name, rate in mini.rates.items() if rate.count} == {"booked": 1}
    assert control.rates["booked"].difference is None
    assert mini.rates["booked"].difference is not None
    assert mini.rates["booked"].difference.value == pytest.approx(1 - 1 / 7)


def test_a_real_answer_joins_and_is_counted(
    db: Database, test_database: TestDatabase, redis_url: str, world: World, clock: FixedClock
) -> None:
    shop = world.north
    experiment_id = begin(db, shop, clock.now())
    model = scripted(say("Hello! How can I help?"))
    with runtime_for(test_database, redis_url, clock, models=[model], sms=FakeSender()) as runtime:
        hear(runtime, shop, "hello there")
        assert answer(runtime, shop) == "done"
    (turn,) = rows(db, shop, Turn)
    (joined,) = rows(db, shop, ExperimentAssignment)
    assert (turn.experiment_id, turn.arm) == (experiment_id, joined.arm)
    arm = next(one for one in report(db, shop, clock).arms if one.name == joined.arm)
    # The script is neither claude nor openai, so the arm's own model was not what answered.
    assert (arm.conversations, arm.answers, arm.failed_over) == (1, 1, 1)


def test_what_happens_after_the_end_is_not_counted(db: Database, world: World, clock: FixedClock) -> None:
    shop = world.north
    begin(db, shop, clock.now())
    # Everything of the story happens an hour after the answer.
    talk(db, shop, clock.now(), Story(replied=True, booked="booked", stopped=True), arm="mini")
    clock.advance(HOUR / 2)
    with db.tenant(shop.tenant_id) as s:
        stop_experiment(s, find_experiment(s, shop.tenant_id, None, lock=True), "enough", clock.now())
    clock.advance(2 * HOUR)
    mini = report(db, shop, clock).arms[1]
    assert {name: rate.count for name, rate in mini.rates.items() if rate.count} == {}


def test_failed_over_and_unknown_answers_are_in_no_cost(
    db: Database, world: World, clock: FixedClock
) -> None:
    shop = world.north
    begin(db, shop, clock.now())
    elsewhere = (("claude", "haiku", False), ("openai", "luna", True))
    for story in (
        Story(cost=1000, seconds=1.0),
        Story(cost=3000, seconds=3.0),
        Story(cost=None, seconds=5.0),
        Story(cost=90_000, seconds=60.0, attempts=elsewhere),
        # A fixed truthful line: no model was asked.
        Story(cost=0, seconds=0.1, attempts=()),
    ):
        talk(db, shop, clock.now(), story, arm="control")
    talk(db, shop, clock.now(), Story(), arm="mini")
    clock.advance(HOUR)
    control, mini = report(db, shop, clock).arms
    assert (control.answers, control.failed_over, control.cost_unknown) == (5, 1, 1)
    cost, seconds = control.averages["cost_per_answer"].mean, control.averages["seconds_per_answer"].mean
    assert cost is not None
    assert seconds is not None
    assert (cost.value, seconds.value) == (2000, 3.0)
    assert 1000 <= cost.low <= cost.value <= cost.high <= 3000
    # One conversation says nothing about a mean.
    assert mini.averages["cost_per_answer"].mean is None
    assert mini.averages["cost_per_answer"].difference is None


def test_a_harmful_arm_is_stopped_and_the_shop_told_once(
    db: Database, test_database: TestDatabase, redis_url: str, world: World, clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    shop = world.north
    begin(db, shop, clock.now())
    begin(db, world.south, clock.now())
    for number in range(16):
        talk(db, shop, clock.now(), Story(), arm="control")
        talk(db, shop, clock.now(), Story(stopped=number > 0), arm="mini")
    with runtime_for(test_database, redis_url, clock) as runtime:
        assert stop_harm(runtime) == 0, "nothing has happened yet at this moment"
        clock.advance(2 * HOUR)
        monkeypatch.setattr(jobs, "get_runtime", lambda: runtime)
        assert jobs.watch_experiments() == 1
        assert jobs.watch_experiments() == 0
    (experiment,) = rows(db, shop, Experiment)
    assert (experiment.status, experiment.stopped_at) == ("stopped", clock.now())
    assert experiment.stopped_because == (
        "arm mini did harm: 15 of 16 conversations ended in a stop or a complaint, 0 of 16 in the control;"
        " chance alone does this in fewer than 1 of 60 experiments"
    )
    (notice,) = rows(db, shop, ChatMessage, ChatMessage.kind == "notice")
    assert notice.body.startswith("Experiment one was stopped: arm mini did harm: 15 of 16")
    assert notice.body.endswith("See: leads experiment report one")
    (other,) = rows(db, world.south, Experiment)
    assert other.status == "running"


def test_a_little_harm_is_not_enough(db: Database, world: World, clock: FixedClock) -> None:
    begin(db, world.north, clock.now())
    for _ in range(5):
        talk(db, world.north, clock.now(), Story(stopped=True), arm="mini")
        talk(db, world.north, clock.now(), Story(), arm="control")
    clock.advance(2 * HOUR)
    with db.tenant(world.north.tenant_id) as s:
        assert not stop_if_harmful(s, world.north.tenant_id, clock.now())


def test_trouble_with_one_tenant_keeps_no_other_from_being_watched(
    db: Database, test_database: TestDatabase, redis_url: str, world: World, clock: FixedClock
) -> None:
    for shop in (world.north, world.south):
        begin(db, shop, clock.now())
        for _ in range(16):
            talk(db, shop, clock.now(), Story(gave_up=True), arm="mini")
    with db.tenant(world.north.tenant_id) as s:
        find_experiment(s, world.north.tenant_id, None).arms = []
    with runtime_for(test_database, redis_url, clock) as runtime, pytest.raises(IndexError):
        stop_harm(runtime)
    assert [one.status for one in rows(db, world.north, Experiment)] == ["running"]
    assert [one.status for one in rows(db, world.south, Experiment)] == ["stopped"]
