"""A file's rows become leads: once, however often, however it is stopped, and as the dry run says."""

from __future__ import annotations

import json
import random
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, select, text

from crm.connectors.csv_file import importing as importing_module
from crm.connectors.csv_file.bulk import store_new
from crm.connectors.csv_file.importing import FORGOTTEN, Import
from crm.connectors.csv_file.mapping import map_columns
from crm.connectors.csv_file.rows import Place
from crm.consents import is_opted_out, record_consent
from crm.db import Database
from crm.models import ConsentEvent, Lead
from crm.sample import add_sample_location
from ops.clock import FixedClock
from tests.conftest import CUSTOMER_EMAIL, CUSTOMER_PHONE, World
from tests.integration.import_help import HEADER, Heard, importing, numbers, one, people_file, state, write

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


def test_a_file_is_taken_in_once(
    db: Database, world: World, tmp_path: Path, clock: FixedClock, owner_engine: Engine
) -> None:
    shop, heard = world.north, Heard()
    rows = [
        ROW,
        ROW,
        ["", "", "", "Tint", "", "", "", ""],
        ["Dana", CUSTOMER_PHONE, "", "Strip", "", "", "", ""],
    ]
    path = write(tmp_path / "a.csv", rows)
    counts = importing(db, shop, path, clock.now(), heard).run()
    assert (counts.new, counts.known, counts.before, counts.rejected, counts.rows) == (1, 1, 1, 1, 4)
    assert heard.rows == [(4, "rejected", "there is neither a phone number nor an email address")]
    stored = state(owner_engine, shop.tenant_id)
    again = importing(db, shop, path, clock.now()).run()
    assert (again.new, again.known, again.before, again.rejected) == (0, 0, 3, 1)
    assert state(owner_engine, shop.tenant_id) == stored
    # Without being asked nobody is written to.
    assert one(owner_engine, "select count(*) from webhook_events") == 0
    assert one(owner_engine, "select count(*) from touch_points") == 0


def test_a_row_is_stored_with_everything_it_says(
    db: Database, world: World, tmp_path: Path, clock: FixedClock, owner_engine: Engine
) -> None:
    importing(db, world.north, write(tmp_path / "a.csv", [ROW]), clock.now()).run()
    with db.tenant(world.north.tenant_id) as s:
        lead = s.scalars(select(Lead).where(Lead.phone == "+13125550150")).one()
    assert (lead.first_name, lead.last_name, lead.wish, lead.source) == ("Pat", "Ortiz", "Tint", "csv")
    given = {"lead": lead.id}
    facts = one(owner_engine, "select facts from lead_requests where lead_id = :lead", **given)
    assert facts == {"file": "a.csv", "line": 2}
    made_at = one(owner_engine, "select made_at from lead_requests where lead_id = :lead", **given)
    assert made_at == datetime(2026, 11, 20, 6, tzinfo=UTC)
    assert one(owner_engine, "select model from vehicles where lead_id = :lead", **given) == "Civic"
    evidence = json.loads(
        one(owner_engine, "select evidence from consent_events where lead_id = :lead", **given)
    )
    assert (evidence["text"], evidence["file"], evidence["line"]) == ("Text me", "a.csv", 2)
    assert one(owner_engine, "select count(*) from chat_sessions where lead_id = :lead", **given) == 1


@pytest.mark.parametrize("seed", range(4))
def test_the_dry_run_says_exactly_what_happens(
    db: Database,
    world: World,
    tmp_path: Path,
    clock: FixedClock,
    small: None,
    seed: int,
    owner_engine: Engine,
) -> None:
    rng = random.Random(seed)
    shop = world.north
    first = write(tmp_path / "first.csv", people_file(rng, 30, 12))
    importing(db, shop, first, clock.now()).run()
    with owner_engine.begin() as connection:
        connection.execute(text("update leads set phone_bad_since = now() where id % 3 = 0"))
        connection.execute(text("update leads set email_bad_since = now() where id % 4 = 0"))
    before = state(owner_engine, shop.tenant_id)
    path = write(tmp_path / "second.csv", people_file(rng, 80, 30))
    told, heard = Heard(), Heard()
    forecast = numbers(importing(db, shop, path, clock.now(), told).forecast())
    assert state(owner_engine, shop.tenant_id) == before
    assert numbers(importing(db, shop, path, clock.now(), heard).run()) == forecast
    assert told.rows == heard.rows
    assert min(forecast["new"], forecast["known"], forecast["rejected"], forecast["notes"]) > 0


@pytest.mark.parametrize("seed", range(3))
def test_many_at_a_time_leave_behind_what_one_by_one_leaves(
    db: Database, world: World, tmp_path: Path, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, seed: int,
    owner_engine: Engine,
) -> None:  # fmt: skip
    path = write(tmp_path / "a.csv", people_file(random.Random(seed), 60, 40))
    counts = numbers(importing(db, world.north, path, clock.now()).run())
    monkeypatch.setattr(importing_module, "store_new", lambda s, tenant_id, rows, now: set())
    assert numbers(importing(db, world.south, path, clock.now()).run()) == counts
    north, south = (
        json.dumps(state(owner_engine, shop.tenant_id), default=str)
        .replace(f'"{shop.location_id}/', '"L/')
        .replace(f"[{shop.location_id},", "[L,")
        .replace(f'\\"{shop.location_id}/', '\\"L/')
        for shop in (world.north, world.south)
    )
    assert north == south


def test_a_stopped_import_goes_on_where_it_was(
    db: Database, world: World, tmp_path: Path, clock: FixedClock, small: None, owner_engine: Engine
) -> None:
    path = write(tmp_path / "a.csv", people_file(random.Random(1), 60, 60))
    stopped = importing(db, world.north, path, clock.now(), Heard(stop_after=3), per_hour=60)
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    assert stopped.counts.last_line == 22
    assert 0 < one(owner_engine, "select count(*) from lead_requests") <= 21
    whole = importing(db, world.north, path, clock.now(), per_hour=60).run()
    assert whole.before >= stopped.counts.new + stopped.counts.known
    twin = importing(db, world.south, path, clock.now(), per_hour=60).run()
    for table in ("lead_requests", "leads", "webhook_events"):
        north, south = (
            one(owner_engine, f"select count(*) from {table} where tenant_id = :t", t=shop.tenant_id)
            for shop in (world.north, world.south)
        )
        assert north == south
    assert twin.cadences == stopped.counts.cadences + whole.cadences


def test_a_batch_is_stored_whole_or_not_at_all(
    db: Database,
    world: World,
    tmp_path: Path,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
    owner_engine: Engine,
) -> None:
    def die(*args: object) -> None:
        raise KeyboardInterrupt

    path = write(tmp_path / "a.csv", people_file(random.Random(2), 40, 40))
    monkeypatch.setattr(importing_module, "plan_cadences", die)
    with pytest.raises(KeyboardInterrupt):
        importing(db, world.north, path, clock.now(), per_hour=60).run()
    assert one(owner_engine, "select count(*) from lead_requests") == 0
    assert one(owner_engine, "select count(*) from leads") == 2


def test_two_imports_of_one_file_at_once_make_one_of_everything(
    db: Database, world: World, tmp_path: Path, clock: FixedClock, small: None, owner_engine: Engine
) -> None:
    path = write(tmp_path / "a.csv", people_file(random.Random(3), 80, 40))
    works = [importing(db, world.north, path, clock.now()) for _ in range(2)]
    threads = [threading.Thread(target=work.run) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    importing(db, world.south, path, clock.now()).run()
    north, south = (
        one(owner_engine, "select count(*) from lead_requests where tenant_id = :t", t=shop.tenant_id)
        for shop in (world.north, world.south)
    )
    assert north == south
    told = works[0].counts.new + works[0].counts.known + works[1].counts.new + works[1].counts.known
    assert told == north


def test_one_row_the_database_does_not_take_keeps_no_other_out(
    db: Database, world: World, tmp_path: Path, clock: FixedClock, owner_engine: Engine
) -> None:
    with owner_engine.begin() as connection:
        connection.execute(text("alter table lead_requests add check (wish is distinct from 'bad')"))
    rows = [
        [f"P{n}", f"312555{n:04d}", "", "bad" if n == 105 else "good", "", "", "", ""]
        for n in range(100, 110)
    ]
    heard = Heard()
    counts = importing(db, world.north, write(tmp_path / "a.csv", rows), clock.now(), heard).run()
    assert (counts.new, counts.rejected) == (9, 1)
    assert heard.rows == [(7, "rejected", "the database does not take it (CheckViolation)")]


def test_a_quicker_one_in_between_is_no_error(
    db: Database,
    world: World,
    tmp_path: Path,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
    owner_engine: Engine,
) -> None:
    def late(s: object, tenant_id: int, rows: object, now: datetime) -> object:
        monkeypatch.setattr(importing_module, "store_new", store_new)
        # While we looked, the person texted the shop.
        with owner_engine.begin() as connection:
            connection.execute(
                text(
                    "insert into leads (tenant_id, location_id, phone, source) values (:t, :l, '+13125550150', 'text')"
                ),
                {"t": world.north.tenant_id, "l": world.north.location_id},
            )
        return store_new(s, tenant_id, rows, now)  # type: ignore[arg-type]

    monkeypatch.setattr(importing_module, "store_new", late)
    counts = importing(db, world.north, write(tmp_path / "a.csv", [ROW]), clock.now()).run()
    assert (counts.new, counts.known) == (0, 1)
    assert one(owner_engine, "select email from leads where phone = '+13125550150'") == "pat@example.com"


def test_who_said_stop_stays_stopped(db: Database, world: World, tmp_path: Path, clock: FixedClock) -> None:
    shop = world.north
    for address in ("+13125550150", CUSTOMER_PHONE):
        with db.tenant(shop.tenant_id) as s:
            record_consent(
                s, tenant_id=shop.tenant_id, channel="sms", address=address, action="revoke", actor="customer", source="text",
                evidence="STOP", effective_at=clock.now(),
            )  # fmt: skip
    rows = [ROW, ["Dana", CUSTOMER_PHONE, "", "Strip", "", "", "yes", "Text me"]]
    importing(db, shop, write(tmp_path / "a.csv", rows), clock.now()).run()
    with db.tenant(shop.tenant_id) as s:
        assert is_opted_out(s, shop.tenant_id, "sms", "+13125550150")
        assert is_opted_out(s, shop.tenant_id, "sms", CUSTOMER_PHONE)
        # Nothing was added to the ledger for whoever had a last word in it.
        assert len(s.scalars(select(ConsentEvent)).all()) == 2


def test_a_person_who_was_forgotten_is_left_alone(
    db: Database, world: World, tmp_path: Path, clock: FixedClock, owner_engine: Engine
) -> None:
    path = write(tmp_path / "a.csv", [ROW])
    importing(db, world.north, path, clock.now()).run()
    with owner_engine.begin() as connection:
        connection.execute(
            text(
                "update leads set phone = null, email = null, erased_at = now() where phone = '+13125550150'"
            )
        )
        connection.execute(text("delete from lead_requests"))
    heard = Heard()
    counts = importing(db, world.north, path, clock.now(), heard).run()
    assert (counts.rejected, counts.new, counts.known) == (1, 0, 0)
    assert heard.rows == [(2, "rejected", FORGOTTEN)]


def test_shops_of_one_business_and_other_businesses(
    db: Database, world: World, tmp_path: Path, clock: FixedClock, owner_engine: Engine
) -> None:
    shop = world.north
    with db.tenant(shop.tenant_id) as s:
        west = add_sample_location(s, shop.tenant_id, "west", "West", "+13125550188", "w@north.example").id
    header = [*HEADER, "Shop"]
    rows = [[*ROW, "north"], [*ROW, "west"], [*ROW, "south"]]
    work: Import = importing(db, shop, write(tmp_path / "a.csv", rows, header), clock.now())
    places = (*work.reading.places, Place(west, ZoneInfo("America/Chicago"), frozenset({"west"})))
    work.reading = replace(work.reading, places=places, columns=map_columns(work.table.header))
    counts = work.run()
    assert (counts.new, counts.rejected) == (2, 1)
    assert one(owner_engine, "select count(*) from leads where email = 'pat@example.com'") == 2
    importing(db, world.south, write(tmp_path / "b.csv", [ROW]), clock.now()).run()
    assert one(owner_engine, "select count(*) from leads where email = 'pat@example.com'") == 3
    assert one(owner_engine, "select count(*) from leads where email = :e", e=CUSTOMER_EMAIL) == 2
