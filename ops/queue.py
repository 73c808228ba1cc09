"""The wake-up call: which row is worth looking at, and when. The database stays the truth.

One Redis sorted set holds `job:tenant:id` scored by its moment. The same row woken again only moves its moment,
which is how a burst of texts gets one answer. A worker's pump moves due entries to RQ; whatever gets lost between
here and there is found by the sweeper, because the debt itself is a row.
"""

from __future__ import annotations

import threading
from datetime import datetime
from typing import cast

import redis
import structlog

log = structlog.get_logger(__name__)

WAKE_SET = "leads:wake"


class WakeQueue:
    """Wakes jobs by name. Never raises for a lost Redis: the row is stored, the sweeper will find it."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self.lost = 0

    def wake(self, job: str, tenant_id: int, row_id: int | str, at: datetime) -> None:
        """Ask for `job(tenant_id, row_id)` at `at` or soon after. Call it after the commit, never before."""
        try:
            self._redis.zadd(WAKE_SET, {f"{job}:{tenant_id}:{row_id}": at.timestamp()})
        except redis.RedisError as error:
            self.lost += 1
            log.warning("wake_lost", job=job, row_id=row_id, error=type(error).__name__)

    def take_due(self, now: datetime, limit: int = 200) -> list[tuple[str, int, str]]:
        """Remove and return due entries as (job, tenant id, row id). Two pumps never get the same entry."""
        due: list[tuple[str, int, str]] = []
        members = cast(
            list[bytes], self._redis.zrangebyscore(WAKE_SET, "-inf", now.timestamp(), start=0, num=limit)
        )
        for member in members:
            if self._redis.zrem(WAKE_SET, member):
                job, tenant_id, row_id = member.decode().split(":", 2)
                due.append((job, int(tenant_id), row_id))
        return due


class BackgroundWakes(WakeQueue):
    """For the web process: wake-ups leave in batches from a thread of their own, so that no webhook waits for Redis,
    least of all for one that hangs. What a dying process had not sent yet is found by the sweeper."""

    # The soonest answer waits three seconds anyway, and under load each round of the thread takes from the webhooks.
    PAUSE_S = 0.025

    def __init__(self, client: redis.Redis) -> None:
        super().__init__(client)
        self._waiting: dict[str, float] = {}
        self._lock = threading.Lock()
        self._some = threading.Event()
        self._thread = threading.Thread()

    def wake(self, job: str, tenant_id: int, row_id: int | str, at: datetime) -> None:
        """Ask for the job and return at once. The newest moment for a row wins, as in Redis."""
        with self._lock:
            self._waiting[f"{job}:{tenant_id}:{row_id}"] = at.timestamp()
            # Started here and not before: a thread does not survive the fork of a preloading server.
            if not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="wakes", daemon=True)
                self._thread.start()
        # Set already, the batch has not been taken yet, and this one is in it.
        if not self._some.is_set():
            self._some.set()

    def send(self) -> None:
        """Send what is waiting. A lost Redis costs these wake-ups and nothing else."""
        self._some.clear()
        with self._lock:
            batch, self._waiting = self._waiting, {}
        try:
            if batch:
                self._redis.zadd(WAKE_SET, batch)
        except redis.RedisError as error:
            self.lost += len(batch)
            log.warning("wakes_lost", count=len(batch), error=type(error).__name__)

    def _run(self) -> None:
        pause = threading.Event()
        while self._some.wait():
            self.send()
            pause.wait(self.PAUSE_S)
