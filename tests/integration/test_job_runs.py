"""What jobs did, as rows: one a run, one for a trouble however often it comes, one for each periodic job; and the sweep
that wakes the dispatcher."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from app import create_app
from crm.db import Database
from crm.job_runs import last_success, note_failure, note_periodic, note_success, periodic_runs, recent_runs
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.canary import LATE, loop_of
from scheduler.clock import LeadsClock, periodic_jobs
from scheduler.runtime import Runtime
from scheduler.worker import QUEUES, TOUCHES, Worker
from tests.acceptance.processes import eventually
from tests.conftest import TestDatabase, World
from tests.integration.calendar_commands_help import running
from tests.integration.dispatch_help import crowd, states
from tests.runtimes import FakeSender, due_jobs, runtime_for

Run = Callable[..., Result]


@pytest.fixture
def runtime(
    test_database: TestDatabase,
    redis_url: str,
    clock: FixedClock,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Runtime]:
    with runtime_for(test_database, redis_url, clock, sms=FakeSender(), email=FakeSender()) as made:
        monkeypatch.setattr(jobs, "get_runtime", lambda: made)
        yield made


@pytest.fixture
def run(
    test_database: TestDatabase, clock: FixedClock, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Run]:
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setattr("cli.jobs.clock_of", lambda settings: clock)
    yield from running(test_database, clock, monkeypatch)


def test_one_trouble_is_one_row_until_it_is_over(
    runtime: Runtime, world: World, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    north, south = world.north.tenant_id, world.south.tenant_id

    def broken(*_: Any) -> str:
        raise RuntimeError(f"broken at {clock.now():%H:%M}")

    monkeypatch.setitem(jobs.JOBS, "media", broken)
    for tenant, row in ((north, "7"), (north, "7"), (north, "8"), (south, "7")):
        with pytest.raises(RuntimeError):
            jobs.run("media", tenant, row)
        clock.advance(timedelta(minutes=1))
    found = {run.subject: run for run in _runs(runtime.db, north)}
    assert {subject: (run.tries, run.outcome) for subject, run in found.items()} == {
        "7": (2, "failed"),
        "8": (1, "failed"),
    }
    assert found["7"].error == "RuntimeError: broken at 15:01\n"
    assert found["7"].started_at < found["7"].finished_at
    monkeypatch.setitem(jobs.JOBS, "media", lambda *_: "fetched")
    assert jobs.run("media", north, "7") == "fetched"
    found = {run.subject: run for run in _runs(runtime.db, north)}
    assert (found["7"].outcome, found["7"].tries, found["8"].outcome) == ("done", 3, "failed")
    assert [run.tries for run in _runs(runtime.db, south)] == [1], "another business' row is another row"
    assert jobs.run("media", north, "7") == "fetched"
    assert len(_runs(runtime.db, north)) == 2, "what goes well is no row"


def test_the_same_trouble_days_later_is_another_row(db: Database, world: World, clock: FixedClock) -> None:
    north = world.north.tenant_id
    for _ in range(2):
        with db.tenant(north) as session:
            note_failure(session, "media", north, "7", clock.now(), clock.now(), RuntimeError("x" * 5000))
        clock.advance(timedelta(days=2))
    runs = _runs(db, north)
    assert [run.tries for run in runs] == [1, 1]
    assert len(runs[0].error or "") == 2000
    with db.tenant(world.south.tenant_id) as session:
        assert not note_success(session, "media", world.south.tenant_id, "7", clock.now())


def test_a_periodic_job_keeps_one_row(db: Database, clock: FixedClock) -> None:
    first = clock.now()
    with db.system() as session:
        note_periodic(session, "tick", first, first, counts={"answer": 2})
    for tries in (1, 2):
        clock.advance(timedelta(seconds=5))
        with db.system() as session:
            note_periodic(session, "tick", clock.now(), clock.now(), error=RuntimeError("lost"))
            row = periodic_runs(session)["tick"]
            assert (row.outcome, row.tries, row.error) == ("failed", tries, "RuntimeError: lost\n")
            assert (row.started_at, row.finished_at, row.counts) == (clock.now(), first, {"answer": 2})
            assert last_success(session, "tick") == first
    clock.advance(timedelta(seconds=5))
    with db.system() as session:
        note_periodic(session, "tick", clock.now(), clock.now())
        row = periodic_runs(session)["tick"]
        assert (row.outcome, row.tries, row.error, row.counts) == ("done", 1, None, {})
        assert last_success(session, "tick") == clock.now()
        assert recent_runs(session) == []


def test_the_tick_wakes_the_dispatcher_once_and_only_when_a_touch_is_due(
    runtime: Runtime, world: World, owner_engine: Engine, clock: FixedClock
) -> None:
    assert jobs.tick() == 0
    assert due_jobs(runtime.redis, runtime) == []
    crowd(owner_engine, world.north, 7, clock.now() + timedelta(minutes=1))
    assert jobs.tick() == 0
    clock.advance(timedelta(minutes=1))
    assert (jobs.tick(), jobs.tick()) == (1, 1)
    assert due_jobs(runtime.redis, runtime) == [("dispatch", 0, "0")]
    assert jobs.run("dispatch", 0, "0") == "7 written"
    assert states(runtime.db, world.north) == {"written": 7}
    runtime.redis.flushdb()
    assert jobs.tick() == 7
    assert [job for job, _, _ in due_jobs(runtime.redis, runtime)] == ["deliver"] * 7
    with runtime.db.system() as session:
        assert periodic_runs(session)["tick"].counts == {"deliver": 7}
        assert [run.counts for run in recent_runs(session, job="tick")] == [
            {"deliver": 7}, {"dispatch": 1}, {"dispatch": 1},
        ]  # fmt: skip


def test_one_thread_of_a_process_dispatches_and_the_next_job_may(
    runtime: Runtime, world: World, owner_engine: Engine, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd(owner_engine, world.north, 1, clock.now())
    with jobs._dispatching:
        assert jobs.run("dispatch", 0, "0") == "another thread of this process is at it"
    assert states(runtime.db, world.north) == {"planned": 1}

    def broken(*_: Any) -> dict[str, int]:
        raise RuntimeError("broken")

    with monkeypatch.context() as patched:
        patched.setattr(jobs, "dispatch", broken)
        with pytest.raises(RuntimeError):
            jobs.run("dispatch", 0, "0")
    assert jobs.run("dispatch", 0, "0") == "1 written"


def test_a_tick_that_fails_says_so(
    runtime: Runtime, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise OperationalError("select", {}, Exception("the database went away"))

    monkeypatch.setattr(jobs, "owed", broken)
    with pytest.raises(OperationalError):
        jobs.tick()
    with runtime.db.system() as session:
        row = periodic_runs(session)["tick"]
    assert (row.outcome, row.finished_at) == ("failed", None)
    assert "the database went away" in (row.error or "")


def test_the_canary_goes_round_the_whole_loop(
    runtime: Runtime, clock: FixedClock, owner_engine: Engine
) -> None:
    """The clock fires it, a worker takes it, the pump moves its wake-up, and a worker writes that it came."""
    client = create_app(runtime).test_client()
    assert client.get("/healthz").json == {"database": True, "queue": True, "loop": None, "loop_last": None}
    worker = Worker(runtime, 2)
    worker.start()
    try:
        LeadsClock(runtime.redis, periodic_jobs(runtime.settings)).look()
        eventually(lambda: _last(runtime) is not None, 30, "the canary is back")
    finally:
        worker.stop()
        worker.join()
    assert _last(runtime) == clock.now()
    now = client.get("/healthz")
    assert (now.status_code, now.json["loop"]) == (200, True)
    clock.advance(LATE + timedelta(seconds=1))
    later = client.get("/healthz")
    assert (later.status_code, later.json["loop"]) == (200, False), "webhooks are taken in all the same"
    with runtime.db.system() as session:
        assert loop_of(session, clock.now() - timedelta(seconds=1)).turning is True


def test_touches_wait_behind_what_customers_wait_for(runtime: Runtime, clock: FixedClock) -> None:
    from rq import Queue

    for job in ("dispatch", "answer"):
        runtime.queue.wake(job, 0, "0", clock.now() - timedelta(seconds=1))
    worker = Worker(runtime, 0)
    worker.start()
    queues = {name: Queue(name, connection=runtime.redis) for name in QUEUES}
    try:
        eventually(lambda: sum(queue.count for queue in queues.values()) == 2, 30, "all were moved")
    finally:
        worker.stop()
        worker.join()
    assert [job.args[0] for job in queues[TOUCHES].jobs] == ["dispatch"]
    assert QUEUES.index(TOUCHES) == 1


def test_the_command_shows_what_runs_waits_and_failed(
    runtime: Runtime, world: World, owner_engine: Engine, clock: FixedClock, run: Run
) -> None:
    shown = run("jobs").output
    assert {"tick", "canary", "never"} <= set(shown.split())
    assert run("jobs", "--failed").output == "Nothing has failed that has not succeeded since.\n"
    crowd(owner_engine, world.north, 2, clock.now())
    LeadsClock(runtime.redis, periodic_jobs(runtime.settings)).register()
    jobs.tick()
    with runtime.db.tenant(world.south.tenant_id) as session:
        note_failure(
            session, "media", world.south.tenant_id, "9", clock.now(), clock.now(), RuntimeError("no\x1b[31m such picture")
        )  # fmt: skip
    shown = run("jobs").output
    assert "waiting now: 1 dispatch" in shown
    assert shown.splitlines()[1].split()[:6] == ["tick", "5", "s", "0", "s", "ago"]
    assert "\x1b" not in shown
    failed = run("jobs", "--failed").output.splitlines()
    assert failed[0] == "failed"
    assert [each.split()[2:6] for each in failed[2:]] == [["media", "south", "9", "failed"]]
    assert "media" not in run("jobs", "--job", "tick").output
    told = json.loads(run("jobs", "--json").output)
    lines = {line["job"]: line for line in told["periodic"]}
    assert lines["tick"]["outcome"] == "done"
    assert lines["tick"]["next"] is not None
    assert lines["tick"]["counts"] == {"dispatch": 1}
    assert (lines["digest"]["outcome"], lines["digest"]["every_s"]) == ("never ran", 900)
    assert told["waiting"] == {"dispatch": 1}
    assert {(one["job"], one["tenant"], one["tries"]) for one in told["runs"]} == {
        ("media", "south", 1),
        ("tick", None, 1),
    }


def test_the_command_shows_a_periodic_job_that_fails_while_redis_is_away(
    runtime: Runtime, clock: FixedClock, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with runtime.db.system() as session:
        note_periodic(session, "tick", clock.now(), clock.now(), error=RuntimeError("no disk"))
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    shown = run("jobs", "--failed").output
    assert "failed 1x: RuntimeError: no disk" in shown
    assert "canary" not in shown


def test_nobody_reads_another_business_runs(db: Database, world: World, clock: FixedClock) -> None:
    north = world.north.tenant_id
    with db.tenant(north) as session:
        note_failure(session, "media", north, "7", clock.now(), clock.now(), RuntimeError("x"))
    assert _runs(db, world.south.tenant_id) == []
    with db.system() as session:
        assert recent_runs(session) == []


def _last(runtime: Runtime) -> Any:
    with runtime.db.system() as session:
        return last_success(session, "canary")


def _runs(db: Database, tenant_id: int) -> list[Any]:
    with db.tenant(tenant_id) as session:
        return list(recent_runs(session))
