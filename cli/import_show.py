"""What an import shows: how the file is understood, a bar while it runs (on a terminal only), what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from cli.output import one_line
from crm.connectors.csv_file.dates import Order
from crm.connectors.csv_file.importing import Counts
from crm.connectors.csv_file.mapping import Columns
from crm.connectors.csv_file.reader import Row, Table
from crm.connectors.csv_file.report import Report

SHOWN = 10
MOST_TOLD = 1000
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


class Watch:
    """Hears of rows and progress. `problems`: the first rows that were rejected or kept in part."""

    def __init__(self, table: Table, report: Report | None, *, quiet: bool) -> None:
        self.problems: list[dict[str, object]] = []
        self.more = 0
        self._report, self._size = report, max(1, table.size)
        console = Console(stderr=True)
        columns = (
            TextColumn("line {task.fields[line]}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
        )
        shown = console.is_terminal and not quiet
        self._bar = Progress(
            *columns, TimeRemainingColumn(), console=console, disable=not shown, transient=True
        )
        self._task = self._bar.add_task("rows", total=self._size, line=1)

    def __enter__(self) -> Watch:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def row(self, row: Row, what: str, reason: str) -> None:
        """A row that was rejected, or kept without something of it."""
        if self._report is not None:
            self._report.row(row, what, reason)
        if len(self.problems) < MOST_TOLD:
            self.problems.append({"line": row.line, "result": what, "reason": reason})
        else:
            self.more += 1

    def progress(self, bytes_read: int, last_line: int) -> None:
        """So much is done."""
        self._bar.update(self._task, completed=min(bytes_read, self._size), line=last_line)


def say_mapping(table: Table, columns: Columns, order: Order) -> None:
    """How the file is understood, before anything is done with it."""
    how = _DELIMITERS.get(table.delimiter, repr(table.delimiter))
    click.echo(f"{one_line(table.path.name)}: {table.encoding.removesuffix('-sig')}, columns parted by {how}")
    for column, field in columns.named():
        note = " (month first)" if field == "made_at" and order == "mdy" else ""
        note = " (day first)" if field == "made_at" and order == "dmy" else note
        click.echo(f"  {one_line(column)[:60]} -> {field}{note}")
    if columns.unused:
        names = ", ".join(one_line(name)[:40] for name in columns.unused[:20])
        click.echo(f"  not used: {names} (--map 'COLUMN=FIELD' uses one)")


def summary(counts: Counts, watch: Watch, *, dry_run: bool, stopped: bool, start: bool) -> Iterator[str]:
    """What became of the rows, line by line."""
    for problem in watch.problems[:SHOWN]:
        yield f"  line {problem['line']} {problem['result']}: {one_line(str(problem['reason']))}"
    left = len(watch.problems) + watch.more - SHOWN
    if left > 0:
        yield f"  and {left} more; --report FILE lists all"
    would = "would be " if dry_run else ""
    yield f"{counts.rows} rows: {counts.new} new people {would}taken in, {counts.known} new enquiries of people known,"
    yield f"  {counts.before} known already, {counts.rejected} rejected, {counts.notes} kept in part"
    if start and not dry_run:
        yield f"  {counts.cadences} cadences will begin, one after the other, while the shop is open"
    elif start:
        yield "  cadences would begin one after the other, while the shop is open"
    else:
        yield "  nobody is written to; --start-cadence writes to those who may be written to"
    if stopped and not dry_run:
        yield f"Stopped. Everything up to line {counts.last_line} is stored; the same command goes on from there."
    elif stopped:
        yield f"Stopped at line {counts.last_line}."
