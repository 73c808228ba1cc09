"""How many requests one key may make: a bucket in Redis that all processes share, one of each process' own without it."""

from __future__ import annotations

import math

import redis

from channels.api.problems import Problem
from crm.api_keys import Caller
from crm.connectors.limits import store_of
from crm.connectors.settings import RateSettings

MOST_PER_MINUTE = 6000


def keep_to_the_limit(client: redis.Redis | None, caller: Caller) -> None:
    """Count one request of this key. Raises Problem (too-many) with the seconds until the next one is taken."""
    per_minute = min(caller.per_minute, MOST_PER_MINUTE)
    # A minute's worth may come at once: visitors do.
    rate = RateSettings(per_second=per_minute / 60, burst=min(per_minute, 500))
    granted, wait = store_of(client).book(f"api:{caller.tenant_id}:{caller.key_id}", rate, 1, 0, 0)
    if not granted:
        seconds = max(1, math.ceil(wait))
        raise Problem("too-many", f"this key may make {per_minute} a minute", retry_after_s=seconds)
