"""The same breaker for all processes, kept in Redis; each process also keeps its own, for when Redis is away."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import redis
import structlog

from agent.breaker import Breaker, BreakerStatus
from agent.models.faults import MISCONFIGURED, PERMANENT

log = structlog.get_logger(__name__)

PREFIX = "leads:breaker:"
# A provider nobody asks any more is forgotten after this, and so is a first failure that had no successor.
FORGET_MS = 24 * 3600 * 1000
# A Redis that hangs costs its time-out; for this long after an error nobody asks it again.
LEAVE_ALONE_S = 5.0

# One hash per key: failures, kind, and `until` (milliseconds of Redis' own clock: processes may run on machines whose
# clocks differ). Empty means closed.
_ALLOWS = """
local now = redis.call('TIME'); now = now[1] * 1000 + math.floor(now[2] / 1000)
for _, key in ipairs(KEYS) do
  local untl = tonumber(redis.call('HGET', key, 'until') or '-1')
  if untl >= 0 then
    if now < untl then return 0 end
    redis.call('HSET', key, 'until', string.format('%.0f', now + ARGV[1]))
    redis.call('PEXPIRE', key, ARGV[2])
  end
end
return 1
"""
_FAILED = """
local now = redis.call('TIME'); now = now[1] * 1000 + math.floor(now[2] / 1000)
local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
redis.call('HSET', KEYS[1], 'kind', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
local pause = 0
if ARGV[1] == ARGV[6] then pause = tonumber(ARGV[4])
elseif failures >= tonumber(ARGV[2]) then pause = tonumber(ARGV[3]) end
if pause > 0 then
  local untl = math.max(tonumber(redis.call('HGET', KEYS[1], 'until') or '-1'), now + pause)
  redis.call('HSET', KEYS[1], 'until', string.format('%.0f', untl))
end
return pause
"""
_STATUS = """
local now = redis.call('TIME'); now = now[1] * 1000 + math.floor(now[2] / 1000)
local found = redis.call('HMGET', KEYS[1], 'failures', 'until', 'kind')
local left = math.max(0, tonumber(found[2] or '-1') - now)
return {tonumber(found[1] or '0'), left, found[3] or ''}
"""


class SharedBreaker(Breaker):
    """A Breaker whose word is that of all processes with the same Redis. Never raises for a lost Redis: then it is
    this process's own breaker, which has heard everything this process reported."""

    def __init__(
        self,
        client: redis.Redis,
        threshold: int = 3,
        cool_down_s: float = 30.0,
        misconfigured_cool_down_s: float = 300.0,
        clock_monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(threshold, cool_down_s, misconfigured_cool_down_s, clock_monotonic)
        self._redis = client
        self._ask_again_at = 0.0

    def allows(self, provider: str) -> bool:
        """Whether a request may be made now; of all processes one gets the trial after a cool-down."""
        return self.allows_all((provider,))

    def allows_all(self, keys: Sequence[str]) -> bool:
        """The same for several keys in one question, because a customer waits for the answer."""
        answer = self._ask(_ALLOWS, keys, _ms(self._cool_down_s), FORGET_MS)
        return all(super(SharedBreaker, self).allows(key) for key in keys) if answer is None else bool(answer)

    def status(self, provider: str) -> BreakerStatus:
        """What all processes know of the key; claims nothing."""
        answer = self._ask(_STATUS, (provider,))
        if answer is None:
            return super().status(provider)
        failures, left, kind = answer
        return BreakerStatus(failures, left / 1000, kind.decode() or None)

    def worked(self, provider: str) -> None:
        """Report an answered request."""
        self.all_worked((provider,))

    def all_worked(self, keys: Sequence[str]) -> None:
        """Report an answered request to several keys at once."""
        for key in keys:
            super().worked(key)
        self._ask("return redis.call('DEL', unpack(KEYS))", keys)

    def failed(self, provider: str, kind: str) -> None:
        """Report a failed request, here and to the others."""
        super().failed(provider, kind)
        if kind != PERMANENT:
            pauses = (_ms(self._cool_down_s), _ms(self._misconfigured_s))
            self._ask(_FAILED, (provider,), kind, self._threshold, *pauses, FORGET_MS, MISCONFIGURED)

    def _ask(self, script: str, keys: Sequence[str], *arguments: str | int) -> Any:
        """The script's answer; None when Redis is away."""
        if self._clock() < self._ask_again_at:
            return None
        try:
            return cast(Any, self._redis).eval(script, len(keys), *(PREFIX + key for key in keys), *arguments)
        except redis.RedisError as error:
            self._ask_again_at = self._clock() + LEAVE_ALONE_S
            log.warning("breaker_not_shared", error=type(error).__name__, seconds=LEAVE_ALONE_S)
            return None


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
