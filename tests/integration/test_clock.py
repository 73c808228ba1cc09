"""The clock on a real Valkey: registers once, fires once, comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from rq import Queue
from rq.job import Job

from ops.settings import Settings
from scheduler import clock as clock_module
from scheduler.clock import QUEUE, TOUCHES_SECONDS, LeadsClock, Periodic, periodic_jobs

TICK = Periodic("tick", "scheduler.jobs.tick", 5)
SCHEDULED = "rq:scheduler:scheduled_jobs"


def until(condition: Callable[[], bool], seconds: float = 20) -> bool:
    """Look again and again, up to a bound."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        threading.Event().wait(0.02)
    return condition()


def queued(client: redis.Redis) -> list[str]:
    return Queue(QUEUE, connection=client).get_job_ids()


def make_due(client: redis.Redis) -> None:
    client.zadd(SCHEDULED, {"tick": time.time() - 1})


def test_registering_again_changes_nothing(redis_client: redis.Redis) -> None:
    clock = LeadsClock(redis_client, (TICK,))
    assert clock.register() == ["tick"]
    assert clock.look() == 1
    planned = redis_client.zscore(SCHEDULED, "tick")
    assert planned is not None
    assert LeadsClock(redis_client, (TICK,)).register() == []
    assert redis_client.zscore(SCHEDULED, "tick") == planned
    assert redis_client.zcard(SCHEDULED) == 1


def test_another_interval_is_taken_over(redis_client: redis.Redis) -> None:
    LeadsClock(redis_client, (TICK,)).register()
    assert LeadsClock(redis_client, (Periodic("tick", TICK.function, 60),)).register() == ["tick"]
    assert Job.fetch("tick", connection=redis_client).meta["interval"] == 60
    assert redis_client.zcard(SCHEDULED) == 1


def test_the_tick_waits_where_the_worker_listens(redis_client: redis.Redis) -> None:
    from scheduler import worker

    assert QUEUE == worker.QUEUE
    jobs = {job.id: job for job in periodic_jobs(Settings(tick_seconds=7))}
    job = jobs["tick"]
    assert {(one.id, one.function, one.every) for one in jobs.values()} >= {
        ("tick", "scheduler.jobs.tick", 7),
        ("experiments", "scheduler.jobs.watch_experiments", 300),
        ("retention", "scheduler.jobs.keep_no_longer", 24 * 3600),
        ("touches", "scheduler.jobs.watch_touches", TOUCHES_SECONDS),
        ("personal", "scheduler.jobs.word_touches", 300),
        ("digest", "scheduler.jobs.digest", 900),
        ("canary", "scheduler.jobs.canary", 60),
    }
    LeadsClock(redis_client, (job,)).look()
    assert queued(redis_client) == ["tick"]
    assert Job.fetch("tick", connection=redis_client).func_name == "scheduler.jobs.tick"


def test_two_clocks_fire_a_due_job_once(redis_client: redis.Redis) -> None:
    clocks = [LeadsClock(redis_client, (TICK,)) for _ in range(8)]
    clocks[0].register()
    for _ in range(10):
        redis_client.delete(f"rq:queue:{QUEUE}")
        make_due(redis_client)
        with ThreadPoolExecutor(8) as pool:
            fired = sum(pool.map(lambda clock: clock.look(), clocks))
        assert fired == 1
        assert queued(redis_client) == ["tick"]


def test_a_held_lock_is_respected_and_never_stolen(redis_client: redis.Redis) -> None:
    redis_client.set("rq:scheduler_lock", "another clock", ex=60)
    assert LeadsClock(redis_client, (TICK,)).look() == 0
    assert redis_client.get("rq:scheduler_lock") == b"another clock"
    assert redis_client.zcard(SCHEDULED) == 0


def test_without_a_worker_the_queue_does_not_grow(redis_client: redis.Redis) -> None:
    clock = LeadsClock(redis_client, (TICK,))
    for _ in range(5):
        clock.look()
        make_due(redis_client)
    assert queued(redis_client) == ["tick"]


@pytest.mark.parametrize("lost", ["everything", "the job only", "the schedule only"])
def test_what_a_flush_took_is_put_back(redis_client: redis.Redis, lost: str) -> None:
    clock = LeadsClock(redis_client, (TICK,))
    clock.look()
    if lost == "everything":
        redis_client.flushdb()
    elif lost == "the job only":
        redis_client.delete("rq:job:tick")
    else:
        redis_client.delete(SCHEDULED)
    clock.look()
    assert redis_client.zscore(SCHEDULED, "tick") is not None
    assert Job.exists("tick", connection=redis_client)


def test_it_runs_through_a_flush_and_a_lost_redis_and_stops(
    redis_client: redis.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock_module, "LOOK_SECONDS", 0.05)
    clock = LeadsClock(redis.Redis.from_url(redis_url), (TICK,))
    failures = iter([redis.ConnectionError("gone"), redis.ConnectionError("still gone")])
    look = clock.look

    def sometimes_gone() -> int:
        if error := next(failures, None):
            raise error
        return look()

    monkeypatch.setattr(clock, "look", sometimes_gone)
    thread = threading.Thread(target=clock.run)
    thread.start()
    try:
        assert until(lambda: queued(redis_client) == ["tick"]), "it comes back after two lost connections"
        redis_client.flushdb()
        assert until(lambda: queued(redis_client) == ["tick"]), "it registers again after a flush"
    finally:
        clock.stop()
        thread.join(20)
    assert not thread.is_alive()
