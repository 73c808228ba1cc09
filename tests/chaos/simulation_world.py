"""The simulation's installation: two businesses with two shops each, the real parts, and carriers that fail."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from unittest.mock import patch

from sqlalchemy import Engine, create_engine, make_url, select, text
from sqlalchemy.pool import NullPool

import channels.sms.client as twilio_client
from agent.models.base import AssistantStep, ModelReply, ModelRequest, StopReason, Usage
from app import create_app
from channels.gate import GateRules
from channels.outbox import Outbox
from crm.carrier_accounts import set_account
from crm.models import Bay, Service, Staff
from crm.sample import add_sample_location
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.runtime import Runtime, build_runtime
from scheduler.senders import senders_of
from tests.chaos.simulation_dice import Dice
from tests.chaos.simulation_faults import FragileTexts, Mailbox, MortalDatabase
from tests.chaos.simulation_people import SHOPS, ShopPlan
from tests.chaos.simulation_twilio import SimulatedTwilio
from tests.conftest import TestDatabase
from tests.runtimes import PUBLIC, TOKEN, settings_for

# Over loopback nothing takes a second but what hangs on purpose.
TIMEOUT_S = 2.0
SEGMENTS_PER_SECOND = 20
STAFF_ENDING = "190"
# The second business has an account of its own at the carrier.
OWN_ACCOUNT, OWN_TOKEN = "AC" + "5" * 32, "token-of-the-south"
ANSWER = "Thanks for writing! Which car is it, and what would you like done?"


class ShortAnswer:
    """A model that always asks back: answering is not what is simulated here."""

    provider, model = "playbook", "canned"

    def answer(self, _: ModelRequest) -> ModelReply:
        """The one answer."""
        step = AssistantStep(text=ANSWER, provider=self.provider, model=self.model)
        return ModelReply(step, StopReason.END, Usage(0, 0, 0, 0), self.model)


@dataclass(frozen=True)
class Shop:
    """One shop's rows."""

    plan: ShopPlan
    tenant_id: int
    location_id: int
    bay_id: int
    service_id: int
    account: str


@dataclass
class World:
    """The parts."""

    runtime: Runtime
    db: MortalDatabase
    owner: Engine
    clock: FixedClock
    twilio: SimulatedTwilio
    texts: FragileTexts
    mail: Mailbox
    shops: dict[str, Shop]
    counts: Counter[str]


@contextmanager
def world(database: TestDatabase, redis_url: str, dice: Dice, start: datetime) -> Iterator[World]:
    """Everything wired: the real application, outbox, gate and sender; time stands still until it is moved."""
    clock, counts = FixedClock(start), Counter[str]()
    twilio = SimulatedTwilio(auth_token=TOKEN, numbers={shop.phone for shop in SHOPS}, clock=clock.now)
    owner = create_engine(
        make_url(database.owner_url).set(drivername="postgresql+psycopg2"), poolclass=NullPool
    )
    twilio.subaccounts[OWN_ACCOUNT] = OWN_TOKEN
    with twilio, patch.object(twilio_client, "TIMEOUT_S", TIMEOUT_S):
        settings = settings_for(
            database,
            redis_url,
            twilio_account_sid=twilio.account_sid,
            twilio_api_base=twilio.url,
            twilio_segments_per_second=SEGMENTS_PER_SECOND,
            log_level="error",
        )
        built = build_runtime(settings, threads=8)
        db = MortalDatabase(built.db.engine)
        mail = Mailbox(dice, counts)
        texts = FragileTexts(senders_of(settings, db)["sms"], twilio, dice, counts)
        outbox = Outbox(
            db, clock, {"sms": texts, "email": mail}, GateRules(), built.outbox.pace, built.queue.wake
        )
        runtime = replace(built, db=db, clock=clock, outbox=outbox, models=(ShortAnswer(),))
        twilio.web, twilio.public_url = create_app(runtime), PUBLIC
        shops = _open_shops(runtime, db, owner, twilio.account_sid)
        try:
            with patch.object(jobs, "get_runtime", lambda: runtime):
                yield World(runtime, db, owner, clock, twilio, texts, mail, shops, counts)
        finally:
            runtime.db.engine.dispose()
            runtime.redis.close()
            owner.dispose()


def is_staff(phone: str) -> bool:
    """Whether this is a number of the shops' own people."""
    return phone in {f"{shop.phone[:-3]}{STAFF_ENDING}" for shop in SHOPS}


def _open_shops(runtime: Runtime, db: MortalDatabase, owner: Engine, main: str) -> dict[str, Shop]:
    tenants = {plan.tenant: _tenant(owner, plan) for plan in SHOPS[::2]}
    with db.tenant(tenants["south"]) as session:
        set_account(session, tenants["south"], runtime.box, OWN_ACCOUNT, OWN_TOKEN)
    accounts = {"north": main, "south": OWN_ACCOUNT}
    return {plan.slug: _shop(db, plan, tenants[plan.tenant], accounts[plan.tenant]) for plan in SHOPS}


def _tenant(owner: Engine, plan: ShopPlan) -> int:
    statement = "insert into tenants (slug, name, settings) values (:slug, :name, cast(:settings as jsonb)) returning id"
    settings = json.dumps({"stop_covers": plan.covers})
    values = {"slug": plan.tenant, "name": plan.tenant.title(), "settings": settings}
    with owner.begin() as connection:
        return int(connection.execute(text(statement), values).scalar_one())


def _shop(db: MortalDatabase, plan: ShopPlan, tenant_id: int, account: str) -> Shop:
    with db.tenant(tenant_id) as session:
        name, mailbox = f"{plan.slug.title()} Tint", f"shop@{plan.slug}.example"
        place = add_sample_location(session, tenant_id, plan.slug, name, plan.phone, mailbox, plan.zone)
        place.state, place.city, place.postal_code = plan.state, plan.slug.title(), ""
        by_text = plan.tenant == "north"
        staff = Staff(tenant_id=tenant_id, location_id=place.id, name="Sam")
        staff.phone = f"{plan.phone[:-3]}{STAFF_ENDING}" if by_text else None
        staff.email = None if by_text else f"sam@{plan.slug}.example"
        session.add(staff)
        bay = session.scalars(select(Bay.id).where(Bay.location_id == place.id).limit(1)).one()
        service = session.scalars(select(Service.id).where(Service.location_id == place.id).limit(1)).one()
        return Shop(plan, tenant_id, place.id, bay, service, account)
