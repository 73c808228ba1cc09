"""The migrations: up, down, up again, the same as the models, one migrator at a time, and no endless queueing."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, inspect, make_url, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.pool import NullPool

from crm.models import Base
from ops.migrate import alembic_config, migrate, revisions
from tests.conftest import Servers, TestDatabase, _as_superuser, _with_database

# The key of migrations/env.py, which cannot be imported outside of Alembic.
MIGRATORS = 7_301_140_202
MIGRATE = "import sys; from ops.migrate import migrate; migrate(sys.argv[1])"
CATALOG = """
select 'constraint', conrelid::regclass::text, conname::text, pg_get_constraintdef(oid)
  from pg_constraint where connamespace = 'public'::regnamespace
union all
select 'index', tablename::text, indexname::text, indexdef from pg_indexes where schemaname = 'public'
union all
select 'column', table_name, column_name, concat_ws(' ', data_type, is_nullable, column_default, is_identity)
  from information_schema.columns where table_schema = 'public'
union all
select 'policy', tablename::text, policyname::text, qual from pg_policies where schemaname = 'public'
union all
select 'function', p.oid::regprocedure::text, '', p.prosrc from pg_proc p join pg_roles r on r.oid = p.proowner
 where p.pronamespace = 'public'::regnamespace and r.rolname = current_user
union all
select 'trigger', tgrelid::regclass::text, tgname::text, pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
order by 1, 2, 3, 4
"""


@pytest.fixture
def empty(servers: Servers) -> Iterator[str]:
    """The owner's address of a database without anything in it."""
    name = f"e_{uuid.uuid4().hex[:16]}"
    _as_superuser(servers, f"create database {name} owner {make_url(servers.owner_url).username}")
    yield _with_database(servers.owner_url, name)
    _as_superuser(servers, f"drop database {name} with (force)")


def engine_for(url: str) -> Engine:
    return create_engine(make_url(url).set(drivername="postgresql+psycopg2"), poolclass=NullPool)


def catalog(url: str) -> list[tuple[Any, ...]]:
    """Everything of the schema that has a meaning, as PostgreSQL writes it."""
    with engine_for(url).connect() as connection:
        return [tuple(row) for row in connection.execute(text(CATALOG))]


def tables(url: str) -> set[str]:
    return set(inspect(engine_for(url)).get_table_names())


def test_up_down_and_up_again(empty: str) -> None:
    assert revisions(empty)[0] is None
    migrate(empty)
    current, head = revisions(empty)
    assert current == head is not None
    first = catalog(empty)
    assert tables(empty) == {*Base.metadata.tables, "alembic_version"}
    migrate(empty)
    assert catalog(empty) == first, "nothing is missing, so nothing happens"
    command.downgrade(alembic_config(empty), "base")
    assert tables(empty) == {"alembic_version"}
    assert {row[0] for row in catalog(empty) if row[1] != "alembic_version"} == set()
    migrate(empty)
    assert catalog(empty) == first


def test_the_newest_one_down_is_the_one_before(empty: str) -> None:
    """Also the words of the functions it replaced: a downgrade gives back exactly what was there."""
    config = alembic_config(empty)
    command.upgrade(config, "0008")
    before = catalog(empty)
    command.upgrade(config, "0009")
    after = {row[1]: row[3] for row in catalog(empty) if row[0] == "function"}
    was = {row[1]: row[3] for row in before if row[0] == "function"}
    changed = {name.split("(")[0] for name in after if after[name] != was.get(name)}
    assert changed == {"send_facts", "store_inbound"}
    assert was.keys() < after.keys(), "code of before finds every function it calls, with the same arguments"
    command.downgrade(config, "0008")
    assert catalog(empty) == before


def _differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True}
    )
    found = compare_metadata(context, Base.metadata)
    return [one for one in found if not _is_alembics_own(one)]


def _is_alembics_own(difference: Any) -> bool:
    return bool(difference[0] == "remove_table" and difference[1].name == "alembic_version")


def test_the_models_and_the_migrations_are_one(owner_engine: Engine) -> None:
    with owner_engine.connect() as connection:
        assert _differences(connection) == []


def test_what_alembic_does_not_compare_is_the_same_too(empty: str, test_database: TestDatabase) -> None:
    """Checks, exclusion, partial indexes, identity: the models make a database that reads like the migrated one."""
    engine = engine_for(empty)
    with engine.begin() as connection:
        connection.execute(text("create extension if not exists btree_gist"))
        Base.metadata.create_all(connection)
    kinds = {"constraint", "index", "column"}
    made = {row for row in catalog(empty) if row[0] in kinds}
    migrated = {
        row for row in catalog(test_database.owner_url) if row[0] in kinds and row[1] != "alembic_version"
    }
    assert made ^ migrated == set()


def test_the_comparison_notices_a_difference(owner_engine: Engine) -> None:
    with owner_engine.connect() as connection:
        connection.execute(text("alter table leads alter column language set default 'es'"))
        connection.execute(text("alter table staff add column nickname varchar"))
        found = _differences(connection)
        connection.rollback()
    assert len(found) == 2


def test_a_bay_is_never_booked_twice_at_one_time(owner_engine: Engine, world: Any) -> None:
    (constraint,) = [
        row
        for row in catalog(owner_engine.url.render_as_string(hide_password=False))
        if row[2] == "ex_appointments_bay_overlap" and row[0] == "constraint"
    ]
    assert constraint[3].startswith(
        "EXCLUDE USING gist (bay_id WITH =, tstzrange(blocked_from, blocked_until) WITH &&)"
    )
    insert = text(
        "insert into appointments (tenant_id, location_id, bay_id, service_ids, starts_at, ends_at, source, status)"
        " values (:tenant, :location, :bay, '{1}', :start, :end, 'test', :status)"
    )
    shop = world.north
    row = {"tenant": shop.tenant_id, "location": shop.location_id, "bay": shop.bay_ids[0], "status": "booked"}
    with owner_engine.begin() as connection:
        connection.execute(insert, {**row, "start": "2026-11-24T15:00Z", "end": "2026-11-24T17:00Z"})
        connection.execute(insert, {**row, "start": "2026-11-24T17:00Z", "end": "2026-11-24T18:00Z"})
        over = {"start": "2026-11-24T16:00Z", "end": "2026-11-24T17:30Z"}
        connection.execute(insert, {**row, **over, "status": "cancelled"})
        connection.execute(insert, {**row, **over, "bay": shop.bay_ids[1]})
    with (
        pytest.raises(IntegrityError, match="ex_appointments_bay_overlap"),
        owner_engine.begin() as connection,
    ):
        connection.execute(insert, {**row, **over})


def test_two_migrators_at_once_are_one(empty: str) -> None:
    with engine_for(empty).connect() as first:
        first.execute(text("select pg_advisory_lock(:key)"), {"key": MIGRATORS})
        running = [
            subprocess.Popen([sys.executable, "-c", MIGRATE, empty], stderr=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        _wait_for_waiting_migrators(first, 2)
        assert tables(empty) == set(), "nobody begins while another one may be at it"
        first.execute(text("select pg_advisory_unlock(:key)"), {"key": MIGRATORS})
    errors = [process.communicate(timeout=120)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], errors
    current, head = revisions(empty)
    assert current == head
    with engine_for(empty).connect() as connection:
        assert connection.execute(text("select count(*) from alembic_version")).scalar_one() == 1


def _wait_for_waiting_migrators(connection: Connection, count: int) -> None:
    query = text(
        "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        " and database = (select oid from pg_database where datname = current_database())"
    )
    end = time.monotonic() + 60
    while connection.execute(query).scalar_one() < count:
        assert time.monotonic() < end, "the migrators do not wait for each other"
        time.sleep(0.05)


def test_a_busy_table_makes_a_migration_fail_and_not_wait(empty: str) -> None:
    """Behind a waiting table lock every other query would wait too: better to fail, and to be started again."""
    migrate(empty)
    with engine_for(empty).connect() as reader:
        reader.execute(text("lock table waves in access share mode"))
        with pytest.raises(OperationalError, match="lock timeout"):
            command.downgrade(alembic_config(empty), "base")
        reader.rollback()
    assert set(Base.metadata.tables) < tables(empty), "the failed revision was rolled back as a whole"
    assert revisions(empty)[0] is not None
    command.downgrade(alembic_config(empty), "base")
    assert tables(empty) == {"alembic_version"}, "the lock of migrators was given back"
