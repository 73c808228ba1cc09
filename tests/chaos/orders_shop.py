"""Two businesses with two shops each, connected to a Shopmonkey of their own each, on simulated time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from flask.testing import FlaskClient
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from app import create_app
from channels.gate import GateRules
from channels.outbox import Outbox
from crm.connectors.limits import KeyLimits, LimitStore
from crm.connectors.shopmonkey import orders
from crm.connectors.shopmonkey.config import create_crm_config
from crm.connectors.shopmonkey.http import Transport
from crm.connectors.shopmonkey.settings import WITH_MESSAGES
from crm.sample import add_sample_location
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.runtime import Runtime, build_runtime
from tests.chaos.orders_fates import DROPPED, Fates, Moods
from tests.chaos.simulation_dice import Dice
from tests.chaos.simulation_faults import MortalDatabase
from tests.conftest import TestDatabase
from tests.runtimes import FakeSender, settings_for
from tests.standins.shopmonkey import ShopmonkeyStandIn

COMPANIES = ("north", "south")
HOOKS = "https://hooks.example.com"
SECRET = "secret-of-the-hook"
# Over loopback nothing takes so long but what hangs on purpose.
REAL_TIMEOUT_S, VENDOR_LIMIT = 1.0, 100
# Only the first touch is looked at: twelve more of each lead would be most of a run's time.
ONE_TOUCH = """
create function only_the_first() returns trigger language plpgsql as $$
begin new.status := 'skipped'; new.reason := 'not simulated'; return new; end $$;
create trigger only_the_first before insert on touch_points for each row when (new.step > 1)
execute function only_the_first();
"""


class SimulatedClock(FixedClock):
    """Stands still but for what sleeps."""

    def sleep(self, seconds: float) -> None:
        """Let the time pass that somebody waits."""
        self.moment += timedelta(seconds=seconds)

    def monotonic(self) -> float:
        """Seconds, as time.monotonic counts them."""
        return self.moment.timestamp()


@dataclass
class Company:
    """One business, its Shopmonkey and its two shops as (location id, Shopmonkey's location id)."""

    slug: str
    tenant_id: int
    shopmonkey: ShopmonkeyStandIn
    fates: Fates
    moods: Moods
    places: list[tuple[int, str]]
    hook_id: str


@dataclass
class Place:
    """The parts of a run."""

    runtime: Runtime
    db: MortalDatabase
    owner: Engine
    clock: SimulatedClock
    texts: FakeSender
    mails: FakeSender
    companies: list[Company]
    counts: Counter[str]


@contextmanager
def place(database: TestDatabase, redis_url: str, dice: Dice, start: datetime) -> Iterator[Place]:
    """Everything wired: the real application, handlers, jobs, client and limits, on a clock of our own."""
    clock, counts = SimulatedClock(start), Counter[str]()
    url = make_url(database.owner_url).set(drivername="postgresql+psycopg2")
    owner = create_engine(url, poolclass=NullPool)
    with ExitStack() as stack:
        stack.callback(owner.dispose)
        stack.enter_context(_on_simulated_time(clock))
        built = build_runtime(settings_for(database, redis_url, log_level="error"), threads=8)
        stack.callback(built.redis.close)
        stack.callback(built.db.engine.dispose)
        db, texts, mails = MortalDatabase(built.db.engine), FakeSender("twilio"), FakeSender("sendgrid")
        outbox = Outbox(db, clock, {"sms": texts, "email": mails}, GateRules(), None, built.queue.wake)
        runtime = replace(built, db=db, clock=clock, outbox=outbox)
        with owner.begin() as connection:
            connection.execute(text(ONE_TOUCH))
        web = create_app(runtime).test_client()
        companies = []
        for slug in COMPANIES:
            company = _company(slug, runtime, owner, dice, counts, web)
            companies.append(company)
            stack.enter_context(company.shopmonkey)
            _connect(company, runtime)
        stack.enter_context(patch.object(jobs, "get_runtime", lambda: runtime))
        yield Place(runtime, db, owner, clock, texts, mails, companies, counts)


class _Inline(Executor):
    """One thing after the other: what is asked for at once in life would tell another story each time."""

    def __init__(self, *_: Any, **__: Any) -> None:
        """Threads are not needed."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        """Do it now."""
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **more))
        except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it, as from a thread
            done.set_exception(error)
        return done


@contextmanager
def _on_simulated_time(clock: SimulatedClock) -> Iterator[None]:
    """Whoever waits for the vendor, or for our own limit, waits on our clock; a hang takes as long as it would."""
    store = LimitStore(None, monotonic=clock.monotonic)
    transport, limits, once = Transport.__post_init__, KeyLimits.__init__, Transport._exchange

    def made(self: Transport) -> None:
        transport(self)
        self.simulated_timeout_s = self.timeout_s  # type: ignore[attr-defined]
        self.timeout_s, self.sleep = REAL_TIMEOUT_S, clock.sleep

    def limited(self: KeyLimits, *args: Any, **given: Any) -> None:
        limits(self, *args, **given)
        self.store, self.sleep, self.monotonic = store, clock.sleep, clock.monotonic

    def exchange(self: Transport, *args: Any) -> Any:
        began = time.monotonic()
        try:
            return once(self, *args)
        finally:
            if time.monotonic() - began >= REAL_TIMEOUT_S:
                clock.sleep(self.simulated_timeout_s)  # type: ignore[attr-defined]

    with (
        patch.object(Transport, "__post_init__", made),
        patch.object(Transport, "_exchange", exchange),
        patch.object(KeyLimits, "__init__", limited),
        patch.object(orders, "ThreadPoolExecutor", _Inline),
    ):
        yield


def _company(
    slug: str, runtime: Runtime, owner: Engine, dice: Dice, counts: Counter[str], web: FlaskClient
) -> Company:
    fates = Fates(dice, slug, counts, DROPPED)
    moods = Moods(dice, slug, counts)
    shopmonkey = ShopmonkeyStandIn(
        clock=runtime.clock.now,
        seed=dice.seed + COMPANIES.index(slug),
        announces=True,
        fate=fates.of_event,
        rate_limit=VENDOR_LIMIT,
        carry=_carrier(web, dice, counts),
    )
    shopmonkey._faults = moods
    statement = text("insert into tenants (slug, name) values (:slug, :slug) returning id")
    with owner.begin() as connection:
        tenant_id = int(connection.execute(statement, {"slug": slug}).scalar_one())
    places = []
    for number in range(2):
        name, phone = f"{slug}-{number}", f"+1312555010{2 * COMPANIES.index(slug) + number}"
        crm_id = shopmonkey.add_location(name)
        with runtime.db.tenant(tenant_id) as session:
            row = add_sample_location(session, tenant_id, name, name, phone, f"{name}@shop.example")
            row.crm_location_id = crm_id
            places.append((row.id, crm_id))
    return Company(slug, tenant_id, shopmonkey, fates, moods, places, "")


def _connect(company: Company, runtime: Runtime) -> None:
    with runtime.db.tenant(company.tenant_id) as session:
        key, url = company.shopmonkey.api_key, company.shopmonkey.url
        config = create_crm_config(session, company.tenant_id, key, url, runtime.box, webhook_secret=SECRET)
        config.signature_mode = "enforce"
        hook = company.shopmonkey.add_row(
            "webhook",
            name="Lead Orchestrator",
            url=f"{HOOKS}/hooks/shopmonkey/{config.hook_token}",
            triggers=list(WITH_MESSAGES),
            secret=SECRET,
            enabled=True,
            error=False,
            errorMessage=None,
            errorDate=None,
            version=3,
            locationId=None,
        )
        config.webhook_external_id = company.hook_id = hook["id"]


def _carrier(web: FlaskClient, dice: Dice, counts: Counter[str]) -> Any:
    def carry(url: str, headers: dict[str, str], body: bytes) -> int:
        """Into our application; sometimes our side of the line is down."""
        counts["webhook attempts"] += 1
        if dice.happens(0.04, "our side is down", counts["webhook attempts"]):
            counts["webhooks we did not take"] += 1
            return 503
        return web.post(urlsplit(url).path, data=body, headers=headers).status_code

    return carry
