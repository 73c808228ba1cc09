"""The orders in their small size: two hundred, with webhooks and API failing in every known way.

The full one is `make orders`. A failure names its seed: SEED repeats it.
"""

from __future__ import annotations

import os

import pytest

from tests.chaos.installation import _own_database
from tests.chaos.orders_judge import Result
from tests.chaos.orders_run import run_orders
from tests.conftest import Servers, TestDatabase

SEED = int(os.environ.get("SEED", "20261123"))
ORDERS = int(os.environ.get("ORDERS", "200"))
MUST_HAPPEN = (
    "webhooks dropped", "webhooks doubled", "webhooks we did not take", "hooks switched off", "api: 429", "api: 500",
    "api: hang", "api: drop_connection", "races", "workers killed", "wake-ups lost", "queue flushed",
)  # fmt: skip


def _run(database: TestDatabase, redis_url: str, orders: int) -> Result:
    result = run_orders(database, redis_url, seed=SEED, orders=orders)
    print("\n" + "\n".join(result.lines()))
    return result


# Over an hour passes after the last order, with a look at every location each half minute of it.
@pytest.mark.timeout(1200)
def test_every_order_becomes_one_lead(test_database: TestDatabase, redis_url: str) -> None:
    result = _run(test_database, redis_url, ORDERS)
    assert result.violations == [], f"SEED={SEED} ORDERS={ORDERS} repeats it"
    assert (result.orders, result.leads) == (ORDERS, ORDERS)
    # A run in which nothing went wrong would prove nothing.
    assert [name for name in MUST_HAPPEN if not result.counts.get(name)] == []


@pytest.mark.timeout(1200)
def test_a_seed_tells_the_same_story_twice(
    test_database: TestDatabase, servers: Servers, redis_url: str
) -> None:
    once = _run(test_database, redis_url, 12)
    with _own_database(servers) as fresh:
        again = _run(fresh, redis_url, 12)
    assert once.leads == 12
    assert (once.digest, once.counts) == (again.digest, again.counts)
