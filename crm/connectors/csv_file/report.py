"""The report of an import: every row that was not taken, or not wholly, as it stood, with its line and the reason."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import IO

from crm.connectors.csv_file.reader import Row, Table
from crm.connectors.csv_file.values import guarded, unguarded


class Report:
    """A CSV file that is written while the import runs. What looks like a formula is no formula in it. Mended, it can be
    imported as it is: its own columns mean nothing there."""

    def __init__(self, path: Path, table: Table) -> None:
        # It holds what strangers entered about themselves; nobody else on the machine has to read it.
        self._file: IO[str] = os.fdopen(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8-sig", newline=""
        )
        self._writer = csv.writer(self._file)
        self._writer.writerow(["import line", "import result", "import reason", *map(guarded, table.header)])

    def row(self, row: Row, what: str, reason: str) -> None:
        """One line of it."""
        cells = [guarded(unguarded(cell)) for cell in row.cells]
        self._writer.writerow([row.line, what, guarded(reason), *cells])

    def close(self) -> None:
        """It is whole."""
        self._file.close()
