"""A dispatcher in a process of its own, for the benchmark: its environment comes as the first line of its input, and each
line after it is a dispatch, of which it prints how many touches were written."""

from __future__ import annotations

import json
import sys

from ops.logging import configure_logging
from tests.bench.dispatch_shop import bench_runtime, dispatch_all


def main() -> None:
    """Serve until the input ends."""
    configure_logging("error")
    runtime = bench_runtime(json.loads(sys.stdin.readline()))
    print("ready", flush=True)
    for _ in sys.stdin:
        print(dispatch_all(runtime), flush=True)


if __name__ == "__main__":
    main()
