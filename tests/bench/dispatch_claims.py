"""The claim's time with 13,000 and with 1,300,000 touches planned, and the look whether anything is due, of 200 businesses.

As many are due in both, spread over all businesses; the others lie in the next thirty days, as in a real table.
"""

from __future__ import annotations

import re
import statistics
import time
import uuid
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Connection, Engine, text

from crm.db import Database
from crm.routing import claim_touches, touches_due
from tests.bench.dispatch_shop import NOON
from tests.bench.harness import Row

FEW, MANY, TENANTS, DUE = 13_000, 1_300_000, 200, 8_000
ROUNDS, MOST, EACH, MOST_RATIO = 20, 200, 10, 1.5

_TENANTS = """
insert into tenants (slug, name) select 'claims' || n, 'claims' from generate_series(1, :tenants) n;
insert into locations (tenant_id, slug, name, timezone)
select id, 'main', 'main', 'America/Chicago' from tenants where name = 'claims';
insert into leads (tenant_id, location_id, source, first_name)
select tenant_id, id, 'bench', 'Dana' from locations where name = 'main';
insert into chat_sessions (tenant_id, lead_id, location_id, reply_token)
select tenant_id, id, location_id, 'r' || id from leads where source = 'bench' and location_id in
       (select id from locations where name = 'main');
"""
_TOUCHES = """
insert into touch_points (tenant_id, lead_id, session_id, plan, cadence_run, step, channel, template, due_at, local_time)
select s.tenant_id, s.lead_id, s.id, 'default', 1 + :base + n / :tenants / 13, 1 + (n / :tenants) % 13, 'sms', 'question',
       case when n < :due then cast(:now as timestamptz) - make_interval(secs => n)
            else cast(:now as timestamptz) + make_interval(secs => 60 + (n * 7919::bigint) % 2592000) end, ''
  from generate_series(0, :count - 1) n
  join (select c.*, row_number() over (order by c.id) - 1 as place from chat_sessions c join tenants t on t.id = c.tenant_id
         where t.name = 'claims') s on s.place = n % :tenants
"""


def bench_claims(owner: Engine, db: Database, say: Callable[[str], None]) -> list[Row]:
    """Two rows; the claim's plan is printed."""
    with owner.begin() as connection:
        connection.execute(text(_TENANTS), {"tenants": TENANTS})
        _plan(connection, FEW, DUE, 0)
    small = _measure(owner, db, "13,000", say)
    with owner.begin() as connection:
        _plan(connection, MANY - FEW, 0, 1_000)
    large = _measure(owner, db, "1,300,000", say)
    with owner.connect() as connection:
        for line in _plan_of(connection):
            say(f"  {line}")
    return [
        _row(f"claim of {MOST} touches, {MANY:,} planned", small[0], large[0]),
        _row(f"look whether a touch is due, {MANY:,} planned", small[1], large[1]),
    ]


def _plan(connection: Connection, count: int, due: int, base: int) -> None:
    values = {"tenants": TENANTS, "due": due, "now": NOON, "count": count, "base": base}
    connection.execute(text(_TOUCHES), values)


def _measure(owner: Engine, db: Database, name: str, say: Callable[[str], None]) -> tuple[float, float]:
    """Milliseconds of a claim that is committed, and of a look that finds nothing; medians."""
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze touch_points"))
        connection.execute(text("checkpoint")) if _may_checkpoint(connection) else None
    claims, looks = [], []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        with db.system() as session:
            token, until = uuid.uuid4(), NOON + timedelta(seconds=60)
            found = claim_touches(session, NOON, token, until, most=MOST, each=EACH)
        claims.append((time.perf_counter() - began) * 1000)
        if len(found) != MOST:
            raise RuntimeError(f"{len(found)} were claimed")
        began = time.perf_counter()
        with db.system() as session:
            nothing = touches_due(session, NOON - timedelta(days=60))
        looks.append((time.perf_counter() - began) * 1000)
        if nothing:
            raise RuntimeError("nothing can be due then")
    with owner.begin() as connection:
        # As it was, so that the next round finds as many.
        connection.execute(text("update touch_points set status = 'planned' where status = 'claimed'"))
    claim, look = statistics.median(claims), statistics.median(looks)
    say(f"claims, {name} planned: {claim:.1f} ms a claim of {MOST}, {look:.1f} ms a look")
    return claim, look


def _may_checkpoint(connection: Connection) -> bool:
    return bool(
        connection.execute(text("select pg_has_role(current_user, 'pg_checkpoint', 'member')")).scalar()
    )


def _plan_of(connection: Connection) -> list[str]:
    """The plan of what the function runs, with its parameters filled in; rolled back."""
    source = connection.execute(
        text("select prosrc from pg_proc where proname = 'claim_touches'")
    ).scalar_one()
    given = {
        r"<= at\b": f"<= timestamptz '{NOON.isoformat()}'", r"< at\b": f"< timestamptz '{NOON.isoformat()}'",
        r"\bmost\b": str(MOST), r"\beach\b": str(EACH), r"= token\b": f"= uuid '{uuid.uuid4()}'",
        r"= until\b": f"= timestamptz '{NOON.isoformat()}'",
    }  # fmt: skip
    for name, value in given.items():
        source = re.sub(name, value, source)
    found = connection.exec_driver_sql(
        "explain (analyze, buffers off, costs off, timing off) " + source
    ).all()
    connection.rollback()
    return [str(row[0]) for row in found]


def _row(name: str, few: float, many: float) -> Row:
    ratio = round(many / few, 3)
    return Row(
        name, f"{many:.2f}", "ms", f"{FEW:,} planned: {few:.2f}", ratio, f"ratio < {MOST_RATIO}", ratio < MOST_RATIO
    )  # fmt: skip
