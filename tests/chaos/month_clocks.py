"""Two real clock processes on one Valkey: whichever is quicker fires, the other one finds it done.

`python -m tests.chaos.month_clocks` is such a process: its first line of input is the address of the Valkey.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import redis
from rq import Queue

from scheduler.clock import QUEUE, LeadsClock, Periodic
from tests.chaos.month_world import MonthWorld

TICK = Periodic("tick", "scheduler.jobs.tick", 1)
CLOCKS, LONGEST_S = 2, 60.0


def two_clocks(world: MonthWorld, ticks: int, work: Callable[[], None]) -> list[str]:
    """Live through so many minutes that only two clock processes tell of, the queue being emptied in the middle; returns
    what was wrong: a look that was fired twice, or none any more."""
    client = world.runtime.redis
    queue = Queue(QUEUE, connection=client)
    found: list[str] = []
    with ExitStack() as stack:
        for _ in range(CLOCKS):
            stack.enter_context(_clock(world.redis_url))
        began, fired = time.monotonic(), 0
        while fired < ticks and time.monotonic() - began < LONGEST_S:
            if len(queue) > 1:
                found.append(f"two clocks put {len(queue)} looks into the queue at once")
            taken = Queue.dequeue_any([queue], None, connection=client)
            if taken is None:
                time.sleep(0.02)
                continue
            fired += 1
            world.clock.moment += timedelta(minutes=1)
            taken[0].perform()
            work()
            if fired == ticks // 2:
                # Both have to notice, and to register everything once.
                client.flushdb()
        seconds = time.monotonic() - began
    if fired < ticks:
        found.append(f"two clocks fired {fired} looks in {seconds:.0f} s, {ticks} were waited for")
    # rq-scheduler counts in whole seconds: one at each that begins, one at the start, one after the queue was emptied.
    if fired > int(seconds / TICK.every) + 3:
        found.append(f"two clocks fired {fired} looks in {seconds:.1f} s")
    client.flushdb()
    world.counts["looks by two clocks"] += fired
    return found


@contextmanager
def _clock(redis_url: str) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.chaos.month_clocks"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            print(redis_url, file=process.stdin, flush=True)
            assert process.stdout is not None
            if process.stdout.readline().strip() != "ready":
                raise RuntimeError("a clock process did not start")
            yield
        finally:
            process.kill()


def main() -> None:
    """Run one clock until it is killed, or who started it is gone."""
    whose = os.getppid()
    connection = redis.Redis.from_url(sys.stdin.readline().strip())
    clock = LeadsClock(connection, (TICK,))
    # Before the clock begins: it logs on the same stream.
    print("ready", flush=True)
    threading.Thread(target=clock.run, daemon=True).start()
    while os.getppid() == whose:
        time.sleep(0.2)


if __name__ == "__main__":
    main()
