"""`make bench`: all benchmarks, or one with ONLY=name. Prints one table, writes build/bench.json."""

from __future__ import annotations

import os
import sys

from tests.bench.agent import bench_agent
from tests.bench.calendar import bench_calendar
from tests.bench.catalogue import bench_catalogue
from tests.bench.dispatch import bench_dispatch
from tests.bench.harness import Benchmark, report
from tests.bench.outbox import bench_outbox
from tests.bench.speed_to_lead import bench_speed_to_lead
from tests.bench.webhook import bench_webhook

BENCHMARKS: dict[str, Benchmark] = {
    "webhook": bench_webhook,
    "calendar": bench_calendar,
    "agent": bench_agent,
    "outbox": bench_outbox,
    "dispatch": bench_dispatch,
    "catalogue": bench_catalogue,
    "speed_to_lead": bench_speed_to_lead,
}


def main() -> int:
    """Run them; 0 even when a target is missed, because machines are shared and noisy."""
    only = os.environ.get("ONLY")
    if only and only not in BENCHMARKS:
        print(f"no benchmark named {only}; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    rows = []
    for name, benchmark in BENCHMARKS.items():
        if only in (None, "", name):
            rows += benchmark(lambda line: print(line, file=sys.stderr, flush=True))
    report(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
