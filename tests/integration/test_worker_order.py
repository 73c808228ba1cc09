"""What a customer waits for goes before looks at outside systems, however many of those wait."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from rq import Queue

from ops.clock import FixedClock
from scheduler import jobs
from scheduler.runtime import Runtime
from scheduler.worker import BACKGROUND, LOOKS, QUEUE, Worker
from tests.acceptance.processes import eventually
from tests.conftest import TestDatabase, World
from tests.runtimes import FakeSender, runtime_for


@pytest.fixture
def runtime(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World
) -> Iterator[Runtime]:
    with runtime_for(test_database, redis_url, clock, sms=FakeSender(), email=FakeSender()) as made:
        yield made


def test_leads_go_before_looks(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[str, str]] = []
    done = [f"{number}" for number in range(5)]

    def run(name: str) -> object:
        return lambda _runtime, _tenant, row_id: taken.append((name, row_id)) or "done"

    monkeypatch.setattr(jobs, "JOBS", {"crm_check": run("crm_check"), "webhook": run("webhook")})
    monkeypatch.setattr(jobs, "get_runtime", lambda: runtime)
    queues = {name: Queue(name, connection=runtime.redis) for name in (QUEUE, BACKGROUND)}
    for number in done:
        queues[BACKGROUND].enqueue("scheduler.jobs.run", "crm_check", 1, number)
    for number in done:
        queues[QUEUE].enqueue("scheduler.jobs.run", "webhook", 1, number)
    worker = Worker(runtime, 1)
    worker.start()
    try:
        eventually(lambda: len(taken) == 10, 30, "all are done")
    finally:
        worker.stop()
        worker.join()
    assert taken == [("webhook", number) for number in done] + [("crm_check", number) for number in done]


def test_the_pump_puts_looks_behind(runtime: Runtime, clock: FixedClock) -> None:
    for job in ("webhook", *sorted(LOOKS)):
        runtime.queue.wake(job, 1, "7", clock.now() - timedelta(seconds=1))
    worker = Worker(runtime, 0)
    worker.start()
    queues = {name: Queue(name, connection=runtime.redis) for name in (QUEUE, BACKGROUND)}
    try:
        eventually(
            lambda: sum(queue.count for queue in queues.values()) == 1 + len(LOOKS), 30, "all were moved"
        )
    finally:
        worker.stop()
        worker.join()
    moved = {name: sorted(job.args[0] for job in queue.jobs) for name, queue in queues.items()}
    assert moved == {QUEUE: ["webhook"], BACKGROUND: sorted(LOOKS)}
    assert set(LOOKS) <= set(jobs.JOBS)
