"""Is the cache of the catalogue worth it? Its read beside the plain query, at one machine's distance to both servers.

Both are taken in turn inside one open transaction, as a tool of the agent reads, for the sample shop and for a shop
with a long price list; and as a whole transaction, which is what a turn pays. Network distance is not in it: the cache
asks PostgreSQL for one small row and then Redis, so it has one round trip more than the query.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import redis
from sqlalchemy import create_engine, make_url, select, text
from sqlalchemy.orm import Session

from crm.catalogue_cache import read_catalogue, use_redis
from crm.db import Database, make_engine
from crm.models import Service
from crm.sample import add_sample_location
from ops.embedded import start_postgres, start_valkey
from ops.migrate import migrate, provision
from tests.bench.harness import Row

RUNS, WARM_UP = 400, 40
LONG = 120

Read = Callable[[Session, int], list[Service]]


@dataclass
class _Shop:
    db: Database
    client: redis.Redis
    tenant: int
    location: int


def bench_catalogue(say: Callable[[str], None]) -> list[Row]:
    """Microseconds of a read with the cache beside one without, as a ratio."""
    with ExitStack() as stack:
        shop = _open(stack)
        rows = []
        for services in (24, LONG):
            _fill(shop, services)
            rows += _compare(shop, services)
            say(f"catalogue: {services} services measured")
    return rows


def _direct(s: Session, location_id: int) -> list[Service]:
    """What the agent's look-ups did before there was a cache."""
    statement = select(Service).where(Service.location_id == location_id, Service.active)
    return list(s.scalars(statement.order_by(Service.id)))


def _compare(shop: _Shop, services: int) -> list[Row]:
    inside: dict[Read, list[float]] = {_direct: [], read_catalogue: []}
    whole: dict[Read, list[float]] = {_direct: [], read_catalogue: []}
    use_redis(shop.db.engine, shop.client)
    for number in range(WARM_UP + RUNS):
        for read in (_direct, read_catalogue):
            began = time.perf_counter()
            with shop.db.tenant(shop.tenant) as s:
                s.connection()
                opened = time.perf_counter()
                found = len(read(s, shop.location))
                done = time.perf_counter()
            if found != services:
                raise RuntimeError(f"{read.__name__} found {found} of {services} services")
            if number >= WARM_UP:
                inside[read].append(done - opened)
                whole[read].append(time.perf_counter() - began)
    return [
        _row(f"catalogue read, {services} services", inside),
        _row(f"the same with its transaction, {services}", whole),
    ]


def _row(name: str, taken: dict[Read, list[float]]) -> Row:
    direct, cached = (statistics.median(taken[read]) * 1e6 for read in (_direct, read_catalogue))
    return Row(name, f"{cached:.0f}", "us", f"{direct:.0f} us by the query", cached / direct, "", None)


def _open(stack: ExitStack) -> _Shop:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="leads-bench-")))
    postgres, valkey = (
        start_postgres(folder / "pg", durable=False),
        start_valkey(folder / "vk", durable=False),
    )
    stack.callback(postgres.stop)
    stack.callback(valkey.stop)
    migrate(postgres.owner_url)
    provision(postgres.owner_url, str(make_url(postgres.app_url).username))
    owner = create_engine(make_url(postgres.owner_url).set(drivername="postgresql+psycopg2"))
    stack.callback(owner.dispose)
    with owner.begin() as connection:
        made = connection.execute(
            text("insert into tenants (slug, name) values ('bench', 'Bench') returning id")
        )
        tenant = int(made.scalar_one())
    engine = make_engine(postgres.app_url)
    stack.callback(engine.dispose)
    db = Database(engine)
    with db.tenant(tenant) as s:
        place = add_sample_location(s, tenant, "bench", "Bench", "+13125550100", "shop@bench.example")
        location = place.id
    client = redis.Redis.from_url(valkey.url)
    stack.callback(client.close)
    return _Shop(db, client, tenant, location)


def _fill(shop: _Shop, services: int) -> None:
    """The sample's services again under other codes, until there are so many."""
    with shop.db.tenant(shop.tenant) as s:
        known = _direct(s, shop.location)
        columns = [
            one.key for one in Service.__mapper__.column_attrs if one.key not in ("id", "created_at", "code")
        ]
        for number in range(services - len(known)):
            like = known[number % len(known)]
            s.add(Service(code=f"more-{number}", **{name: getattr(like, name) for name in columns}))


if __name__ == "__main__":
    from tests.bench.harness import report

    report(bench_catalogue(print))
