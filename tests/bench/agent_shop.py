"""What the agent's benchmarks run on: a shop in a real database, real customers who write, nobody else around."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import create_engine, make_url, select, text

from channels.inbound import Inbound
from channels.inbox import receive
from crm.db import Database, make_engine
from crm.models import Location
from crm.sample import ensure_sample_shop
from ops.clock import FixedClock
from ops.embedded import start_postgres, start_valkey
from ops.migrate import migrate, provision
from scheduler.runtime import Runtime
from tests.conftest import TestDatabase

# Monday, nine in the morning in Chicago.
NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
BAYS = 4
# Four hours a day and bay for three weeks, from next Monday on.
BOOKED = """
insert into appointments (tenant_id, location_id, bay_id, service_ids, starts_at, ends_at, blocked_from,
    blocked_until, labour_minutes, visit, source, status)
select b.tenant_id, b.location_id, b.id, '{}', p.start, p.start + interval '2 hours', p.start,
    p.start + interval '2 hours', 120, 'wait', 'agent', 'booked'
from bays b cross join generate_series(7, 25) day cross join (values (1), (5)) as h (hours)
cross join lateral (select :now + make_interval(days => day, hours => hours) as start) p
where extract(dow from p.start) between 1 and 5
"""
_numbers = itertools.count(1)


@dataclass(frozen=True)
class BenchShop:
    """The addresses of the servers, and the one shop in them."""

    folder: Path
    database: TestDatabase
    redis_url: str
    tenant_id: int
    location_id: int
    phone: str

    @staticmethod
    def number_of(customer: int) -> str:
        """A customer's phone number; numbers rise with the customers."""
        return f"+1312{2_010_000 + customer}"

    def clear_week(self, runtime: Runtime) -> None:
        """Let go of what was booked and offered this week, so that the next customer finds the same calendar."""
        with runtime.db.tenant(self.tenant_id) as session:
            cancel = text("update appointments set status = 'cancelled' where lead_id is not null")
            session.execute(cancel)
            session.execute(text("update offers set held_until = null, expires_at = created_at"))

    def hear(self, runtime: Runtime, words: str, customer: int) -> int:
        """Customer number `customer` texts the shop, now. Returns the session's id."""
        inbound = Inbound(
            tenant_id=self.tenant_id,
            location_id=self.location_id,
            channel="sms",
            carrier="bench",
            carrier_id=f"bench-{next(_numbers)}",
            from_address=self.number_of(customer),
            to_address=self.phone,
            body=words,
            received_at=runtime.clock.now(),
        )
        return receive(runtime.db, runtime.queue, inbound, we_confirm_stops=True).session_id


@contextmanager
def bench_shop() -> Iterator[BenchShop]:
    """Start the servers and make the shop. Its calendar is half full in the weeks after this one."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="leads-bench-")))
        postgres = start_postgres(folder / "postgres")
        stack.callback(postgres.stop)
        valkey = start_valkey(folder / "valkey")
        stack.callback(valkey.stop)
        migrate(postgres.owner_url)
        role = str(make_url(postgres.app_url).username)
        provision(postgres.owner_url, role)
        owner = create_engine(make_url(postgres.owner_url).set(drivername="postgresql+psycopg2"))
        db = Database(make_engine(postgres.app_url))
        ensure_sample_shop(db, owner, FixedClock(NOW))
        with owner.begin() as connection:
            connection.execute(text("create table bench_floor (id bigserial primary key, words text)"))
            connection.execute(text(f"grant all on bench_floor, bench_floor_id_seq to {role}"))
            tenant_id = int(connection.execute(text("select id from tenants limit 1")).scalar_one())
        with db.tenant(tenant_id) as session:
            location = session.scalars(select(Location)).one()
            bay = text(
                "insert into bays (tenant_id, location_id, name) select :t, :l, 'Bay ' || n"
                " from generate_series(3, :n) n"
            )
            session.execute(bay, {"t": tenant_id, "l": location.id, "n": BAYS})
            session.execute(text(BOOKED), {"now": NOW})
        database = TestDatabase(postgres.owner_url, postgres.app_url)
        yield BenchShop(folder, database, valkey.url, tenant_id, location.id, str(location.phone))
        db.engine.dispose()
        owner.dispose()
