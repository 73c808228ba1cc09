"""North connected to Shopmonkey at one or two locations, and looks at its catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from crm.connectors.shopmonkey.config import create_crm_config
from crm.db import Database
from crm.models import Location, Service, ServiceChange, ServiceSource, TenantCrmConfig
from ops.clock import FixedClock
from ops.secrets import SecretBox
from scheduler.crm_catalogue import refresh_catalogue
from scheduler.crm_looks import Look, Looked
from scheduler.runtime import Runtime
from tests.conftest import Shop, TestDatabase
from tests.contract.shopmonkey_site import OddShopmonkey
from tests.runtimes import KEY, runtime_for

FULL = {"match": "* full", "name": "{film} window tint", "category": "tint", "body_style": "named"}
RULES: dict[str, Any] = {"services": [FULL]}
# Nothing here is about the limits of a key.
QUICK = {"per_second": 500.0, "burst": 400}


@dataclass
class Connected:
    """A shop with its Shopmonkey, as tests of the catalogue see it."""

    runtime: Runtime
    standin: OddShopmonkey
    clock: FixedClock
    tenant_id: int
    location_id: int
    config_id: int

    @property
    def db(self) -> Database:
        return self.runtime.db

    def look(self, notes: dict[str, Any] | None = None) -> Looked:
        """One look at the catalogue, now."""
        look = Look(0, self.config_id, None, None, notes or {}, self.clock.now())
        return refresh_catalogue(self.runtime, self.tenant_id, look)

    def services(self, location_id: int | None = None) -> dict[str, Service]:
        """What was imported at a location, by what Shopmonkey calls it."""
        with self.db.tenant(self.tenant_id) as s:
            found = s.execute(
                select(ServiceSource.external_id, Service)
                .join(Service, Service.id == ServiceSource.service_id)
                .where(Service.location_id == (location_id or self.location_id))
            )
            return dict(found.all())

    def changes(self) -> list[tuple[str, dict[str, Any]]]:
        """The history so far, oldest first."""
        with self.db.tenant(self.tenant_id) as s:
            rows = s.scalars(select(ServiceChange).order_by(ServiceChange.id))
            return [(row.what, row.fields) for row in rows]

    def by_hand(self, service_id: int, **values: Any) -> None:
        """A person changes a service here."""
        with self.db.tenant(self.tenant_id) as s:
            service = s.get_one(Service, service_id)
            for name, value in values.items():
                setattr(service, name, value)

    def settings(self, **rules: Any) -> None:
        """Other rules from now on."""
        with self.db.tenant(self.tenant_id) as s:
            config = s.get_one(TenantCrmConfig, self.config_id)
            config.settings = {"catalogue": rules, "rate": QUICK}


@contextmanager
def connected(
    database: TestDatabase, redis_url: str, clock: FixedClock, shop: Shop, **rules: Any
) -> Iterator[Connected]:
    """`shop` with a Shopmonkey of its own, over real sockets."""
    with (
        OddShopmonkey(clock=clock.now) as standin,
        runtime_for(database, redis_url, clock) as runtime,
    ):
        with runtime.db.tenant(shop.tenant_id) as s:
            s.get_one(Location, shop.location_id).crm_location_id = standin.location_id
            config = create_crm_config(s, shop.tenant_id, standin.api_key, standin.url, SecretBox(KEY))
            config.settings = {"catalogue": rules or RULES, "rate": QUICK}
            s.flush()
            config_id = config.id
        yield Connected(runtime, standin, clock, shop.tenant_id, shop.location_id, config_id)


def add_location(place: Connected, slug: str, phone: str) -> tuple[int, str]:
    """A second location of the same business; returns our id and Shopmonkey's."""
    external_id = place.standin.add_location(slug.title())
    with place.db.tenant(place.tenant_id) as s:
        row = Location(
            tenant_id=place.tenant_id,
            slug=slug,
            name=slug.title(),
            timezone="America/Chicago",
            phone=phone,
            crm_location_id=external_id,
        )
        s.add(row)
        s.flush()
        return row.id, external_id
