"""`python -m tests.fuzz --count 200000 [--seed 7] [--only NUMBER]`: broken posts by the hundred thousand."""

from __future__ import annotations

import argparse
import multiprocessing
import secrets
import sys
import time
from collections import Counter
from functools import partial

from tests.fuzz.harness import case_of, work

MOST_SHOWN = 20


def main() -> int:
    """Run, print the totals; 1 when something broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", type=int, default=None, help="one case, to look at")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    seed = secrets.randbelow(10**9) if given.seed is None else given.seed
    if given.only is not None:
        sys.stdout.buffer.write(case_of(seed, given.only).body)
        return int(bool(_show(*work(seed, range(given.only, given.only + 1)))))
    begun = time.monotonic()
    print(f"seed {seed}, {given.count} posts, {given.workers} workers", flush=True)
    steps = [range(start, min(start + 2000, given.count)) for start in range(0, given.count, 2000)]
    totals: Counter[str] = Counter()
    broken: list[str] = []
    with multiprocessing.get_context("spawn").Pool(given.workers) as pool:
        for some, wrong in pool.imap_unordered(partial(work, seed), steps):
            slowest = max(totals["slowest in ms"], some["slowest in ms"])
            totals += some
            totals["slowest in ms"] = slowest
            broken += wrong
            if totals["posts"] % 20_000 == 0:
                print(f"  {totals['posts']} so far, {len(broken)} broken", flush=True)
    seconds = time.monotonic() - begun
    print(f"{totals['posts']} posts in {seconds:.0f} s, {totals['posts'] / seconds:.0f} a second")
    return int(bool(_show(totals, broken)))


def _show(totals: Counter[str], broken: list[str]) -> list[str]:
    for name, count in sorted(totals.items()):
        print(f"  {name}: {count}")
    print(f"  BROKEN: {len(broken)}")
    for line in broken[:MOST_SHOWN]:
        print(f"    {line}")
    return broken


if __name__ == "__main__":
    sys.exit(main())
