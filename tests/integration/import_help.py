"""Importing files into a real database: the file, the import, and everything that is stored afterwards."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, text

from crm.connectors.csv_file.importing import Counts, Import
from crm.connectors.csv_file.mapping import map_columns
from crm.connectors.csv_file.reader import Row, open_table
from crm.connectors.csv_file.rows import Place, Reading
from crm.db import Database
from tests.conftest import Shop

HEADER = ["Name", "Phone", "Email", "Service", "Date", "Vehicle", "SMS consent", "Consent text"]


@dataclass
class Heard:
    """Who hears of the import; may stop it after so many batches."""

    rows: list[tuple[int, str, str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    stop_after: int | None = None

    def row(self, row: Row, what: str, reason: str) -> None:
        self.rows.append((row.line, what, reason))

    def progress(self, bytes_read: int, last_line: int) -> None:
        self.lines.append(last_line)
        if self.stop_after is not None and len(self.lines) >= self.stop_after:
            raise KeyboardInterrupt


def write(path: Path, rows: Sequence[Sequence[str]], header: Sequence[str] = HEADER) -> Path:
    """A file with these rows."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def importing(
    db: Database,
    shop: Shop,
    path: Path,
    now: datetime,
    heard: Heard | None = None,
    per_hour: int | None = None,
) -> Import:
    """An import of a file into a shop's only location."""
    table = open_table(path)
    place = Place(shop.location_id, ZoneInfo("America/Chicago"), frozenset({shop.slug}))
    reading = Reading(map_columns(table.header), (place,), place, path.name, now)
    return Import(db, shop.tenant_id, table, reading, heard or Heard(), per_hour=per_hour)


def numbers(counts: Counts) -> dict[str, int]:
    """What was counted."""
    return asdict(counts)


def people_file(rng: random.Random, rows: int, people: int) -> list[list[str]]:
    """Rows of a few people who share phones and mailboxes, come with one address or both, and come again."""
    phones = [f"312555{number:04d}" for number in range(100, 100 + people)]
    emails = [f"p{number}@example.com" for number in range(people)]
    found = []
    for number in range(rows):
        phone = rng.choice([rng.choice(phones), rng.choice(phones), "", "555-2671"])
        email = rng.choice([rng.choice(emails), rng.choice(emails), "", "nobody@"])
        wish = f"wish {rng.randrange(rows)}"
        consent = rng.choice(["yes", "no", ""])
        car = rng.choice(["2019 Honda Civic", "2021 Ford F-150", ""])
        found.append(
            [f"Pat {number}", phone, email, wish, "11/20/2026", car, consent, rng.choice(["Text me", ""])]
        )
    return found


# Everything an import leaves behind, without numbers that depend on the order of storing.
_STATE = """
select l.location_id, l.phone, l.email, l.first_name, l.last_name, l.wish, l.language, l.status, l.source, l.external_id,
       l.facts, l.state, l.postal_code,
       (select json_agg(json_build_array(r.external_id, r.wish, r.facts, r.made_at, v.make, v.model, v.year)
                        order by r.external_id)
          from lead_requests r left join vehicles v on v.id = r.vehicle_id where r.lead_id = l.id) as requests,
       (select json_agg(json_build_array(v.make, v.model, v.year) order by v.make, v.model, v.year) from vehicles v
         where v.lead_id = l.id) as cars,
       (select json_agg(json_build_array(c.channel, c.address, c.action, c.actor, c.evidence)
                        order by c.channel, c.address, c.evidence)
          from consent_events c where c.lead_id = l.id) as consents,
       (select count(*) from chat_sessions s where s.lead_id = l.id) as sessions
  from leads l where l.tenant_id = :tenant order by l.external_id, l.id
"""


def state(owner: Engine, tenant_id: int) -> list[Any]:
    """Everything that is stored of a business's people."""
    with owner.begin() as connection:
        return [tuple(row) for row in connection.execute(text(_STATE), {"tenant": tenant_id})]


def one(owner: Engine, statement: str, **given: Any) -> Any:
    """The first column of the only row."""
    with owner.begin() as connection:
        return connection.execute(text(statement), given).scalar_one()
