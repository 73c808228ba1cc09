"""The wake-up call: which row is worth looking at, and when. The database stays the truth.

One Redis sorted set holds `job:tenant:id` scored by its moment. The same row woken again only moves its moment,
which is how a burst of texts gets one answer. A worker's pump moves due entries to RQ; whatever gets lost between
here and there is found by the sweeper, because the debt itself is a row.
"""

from __future__ import annotations

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
