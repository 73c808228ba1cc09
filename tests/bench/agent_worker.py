"""One real worker process that holds 64 turns at once, against a vendor that takes as long as the first version measured.

All customers have written before the worker starts, so that it is full from its first moment to its last. The ideal
is a worker that needs no time of its own: so many turns at once, divided by the vendor's seconds.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url, text

from ops.clock import FixedClock
from tests.acceptance.processes import System, eventually, running
from tests.bench.agent_shop import NOW, BenchShop
from tests.bench.agent_talk import WHERE, talk
from tests.bench.harness import Row
from tests.runtimes import runtime_for
from tests.standins.anthropic import AnthropicStandIn
from tests.standins.llm_view import Step, View

THREADS, WAVES, VENDOR_S = 64, 6, 3.4
CUSTOMERS_FROM = 10_000
KEY = "bench-key"
SHARE, MEGABYTES = 0.9, 300


def full_worker(shop: BenchShop, say: Callable[[str], None]) -> list[Row]:
    """Turns per second beside the ideal, and the most memory the worker had."""
    count = THREADS * WAVES
    with AnthropicStandIn(KEY, _slow) as vendor:
        env = {
            "AI_PROVIDER": "claude", "ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": vendor.url,
            "WORKER_THREADS": str(THREADS),
        }  # fmt: skip
        system = System(shop.folder / "installation", shop.database, shop.redis_url, env)
        system.set_time(NOW + timedelta(minutes=1))
        with runtime_for(shop.database, shop.redis_url, FixedClock(NOW)) as runtime:
            for number in range(count):
                shop.hear(runtime, WHERE, CUSTOMERS_FROM + number)
        with running(system, "worker"):
            pid = system.pid("worker")
            at_start = _processor_s(pid)
            eventually(lambda: len(vendor.requests) >= count, 60 + 4 * WAVES * VENDOR_S, "all turns began")
            eventually(lambda: _done(shop)["done"] >= count, 60, "all turns ended")
            memory, at_end = _memory_mb(pid), _processor_s(pid)
        done = _done(shop)
        at_once = vendor.max_in_flight
    rate, ideal = count / done["seconds"], THREADS / VENDOR_S
    say(f"worker: {count} turns in {done['seconds']:.1f} s, {rate:.1f}/s of {ideal:.1f}/s, {at_once} at once")
    each = ""
    if at_start is not None and at_end is not None:
        each = f"; {1000 * (at_end - at_start) / count:.0f} ms of processor each"
    return [
        Row(
            f"worker with {THREADS} turns at once",
            f"{rate:.1f}",
            "turns/s",
            f"ideal {ideal:.1f}, {at_once} at once{each}",
            round(rate / ideal, 3),
            f">= {SHARE}",
            rate / ideal >= SHARE,
        ),
        Row(
            "worker's memory",
            f"{memory:.0f}",
            "MB",
            f"at most, with {THREADS} threads",
            round(memory / MEGABYTES, 3),
            f"< {MEGABYTES} MB",
            memory < MEGABYTES,
        ),
    ]


def _slow(view: View) -> Step:
    step = talk(view)
    return Step(text=step.text, calls=step.calls, delay_s=VENDOR_S)


def _done(shop: BenchShop) -> dict[str, Any]:
    """How many of these turns are done, and the seconds from the first one's start to the last one's end."""
    engine = create_engine(make_url(shop.database.owner_url).set(drivername="postgresql+psycopg2"))
    statement = text(
        "select count(*) filter (where t.status = 'done') as done,"
        " extract(epoch from max(t.finished_at) - min(t.started_at))::float as seconds"
        " from turns t join chat_sessions c on c.id = t.session_id join leads l on l.id = c.lead_id"
        " where l.phone between :first and :last"
    )
    numbers = {
        "first": BenchShop.number_of(CUSTOMERS_FROM),
        "last": BenchShop.number_of(CUSTOMERS_FROM + THREADS * WAVES),
    }
    with engine.connect() as connection:
        row = connection.execute(statement, numbers).one()
    engine.dispose()
    return {"done": row.done, "seconds": row.seconds}


def _memory_mb(pid: int) -> float:
    """The most a process ever had in memory; where the system does not keep that, what it has now."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) / 1024
    shown = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(shown.stdout) / 1024


def _processor_s(pid: int) -> float | None:
    """Processor seconds a process has used; None where the system does not say it this way."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return None
    ticks = stat.read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
