"""When the cadences of imported leads begin: only when asked for, one after the other, each once."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, select

from crm.calendar.hours import OpeningHours
from crm.connectors.csv_file import importing as importing_module
from crm.connectors.csv_file.stagger import moments
from crm.db import Database
from crm.models import Lead, WebhookEvent
from ops.clock import FixedClock
from tests.conftest import World
from tests.integration.import_help import importing, one, write

ROW = [
    "Pat Ortiz",
    "312-555-0150",
    "pat@example.com",
    "Tint",
    "11/20/2026",
    "2019 Honda Civic",
    "yes",
    "Text me",
]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches so small that a file has many."""
    monkeypatch.setattr(importing_module, "BATCH", 7)


def test_cadences_begin_one_after_the_other_while_the_shop_is_open(
    db: Database, world: World, tmp_path: Path, clock: FixedClock, small: None, owner_engine: Engine
) -> None:
    shop = world.north
    rows = [[f"P{n}", f"312555{n:04d}", "", "x", "", "", "", ""] for n in range(100, 140)]
    path = write(tmp_path / "a.csv", rows)
    assert importing(db, shop, path, clock.now(), per_hour=4).run().cadences == 40
    with db.tenant(shop.tenant_id) as s:
        found = s.scalars(select(WebhookEvent).order_by(WebhookEvent.next_try_at)).all()
        leads = [json.loads(bytes(event.body))["lead_id"] for event in found]
        names = dict(iter(s.execute(select(Lead.id, Lead.first_name))))
    due = [event.next_try_at for event in found]
    assert due[0] == clock.now()
    assert min(b - a for a, b in pairwise(due)) >= timedelta(minutes=15)
    local = [moment.astimezone(ZoneInfo("America/Chicago")) for moment in due]
    assert all(8 <= moment.hour < 18 and moment.weekday() < 6 for moment in local)
    assert len({moment.date() for moment in local}) > 1
    assert [names[lead] for lead in leads] == [f"P{n}" for n in range(100, 140)]
    # Told again, nobody's begins twice; more of them queue behind.
    more = write(tmp_path / "b.csv", [*rows, ["New", "3125550999", "", "x", "", "", "", ""]])
    assert importing(db, shop, more, clock.now(), per_hour=4).run().cadences == 1
    last = one(owner_engine, "select max(next_try_at) from webhook_events")
    assert last >= due[-1] + timedelta(minutes=15)


def test_known_only_first_and_written_to_later(
    db: Database, world: World, tmp_path: Path, clock: FixedClock
) -> None:
    path = write(tmp_path / "a.csv", [ROW])
    assert importing(db, world.north, path, clock.now()).run().cadences == 0
    again = importing(db, world.north, path, clock.now(), per_hour=30).run()
    assert (again.before, again.cadences) == (1, 1)


def test_a_shop_without_hours_begins_at_any_hour(clock: FixedClock) -> None:
    hours = OpeningHours(ZoneInfo("America/Chicago"), {})
    found = moments(hours, clock.now(), timedelta(hours=1))
    assert [next(found) for _ in range(30)] == [clock.now() + timedelta(hours=number) for number in range(30)]
