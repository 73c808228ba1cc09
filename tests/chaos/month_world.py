"""The simulated month's installation: the real parts on a clock that stands still until it is moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple
from unittest.mock import patch

from sqlalchemy import Engine, create_engine, insert, make_url, text

from channels.gate import GateRules
from channels.outbox import Outbox
from channels.sms.pace import Pace
from crm.consents import record_consent
from crm.models import ChatSession, Lead, Location, Staff
from crm.sample import add_sample_location
from crm.sessions import new_reply_token
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.runtime import Runtime, build_runtime
from scheduler.touches import start_cadence
from tests.chaos.month_carrier import CarrierLog, MonthCarrier
from tests.chaos.month_faults import MonthDatabase
from tests.chaos.month_people import Person, Shop
from tests.chaos.simulation_dice import Dice
from tests.chaos.simulation_world import ShortAnswer
from tests.conftest import TestDatabase
from tests.runtimes import settings_for

# Segments a second from one number, and how many at once: what the carrier and we have agreed on.
RATE, AT_ONCE = 5.0, 10.0


class Ids(NamedTuple):
    """The rows of one person."""

    tenant_id: int
    location_id: int
    lead_id: int
    session_id: int


@dataclass
class MonthWorld:
    """The parts. `ids` and `persons`: everybody who has come so far, by their number."""

    runtime: Runtime
    db: MonthDatabase
    owner: Engine
    clock: FixedClock
    log: CarrierLog
    carriers: dict[str, MonthCarrier]
    urls: TestDatabase
    redis_url: str
    places: dict[int, tuple[int, int]] = field(default_factory=dict)
    ids: dict[int, Ids] = field(default_factory=dict)
    persons: dict[int, Person] = field(default_factory=dict)
    # What we were told of texts that did not arrive, by the carrier's id: the code and when.
    said: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def read(self, statement: str, **values: Any) -> list[Any]:
        """Rows of all tenants."""
        with self.owner.connect() as connection:
            return list(connection.execute(text(statement), values))

    def calm(self) -> None:
        """From now on no carrier fails."""
        for carrier in self.carriers.values():
            carrier.calm = True


@contextmanager
def month_world(
    database: TestDatabase, redis_url: str, dice: Dice, start: datetime, shops: list[Shop]
) -> Iterator[MonthWorld]:
    """Everything wired: the real dispatcher, outbox, gate and queue."""
    clock, counts = FixedClock(start), Counter[str]()
    url = make_url(database.owner_url).set(drivername="postgresql+psycopg2")
    owner = create_engine(url, pool_size=2)
    built = build_runtime(settings_for(database, redis_url, log_level="error"), threads=8)
    db, log = MonthDatabase(built.db.engine), CarrierLog(clock)
    carriers = {channel: MonthCarrier(channel, log, dice, counts) for channel in ("sms", "email")}
    runtime = wired(built, db, clock, carriers)
    world = MonthWorld(runtime, db, owner, clock, log, carriers, database, redis_url, counts=counts)
    try:
        _open_shops(world, shops)
        with patch.object(jobs, "get_runtime", lambda: world.runtime):
            yield world
    finally:
        runtime.db.engine.dispose()
        runtime.redis.close()
        owner.dispose()


def wired(built: Runtime, db: Any, clock: FixedClock, carriers: dict[str, Any]) -> Runtime:
    """A runtime with our carriers, clock and pace."""
    pace = Pace(RATE, built.redis, AT_ONCE)
    outbox = Outbox(db, clock, carriers, GateRules(), pace, built.queue.wake)
    return replace(built, db=db, clock=clock, outbox=outbox, models=(ShortAnswer(),))


def add_people(world: MonthWorld, burst: list[Person]) -> None:
    """Everybody of one burst with their cadences, in one transaction: rows in bulk, cadences by the real
    `start_cadence`. Raises Killed."""
    tenant_id, location_id = world.places[burst[0].shop.number]
    now = world.clock.now()
    with world.db.tenant(tenant_id) as session:
        rows = [_lead(one, tenant_id, location_id) for one in burst]
        leads = session.scalars(insert(Lead).returning(Lead, sort_by_parameter_order=True), rows).all()
        chats = session.scalars(
            insert(ChatSession).returning(ChatSession, sort_by_parameter_order=True),
            [
                {"tenant_id": tenant_id, "location_id": location_id, "lead_id": one.id, "reply_token": new_reply_token()}
                for one in leads
            ],
        ).all()  # fmt: skip
        for one, lead, chat in zip(burst, leads, chats, strict=True):
            if one.consent and one.phone:
                record_consent(
                    session, tenant_id=tenant_id, channel="sms", address=one.phone, action="grant", actor="crm",
                    source="form", evidence="the box was ticked", effective_at=now, lead_id=lead.id,
                )  # fmt: skip
            start_cadence(session, lead, chat, now=now, fresh=True)


def find_people(world: MonthWorld, burst: list[Person]) -> bool:
    """Learn the rows of a burst from the database; False when nobody of it is there."""
    tenant_id, location_id = world.places[burst[0].shop.number]
    by_number = {str(one.number): one for one in burst}
    rows = world.read(
        "select l.external_id, l.id, s.id from leads l join chat_sessions s on s.lead_id = l.id"
        " where l.tenant_id = :tenant and l.source = 'month' and l.external_id = any(:numbers)",
        tenant=tenant_id,
        numbers=list(by_number),
    )
    for number, lead_id, session_id in rows:
        world.ids[int(number)] = Ids(tenant_id, location_id, lead_id, session_id)
        world.persons[int(number)] = by_number[number]
    return bool(rows)


def _lead(one: Person, tenant_id: int, location_id: int) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id, "location_id": location_id, "source": "month", "external_id": str(one.number),
        "first_name": f"P{one.number}", "phone": one.phone, "email": one.email, "postal_code": one.zip_code, "wish": one.wish,
    }  # fmt: skip


def _open_shops(world: MonthWorld, shops: list[Shop]) -> None:
    tenants: dict[int, int] = {}
    for shop in shops:
        if shop.tenant not in tenants:
            tenants[shop.tenant] = _tenant(world.owner, shop)
        tenant_id = tenants[shop.tenant]
        with world.db.tenant(tenant_id) as session:
            slug = f"shop{shop.number}"
            place: Location = add_sample_location(
                session, tenant_id, slug, f"Shop {shop.number} Tint", shop.phone, shop.mailbox, shop.zone
            )
            place.state, place.city, place.postal_code = shop.state, slug.title(), ""
            mail = f"staff{shop.number}@month.example"
            session.add(
                Staff(
                    tenant_id=tenant_id, location_id=place.id, name="Sam", phone=None, email=mail, notify=True
                )
            )
            world.places[shop.number] = (tenant_id, place.id)


def _tenant(owner: Engine, shop: Shop) -> int:
    statement = text(
        "insert into tenants (slug, name, settings)"
        " values (:slug, :slug, jsonb_build_object('stop_covers', cast(:covers as text))) returning id"
    )
    with owner.begin() as connection:
        values = {"slug": f"business{shop.tenant}", "covers": shop.covers}
        return int(connection.execute(statement, values).scalar_one())
