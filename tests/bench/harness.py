"""What a benchmark returns, the table, and build/bench.json."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

OUTPUT = Path("build/bench.json")


@dataclass(frozen=True)
class Row:
    """One measured thing. `beside` is what it is compared with, measured in the same run; `ratio` compares them;
    `target` says what was aimed at in words, `met` whether it was (None: no target)."""

    name: str
    value: str
    unit: str
    beside: str
    ratio: float | None
    target: str
    met: bool | None


Benchmark = Callable[[Callable[[str], None]], list[Row]]


def report(rows: list[Row]) -> None:
    """Print the table and write the file."""
    table = Table(title="benchmarks")
    for column in ("name", "value", "unit", "beside", "ratio", "target", "met"):
        table.add_column(column, overflow="fold")
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        met = {True: "yes", False: "NO", None: ""}[row.met]
        table.add_row(row.name, row.value, row.unit, row.beside, ratio, row.target, met)
    Console(width=140).print(table)
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
