"""The agent: our own time per turn, a worker full of turns, and what a message and a booking cost."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from tests.bench.agent_cost import tokens_and_cost
from tests.bench.agent_shop import bench_shop
from tests.bench.agent_turns import own_time
from tests.bench.agent_worker import full_worker
from tests.bench.harness import Row


def bench_agent(say: Callable[[str], None]) -> list[Row]:
    """All rows; each part uses customers of its own."""
    with bench_shop() as shop:
        with _quiet():
            own = own_time(shop, say)
            costs = tokens_and_cost(shop, say)
        return own + full_worker(shop, say) + costs


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing is logged here below errors: a terminal's speed is not what is measured."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        yield
    finally:
        structlog.configure(**before)
