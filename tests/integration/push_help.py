"""What the tests of pushing appointments share: a shop with its Shopmonkey, bookings, and the job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from crm.calendar.booking import book, cancel, move
from crm.calendar.sync import PendingPush, pending
from crm.connectors.push_rules import PushRules
from crm.connectors.settings import ConnectorSettings
from crm.connectors.shopmonkey.config import create_crm_config
from crm.db import Database
from crm.models import Appointment, ChatMessage, Lead, Location, TenantCrmConfig, Vehicle
from crm.routing import owed
from ops.clock import FixedClock
from scheduler import appointment_push, jobs
from scheduler.runtime import Runtime
from tests.conftest import Shop, TestDatabase, World
from tests.integration.calendar_help import Customer, add_offer, dana, local
from tests.integration.talking import outgoing
from tests.runtimes import FakeSender, runtime_for
from tests.standins.http import Request, Response
from tests.standins.shopmonkey import ShopmonkeyStandIn
from tests.standins.shopmonkey_schema import Row

# Loopback answers at once: only what hangs on purpose would wait.
QUICK = {"per_second": 1000, "burst": 500, "in_flight": 64}
NINE = local(24, 9)
CIVIC = {"year": 2019, "make": "Honda", "model": "Civic"}


Answer = Callable[[], Response]


class OddShopmonkey(ShopmonkeyStandIn):
    """The stand-in, with something odd about what is written `at` a path: `writing` is called for each request that
    makes a record there, with the way to the real answer. While `blind`, searches for entries find nothing."""

    at = "/v3/appointment"
    writing: Callable[[Answer], Response] | None = None
    blind = False

    def handle(self, request: Request) -> Response:
        """The answer, oddly."""
        if request.path == "/v3/appointment/search" and self.blind:
            return self._data([], {"total": 0, "hasMore": False})
        if self.writing is None or (request.method, request.path) != ("POST", self.at):
            return super().handle(request)
        return self.writing(lambda: super(OddShopmonkey, self).handle(request))

    def refuse(self, status: int, message: str, *, takes_it: bool = False) -> None:
        """The next record is answered like this, and made only when Shopmonkey `takes_it`."""

        def once(answer: Answer) -> Response:
            self.writing = None
            if takes_it:
                answer()
            return self._failure(status, message)

        self.writing = once

    def hold(self) -> None:
        """Records are made, and the answer comes after `release`."""

        def held(answer: Answer) -> Response:
            response = answer()
            self._released.wait(30)
            return response

        self.writing = held


@dataclass
class Site:
    """North with its Shopmonkey, where the customer of the world asked for a quote."""

    runtime: Runtime
    db: Database
    clock: FixedClock
    shop: Shop
    shopmonkey: OddShopmonkey
    order_id: str
    customer_id: str
    config_id: int
    texts: FakeSender

    @property
    def dana(self) -> Customer:
        """The customer."""
        return dana(self.shop)

    # Our side

    def book(self, starts_at: datetime = NINE, who: Customer | None = None) -> int:
        """Book through the agent; returns the appointment's number."""
        whom = who or self.dana
        offer_id = add_offer(self.db, whom, starts_at)
        with self.db.tenant(self.shop.tenant_id) as s:
            return book(s, offer_id, whom.booker(self.clock.now())).id

    def move(self, starts_at: datetime, who: Customer | None = None) -> None:
        """Move the next appointment."""
        whom = who or self.dana
        offer_id = add_offer(self.db, whom, starts_at)
        with self.db.tenant(self.shop.tenant_id) as s:
            move(s, offer_id, whom.booker(self.clock.now()))

    def cancel(self, appointment_id: int) -> None:
        """Cancel it."""
        with self.db.tenant(self.shop.tenant_id) as s:
            cancel(s, self.dana.booker(self.clock.now()), appointment_id)

    def push(self, appointment_id: int, after: timedelta = timedelta(0)) -> str:
        """Run the job, some time later."""
        self.clock.advance(after)
        return jobs.JOBS["appointment_push"](self.runtime, self.shop.tenant_id, str(appointment_id))

    def row(self, appointment_id: int) -> Appointment:
        """The appointment, freshly read."""
        with self.db.tenant(self.shop.tenant_id) as s:
            return s.get_one(Appointment, appointment_id)

    def owed(self) -> list[int]:
        """What the sweeper would push now."""
        with self.db.system() as s:
            return [int(one.row_id) for one in owed(s, self.clock.now()) if one.job == "appointment_push"]

    def look(self) -> list[PendingPush]:
        """What the owner sees of it."""
        with self.db.tenant(self.shop.tenant_id) as s:
            return pending(s, self.clock.now())

    def told(self) -> list[str]:
        """What the shop was told."""
        return [message.body for message in outgoing(self.db, self.shop, "notice")]

    def asked(self) -> list[ChatMessage]:
        """What the customer was asked."""
        return outgoing(self.db, self.shop, "confirmation")

    def change(self, appointment_id: int, **values: Any) -> None:
        """Change columns of an appointment."""
        with self.db.tenant(self.shop.tenant_id) as s:
            row = s.get_one(Appointment, appointment_id)
            for name, value in values.items():
                setattr(row, name, value)

    # Their side

    def entries(self) -> list[Row]:
        """What stands in Shopmonkey's calendar and was not cancelled there."""
        return [row for row in self.shopmonkey.rows("appointment") if row["cancellationNote"] is None]

    def starts(self) -> list[datetime]:
        """When they begin."""
        return sorted(datetime.fromisoformat(row["startDate"]) for row in self.entries())

    def posts(self) -> int:
        """How often an entry was asked for."""
        return sum(
            request.method == "POST" and request.path == "/v3/appointment"
            for request in self.shopmonkey.requests
        )

    def busy(self, starts_at: datetime, hours: float = 2.5, **more: Any) -> str:
        """An entry somebody made there."""
        ends = starts_at + timedelta(hours=hours)
        return self.shopmonkey.add_appointment(starts_at.isoformat(), ends.isoformat(), **more)

    # The connection

    def settings(self, monkeypatch: pytest.MonkeyPatch | None = None, **given: Any) -> None:
        """Change the connection's settings; `push` are the rules of pushing."""
        push = given.pop("push", None)
        with self.db.tenant(self.shop.tenant_id) as s:
            config = s.get_one(TenantCrmConfig, self.config_id)
            stored = {**config.settings, **given}
            if push is not None and "push" in ConnectorSettings.model_fields:
                stored["push"] = push
            elif push is not None and monkeypatch is not None:
                monkeypatch.setattr("crm.calendar.sync.push_rules", lambda settings: PushRules(**push))
            config.settings = stored


@contextmanager
def connected_site(
    database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World, **standin: Any
) -> Iterator[Site]:
    """Everything wired over real sockets; `standin` are switches of Shopmonkey's stand-in."""
    shopmonkey = OddShopmonkey(clock=clock.now, **{"rate_limit": None, "seed": 7, **standin})
    texts = FakeSender("twilio")
    with shopmonkey, runtime_for(database, redis_url, clock, sms=texts) as runtime:
        lead = shopmonkey.add_lead("Dana", "Reyes", "+13125550199", vehicle=CIVIC)
        config_id = _connect(runtime, db, world.north, shopmonkey, lead.customer_id, lead.order_id)
        with db.tenant(world.north.tenant_id) as s:
            car = {"external_id": lead.vehicle_id, "body_style": "sedan", **CIVIC}
            s.add(Vehicle(tenant_id=world.north.tenant_id, lead_id=world.north.lead_id, **car))
        yield Site(
            runtime, db, clock, world.north, shopmonkey, lead.order_id, lead.customer_id, config_id, texts
        )


def _connect(
    runtime: Runtime, db: Database, shop: Shop, shopmonkey: OddShopmonkey, customer: str, order: str
) -> int:
    with db.tenant(shop.tenant_id) as s:
        config = create_crm_config(s, shop.tenant_id, shopmonkey.api_key, shopmonkey.url, runtime.box)
        config.settings = {"rate": QUICK}
        s.get_one(Location, shop.location_id).crm_location_id = shopmonkey.location_id
        lead = s.get_one(Lead, shop.lead_id)
        lead.source, lead.last_name = "shopmonkey", "Reyes"
        lead.external_customer_id, lead.external_id = customer, order
        s.flush()
        return config.id


def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses between two tries are tested with the client; elsewhere they would only be waited for."""
    monkeypatch.setattr("crm.connectors.shopmonkey.http._backoff", lambda state: 0.0)
    monkeypatch.setattr("crm.connectors.shopmonkey.writes.SETTLE_S", 0.0)


class Died(BaseException):
    """The worker is killed at this moment."""


def die_before_the_commit(site: Site, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Push, and stop when Shopmonkey has answered and nothing is written down yet."""

    def die(*_: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(appointment_push, "settle", die)
        with pytest.raises(Died):
            site.push(number)
