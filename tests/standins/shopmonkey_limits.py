"""The rate limit of the Shopmonkey stand-in: a rolling minute per key (Shopmonkey facts 3)."""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

WINDOW = timedelta(seconds=60)


@dataclass(frozen=True)
class Allowance:
    """What a key has left in its minute; `retry_after_s` is set when this request was one too many."""

    limit: int
    remaining: int
    retry_after_s: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The rate headers, and Retry-After when it is over."""
        wait = {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
        return {
            "X-RateLimit-Limit-Minute": str(self.limit),
            "X-RateLimit-Remaining-Minute": str(self.remaining),
            **wait,
        }


class MinuteLimit:
    """Counts what was let through; refused requests cost nothing."""

    def __init__(self) -> None:
        self._taken: dict[str, deque[datetime]] = {}
        self._lock = threading.Lock()

    def take(self, key: str, limit: int, now: datetime) -> Allowance:
        """Let one request of this key through at `now`, or say in how many whole seconds there is room again."""
        with self._lock:
            taken = self._taken.setdefault(key, deque())
            while taken and taken[0] <= now - WINDOW:
                taken.popleft()
            if len(taken) >= limit:
                wait = (taken[len(taken) - limit] + WINDOW - now).total_seconds()
                return Allowance(limit, 0, max(1, math.ceil(wait)))
            taken.append(now)
            return Allowance(limit, limit - len(taken))
