"""A file's rows become leads: in batches that are stored whole or not at all, so that an import may be stopped at any
moment and begun again; and what an import would do, without doing it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import structlog
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from crm.connectors.csv_file.bulk import store_new
from crm.connectors.csv_file.connector import SOURCE
from crm.connectors.csv_file.known import People, named_once
from crm.connectors.csv_file.reader import Row, Table
from crm.connectors.csv_file.rows import Reading, Rejected, Told, read_row
from crm.connectors.csv_file.stagger import Stagger, plan_cadences
from crm.connectors.intake import take_in
from crm.db import Database
from crm.leads import Forgotten

log = structlog.get_logger(__name__)

BATCH = 400
TRIES = 5
# What two transactions may do to each other without either being wrong: deadlock, lost race, a lead merged meanwhile.
_AGAIN = frozenset({"40P01", "40001", "55000"})
FORGOTTEN = "this person had their data erased; the row is left alone"


class Watcher(Protocol):
    """Who hears of an import while it runs."""

    def row(self, row: Row, what: str, reason: str) -> None:
        """A row that is `rejected`, or `kept` without something of it, and why."""
        ...

    def progress(self, bytes_read: int, last_line: int) -> None:
        """So much of the file was dealt with; everything up to this line is stored."""
        ...


@dataclass
class Counts:
    """What became of the rows. `new`: people; `known`: enquiries of people who are known; `before`: rows that were
    taken in before; `cadences`: that will begin."""

    new: int = 0
    known: int = 0
    before: int = 0
    rejected: int = 0
    notes: int = 0
    cadences: int = 0
    last_line: int = 0

    @property
    def rows(self) -> int:
        """All of them."""
        return self.new + self.known + self.before + self.rejected


@dataclass
class Import:
    """One import of one file. `per_hour`: how many cadences begin in an hour; None: none."""

    db: Database
    tenant_id: int
    table: Table
    reading: Reading
    watcher: Watcher
    per_hour: int | None = None
    counts: Counts = field(default_factory=Counts)
    _staggers: dict[int, Stagger] = field(default_factory=dict)

    def run(self) -> Counts:
        """Take the file in. Raises the database's errors when it is away, and KeyboardInterrupt: the batches before are
        stored then, `counts` says up to which line, and the same import again goes on."""
        for batch in self._batches():
            self._store(batch)
            self._done(batch)
        return self.counts

    def forecast(self) -> Counts:
        """Say what `run` would do, and change nothing."""
        people = People()
        for batch in self._batches():
            told = self._told(batch)
            with self.db.tenant(self.tenant_id) as s:
                people.ask(s, told)
            for row in told:
                self._count(people.verdict(row))
            self._done(batch)
        return self.counts

    def _batches(self) -> Iterator[_Batch]:
        rows = self.table.rows()
        while read := list(islice(rows, BATCH)):
            yield _Batch([(row, read_row(row, self.reading)) for row, _ in read], read[-1][1])

    def _told(self, batch: _Batch) -> list[Told]:
        """The enquiries of a batch; its other rows are told of."""
        found = []
        for row, outcome in batch.rows:
            if isinstance(outcome, Rejected):
                self.counts.rejected += 1
                self.watcher.row(row, "rejected", outcome.reason)
                continue
            for note in outcome.notes:
                self.watcher.row(row, "kept", note)
            self.counts.notes += bool(outcome.notes)
            found.append(outcome)
        return found

    def _done(self, batch: _Batch) -> None:
        self.counts.last_line = batch.rows[-1][0].line
        self.watcher.progress(batch.bytes_read, self.counts.last_line)

    def _count(self, verdict: str) -> None:
        name = {"new": "new", "person known": "known", "request known": "before"}[verdict]
        setattr(self.counts, name, getattr(self.counts, name) + 1)

    def _store(self, batch: _Batch) -> None:
        told = self._told(batch)
        try:
            stored = self._tried(told)
        except OperationalError:
            raise
        except DBAPIError as error:
            # One row that the database does not take must not keep the others out.
            log.warning("import_batch_refused", error=type(error.orig).__name__, rows=len(told))
            stored = _Stored()
            by_line = {row.line: row for row, _ in batch.rows}
            for each in told:
                self._store_alone(each, by_line[each.line], stored)
        for verdict, count in stored.verdicts.items():
            for _ in range(count):
                self._count(verdict)
        self.counts.cadences += stored.cadences
        by_line = {row.line: row for row, _ in batch.rows}
        for line in stored.forgotten:
            self.counts.rejected += 1
            self.watcher.row(by_line[line], "rejected", FORGOTTEN)

    def _store_alone(self, told: Told, row: Row, stored: _Stored) -> None:
        try:
            stored.add(self._tried([told]))
        except OperationalError:
            raise
        except DBAPIError as error:
            self.counts.rejected += 1
            self.watcher.row(row, "rejected", f"the database does not take it ({type(error.orig).__name__})")

    def _tried(self, told: Sequence[Told]) -> _Stored:
        for _ in range(TRIES - 1):
            try:
                return self._transaction(told)
            except StaleDataError:
                continue
            except DBAPIError as error:
                if getattr(error.orig, "pgcode", None) not in _AGAIN:
                    raise
        return self._transaction(told)

    def _transaction(self, told: Sequence[Told]) -> _Stored:
        with self.db.tenant(self.tenant_id) as s:
            stored = self._take(s, told)
            if self.per_hour is not None:
                wanted = [
                    row.request_id
                    for row in told
                    if row.line not in stored.forgotten and not row.wants_nothing
                ]
                stored.cadences = self._plan(s, told, wanted)
            return stored

    def _take(self, s: Session, told: Sequence[Told]) -> _Stored:
        people = People()
        people.ask(s, told)
        judged = [
            (row, people.verdict(row), alone) for row, alone in zip(told, named_once(told), strict=True)
        ]
        # Somebody nobody knows and no other row names needs no look at anybody else.
        new = [row for row, verdict, alone in judged if alone and verdict == "new"]
        made = store_new(s, self.tenant_id, new, self.reading.now)
        stored = _Stored(Counter({"new": len(made)}))
        for row, verdict, _ in judged:
            if verdict == "request known":
                stored.verdicts[verdict] += 1
            elif row.request_id not in made:
                self._take_one(s, row, stored)
        return stored

    def _take_one(self, s: Session, row: Told, stored: _Stored) -> None:
        try:
            taken = take_in(s, self.tenant_id, row.location_id, row.found, self.reading.now)
        except Forgotten:
            stored.forgotten.append(row.line)
            return
        lead = taken.lead
        lead.postal_code = lead.postal_code or row.postal_code
        lead.state = lead.state or row.state
        verdict = "new" if taken.created else "person known" if taken.request_new else "request known"
        stored.verdicts[verdict] += 1

    def _plan(self, s: Session, told: Sequence[Told], wanted: list[str]) -> int:
        for location_id in {row.location_id for row in told} - self._staggers.keys():
            self._staggers[location_id] = Stagger(s, location_id, self.per_hour or 1, self.reading.now)
        return plan_cadences(s, self.tenant_id, wanted, SOURCE, self._staggers, self.reading.now)


@dataclass
class _Batch:
    rows: list[tuple[Row, Told | Rejected]]
    bytes_read: int


@dataclass
class _Stored:
    verdicts: Counter[str] = field(default_factory=Counter)
    forgotten: list[int] = field(default_factory=list)
    cadences: int = 0

    def add(self, other: _Stored) -> None:
        """Both together."""
        self.verdicts.update(other.verdicts)
        self.forgotten += other.forgotten
        self.cadences += other.cadences
