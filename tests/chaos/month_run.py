"""`make simulate`, second part: the simulated month in its full size, half of it over each change of the clocks.

SIM_MONTH_LEADS (100000; 0: not at all), SIM_SEED (a new one each time) and SIM_MONTH_WORLDS (two, or one for each
processor) are read from the environment. Ends with 1 when anything was found. What people and carriers do comes from the
seed; where real processes and threads race, two runs of one seed may differ.
"""

from __future__ import annotations

import gc
import os
import queue
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from datetime import datetime
from functools import partial
from multiprocessing import Manager, get_context
from typing import Any

from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ops.logging import configure_logging
from tests.chaos.installation import _own_database
from tests.chaos.month import AUTUMN, SPRING, MonthResult, Scale, simulate_month
from tests.chaos.simulation_run import APART, SHOWN, _servers
from tests.conftest import Servers

KILLS, CLOCK_TICKS = 8, 10
# World, simulated day, touches settled, touches in all.
Word = tuple[int, datetime, int, int]


def main() -> int:
    """Run all worlds; 0 when nothing was found."""
    leads = int(os.environ.get("SIM_MONTH_LEADS", "100000"))
    worlds = int(os.environ.get("SIM_MONTH_WORLDS", "0")) or max(2, os.cpu_count() or 2)
    seed = int(os.environ.get("SIM_SEED", "0")) or int(time.time())
    if not leads:
        return 0
    print(f"The month: {leads} leads in {worlds} worlds, seed {seed}", flush=True)
    began = time.monotonic()
    with _servers() as servers:
        results = _run_all(servers, worlds, seed, leads)
    return _report(results, seed, leads, worlds, time.monotonic() - began)


def _run_all(servers: Servers, worlds: int, seed: int, leads: int) -> list[MonthResult]:
    with Manager() as manager, ProcessPoolExecutor(worlds, mp_context=get_context("spawn")) as pool:
        words: queue.Queue[Word] = manager.Queue()
        share = [leads // worlds + (number < leads % worlds) for number in range(worlds)]
        waiting = [pool.submit(_one, servers, number, seed, share[number], words) for number in range(worlds)]
        _show(words, waiting)
        return [done.result() for done in waiting]


def _one(servers: Servers, number: int, seed: int, leads: int, words: queue.Queue[Word]) -> MonthResult:
    configure_logging("error")
    # Most objects of a run live until its end; walking through them again and again is a tenth of its time.
    gc.set_threshold(100_000, 50, 100)
    say = partial(_say, words, number)
    scale = Scale(leads, kills=KILLS, clock_ticks=CLOCK_TICKS)
    with _own_database(servers) as database:
        redis_url = f"{servers.redis_url.rsplit('/', 1)[0]}/{number % 16}"
        start = AUTUMN if number % 2 else SPRING
        return simulate_month(
            database, redis_url, seed=seed + APART * number, scale=scale, start=start, say=say
        )


def _say(words: queue.Queue[Word], number: int, moment: datetime, settled: int, touches: int) -> None:
    words.put((number, moment, settled, touches))


def _show(words: queue.Queue[Word], waiting: list[Future[MonthResult]]) -> None:
    """A bar on a terminal, else a line for each simulated day."""
    if not sys.stdout.isatty():
        _follow(words, waiting, _print)
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns) as progress:
        bars = {number: progress.add_task(f"world {number}", total=None) for number in range(len(waiting))}

        def move(word: Word) -> None:
            number, moment, settled, touches = word
            name = f"world {number}: {moment:%Y-%m-%d}"
            progress.update(bars[number], description=name, completed=settled, total=touches)

        _follow(words, waiting, move)


def _follow(
    words: queue.Queue[Word], waiting: list[Future[MonthResult]], show: Callable[[Word], object]
) -> None:
    while not all(done.done() for done in waiting) or not words.empty():
        try:
            show(words.get(timeout=0.5))
        except queue.Empty:
            continue


def _print(word: Word) -> None:
    number, moment, settled, touches = word
    print(f"world {number}: {moment:%Y-%m-%d}, {settled} of {touches} touches settled", flush=True)


def _report(results: list[MonthResult], seed: int, leads: int, worlds: int, seconds: float) -> int:
    counts, spent = Counter[str](), Counter[str]()
    findings = []
    for result in results:
        counts.update({name: count for name, count in result.counts.items() if not name.startswith("most ")})
        spent.update(result.spent)
        findings += [f"(seed {result.seed}) {one}" for one in result.findings]
    for name, count in sorted(counts.items()):
        print(f"{count:>9}  {name}")
    for result in results:
        _print_most(result.counts, result.start)
    print("Seconds of processor: " + ", ".join(f"{name} {time:.0f}" for name, time in spent.most_common()))
    for finding in findings[:SHOWN]:
        print(f"FINDING {finding}")
    print(f"{leads} leads, {seconds / 60:.1f} min, {leads / seconds * 60:.0f} leads a minute")
    print(
        f"{len(findings)} findings. Again: SIM_SEED={seed} SIM_MONTH_LEADS={leads} SIM_MONTH_WORLDS={worlds} make simulate"
    )
    return 1 if findings else 0


def _print_most(counts: dict[str, Any], start: datetime) -> None:
    most = ", ".join(f"{name}: {count}" for name, count in counts.items() if name.startswith("most "))
    print(f"World of {start:%B}: {most}")


if __name__ == "__main__":
    sys.exit(main())
