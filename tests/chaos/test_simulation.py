"""The simulation in its small size: a hundred and fifty leads over each change of clocks, everything going wrong.

The full one is `make simulate`. A failure names its seed: SIM_SEED repeats it.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest

from tests.chaos.installation import _own_database
from tests.chaos.simulation import Result, simulate
from tests.conftest import Servers, TestDatabase

SEED = int(os.environ.get("SIM_SEED", "20270314"))
LEADS = int(os.environ.get("SIM_LEADS", "300"))
LASTING, SWEEP = timedelta(days=6), timedelta(hours=1)
# Thursdays before the second Sunday of March and the first of November, when the clocks change.
CHANGES = (datetime(2027, 3, 11, 12, tzinfo=UTC), datetime(2027, 11, 4, 12, tzinfo=UTC))
MUST_HAPPEN = (
    "texts taken: touch", "texts taken: reply", "texts taken: consent", "workers killed", "queue flushed", "wake-ups lost",
    "fate: accept_then_drop", "text in: lost", "gate: hold", "gate: withhold", "customer: stop word", "customer: stop phrase",
    "races", "status callbacks", "mails taken",
)  # fmt: skip


def _run(database: TestDatabase, redis_url: str, start: datetime, leads: int, seed: int = SEED) -> Result:
    result = simulate(database, redis_url, seed=seed, leads=leads, start=start, lasting=LASTING, sweep=SWEEP)
    print(f"\nseed {seed}, {leads} leads from {start:%Y-%m-%d} on, {result.seconds:.0f} s: {result.counts}")
    return result


@pytest.mark.parametrize("start", CHANGES, ids=["spring", "autumn"])
def test_nothing_goes_out_that_should_not_and_nothing_is_lost(
    test_database: TestDatabase, redis_url: str, start: datetime
) -> None:
    result = _run(test_database, redis_url, start, LEADS // 2)
    assert result.violations == [], f"SIM_SEED={SEED} SIM_LEADS={LEADS} repeats it"
    # A run in which nothing went wrong would prove nothing.
    assert [name for name in MUST_HAPPEN if not result.counts.get(name)] == []


def test_a_seed_tells_the_same_story_twice(
    test_database: TestDatabase, servers: Servers, redis_url: str
) -> None:
    once = _run(test_database, redis_url, CHANGES[0], 8)
    with _own_database(servers) as fresh:
        again = _run(fresh, redis_url, CHANGES[0], 8)
    assert once.counts["texts handed over"] > 10
    assert (once.digest, once.counts) == (again.digest, again.counts)
