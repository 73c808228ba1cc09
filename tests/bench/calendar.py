"""Slot search over 60 days at a location with 5,000 appointments, while the database around it grows a hundredfold.

Three databases of 200 locations (20 tenants) on one server: 5,000 appointments in all, 50,000 and 500,000. The
measured location has the same 5,000 in each (ten bays, about 2,000 of them ahead); what grows is everybody else's.
In the largest a second location has the same calendar ahead and a past of 100,000 visits that nobody marked as
done, because a shop that stays for years must not become slower either. The searches are taken in turn, so that a
noisy machine is noisy for all of them.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
from psycopg2.extensions import connection as Connection
from sqlalchemy import event, make_url, select

from crm.calendar.job import job_for
from crm.calendar.slots import find_slots
from crm.db import Database, make_engine
from crm.models import Location, Service
from crm.sample import add_sample_location
from ops.embedded import PostgresHandle, start_postgres
from ops.migrate import migrate, provision
from tests.bench.harness import Row, percentile

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
LOCATIONS, TENANTS, BAYS, OWN = 200, 20, 10, 5_000
SCALES = (5_000, 50_000, 500_000)
PAST = 100_000
RUNS, WARM_UP = 40, 5
CODE = "tint-full-sedan-carbon"
TARGET = 1.5

# Visit number n of a location: four of two hours a day and bay, every seventh place left free. The last of the
# visits lie 50 days ahead; the series runs backwards, so more visits mean a longer past.
LOAD = """
insert into appointments (tenant_id, location_id, bay_id, service_ids, starts_at, ends_at, blocked_from,
    blocked_until, labour_minutes, visit, source, status)
select l.tenant_id, l.id, b.bay_id, '{}', p.start, p.start + interval '2 hours', p.start,
    p.start + interval '2 hours', 120, 'wait', 'agent', case when p.start < %(now)s then %(over)s else 'booked' end
from (select id, tenant_id from locations where id = any(%(locations)s)) l
cross join generate_series(0, %(each)s - 1) n
join lateral (select n + n / 6 as place) x on true
join (select id as bay_id, location_id, row_number() over (partition by location_id order by id) - 1 as number
      from bays) b on b.location_id = l.id and b.number = x.place %% 10
cross join lateral (select date_trunc('day', %(now)s::timestamptz) + interval '15 hours'
    + make_interval(days => (50 - x.place / 40)::int, hours => (2 * (x.place / 10 %% 4))::int) as start) p
"""


@dataclass
class _Scene:
    """One location in one database: what its searches took in milliseconds, their queries, what they found."""

    db: Database
    tenant: int
    location: int
    milliseconds: list[float] = field(default_factory=list)
    queries: set[int] = field(default_factory=set)
    found: tuple[datetime, ...] = ()

    @property
    def median(self) -> float:
        """Half of the searches were faster."""
        return statistics.median(self.milliseconds)


def bench_calendar(say: Callable[[str], None]) -> list[Row]:
    """Milliseconds and queries of one search at 1x, 10x and 100x data, as ratios of the largest to the smallest."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="leads-bench-")))
        postgres = start_postgres(folder / "postgres", durable=False)
        stack.callback(postgres.stop)
        grown = []
        for scale in SCALES:
            grown.append(_database(postgres, scale, stack))
            say(f"calendar: {scale:,} appointments loaded")
        largest = grown[-1]
        aged = _Scene(largest.db, largest.tenant, _aged_location(largest))
        for number in range(WARM_UP + RUNS):
            for scene in (*grown, aged):
                _search(scene, keep=number >= WARM_UP)
    return [*_rows("appointments in all", SCALES, grown), *_rows("own visits", (OWN, PAST), [largest, aged])]


def _database(postgres: PostgresHandle, scale: int, stack: ExitStack) -> _Scene:
    """A database with `scale` appointments; the first location has its own 5,000 of them."""
    name = f"bench_{scale}"
    with closing(psycopg2.connect(postgres.superuser_url)) as superuser:
        superuser.autocommit = True
        with superuser.cursor() as cursor:
            cursor.execute(f"create database {name} owner {make_url(postgres.owner_url).username}")
    owner_url, app_url = (_in(name, url) for url in (postgres.owner_url, postgres.app_url))
    migrate(owner_url)
    provision(owner_url, str(make_url(app_url).username))
    engine = make_engine(app_url)
    stack.callback(engine.dispose)
    db = Database(engine)
    with closing(psycopg2.connect(owner_url)) as owner:
        owner.autocommit = True
        tenant, locations = _shops(db, owner)
        _load(owner, locations[:1], OWN, over="completed")
        rest = scale - OWN
        if scale == SCALES[-1]:
            _load(owner, locations[TENANTS : TENANTS + 1], PAST, over="booked")
            locations.pop(TENANTS)
            rest -= PAST
        if rest:
            _load(owner, locations[1:], -(-rest // len(locations[1:])), over="booked")
        with owner.cursor() as cursor:
            # What autovacuum does in time.
            cursor.execute("vacuum analyze")
    return _Scene(db, tenant, locations[0])


def _aged_location(scene: _Scene) -> int:
    """The other location of the same tenant that has a long past."""
    with scene.db.tenant(scene.tenant) as s:
        return (
            s.scalars(select(Location.id).where(Location.id > scene.location).order_by(Location.id)).first()
            or 0
        )


def _in(name: str, url: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _rows(what: str, scales: tuple[int, ...], scenes: list[_Scene]) -> list[Row]:
    """Two rows: time and queries. Raises RuntimeError when two scales found different times."""
    if len({one.found for one in scenes}) != 1 or not scenes[0].found:
        raise RuntimeError(f"{what}: the search found other times at another scale")
    first, last = scenes[0], scenes[-1]
    pairs = list(zip(scales, scenes, strict=True))[:-1]
    times = ", ".join(f"{scale:,}: {one.median:.1f}" for scale, one in pairs)
    counts = ", ".join(f"{scale:,}: {max(one.queries)}" for scale, one in pairs)
    name = f"slot search, 60 days, {scales[-1]:,} {what}"
    ratio, same = last.median / first.median, len(set.union(*(one.queries for one in scenes))) == 1
    value = f"{last.median:.1f} (p99 {percentile(last.milliseconds, 0.99):.1f})"
    queries = max(last.queries)
    return [
        Row(name, value, "ms", times, round(ratio, 3), f"<= {TARGET}", ratio <= TARGET),
        Row(f"{name}: queries", str(queries), "queries", counts, queries / max(first.queries), "constant", same),
    ]  # fmt: skip


def _shops(db: Database, owner: Connection) -> tuple[int, list[int]]:
    """200 locations with ten bays each, in turn of 20 tenants; returns the first tenant and all locations."""
    tenants, locations = [], []
    with owner.cursor() as cursor:
        cursor.execute("insert into tenants (slug, name) select 't' || n, 't' from generate_series(1, %s) n"
                       " returning id", (TENANTS,))  # fmt: skip
        tenants = [int(row[0]) for row in cursor.fetchall()]
    for number in range(LOCATIONS):
        tenant = tenants[number % TENANTS]
        with db.tenant(tenant) as s:
            phone = f"+1312556{number:04d}"
            location = add_sample_location(s, tenant, f"l{number}", "Shop", phone, f"l{number}@bench.example")
            locations.append(location.id)
    with owner.cursor() as cursor:
        cursor.execute(
            "insert into bays (tenant_id, location_id, name)"
            " select tenant_id, id, 'More ' || n from locations cross join generate_series(1, %s) n",
            (BAYS - 2,),
        )
    return tenants[0], locations


def _load(owner: Connection, locations: list[int], each: int, *, over: str) -> None:
    """That many visits for each location; those before now get the status `over`."""
    with owner.cursor() as cursor:
        cursor.execute(LOAD, {"locations": locations, "each": each, "now": NOW, "over": over})


def _search(scene: _Scene, *, keep: bool) -> None:
    """One whole search as the agent makes it: a transaction, the tenant's scope, the rules, the choice."""
    seen: list[object] = []

    def note(*arguments: object) -> None:
        seen.append(arguments[2])

    began = time.perf_counter()
    with scene.db.tenant(scene.tenant) as s:
        location = s.get_one(Location, scene.location)
        services = select(Service).where(Service.location_id == scene.location, Service.code == CODE)
        job = job_for(s.scalars(services).all(), "sedan")
        event.listen(scene.db.engine, "before_cursor_execute", note)
        scene.found = tuple(slot.starts_at for slot in find_slots(s, location, job, NOW))
        event.remove(scene.db.engine, "before_cursor_execute", note)
    if keep:
        scene.milliseconds.append((time.perf_counter() - began) * 1000)
        scene.queries.add(len(seen))
