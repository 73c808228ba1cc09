"""The world of the dispatcher's benchmark: shops with leads whose touches are due, a carrier, and one clock that stands
at noon, so that nothing waits and nothing is paced."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, create_engine, make_url, select, text
from sqlalchemy.orm import Session

from channels.gate import GateRules
from channels.outbox import Outbox
from crm.consents import record_consent
from crm.db import Database
from crm.leads import LeadData, upsert_lead
from crm.models import ChatMessage, Location, TouchPoint
from crm.sample import add_sample_location
from crm.sessions import open_session
from ops.clock import FixedClock
from ops.embedded import start_postgres, start_valkey
from ops.logging import configure_logging
from ops.migrate import migrate, provision
from ops.settings import Settings
from scheduler.dispatch import dispatch
from scheduler.runtime import Runtime, build_runtime
from scheduler.senders import senders_of
from tests.bench.outbox_carrier import SID, TOKEN

# A Tuesday noon where the shops are: every window is open.
NOON = datetime(2027, 3, 2, 18, tzinfo=UTC)
SHOPS, THREADS = 8, 8
# A question by text in the middle of the plan: neither the first touch nor one that looks for free times.
STEP, TEMPLATE = 4, "question"


def phone_of(number: int) -> str:
    """A number of a customer's own."""
    return f"+1312{200 + number // 10_000}{number % 10_000:04d}"


@dataclass
class DispatchShop:
    """Some businesses, each with one sample shop."""

    runtime: Runtime
    owner: Engine
    owner_url: str
    environment: dict[str, str]
    phones: list[str]
    tenants: list[int]
    customers: int = 0

    def plan(self, count: int) -> None:
        """So many touches that are due now, each of somebody new who agreed to texts, spread over the businesses."""
        for place, tenant_id in enumerate(self.tenants):
            share = count // len(self.tenants) + (place < count % len(self.tenants))
            with self.runtime.db.tenant(tenant_id) as session:
                location = session.scalars(select(Location)).one()
                for _ in range(share):
                    self._one(session, location)

    def _one(self, session: Session, location: Location) -> None:
        self.customers += 1
        phone = phone_of(self.customers)
        data = LeadData(
            source="bench", first_name="Dana", phone=phone, wish="Ceramic tint for my Honda Civic sedan"
        )
        lead, _ = upsert_lead(session, location.tenant_id, location.id, data)
        record_consent(
            session, tenant_id=location.tenant_id, channel="sms", address=phone, action="grant", actor="crm",
            source="bench", evidence="the box was ticked", effective_at=NOON, lead_id=lead.id,
        )  # fmt: skip
        chat = open_session(session, lead)
        session.add(
            TouchPoint(
                tenant_id=location.tenant_id, lead_id=lead.id, session_id=chat.id, plan="default", cadence_run=1,
                step=STEP, channel="sms", template=TEMPLATE, due_at=NOON, local_time="", created_at=NOON - timedelta(days=1),
            )
        )  # fmt: skip

    def unsent(self) -> list[tuple[int, int]]:
        """(tenant, message) of what waits in the outbox."""
        found = []
        for tenant_id in self.tenants:
            with self.runtime.db.tenant(tenant_id) as session:
                ids = session.scalars(select(ChatMessage.id).where(ChatMessage.status == "pending"))
                found += [(tenant_id, one) for one in ids]
        return found

    def take_back(self) -> None:
        """All touches are due once more, and nothing was written."""
        with self.owner.begin() as connection:
            connection.execute(text("delete from send_decisions"))
            connection.execute(text("delete from chat_messages"))
            connection.execute(
                text("update touch_points set status = 'planned', message_id = null, claim_token = null")
            )


def dispatch_all(runtime: Runtime) -> int:
    """Dispatch until nothing is due, however slow the machine is; how many were written."""
    written = 0
    while counts := dispatch(runtime):
        written += counts.get("written", 0)
    return written


@contextmanager
def dispatch_shop(base: str) -> Iterator[DispatchShop]:
    """A durable database, a queue and the wired parts, with the carrier at `base`."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="leads-bench-")))
        postgres = start_postgres(folder / "postgres")
        stack.callback(postgres.stop)
        valkey = start_valkey(folder / "valkey")
        stack.callback(valkey.stop)
        migrate(postgres.owner_url)
        provision(postgres.owner_url, str(make_url(postgres.app_url).username))
        owner = create_engine(make_url(postgres.owner_url).set(drivername="postgresql+psycopg2"))
        stack.callback(owner.dispose)
        configure_logging("error")
        env = {
            "database_url": postgres.app_url, "redis_url": valkey.url, "twilio_account_sid": SID,
            "twilio_auth_token": TOKEN, "twilio_api_base": base,
        }  # fmt: skip
        runtime = bench_runtime(env)
        stack.callback(runtime.db.engine.dispose)
        found = [_tenant(number, owner, runtime.db) for number in range(SHOPS)]
        phones, tenants = [phone for _, phone in found], [tenant for tenant, _ in found]
        yield DispatchShop(runtime, owner, postgres.owner_url, env, phones, tenants)


def bench_runtime(env: dict[str, str]) -> Runtime:
    """The wired parts on a clock that stands at noon, without a pace."""
    settings = Settings.model_validate(env)
    runtime = build_runtime(settings, threads=THREADS + 8)
    clock = FixedClock(NOON)
    outbox = Outbox(runtime.db, clock, senders_of(settings, runtime.db), GateRules())
    return replace(runtime, clock=clock, outbox=outbox)


def _tenant(number: int, owner: Engine, db: Database) -> tuple[int, str]:
    slug, phone = f"shop{number}", f"+1773555{1000 + number}"
    with owner.begin() as connection:
        statement = text("insert into tenants (slug, name) values (:slug, :slug) returning id")
        tenant_id = int(connection.execute(statement, {"slug": slug}).scalar_one())
    with db.tenant(tenant_id) as session:
        add_sample_location(session, tenant_id, slug, slug, phone, f"{slug}@shop.example")
    return tenant_id, phone
