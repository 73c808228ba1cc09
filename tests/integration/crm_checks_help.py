"""Two shops with a Shopmonkey of their own each, and the looks at them, on a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from crm.connectors.shopmonkey.config import create_crm_config
from crm.models import ChatSession, Lead, LeadRequest, Location, TenantCrmConfig, TouchPoint
from crm.models.intake import CrmCheck
from crm.routing import open_crm_checks
from ops.clock import FixedClock
from scheduler import crm_orders
from scheduler.crm_checks import run_crm_check
from scheduler.runtime import Runtime
from tests.conftest import Shop
from tests.standins.shopmonkey import ShopmonkeyStandIn

ROUND = timedelta(minutes=1)
# Tests wait for nothing but answers.
FAST = {"per_second": 1000, "burst": 500, "in_flight": 64}


@dataclass
class Site:
    """One shop of the world, its Shopmonkey, and what its looks did."""

    runtime: Runtime
    clock: FixedClock
    shop: Shop
    crm: ShopmonkeyStandIn

    def connect(self, **settings: Any) -> None:
        """Store the connection and have everything looked at from now on."""
        with self.runtime.db.tenant(self.shop.tenant_id) as s:
            config = create_crm_config(
                s, self.shop.tenant_id, self.crm.api_key, self.crm.url, self.runtime.box
            )
            config.settings = {"rate": FAST, **settings}
            s.get_one(Location, self.shop.location_id).crm_location_id = self.crm.location_id
        with self.runtime.db.system() as s:
            open_crm_checks(s, self.clock.now())

    def configure(self, **values: Any) -> None:
        """Change the connection as an owner would."""
        with self.runtime.db.tenant(self.shop.tenant_id) as s:
            config = s.scalars(select(TenantCrmConfig)).one()
            for name, value in values.items():
                setattr(config, name, value)

    def config(self) -> TenantCrmConfig:
        """The connection as it is stored."""
        with self.runtime.db.tenant(self.shop.tenant_id) as s:
            return s.scalars(select(TenantCrmConfig)).one()

    def check(self, kind: str = "orders") -> CrmCheck:
        """The row of one kind of look."""
        with self.runtime.db.tenant(self.shop.tenant_id) as s:
            return s.scalars(select(CrmCheck).where(CrmCheck.kind == kind)).one()

    def look(self, kind: str = "orders", *, later: timedelta = ROUND) -> str:
        """Let time pass until the look is due, at least `later`, and do it."""
        row = self.check(kind)
        self.clock.moment = max(self.clock.moment + later, row.next_at)
        return run_crm_check(self.runtime, self.shop.tenant_id, row.id)

    def order(self, number: int = 0, **values: Any) -> str:
        """An order nobody told of; returns its id."""
        given = {
            "phone": f"+131255502{number:02d}",
            "email": f"p{number}@example.com",
            "opt_in": True,
            **values,
        }
        return self.crm.add_lead("Pat", f"Poe{number}", **given).order_id

    def orders_read(self) -> list[str]:
        """Ids of the orders that were fetched one by one."""
        paths = [request.path.split("/") for request in self.crm.requests]
        return [parts[3] for parts in paths if parts[2:3] == ["order"] and len(parts) == 4]

    def requested(self) -> list[str]:
        """Orders that became requests."""
        with self.runtime.db.tenant(self.shop.tenant_id) as s:
            return list(s.scalars(select(LeadRequest.external_id).order_by(LeadRequest.id)))

    def phones(self) -> list[str | None]:
        """Phones of all leads but the one the world begins with."""
        statement = select(Lead.phone).where(Lead.id != self.shop.lead_id).order_by(Lead.id)
        with self.runtime.db.tenant(self.shop.tenant_id) as s:
            return list(s.scalars(statement))

    def counts(self) -> tuple[int, int]:
        """How many sessions, and first touches, there are."""
        with self.runtime.db.tenant(self.shop.tenant_id) as s:
            firsts = s.scalars(select(TouchPoint.id).where(TouchPoint.step == 1)).all()
            return len(s.scalars(select(ChatSession.id)).all()), len(firsts)


@contextmanager
def crm_of(clock: FixedClock, **switches: Any) -> Iterator[ShopmonkeyStandIn]:
    """A Shopmonkey without a limit of its own, unless asked for."""
    with ShopmonkeyStandIn(clock=clock.now, **{"rate_limit": None, **switches}) as standin:
        yield standin


def run(site: Site) -> str:
    """Do the look for orders if it is due now."""
    return run_crm_check(site.runtime, site.shop.tenant_id, site.check().id)


def instead(monkeypatch: pytest.MonkeyPatch, do: Callable[[Any, tuple[Any, ...]], Any]) -> None:
    """Have `do(real, given)` called instead of `take_change`."""
    real = crm_orders.take_change
    monkeypatch.setattr(crm_orders, "take_change", lambda *given: do(real, given))
