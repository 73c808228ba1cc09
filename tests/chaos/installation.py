"""One installation for the tests that break things: real processes, locks that stop a worker in the middle of a
transaction, and time that passes when a test says so."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import redis
from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from crm.db import Database, make_engine
from ops.embedded import ValkeyHandle, start_valkey
from ops.queue import WAKE_SET
from tests.acceptance.customer import Texter
from tests.acceptance.processes import System, eventually, running
from tests.acceptance.records import Records
from tests.chaos.gates import Gate, GatedBrain, GatedShopmonkey
from tests.conftest import TEMPLATE, Servers, Shop, TestDatabase, _as_superuser, _with_database, build_shop
from tests.standins.anthropic import AnthropicStandIn
from tests.standins.twilio import TwilioStandIn


class Lock:
    """What a test has locked in the database. `wait_for_another` returns once somebody waits for it."""

    def __init__(self, connection: Connection, records: Records) -> None:
        self._pid = int(connection.execute(text("select pg_backend_pid()")).scalar_one())
        self._records = records

    def wait_for_another(self) -> None:
        """Until a backend waits for this lock."""
        waiting = "select pid from pg_stat_activity where :pid = any(pg_blocking_pids(pid))"
        eventually(lambda: self._records.all(waiting, pid=self._pid), 30, "somebody waits for the lock")


@dataclass
class Installation:
    """The parts, and what tests do with them."""

    system: System
    database: TestDatabase
    owner: Engine
    db: Database
    records: Records
    queues: list[ValkeyHandle]
    valkey_folder: Path
    twilio: TwilioStandIn
    anthropic: AnthropicStandIn
    shopmonkey: GatedShopmonkey
    shop: Shop
    model: Gate
    crm: Gate
    _customers: int = 0

    # Customers

    def new_phone(self) -> str:
        """A number nobody has used yet."""
        self._customers += 1
        return f"+1312555{100 + self._customers:04d}"

    def customer(self) -> Texter:
        """Somebody new with a phone."""
        return Texter(self.system, self.twilio, self.shop.phone, self.new_phone())

    def lead_id(self, phone: str) -> int:
        """The one lead with this phone."""
        (lead,) = self.records.all("select id from leads where phone = :phone", phone=phone)
        return int(lead["id"])

    def rows(self, table: str, phone: str) -> list[dict[str, Any]]:
        """The rows of a table that belong to the lead with this phone, oldest first."""
        statement = f"select * from {table} where lead_id = :lead order by id"
        return self.records.all(statement, lead=self.lead_id(phone))

    def turns(self, phone: str) -> list[str]:
        """How the turns with this person ended, oldest first."""
        return [row["status"] for row in self._turns(phone)]

    def turn_errors(self, phone: str) -> list[str]:
        """Why turns with this person came to nothing."""
        return [row["error"] for row in self._turns(phone) if row["error"]]

    def _turns(self, phone: str) -> list[dict[str, Any]]:
        statement = "select t.* from turns t join chat_sessions s on s.id = t.session_id"
        statement += " where s.lead_id = :lead order by t.id"
        return self.records.all(statement, lead=self.lead_id(phone))

    # Breaking

    def restart_worker(self) -> None:
        """kill -9 of the worker, and another one starts."""
        self.system.kill("worker")
        self.system.start("worker")

    @contextmanager
    def locked(self, statement: str, **values: Any) -> Iterator[Lock]:
        """Hold a lock, taken by `statement` with the owner's connection, until the block ends."""
        with self.owner.connect() as connection:
            connection.execute(text(statement), values)
            try:
                yield Lock(connection, self.records)
            finally:
                connection.rollback()

    def redis(self) -> redis.Redis:
        """A connection to the queue's server."""
        return redis.Redis.from_url(self.queues[-1].url)

    def start_valkey_again(self) -> None:
        """The queue's server is back, empty, at the same address."""
        self.queues.append(start_valkey(self.valkey_folder, durable=False))
        assert self.queues[-1].url == self.queues[0].url

    def woken(self, job: str) -> list[str]:
        """The wake-up calls of a job that wait for their moment."""
        with self.redis() as queue:
            members = cast(list[bytes], queue.zrange(WAKE_SET, 0, -1))
        return [member.decode() for member in members if member.decode().partition(":")[0] == job]

    def waiting_for_jobs(self) -> int:
        """How many threads wait at the queue."""
        with self.redis() as queue:
            return int(queue.info("clients")["blocked_clients"])

    def worker_threads(self) -> int:
        """How many threads one worker has."""
        return int(self.system.env["WORKER_THREADS"])

    # Time

    def pass_time(self, **by: float) -> None:
        """Let time pass for all processes at once."""
        self.system.set_time(self.system.now() + timedelta(**by))

    def live_through(self, minutes: int, step_s: float = 150.0) -> None:
        """Let time pass in steps, with all that falls due in a step done before the next one begins. A step is longer
        than every lease and claim, so that what a dead worker held is done too."""
        for _ in range(int(minutes * 60 / step_s)):
            self.pass_time(seconds=step_s)
            eventually(lambda: not self.records.owed(self.system.now()), 30, "nothing is owed")

    def due(self) -> list[dict[str, Any]]:
        """What is due and held by nobody."""
        owed = "select job, row_id from owed_work(:now, 100) union all select 'dispatch', '0' where touches_due(:now)"
        return self.records.all(owed, now=self.system.now())

    def env_of_a_second(self, folder: Path) -> dict[str, str]:
        """What a further machine of this installation is configured with."""
        return {**self.system.env, "HOME": str(folder), "DATA_DIR": str(folder / "data")}


@contextmanager
def _own_database(servers: Servers) -> Iterator[TestDatabase]:
    name = f"t_{uuid.uuid4().hex[:16]}"
    owner = make_url(servers.owner_url).username
    _as_superuser(servers, f"create database {name} template {TEMPLATE} owner {owner}")
    try:
        yield TestDatabase(_with_database(servers.owner_url, name), _with_database(servers.app_url, name))
    finally:
        _as_superuser(servers, f"drop database {name} with (force)")


@contextmanager
def installation(servers: Servers, folder: Path) -> Iterator[Installation]:
    """Everything running: web, worker and clock on a database and a Valkey of their own."""
    started: list[System] = []

    def now() -> datetime:
        return started[0].now()

    with ExitStack() as stack:
        database = stack.enter_context(_own_database(servers))
        url = make_url(database.owner_url).set(drivername="postgresql+psycopg2")
        owner = create_engine(url, poolclass=NullPool)
        engine = make_engine(database.app_url, pool_size=4)
        stack.callback(engine.dispose)
        model, crm = Gate(), Gate()
        twilio = stack.enter_context(TwilioStandIn(clock=now))
        anthropic = stack.enter_context(AnthropicStandIn(script=GatedBrain(model)))
        queue = [start_valkey(folder / "valkey", durable=False)]
        stack.callback(lambda: queue[-1].stop())
        system = System(folder / "system", database, queue[0].url, _vendors(twilio, anthropic))
        started.append(system)
        shopmonkey = stack.enter_context(GatedShopmonkey(crm, clock=now))
        db, records = Database(engine), Records(owner)
        shop = build_shop(db, owner, "north", "+13125550101")
        records.set_quiet_window(0.2)
        made = Installation(
            system, database, owner, db, records, queue, folder / "valkey", twilio, anthropic,
            shopmonkey, shop, model, crm,
        )  # fmt: skip
        with running(system):
            yield made


def _vendors(twilio: TwilioStandIn, anthropic: AnthropicStandIn) -> dict[str, str]:
    return {
        "TWILIO_ACCOUNT_SID": twilio.account_sid,
        "TWILIO_AUTH_TOKEN": twilio.auth_token,
        "TWILIO_API_BASE": twilio.url,
        "ANTHROPIC_API_KEY": anthropic.api_key,
        "ANTHROPIC_BASE_URL": anthropic.url,
        "AI_PROVIDER": "claude",
        "AI_FALLBACK_PROVIDER": "",
    }
