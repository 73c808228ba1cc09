"""Printing what strangers wrote: escaped, in the shop's time, as tables on a terminal and plain lines elsewhere."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Unicode categories: control, format, surrogate, private use, line and paragraph separator.
OBEYED = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def clean(text: str | None) -> str:
    """Text without anything a terminal obeys: control, format and private characters become "�"; lines stay.

    A customer's text may hold escape sequences, and letters that turn the reading direction of what follows.
    """
    kept = (text or "").replace("\r\n", "\n").replace("\r", "\n").expandtabs(4)
    return "".join(char if char == "\n" or _is_harmless(char) else "�" for char in kept)


def _is_harmless(char: str) -> bool:
    # Joiners are format characters too, and half of all emoji need them.
    return char in "\u200d\u200c\ufe0f" or unicodedata.category(char) not in OBEYED


def one_line(text: str | None) -> str:
    """`clean` on one line."""
    return " ".join(clean(text).split())


def local_time(moment: datetime | None, timezone: str) -> str:
    """ "2026-11-23 09:00:05 CST": sortable and greppable, in the shop's zone; "-" for None."""
    return moment.astimezone(ZoneInfo(timezone)).strftime("%Y-%m-%d %H:%M:%S %Z") if moment else "-"


def money(microusd: int | None) -> str:
    """Millionths of a dollar as dollars with the digits that matter: 312 -> "$0.0003"; None -> "unknown"."""
    if microusd is None:
        return "unknown"
    return "$0" if microusd == 0 else f"${microusd / 1_000_000:.4f}" if microusd >= 50 else "under $0.0001"


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on a terminal; elsewhere one line a row with two spaces or more between the columns."""
    shown = [[one_line(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        table = Table(*columns, box=None, header_style="bold", pad_edge=False)
        for row in shown:
            table.add_row(*(Text(cell) for cell in row))
        Console().print(table)
        return
    widths = [max(len(cell) for cell in column) for column in zip(columns, *shown, strict=True)]
    for row in [list(columns), *shown]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_json(value: Any) -> None:
    """JSON for programs: dataclasses as objects, moments in ISO 8601."""
    click.echo(as_json(value, indent=2))


def as_json(value: Any, *, indent: int | None = None) -> str:
    """The text print_json prints."""
    return json.dumps(value, default=_plain, indent=indent, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)


def heading(text: str) -> None:
    """A line above a block, bold on a terminal."""
    click.echo(click.style(text, bold=True))


def indented(text: str, by: str = "    ") -> str:
    """Cleaned text with every line moved to the right."""
    return "\n".join(f"{by}{line}".rstrip() for line in clean(text).split("\n"))
