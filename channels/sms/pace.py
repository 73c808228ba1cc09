"""How fast texts leave one number: a token bucket in segments, shared by all workers through Redis.

A long code takes about one segment a second and queues the rest for hours (messaging facts 2.5), where we could
neither reorder nor recall them; so the queue is ours. Answers go first: while one waits, touches wait. Without Redis
each process keeps a bucket of its own, which is more than was agreed on and still no flood.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import redis
import structlog

from channels.sms.bucket import Bucket
from channels.sms.bucket_script import SCRIPT

log = structlog.get_logger(__name__)

# A Redis that hangs costs a second at each question, so it is left alone for a while.
REDIS_REST_S = 10.0
KEEP_S = 3600


@dataclass
class Pace:
    """Asked right before a text is handed over. `rate`: segments a second; `burst`: how many may go at once."""

    rate: float
    client: redis.Redis | None = None
    burst: float = 10.0
    monotonic: Callable[[], float] = time.monotonic
    lost: int = 0
    _local: dict[str, Bucket] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _rest_until: float = 0.0
    _script: Any = field(default=None, repr=False)

    def wait_s(self, sender: str, segments: int, now: datetime, *, first: bool, returning: bool) -> float:
        """0 when the text may go now, and its segments are taken; else after how many seconds to ask again.

        `first`: an answer, before which touches wait. `returning`: it asked before and waited.
        """
        # What is larger than the bucket would wait for ever.
        cost = min(float(segments), self.burst)
        numbers = (now.timestamp(), self.rate, self.burst, cost, int(first), int(returning))
        answer = self._ask("take", sender, numbers)
        if answer is None:
            with self._lock:
                return self._bucket(sender).take(*numbers)
        return answer

    def rest(self, sender: str, seconds: float, now: datetime) -> None:
        """The carrier asked to slow down: nothing leaves this sender for so long."""
        numbers = (now.timestamp(), self.rate, self.burst, float(seconds), 0, 0)
        if self._ask("rest", sender, numbers) is None:
            with self._lock:
                self._bucket(sender).rest(now.timestamp(), seconds)

    def _bucket(self, sender: str) -> Bucket:
        return self._local.setdefault(sender, Bucket(tokens=self.burst))

    def _ask(self, what: str, sender: str, numbers: tuple[float, ...]) -> float | None:
        if self.client is None or self.monotonic() < self._rest_until:
            return None
        try:
            if self._script is None:
                self._script = self.client.register_script(SCRIPT)
            return float(
                self._script(keys=[f"leads:pace:{sender}"], args=[what, KEEP_S, *map(repr, numbers)])
            )
        except redis.RedisError as error:
            self.lost += 1
            self._rest_until = self.monotonic() + REDIS_REST_S
            log.warning("pace_without_redis", error=type(error).__name__)
            return None
