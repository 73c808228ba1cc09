"""What speed to lead is measured on: a hundred connected tenants, the real processes, and vendors in this process."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, create_engine, make_url, text

from crm.connectors.shopmonkey.config import create_crm_config
from crm.db import Database, make_engine
from crm.sample import add_sample_location
from ops.embedded import start_postgres, start_valkey
from ops.migrate import migrate, provision
from ops.secrets import SecretBox
from tests.acceptance.processes import System, running
from tests.conftest import TestDatabase
from tests.standins.shopmonkey import ShopmonkeyStandIn
from tests.standins.twilio import TwilioStandIn

TENANTS = 100
SECRET = "bench-secret"
CAR = {"year": 2021, "make": "Honda", "model": "Civic", "type": "Sedan"}
# Tuesday noon in Chicago: texts may go.
NOON = datetime(2027, 3, 2, 18, tzinfo=UTC)


@dataclass
class SpeedShop:
    """The vendors, and one shop of each tenant as (hook, Shopmonkey's location id)."""

    system: System
    shopmonkey: ShopmonkeyStandIn
    twilio: TwilioStandIn
    shops: list[tuple[str, str]]
    _customers: int = 0
    _crm_s: float = field(init=False, default=0.0)
    _offset_s: float = field(init=False, default=0.0)

    @property
    def tenants(self) -> int:
        """How many there are."""
        return len(self.shops)

    def crm_takes(self, seconds: float) -> None:
        """Let every answer of Shopmonkey take so long."""
        self._crm_s = seconds
        self.shopmonkey.clear_faults()
        if seconds:
            self.shopmonkey.fail_always("slow", seconds=seconds)

    def order(self, tenant: int) -> tuple[str, str, str, dict[str, str], bytes]:
        """A new quote: the customer's phone, the order's id, and the webhook that tells of it."""
        with self.shopmonkey.lock:
            self._customers += 1
            number = self._customers
        phone = f"+1312{2_000_000 + number}"
        hook, location = self.shops[tenant]
        made = self.shopmonkey.add_lead(
            "Pat", "Poe", phone, f"pat{number}@example.com", vehicle=CAR, services=["Ceramic window tint"],
            opt_in=True, locationId=location,
        )  # fmt: skip
        body = self.shopmonkey.event_body("order", "INSERT", made.order_id)
        headers = self.shopmonkey.hook_headers(body, "standard", SECRET, 1, secrets.token_hex(8))
        return phone, made.order_id, hook, headers, body

    def texted(self) -> dict[str, float]:
        """When Twilio got the first text to each phone, in seconds of this machine."""
        found: dict[str, float] = {}
        for request in list(self.twilio.requests):
            if request.method == "POST" and "To" in request.form:
                found.setdefault(request.form["To"], request.received.timestamp())
        return found

    def asked(self) -> dict[str, tuple[float, float]]:
        """When Shopmonkey was first asked for each order, and when it gave the last of what belongs to it."""
        orders = self.shopmonkey.tables["order"]
        owner = {str(row["customerId"]): order_id for order_id, row in orders.items()}
        owner |= {str(row["vehicleId"]): order_id for order_id, row in orders.items()}
        found: dict[str, tuple[float, float]] = {}
        for request in list(self.shopmonkey.requests):
            parts = request.path.split("/")
            row_id = parts[3] if len(parts) > 3 else ""
            order_id = row_id if row_id in orders else owner.get(row_id)
            if request.method != "GET" or order_id is None:
                continue
            # The stand-in's clock is the installation's; this machine's is asked for.
            at = request.received.timestamp() - self._offset_s
            first, _ = found.get(order_id, (at, at))
            found[order_id] = (first, at + self._crm_s)
        return found


@contextmanager
def speed_shop() -> Iterator[SpeedShop]:
    """Start the servers and the processes with their usual sizes, and connect a hundred tenants."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="leads-bench-")))
        postgres = start_postgres(folder / "postgres")
        stack.callback(postgres.stop)
        valkey = start_valkey(folder / "valkey")
        stack.callback(valkey.stop)
        migrate(postgres.owner_url)
        provision(postgres.owner_url, str(make_url(postgres.app_url).username))
        twilio = stack.enter_context(TwilioStandIn())
        env = {
            "TWILIO_ACCOUNT_SID": twilio.account_sid, "TWILIO_AUTH_TOKEN": twilio.auth_token,
            "TWILIO_API_BASE": twilio.url, "WORKER_THREADS": "16", "TICK_SECONDS": "5", "LOG_LEVEL": "info",
        }  # fmt: skip
        database = TestDatabase(postgres.owner_url, postgres.app_url)
        system = System(folder / "installation", database, valkey.url, env)
        system.set_time(NOON)
        shopmonkey = stack.enter_context(ShopmonkeyStandIn(clock=system.now))
        owner = create_engine(make_url(postgres.owner_url).set(drivername="postgresql+psycopg2"))
        stack.callback(owner.dispose)
        db = Database(make_engine(postgres.app_url))
        stack.callback(db.engine.dispose)
        shops = [_tenant(number, owner, db, shopmonkey, system) for number in range(TENANTS)]
        stack.enter_context(running(system))
        shop = SpeedShop(system, shopmonkey, twilio, shops)
        shop._offset_s = (system.now() - datetime.now(UTC)).total_seconds()
        yield shop


def _tenant(
    number: int, owner: Engine, db: Database, shopmonkey: ShopmonkeyStandIn, system: System
) -> tuple[str, str]:
    slug, key = f"shop{number}", f"key-{number}"
    shopmonkey.keys.add(key)
    crm_id = shopmonkey.add_location(slug)
    statement = text("insert into tenants (slug, name) values (:slug, :slug) returning id")
    with owner.begin() as connection:
        tenant_id = int(connection.execute(statement, {"slug": slug}).scalar_one())
    with db.tenant(tenant_id) as session:
        phone, mailbox = f"+1773555{1000 + number}", f"{slug}@shop.example"
        place = add_sample_location(session, tenant_id, slug, slug, phone, mailbox)
        place.crm_location_id = crm_id
        box = SecretBox(system.encryption_key)
        config = create_crm_config(session, tenant_id, key, shopmonkey.url, box, webhook_secret=SECRET)
        config.signature_mode = "enforce"
        return f"{system.url}/hooks/shopmonkey/{config.hook_token}", crm_id
