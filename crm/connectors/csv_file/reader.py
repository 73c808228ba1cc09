"""Reading a CSV file row by row, in little memory, without losing the rows behind a broken one.

The standard parser does the parsing; this gives it lines, and takes the file up again behind a quote that is never
closed or a row that is too long.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO

from crm.connectors.csv_file.encodings import (
    NAMES,
    SAMPLE_LINES,
    NotATable,
    delimiter_of,
    encoding_of,
    told_delimiter,
)

# The parser's own limit of a field is larger, so that it is never met.
LONGEST_ROW = 100_000
MOST_LINES = 500
MOST_COLUMNS = 300


@dataclass(frozen=True)
class Row:
    """One row: the line it begins on (1 is the file's first), its cells, or why it cannot be read."""

    line: int
    cells: tuple[str, ...]
    problem: str | None = None


@dataclass(frozen=True)
class Table:
    """A file that can be read. `header_line`: where the names of the columns stand. `size` in bytes."""

    path: Path
    encoding: str
    delimiter: str
    header: tuple[str, ...]
    header_line: int
    size: int

    def rows(self) -> Iterator[tuple[Row, int]]:
        """Every row below the header that is not empty, with how many bytes of the file are read by then."""
        with _opened(self.path, self.encoding) as (text, raw):
            for row in read_rows(text, self.delimiter):
                if row.line > self.header_line and (row.problem or any(cell.strip() for cell in row.cells)):
                    yield row, raw.tell()


class _opened:
    """The file as text and as bytes."""

    def __init__(self, path: Path, encoding: str) -> None:
        self._raw = path.open("rb")
        # No line ends are translated: they may stand inside of quotes. What an encoding lacks becomes "�".
        self._text = TextIOWrapper(self._raw, encoding=encoding, errors="replace", newline="")

    def __enter__(self) -> tuple[IO[str], IO[bytes]]:
        return self._text, self._raw

    def __exit__(self, *error: object) -> None:
        self._text.close()


def open_table(path: Path, *, encoding: str | None = None, delimiter: str | None = None) -> Table:
    """Look at a file: its encoding, its delimiter, the names of its columns. Raises NotATable, OSError, LookupError for
    an encoding that does not exist."""
    encoding = encoding or encoding_of(path)
    with _opened(path, encoding) as (text, _):
        lines = [line for line in (text.readline(LONGEST_ROW) for _ in range(SAMPLE_LINES)) if line]
    told = told_delimiter(lines[0]) if lines else None
    delimiter = delimiter or told or delimiter_of(lines)
    skip = 1 if told is not None else 0
    with _opened(path, encoding) as (text, _):
        header = next(
            (
                row
                for row in read_rows(text, delimiter)
                if row.line > skip and (row.problem or any(cell.strip() for cell in row.cells))
            ),
            None,
        )
    if header is None:
        raise NotATable("the file is empty")
    if header.problem:
        raise NotATable(f"the first row cannot be read: {header.problem}")
    if len(header.cells) > MOST_COLUMNS:
        raise NotATable(f"the file has {len(header.cells)} columns; at most {MOST_COLUMNS} are read")
    names = _names(header.cells)
    return Table(path, encoding, delimiter, names, header.line, path.stat().st_size)


def _names(cells: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the columns, each once: a second "Phone" is "Phone (2)"."""
    seen: dict[str, int] = {}
    names = []
    for cell in cells:
        name = " ".join(cell.replace("\ufeff", "").split())
        seen[name] = seen.get(name, 0) + 1
        names.append(f"{name} ({seen[name]})" if name and seen[name] > 1 else name)
    return tuple(names)


def read_rows(text: IO[str], delimiter: str) -> Iterator[Row]:
    """Every row of a text, empty ones too. A row that cannot be read has a problem instead of cells, and the next one
    begins on the line behind its first."""
    lines = _Lines(text)
    while not lines.ended():
        # A parser that stopped in the middle cannot go on, so each broken row needs a new one.
        yield from _until_broken(lines, csv.reader(lines, delimiter=delimiter))


def _until_broken(lines: _Lines, parser: Iterator[list[str]]) -> Iterator[Row]:
    while True:
        lines.begin_row()
        try:
            cells = next(parser)
        except StopIteration:
            return
        except _Broken as broken:
            yield lines.give_up(str(broken))
            return
        except csv.Error:
            yield lines.give_up("it is no row of a table")
            return
        if lines.open_at_end:
            yield lines.give_up("a quotation mark is opened and never closed")
            return
        yield Row(lines.first, tuple(cells))


class _Broken(Exception):
    """The row that is being read is none."""


class _Lines:
    """The lines of a text for the parser, with the lines of the row that is being read kept for the case that it is
    none."""

    def __init__(self, text: IO[str]) -> None:
        self._text = text
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self._length = 0
        self._number = 0
        self.first = 1
        # The parser asked for more in the middle of a row, and there was none.
        self.open_at_end = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._text.readline(LONGEST_ROW + 1)
        if not line:
            self.open_at_end = bool(self._taken)
            raise StopIteration
        if len(line) > LONGEST_ROW and not line.endswith(("\n", "\r")):
            self._skip_rest()
            # It may be read again, and what is behind it must not be skipped then.
            line += "\n"
        self._taken.append(line)
        self._number += 1
        self._length += len(line)
        if self._length > LONGEST_ROW:
            raise _Broken(f"it is longer than {LONGEST_ROW:,} characters; is a quotation mark not closed?")
        if len(self._taken) > MOST_LINES:
            raise _Broken(f"it goes over more than {MOST_LINES} lines; is a quotation mark not closed?")
        return line.replace("\0", "")

    def ended(self) -> bool:
        """Whether there is nothing left to read."""
        if not self._again:
            line = self._text.readline(LONGEST_ROW + 1)
            if line:
                self._again.append(line)
        return not self._again

    def begin_row(self) -> None:
        """The row before was read."""
        self._taken, self._length, self.open_at_end = [], 0, False
        self.first = self._number + 1

    def give_up(self, problem: str) -> Row:
        """The first line of the row is lost; the others are read again."""
        first, *rest = self._taken
        self._again.extendleft(reversed(rest))
        self._number = self.first
        return Row(self.first, (first.strip()[:500],), problem)

    def _skip_rest(self) -> None:
        line = self._text.readline(LONGEST_ROW)
        while line and not line.endswith(("\n", "\r")):
            line = self._text.readline(LONGEST_ROW)


def allowed_encodings() -> tuple[str, ...]:
    """The names that may be told instead of having an encoding found out."""
    return NAMES
