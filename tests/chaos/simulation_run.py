"""`make simulate`: the simulation in its full size, in several worlds at once, half of them in spring and half in autumn.

SIM_LEADS (10000), SIM_SEED (a new one each time) and SIM_WORLDS (4) are read from the environment. Ends with 1 when
anything was found; the same seed and sizes tell the same story again, SIM_ONLY=2 that of one world.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from ops.embedded import start_postgres, start_valkey
from tests.chaos.installation import _own_database
from tests.chaos.simulation import AUTUMN, SPRING, Result, simulate
from tests.conftest import Servers, _make_template

SHOWN = 50
# What is made of one seed for each world.
APART = 1_000_003


def main() -> int:
    """Run all worlds; 0 when nothing was found."""
    leads, worlds = int(os.environ.get("SIM_LEADS", "10000")), int(os.environ.get("SIM_WORLDS", "4"))
    seed = int(os.environ.get("SIM_SEED", "0")) or int(time.time())
    only = os.environ.get("SIM_ONLY")
    numbers = [int(only)] if only else list(range(worlds))
    print(f"{leads} leads in {worlds} worlds, seed {seed}", flush=True)
    began = time.monotonic()
    with _servers() as servers:
        results = _run_all(servers, numbers, seed, leads // worlds)
    return _report(results, seed, leads, worlds, time.monotonic() - began)


def _run_all(servers: Servers, numbers: list[int], seed: int, leads: int) -> list[Result]:
    results = []
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(_one, servers, number, seed, leads): number for number in numbers}
        for done in as_completed(waiting):
            result = done.result()
            results.append(result)
            found = len(result.violations)
            print(f"world {waiting[done]}: {result.seconds:.0f} s, {found} violations", flush=True)
    return results


def _one(servers: Servers, number: int, seed: int, leads: int) -> Result:
    # Most objects of a run live until its end; walking through them again and again is a tenth of its time.
    gc.set_threshold(100_000, 50, 100)
    start = AUTUMN if number % 2 else SPRING
    with _own_database(servers) as database:
        redis_url = f"{servers.redis_url.rsplit('/', 1)[0]}/{number % 16}"
        say = partial(_say, number, time.monotonic())
        return simulate(database, redis_url, seed=seed + APART * number, leads=leads, start=start, say=say)


def _say(number: int, began: float, day: datetime) -> None:
    print(f"world {number}: {day:%Y-%m-%d} after {time.monotonic() - began:.0f} s", flush=True)


def _report(results: list[Result], seed: int, leads: int, worlds: int, seconds: float) -> int:
    counts: Counter[str] = Counter()
    violations = []
    for result in results:
        counts.update(result.counts)
        violations += [f"(seed {result.seed}) {one}" for one in result.violations]
    for name, count in sorted(counts.items()):
        print(f"{count:>9}  {name}")
    for violation in violations[:SHOWN]:
        print(f"VIOLATION {violation}")
    digests = ", ".join(result.digest for result in sorted(results, key=lambda one: one.seed))
    print(f"{sum(result.leads for result in results)} leads, {seconds / 60:.1f} min, told as {digests}")
    print(
        f"{len(violations)} violations. Again: SIM_SEED={seed} SIM_LEADS={leads} SIM_WORLDS={worlds} make simulate"
    )
    return 1 if violations else 0


@contextmanager
def _servers() -> Iterator[Servers]:
    os.environ.pop("DATABASE_URL", None)
    with tempfile.TemporaryDirectory(prefix="leads-simulation-") as name:
        postgres = start_postgres(Path(name) / "postgres", durable=False)
        valkey = start_valkey(Path(name) / "valkey", durable=False)
        try:
            servers = Servers(postgres.superuser_url, postgres.owner_url, postgres.app_url, valkey.url)
            _make_template(servers)
            yield servers
        finally:
            valkey.stop()
            postgres.stop()


if __name__ == "__main__":
    sys.exit(main())
