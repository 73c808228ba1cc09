"""`leads import`: what it says, what it writes down, and that it asks for what it cannot know."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import Engine

from cli.import_show import Watch
from crm.connectors.csv_file import importing
from crm.db import Database
from crm.sample import add_sample_location
from ops.clock import FixedClock
from tests.conftest import TestDatabase, World
from tests.integration.calendar_commands_help import refused, running
from tests.integration.import_help import one

Run = Callable[..., Result]
FILE = """Cliente;Teléfono;Correo electrónico;Servicio;Fecha;Acepta SMS;Notas
José Muñoz;312-555-0150;jose@example.com;Polarizado;20/11/2026;sí;moroso
=HYPERLINK("http://evil.example");555-2671;;Tira;21/11/2026;no;
Pat;312-555-0151;nobody@;Tira;1/2/2026;;
Luz;312-555-0152;;Tira;31/31/2026;;
"""


@pytest.fixture
def run(test_database: TestDatabase, clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    yield from running(test_database, clock, monkeypatch)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "clientes.csv"
    made.write_bytes(FILE.encode("cp1252"))
    return made


def test_a_dry_run_then_the_import_then_the_mended_report(
    run: Run, world: World, path: Path, tmp_path: Path, owner_engine: Engine
) -> None:
    north = ("--tenant", "north")
    dry = run("import", str(path), "--dry-run", *north)
    assert dry.exit_code == 0, dry.output
    assert "cp1252, columns parted by semicolons" in dry.stdout
    assert "Teléfono -> phone" in dry.stdout
    assert "Fecha -> made_at (day first)" in dry.stdout
    assert "not used: Notas" in dry.stdout
    assert "4 rows: 2 new people would be taken in" in dry.stdout
    assert "2 rejected, 2 kept in part" in dry.stdout
    assert one(owner_engine, "select count(*) from leads where source = 'csv'") == 0

    report = tmp_path / "report.csv"
    done = run("import", str(path), "--report", str(report), "--sms-consent-text", "Web form of 2026", *north)
    assert "4 rows: 2 new people taken in" in done.stdout
    assert "line 5" not in done.stdout.split("rows:")[1]
    assert one(owner_engine, "select count(*) from leads where source = 'csv'") == 2
    assert "Web form of 2026" in one(owner_engine, "select evidence from consent_events")
    with report.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["import line"], row["import result"]) for row in rows] == [
        ("3", "rejected"),
        ("4", "kept"),
        ("5", "rejected"),
    ]
    assert rows[0]["Cliente"].startswith("'=HYPERLINK")
    assert "555-2671" in rows[0]["import reason"]
    assert "day/month/year" in rows[2]["import reason"]

    mended = tmp_path / "mended.csv"
    mended.write_text(
        report.read_text(encoding="utf-8-sig").replace("555-2671", "312-555-0153"), encoding="utf-8"
    )
    again = run("import", str(mended), "--json", *north)
    told = json.loads(again.stdout)
    assert (told["new"], told["rejected"], told["dry_run"], told["stopped"]) == (1, 1, False, False)
    assert one(owner_engine, "select first_name from leads where phone = '+13125550153'").startswith(
        "=HYPERLINK"
    )


def test_the_same_file_again_and_cadences_only_when_asked(
    run: Run, world: World, path: Path, owner_engine: Engine
) -> None:
    first = run("import", str(path), "--tenant", "north")
    assert "nobody is written to" in first.stdout
    assert one(owner_engine, "select count(*) from webhook_events") == 0
    again = run("import", str(path), "--start-cadence", "--tenant", "north")
    assert "0 new people" in again.stdout
    assert "2 known already" in again.stdout
    assert "2 cadences will begin" in again.stdout
    assert one(owner_engine, "select count(*) from webhook_events") == 2


def test_no_bar_and_no_control_signs_outside_of_a_terminal(run: Run, world: World, path: Path) -> None:
    done = run("import", str(path), "--tenant", "north")
    assert "\x1b" not in done.output
    assert "%" not in done.output


def test_what_cannot_be_imported_is_one_sentence(
    run: Run, world: World, db: Database, path: Path, tmp_path: Path
) -> None:
    north = ("--tenant", "north")
    book = tmp_path / "leads.xlsx"
    book.write_bytes(b"PK\x03\x04")
    assert "save it as CSV" in refused(run, "import", str(book), *north)
    assert "COLUMN=FIELD" in refused(run, "import", str(path), "--map", "x", *north)
    assert "there is no field 'fone'" in refused(run, "import", str(path), "--map", "Notas=fone", *north)
    assert "cannot be read as klingon" in refused(run, "import", str(path), "--encoding", "klingon", *north)
    assert "overwrite" in refused(run, "import", str(path), "--report", str(path), *north)
    assert "cannot be written" in refused(
        run, "import", str(path), "--report", str(tmp_path / "no" / "r.csv"), *north
    )
    with db.tenant(world.north.tenant_id) as s:
        add_sample_location(s, world.north.tenant_id, "west", "West", "+13125550188", "w@north.example")
    assert "--location" in refused(run, "import", str(path), *north)
    assert run("import", str(path), "--location", "west", *north).exit_code == 0


def test_a_stopped_import_says_where_it_is_and_ends_with_130(
    run: Run, world: World, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 1)
    done_with = Watch.progress

    def stop(self: Watch, bytes_read: int, last_line: int) -> None:
        done_with(self, bytes_read, last_line)
        raise KeyboardInterrupt

    monkeypatch.setattr(Watch, "progress", stop)
    stopped = run("import", str(path), "--tenant", "north")
    assert stopped.exit_code == 130
    assert "Everything up to line 2 is stored; the same command goes on from there." in stopped.stdout
    assert "1 new people" in stopped.stdout
