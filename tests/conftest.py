"""Fixtures of every test: one real PostgreSQL and Valkey per run, a fresh database per test, and a world with a
stranger in it (a second tenant that holds the same customer)."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import redis
from sqlalchemy import Engine, create_engine, make_url, select, text
from sqlalchemy.pool import NullPool

from crm.db import Database, make_engine
from crm.models import Bay, Service, Staff, Tenant
from ops.clock import FixedClock
from ops.embedded import start_postgres, start_valkey
from ops.queue import WakeQueue
from tests.scratch import make_scratch

MONDAY_NINE_IN_CHICAGO = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
CUSTOMER_PHONE = "+13125550199"
CUSTOMER_EMAIL = "dana@example.com"
TEMPLATE = "leads_template"


@dataclass
class Servers:
    """Addresses of this run's servers, as plain text so that xdist can hand them to its workers."""

    superuser_url: str
    owner_url: str
    app_url: str
    redis_url: str


_SERVERS = pytest.StashKey[Servers]()
_HANDLES = pytest.StashKey[list[Any]]()
_FOLDER = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """The first process of a run starts the servers and makes the template database; xdist workers get addresses."""
    worker_input = getattr(config, "workerinput", None)
    if worker_input is not None:
        config.stash[_SERVERS] = Servers(**worker_input["servers"])
        return
    if config.option.collectonly or config.option.help:
        return
    # Settings of the person running the tests must not reach them.
    os.environ.pop("DATABASE_URL", None)
    folder = make_scratch()
    config.stash[_FOLDER] = folder
    postgres = start_postgres(folder / "postgres", durable=False)
    valkey = start_valkey(folder / "valkey", durable=False)
    config.stash[_HANDLES] = [postgres, valkey]
    servers = Servers(postgres.superuser_url, postgres.owner_url, postgres.app_url, valkey.url)
    config.stash[_SERVERS] = servers
    _make_template(servers)


def pytest_configure_node(node: Any) -> None:
    """xdist: give the addresses to each worker."""
    node.workerinput["servers"] = vars(node.config.stash[_SERVERS])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what this process started, and leave nothing behind."""
    for handle in config.stash.get(_HANDLES, []):
        handle.stop()
    if (folder := config.stash.get(_FOLDER, None)) is not None:
        shutil.rmtree(folder, ignore_errors=True)


def _with_database(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _as_superuser(servers: Servers, *statements: str) -> None:
    connection = psycopg2.connect(_with_database(servers.superuser_url, "postgres"))
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.close()


def _make_template(servers: Servers) -> None:
    from ops.migrate import migrate, provision

    owner = make_url(servers.owner_url).username
    _as_superuser(servers, f"create database {TEMPLATE} owner {owner}")
    owner_url = _with_database(servers.owner_url, TEMPLATE)
    migrate(owner_url)
    provision(owner_url, str(make_url(servers.app_url).username))


@dataclass
class TestDatabase:
    """The addresses of one test's own database."""

    __test__ = False
    owner_url: str
    app_url: str


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Servers:
    """The servers of this run."""
    return pytestconfig.stash[_SERVERS]


# The database of this process' last test. Dropped after the next one: dropping waits 100 ms for each connection that is
# still being closed. The last one of all goes with the server.
_used: list[str] = []


@pytest.fixture
def test_database(servers: Servers) -> Iterator[TestDatabase]:
    """A fresh, migrated database; dropped some time afterwards."""
    name = f"t_{uuid.uuid4().hex[:16]}"
    owner = make_url(servers.owner_url).username
    _as_superuser(servers, f"create database {name} template {TEMPLATE} owner {owner}")
    yield TestDatabase(_with_database(servers.owner_url, name), _with_database(servers.app_url, name))
    _as_superuser(servers, *(f"drop database {one} with (force)" for one in _used))
    _used[:] = [name]


@pytest.fixture
def owner_engine(test_database: TestDatabase) -> Iterator[Engine]:
    """The owner's connection: sees all tenants. For setting up and for looking, never for the code under test."""
    url = make_url(test_database.owner_url).set(drivername="postgresql+psycopg2")
    engine = create_engine(url, poolclass=NullPool)
    yield engine
    engine.dispose()


@pytest.fixture
def db(test_database: TestDatabase) -> Iterator[Database]:
    """The application's database, in the application's role: row-level security holds."""
    engine = make_engine(test_database.app_url, pool_size=50)
    yield Database(engine)
    engine.dispose()


@pytest.fixture
def clock() -> FixedClock:
    """Monday 2026-11-23, nine in the morning in Chicago."""
    return FixedClock(MONDAY_NINE_IN_CHICAGO)


@pytest.fixture
def redis_url(servers: Servers) -> Iterator[str]:
    """A Valkey database of this xdist worker's own, empty."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    url = (
        f"{servers.redis_url.rsplit('/', 1)[0]}/{int(worker) % 15}"
        if servers.redis_url.count("/") > 2
        else (f"{servers.redis_url}/{int(worker) % 15}")
    )
    client = redis.Redis.from_url(url)
    client.flushdb()
    yield url
    client.flushdb()
    client.close()


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    """A connection to that database."""
    client = redis.Redis.from_url(redis_url)
    yield client
    client.close()


@pytest.fixture
def queue(redis_client: redis.Redis) -> WakeQueue:
    """The real wake queue."""
    return WakeQueue(redis_client)


@dataclass
class Shop:
    """One tenant of the world."""

    tenant_id: int
    slug: str
    location_id: int
    phone: str
    mailbox: str
    bay_ids: list[int]
    service_ids: dict[str, int]
    lead_id: int
    session_id: int
    staff_id: int


@dataclass
class World:
    """Two shops that know nothing of each other and hold the same customer."""

    north: Shop
    south: Shop


def build_shop(db: Database, owner_engine: Engine, slug: str, phone: str) -> Shop:
    """A tenant with one sample location, one staff and the customer both shops know."""
    from crm.leads import LeadData, upsert_lead
    from crm.sample import add_sample_location
    from crm.sessions import open_session

    with owner_engine.begin() as connection:
        tenant_id = connection.execute(
            text("insert into tenants (slug, name) values (:slug, :name) returning id"),
            {"slug": slug, "name": f"{slug.title()} Tint"},
        ).scalar_one()
    with db.tenant(tenant_id) as session:
        assert session.get_one(Tenant, tenant_id).slug == slug
        location = add_sample_location(
            session,
            tenant_id,
            slug=slug,
            name=f"{slug.title()} Tint",
            phone=phone,
            mailbox=f"shop@{slug}.example",
        )
        staff = Staff(
            tenant_id=tenant_id, location_id=location.id, name="Sam", phone=f"{phone[:-3]}777", email=None
        )
        session.add(staff)
        data = LeadData(source="sample", first_name="Dana", phone=CUSTOMER_PHONE, email=CUSTOMER_EMAIL)
        lead, _ = upsert_lead(session, tenant_id, location.id, data)
        chat = open_session(session, lead)
        session.flush()
        bays = session.scalars(select(Bay.id).where(Bay.location_id == location.id).order_by(Bay.id)).all()
        services = session.execute(
            select(Service.code, Service.id).where(Service.location_id == location.id)
        ).all()
        return Shop(
            tenant_id=tenant_id,
            slug=slug,
            location_id=location.id,
            phone=phone,
            mailbox=f"shop@{slug}.example",
            bay_ids=list(bays),
            service_ids=dict(services),
            lead_id=lead.id,
            session_id=chat.id,
            staff_id=staff.id,
        )


@pytest.fixture
def world(db: Database, owner_engine: Engine) -> World:
    """North and south, with the same customer."""
    return World(
        north=build_shop(db, owner_engine, "north", "+13125550101"),
        south=build_shop(db, owner_engine, "south", "+13125550102"),
    )


# Tables that tests write while they run, by a part of the test file's name.
TABLES = {
    "test_turn_faults": "turn_faults.txt",
    "test_check_set": "check_set.txt",
    "test_consent_set": "consent_set.txt",
    "test_email_words_set": "email_set.txt",
    "test_email_automatic.py": "machine_mail.txt",
}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the tables that this run made: models failing in every known way, and what the labelled sets score."""
    ran = {str(report.nodeid) for report in terminalreporter.stats.get("passed", [])}
    for test, name in TABLES.items():
        path = Path(__file__).resolve().parent.parent / "build" / name
        if any(test in nodeid for nodeid in ran) and path.exists():
            terminalreporter.write_sep("=", name)
            terminalreporter.write_line(path.read_text(encoding="utf-8"))
