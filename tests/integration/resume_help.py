"""What the tests of pausing and resuming share: a lead in the middle of its cadence, who writes and is answered."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from crm.db import Database
from crm.models import LeadChange, TouchPoint
from crm.routing import owed
from ops.clock import FixedClock
from scheduler.dispatch import write_touch
from scheduler.resume import resume_lead
from scheduler.runtime import Runtime
from tests.conftest import Shop, World
from tests.integration.answering import Shop as Answering
from tests.integration.cadence_rows import change, start
from tests.integration.talking import answer, flush, hear, say, scripted

THREE_DAYS = timedelta(days=3)


def begun(db: Database, shop: Shop, clock: FixedClock, steps: int = 3) -> list[int]:
    """A cadence whose first touches were written and left, each in its time; the ids of all of them."""
    ids = start(db, shop, clock.now())
    for touch_id in ids[:steps]:
        clock.moment = max(clock.now(), touch(db, shop, touch_id).due_at)
        assert write_touch(db, shop.tenant_id, touch_id, clock) is not None
        _leaves(db, shop, clock.now())
    clock.advance(timedelta(minutes=1))
    return ids


def _leaves(db: Database, shop: Shop, at: datetime) -> None:
    change(
        db, shop, "update chat_messages set status = 'sent', sent_at = :at, send_after = null"
        " where kind = 'touch' and status = 'pending'", at=at,
    )  # fmt: skip


def talked(shop: Answering, world: World, words: str = "how long does it take?") -> Runtime:
    """The customer writes and is answered; the reply has left."""
    runtime = shop.with_model(scripted(say("Which car is it?")))
    hear(runtime, world.north, words)
    assert answer(runtime, world.north) == "done"
    flush(runtime, world.north)
    return runtime


def resume_all(runtime: Runtime, shop: Shop) -> list[str]:
    """What the clock's look finds and a worker does with it, in turn."""
    with runtime.db.system() as session:
        found = [row for row in owed(session, runtime.clock.now()) if row.job == "resume"]
    mine = [int(row.row_id) for row in found if row.tenant_id == shop.tenant_id]
    return [resume_lead(runtime, shop.tenant_id, row_id) for row_id in mine]


def touch(db: Database, shop: Shop, touch_id: int) -> TouchPoint:
    """One touch, freshly read."""
    with db.tenant(shop.tenant_id) as session:
        return session.get_one(TouchPoint, touch_id)


def run_of(db: Database, shop: Shop, run: int = 1) -> list[TouchPoint]:
    """The touches of one run, by step."""
    with db.tenant(shop.tenant_id) as session:
        mine = (TouchPoint.lead_id == shop.lead_id, TouchPoint.cadence_run == run)
        return list(session.scalars(select(TouchPoint).where(*mine).order_by(TouchPoint.step)))


def states(db: Database, shop: Shop, run: int = 1) -> list[str]:
    """Their states, by step."""
    return [row.status for row in run_of(db, shop, run)]


def told(db: Database, shop: Shop) -> list[tuple[str, str | None, str | None]]:
    """What the lead's history says of its cadence: (what, who, why)."""
    with db.tenant(shop.tenant_id) as session:
        rows = session.scalars(
            select(LeadChange).where(LeadChange.what == "cadence").order_by(LeadChange.id)
        ).all()
        return [(row.after or "", row.who, row.why) for row in rows]


def wall(moment: datetime) -> tuple[int, int]:
    """Weekday and hour in Chicago."""
    from tests.integration.calendar_help import CHICAGO

    local = moment.astimezone(CHICAGO)
    return local.weekday(), local.hour
