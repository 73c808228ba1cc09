"""Our own time per turn: the whole way from claim to commit, with a model that answers at once.

Beside it the floor, right after each turn: as many bare SQL round trips in as many transactions over the same driver,
with a written row where the turn wrote something. What is above the floor is our Python and PostgreSQL's real work.
"""

from __future__ import annotations

import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg2
from sqlalchemy import Engine, event

from ops.clock import FixedClock
from scheduler import jobs
from scheduler.answer import answer
from tests.bench.agent_shop import NOW, BenchShop
from tests.bench.agent_talk import CONVERSATION, InstantModel
from tests.bench.harness import Row, percentile
from tests.runtimes import FakeSender, runtime_for

CUSTOMERS, WARM_UP = 40, 3
TARGET_MS = 30.0
_WRITES = re.compile(r"\s*(insert|update|delete)\b|.*\bfor update\b", re.IGNORECASE | re.DOTALL)


@dataclass
class _Trips:
    """The statements of each transaction of a turn, as "does it write"."""

    transactions: list[list[bool]] = field(default_factory=lambda: [[]])

    def watch(self, engine: Engine) -> None:
        """Count what this engine does from now on."""

        def statement(_c: Any, _cursor: Any, sql: str, *_: Any) -> None:
            self.transactions[-1].append(_WRITES.match(sql) is not None)

        event.listen(engine, "before_cursor_execute", statement)
        for name in ("commit", "rollback"):
            event.listen(engine, name, lambda _c: self.transactions.append([]))

    def taken(self) -> list[list[bool]]:
        """The transactions since the last call."""
        done, self.transactions = [one for one in self.transactions if one], [[]]
        return done


@dataclass
class _Times:
    """Milliseconds of the turns of one kind, by the clock and of the processor, of their floors, and their round trips."""

    ours: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)
    trips: list[int] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def add(self, ours: float, processor: float, floor: float, trips: int) -> None:
        """One turn."""
        self.ours.append(ours)
        self.processor.append(processor)
        self.floor.append(floor)
        self.trips.append(trips)


def own_time(shop: BenchShop, say: Callable[[str], None]) -> list[Row]:
    """p50 and p95 of a turn by its rounds, beside the floor of the same turns."""
    times: dict[int, _Times] = defaultdict(_Times)
    clock = FixedClock(NOW)
    with runtime_for(
        shop.database, shop.redis_url, clock, models=[InstantModel()], sms=FakeSender()
    ) as runtime:
        trips = _Trips()
        trips.watch(runtime.db.engine)
        bare = psycopg2.connect(shop.database.app_url)
        for customer in range(CUSTOMERS + WARM_UP):
            shop.clear_week(runtime)
            for words, rounds in CONVERSATION:
                session_id = shop.hear(runtime, words, customer)
                clock.advance(timedelta(seconds=20))
                trips.taken()
                began, busy = time.perf_counter(), time.process_time()
                outcome = answer(runtime, shop.tenant_id, session_id)
                took, used = (time.perf_counter() - began) * 1000, (time.process_time() - busy) * 1000
                if outcome != "done":
                    raise RuntimeError(f"a turn of the benchmark ended as {outcome}: {words}")
                done = trips.taken()
                jobs.flush(runtime, shop.tenant_id, str(session_id))
                floor = _floor(bare, done)
                if customer >= WARM_UP:
                    times[rounds].add(took, used, floor, _count(done))
        bare.close()
    for rounds, kind in sorted(times.items()):
        say(
            f"own time, {rounds} round(s): p50 {statistics.median(kind.ours):.1f} ms of {len(kind.ours)} turns"
        )
    rows = [
        _row(f"turn of {rounds} round{'s' * (rounds > 1)}", kind) for rounds, kind in sorted(times.items())
    ]
    return [_row("turn of this conversation", _all(times.values())), *rows]


def _all(kinds: Iterable[_Times]) -> _Times:
    whole = _Times()
    for kind in kinds:
        for one in zip(kind.ours, kind.processor, kind.floor, kind.trips, strict=True):
            whole.add(*one)
    return whole


def _count(transactions: list[list[bool]]) -> int:
    # BEGIN and COMMIT are round trips of their own with this driver.
    return sum(len(one) + 2 for one in transactions)


def _floor(bare: Any, transactions: list[list[bool]]) -> float:
    began = time.perf_counter()
    for statements in transactions:
        with bare, bare.cursor() as cursor:
            for _ in statements[1:]:
                cursor.execute("select 1")
                cursor.fetchone()
            if any(statements):
                cursor.execute("insert into bench_floor (words) values ('a row of a turn')")
            else:
                cursor.execute("select 1")
    return (time.perf_counter() - began) * 1000


def _row(name: str, times: _Times) -> Row:
    p50, floor = statistics.median(times.ours), statistics.median(times.floor)
    return Row(
        f"{name}, own time p50 (p95)",
        f"{p50:.1f} ({percentile(times.ours, 0.95):.1f})",
        "ms",
        f"{statistics.median(times.trips):.0f} bare round trips {floor:.1f} ({percentile(times.floor, 0.95):.1f});"
        f" processor {statistics.median(times.processor):.1f}",
        round(p50 / floor, 3),
        f"p50 < {TARGET_MS:g} ms",
        p50 < TARGET_MS,
    )
