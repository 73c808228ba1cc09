"""The outbox against a bare loop of the official SDK's sends to the same stand-in, and the gate by itself.

Each text of ours is claimed, asked about at the gate with its decision stored, handed over by the same SDK, and settled:
two transactions on a durable database around what the loop does alone. Rounds are taken in turn.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import create_engine, make_url, select
from sqlalchemy.orm import Session

from channels.gate import GateRules, decide
from channels.outbox import Outbox
from channels.sms.client import make_client
from channels.writing import add
from crm.consents import record_consent
from crm.db import Database, make_engine
from crm.leads import LeadData, upsert_lead
from crm.models import ChatMessage, Location
from crm.routing import active_tenants
from crm.sample import ensure_sample_shop
from crm.sessions import open_session
from ops.clock import FixedClock
from ops.embedded import start_postgres
from ops.logging import configure_logging
from ops.migrate import migrate, provision
from ops.settings import Settings
from scheduler.senders import senders_of
from tests.bench.harness import Row
from tests.bench.outbox_carrier import SID, TOKEN

ROUNDS, TEXTS, THREADS, DECISIONS = 5, 300, 8, 400
DECISIONS_PER_S = {"reply": 600, "touch": 400}
# A Tuesday noon where the shop is: every window is open.
NOON = datetime(2027, 3, 2, 18, tzinfo=UTC)
BODY = "Hi Dana, this is about the ceramic tint for your 2019 Civic. Would Thursday at 10 AM suit you?"


def bench_outbox(say: Callable[[str], None]) -> list[Row]:
    """Texts per second through the outbox, as a ratio of the bare loop's; gate decisions per second on one thread, and
    what one costs this process in processor time, which says more where a machine is shared."""
    ours: list[float] = []
    bare: list[float] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="leads-bench-")))
        base = stack.enter_context(carrier())
        shop = stack.enter_context(_shop(folder, base))
        shop.send(shop.write("reply", 50))
        _bare(base, shop.phone, 50)
        for number in range(ROUNDS):
            ids = shop.write("reply", TEXTS)
            for is_ours in (True, False) if number % 2 else (False, True):
                (ours if is_ours else bare).append(
                    shop.send(ids) if is_ours else _bare(base, shop.phone, TEXTS)
                )
            say(f"outbox round {number + 1}/{ROUNDS}: ours {ours[-1]:.0f}/s, bare SDK {bare[-1]:.0f}/s")
        decisions = {kind: shop.decide(shop.write(kind, DECISIONS)) for kind in ("reply", "touch")}
    mine, floor = statistics.median(ours), statistics.median(bare)
    beside, ratio = f"bare SDK {floor:.1f}", round(mine / floor, 3)
    rows = [Row(f"outbox texts per second, {THREADS} threads", f"{mine:.1f}", "1/s", beside, ratio, "", None)]
    for kind, (rate, cost) in decisions.items():
        own = f"{cost:.2f} ms of processor each"
        target = DECISIONS_PER_S[kind]
        name = f"gate decisions per second, {kind}"
        rows.append(Row(name, f"{rate:.0f}", "1/s", own, None, f">= {target}", rate >= target))
    return rows


def _bare(base: str, sender: str, count: int) -> float:
    client = make_client(SID, TOKEN, base)

    def send(number: int) -> None:
        client.messages.create(
            to=_phone(number), from_=sender, body=BODY, status_callback=f"{base}/none", validity_period=900
        )

    return _rate(send, range(count))


def _rate(send: Callable[[int], object], numbers: range | list[int]) -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(send, numbers))
    return len(numbers) / (time.perf_counter() - began)


def _phone(number: int) -> str:
    return f"+1312{200 + number // 10_000}{number % 10_000:04d}"


@dataclass
class _Shop:
    """The sample shop with an outbox whose clock stands at noon, so that nothing waits and nothing is paced."""

    db: Database
    outbox: Outbox
    tenant_id: int
    phone: str
    customers: int = 0

    def write(self, kind: str, count: int) -> list[int]:
        """So many texts, each to somebody new who agreed to them; returns their ids."""
        with self.db.tenant(self.tenant_id) as session:
            location = session.scalars(select(Location)).one()
            return [self._write(session, location, kind) for _ in range(count)]

    def _write(self, session: Session, location: Location, kind: str) -> int:
        self.customers += 1
        data = LeadData(source="bench", first_name="Dana", phone=_phone(self.customers))
        lead, _ = upsert_lead(session, self.tenant_id, location.id, data)
        record_consent(
            session, tenant_id=self.tenant_id, channel="sms", address=lead.phone or "", action="grant", actor="crm",
            source="bench", evidence="the box was ticked", effective_at=NOON, lead_id=lead.id,
        )  # fmt: skip
        message = add(
            session, chat=open_session(session, lead), lead=lead, location=location, channel="sms", kind=kind, body=BODY,
            dedupe_key="bench", now=NOON,
        )  # fmt: skip
        assert message is not None
        return message.id

    def send(self, ids: list[int]) -> float:
        """Send them all; returns texts per second. Raises unless every one is sent."""
        states: list[str] = []
        rate = _rate(lambda one: states.append(self.outbox.deliver(self.tenant_id, one)), ids)
        if states != ["sent"] * len(ids):
            raise RuntimeError(f"not all were sent: {set(states)}")
        return rate

    def decide(self, ids: list[int]) -> tuple[float, float]:
        """Ask the gate about each in a transaction of its own; returns decisions per second, and milliseconds of
        processor time for one."""
        began, used = time.perf_counter(), time.thread_time()
        for one in ids:
            # Nothing is stored here but a lock, so this is not about the disk; sending is, and waits for it.
            with self.db.tenant(self.tenant_id, durable=False) as session:
                verdict = decide(session, session.get_one(ChatMessage, one), NOON, GateRules()).verdict
            if verdict != "allow":
                raise RuntimeError(f"the gate said {verdict}")
        spent = (time.thread_time() - used) * 1000
        return len(ids) / (time.perf_counter() - began), spent / len(ids)


@contextmanager
def carrier() -> Iterator[str]:
    """The address of a carrier in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.outbox_carrier"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def _shop(folder: Path, base: str) -> Iterator[_Shop]:
    postgres = start_postgres(folder / "postgres")
    clock = FixedClock(NOON)
    try:
        migrate(postgres.owner_url)
        provision(postgres.owner_url, str(make_url(postgres.app_url).username))
        owner = create_engine(make_url(postgres.owner_url).set(drivername="postgresql+psycopg2"))
        db = Database(make_engine(postgres.app_url, pool_size=THREADS))
        ensure_sample_shop(db, owner, clock)
        settings = Settings.model_validate(
            {"twilio_account_sid": SID, "twilio_auth_token": TOKEN, "twilio_api_base": base}
        )
        configure_logging("error")
        with db.system() as session:
            tenant_id = active_tenants(session)[0].id
        with db.tenant(tenant_id) as session:
            phone = session.scalars(select(Location.phone)).one()
        yield _Shop(db, Outbox(db, clock, senders_of(settings, db), GateRules()), tenant_id, phone or "")
        db.engine.dispose()
        owner.dispose()
    finally:
        postgres.stop()
