"""200 locations with 500 leads each, from one file: `python -m tests.scale.two_hundred`.

Both shapes (one business with 200 locations; 200 businesses in one file) get a database server of their own, are planned,
applied and applied again by the command, filled, and then every command that an owner waits for is run as a process of
its own and printed beside a bare Python, a bare click command and the bare import of the libraries. Target: under one
second on the wall on a machine that does nothing else; the ratios hold on a busy one too.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import make_url

from ops.embedded import start_postgres
from ops.migrate import migrate, provision
from ops.secrets import new_key
from tests.scale.fill import fill
from tests.scale.measure import FLOOR, HELLO, LIBRARIES, Timed, timed
from tests.scale.shops import Shape, tenant_file

TARGET_S = 1.0
LEADS = (sys.executable, "-m", "cli.main")
ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Run both shapes; exit code 1 when a command took longer than a second and --strict was said."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--locations", type=int, default=200)
    options.add_argument("--leads", type=int, default=500, help="of each location")
    options.add_argument("--runs", type=int, default=5, help="of each command; the quickest counts")
    options.add_argument("--shape", choices=["locations", "tenants"], action="append")
    options.add_argument("--strict", action="store_true")
    given = options.parse_args()
    slow = 0
    for shape in given.shape or ["locations", "tenants"]:
        slow += _one(shape, given.locations, given.leads, given.runs)
    return 1 if slow and given.strict else 0


def _one(shape: Shape, locations: int, leads: int, runs: int) -> int:
    print(f"\n{locations} {shape} x {leads} leads")
    with (
        tempfile.TemporaryDirectory(prefix="leads-scale-") as folder,
        _installed(Path(folder)) as environment,
    ):
        path = Path(folder) / "tenants.yaml"
        path.write_text(tenant_file(shape, locations))
        size = path.stat().st_size
        print(f"  one file of {size / 1000:.0f} kB, {len(path.read_text().splitlines())} lines")
        for what, more in (("plan", ()), ("apply", ("--yes",)), ("apply again", ("--yes",))):
            took = timed((*LEADS, "tenant", "apply", str(path), *more), environment, runs=1, folder=str(ROOT))
            print(
                f"  {what + ':':14}{took.wall:6.2f} s wall, {took.processor:6.2f} s processor; {_last(took)}"
            )
        began = time.perf_counter()
        many = fill(environment["OWNER_URL"], leads, datetime.now(UTC))
        print(f"  {many} leads with conversations copied in {time.perf_counter() - began:.1f} s")
        return _measured(commands(shape, locations, leads), environment, runs)


@contextmanager
def _installed(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of an installation with an empty, migrated database."""
    postgres = start_postgres(folder / "postgres", durable=False)
    try:
        migrate(postgres.owner_url)
        provision(postgres.owner_url, str(make_url(postgres.app_url).username))
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        yield {
            **kept,
            "DATABASE_URL": postgres.app_url,
            "DATA_DIR": str(folder / "data"),
            "ENCRYPTION_KEY": new_key(),
            "SCALE_CRM_KEY": "a-key-of-nobody",
            "OWNER_URL": postgres.owner_url,
        }
    finally:
        postgres.stop()


def commands(shape: Shape, locations: int, leads: int) -> list[tuple[str, ...]]:
    """The commands an owner waits for, about a location and a lead in the middle of the others."""
    number = min(7, locations - 1)
    one = ("--tenant", "big") if shape == "locations" else ("--tenant", f"shop-{number:03}")
    place = ("--location", f"loc-{number:03}")
    lead = str(number * leads + min(101, leads))
    return [
        ("tenant", "list"),
        ("location", "list", *one),
        ("list", *one),
        ("list", *one, *place),
        ("show", lead, *one),
        ("transcript", lead, *one),
        ("why", "--lead", lead, *one),
        ("slots", "tint-full-sedan-ceramic", *one, *place),
        ("calendar", *one, *place),
        ("hours", "show", *one, *place),
        ("staff", "list", *one),
        ("crm", "status", *one),
        ("--help",),
    ]


def _measured(commands: Sequence[tuple[str, ...]], environment: dict[str, str], runs: int) -> int:
    """Print the table; returns how many commands took longer than the target."""
    root = str(ROOT)
    floor, hello, libraries = (
        timed(command, environment, runs=runs, folder=root) for _, command in (FLOOR, HELLO, LIBRARIES)
    )
    print(f"\n  {'':44}{'wall s':>8}{'cpu s':>8}{'x floor':>9}{'x hello':>9}{'x libs':>8}   (cpu)")
    for name, one in ((FLOOR[0], floor), (HELLO[0], hello), (LIBRARIES[0], libraries)):
        _row(name, one, floor, hello, libraries, "")
    slow = 0
    for words in commands:
        one = timed((*LEADS, *words), environment, runs=runs, folder=root)
        slow += one.wall > TARGET_S
        _row(
            f"leads {' '.join(words)}",
            one,
            floor,
            hello,
            libraries,
            "" if one.wall <= TARGET_S else "  OVER 1 s",
        )
    print(f"  {len(commands) - slow} of {len(commands)} commands under {TARGET_S:.0f} s on the wall")
    return slow


def _row(name: str, one: Timed, floor: Timed, hello: Timed, libraries: Timed, note: str) -> None:
    ratios = [one.processor / beside.processor for beside in (floor, hello, libraries)]
    print(
        f"  {name[:43]:44}{one.wall:8.3f}{one.processor:8.3f}{ratios[0]:9.1f}{ratios[1]:9.1f}{ratios[2]:8.2f}{note}",
        flush=True,
    )


def _last(took: Timed) -> str:
    lines = took.output.strip().splitlines()
    return lines[-1].strip() if lines else "-"


if __name__ == "__main__":
    sys.exit(main())
