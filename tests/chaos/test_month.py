"""The simulated month in its small size, over each change of the clocks; and faults put into the code on purpose, each of
which the judge has to find.

The full one is `make simulate`. A failure names its seed: SIM_SEED repeats it.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
import structlog

from tests.chaos.month import AUTUMN, SPRING, Scale, simulate_month
from tests.chaos.month_mutants import FAULTS, Patch
from tests.conftest import TestDatabase

SEED = int(os.environ.get("SIM_SEED", "20270314"))
LEADS = int(os.environ.get("SIM_MONTH_LEADS", "120"))
SLOW_LOOK = timedelta(minutes=15)
# What must have happened, or the run would prove nothing.
MUST_HAPPEN = (
    "touch written", "touch skipped", "touch ended", "outages", "queue flushed", "wake-ups lost", "workers killed", "kills",
    "processes killed at work", "handed over by killed processes", "looks by two clocks", "deed: reply", "deed: stop",
    "deed: booking", "deed: takeover", "job: resume", "job: reconcile", "text undelivered", "mail bounce",
)  # fmt: skip

# The first days of few, who come in the worst moments.
FEW = Scale(
    12, kills=0, clock_ticks=0, more=30, lasting=timedelta(days=7), spread=timedelta(days=2), look=SLOW_LOOK
)


@pytest.fixture(autouse=True)
def _only_errors() -> Iterator[None]:
    """A line for every touch would take a third of the time."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield
    structlog.configure(**before)


@pytest.mark.parametrize("start", [SPRING, AUTUMN], ids=["spring", "autumn"])
def test_a_month_of_everything_going_wrong(
    test_database: TestDatabase, redis_url: str, start: datetime
) -> None:
    scale = Scale(LEADS // 2, look=SLOW_LOOK)
    result = simulate_month(test_database, redis_url, seed=SEED, scale=scale, start=start)
    print(
        f"\nseed {SEED}, {result.leads} leads from {start:%Y-%m-%d} on, {result.seconds:.0f} s: {result.counts}"
    )
    assert result.findings == [], f"SIM_SEED={SEED} SIM_MONTH_LEADS={LEADS} repeats it"
    assert [name for name in MUST_HAPPEN if not result.counts.get(name)] == []
    ended = sum(result.counts[f"touch {status}"] for status in ("written", "skipped", "ended"))
    assert ended + result.counts.get("touch paused", 0) == result.leads * 13


@pytest.mark.parametrize("fault", list(FAULTS), ids=lambda fault: fault.__name__)
def test_the_judge_finds_a_fault(
    test_database: TestDatabase, redis_url: str, monkeypatch: Patch, fault: Callable[[Patch], None]
) -> None:
    fault(monkeypatch)
    result = simulate_month(test_database, redis_url, seed=SEED, scale=FEW)
    found = [one for one in result.findings if re.search(FAULTS[fault], one)]
    assert found, f"{len(result.findings)} findings, none of this: {result.findings[:5]}; {result.counts}"


def test_the_judge_finds_nothing_where_nothing_is_wrong(test_database: TestDatabase, redis_url: str) -> None:
    assert simulate_month(test_database, redis_url, seed=SEED, scale=FEW).findings == []
