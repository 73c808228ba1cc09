"""North is connected to a Shopmonkey; what it tells is stored as a webhook and processed by the real handler."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, select, text

from crm.connectors.registry import connector_of
from crm.connectors.shopmonkey.config import create_crm_config
from crm.connectors.shopmonkey.mapping import read_change
from crm.models import (
    ChatMessage,
    ChatSession,
    Lead,
    LeadChange,
    LeadRequest,
    Location,
    TenantCrmConfig,
    TouchPoint,
    WebhookEvent,
)
from crm.webhooks import store_event
from ops.clock import FixedClock
from scheduler.hooks import process_webhook
from scheduler.intake import Taken, take_change
from scheduler.runtime import Runtime
from tests.conftest import TestDatabase, World
from tests.runtimes import FakeSender, runtime_for
from tests.standins.shopmonkey import ShopmonkeyStandIn

PHONE, EMAIL = "+13125550150", "poe@example.com"
CIVIC = {"year": 2021, "make": "Honda", "model": "Civic", "type": "Sedan"}
SOURCE = "shopmonkey"


@dataclass
class Desk:
    """The parts of a test."""

    runtime: Runtime
    shopmonkey: ShopmonkeyStandIn
    world: World
    owner: Engine
    clock: FixedClock
    texts: FakeSender
    mails: FakeSender

    @property
    def tenant_id(self) -> int:
        """North's."""
        return self.world.north.tenant_id

    def order(self, phone: str | None = PHONE, email: str | None = EMAIL, **given: Any) -> str:
        """A new quote; returns its id."""
        values: dict[str, Any] = {"vehicle": CIVIC, "services": ["Ceramic window tint"], "opt_in": True}
        return str(self.shopmonkey.add_lead("Pat", "Poe", phone, email, **{**values, **given}).order_id)

    def body(self, record_id: str, operation: str = "INSERT", table: str = "order") -> bytes:
        """What the webhook would say of it now."""
        return bytes(self.shopmonkey.event_body(table, operation, record_id))

    def store(self, body: bytes, source: str = SOURCE) -> str:
        """Store a webhook as the web process does; returns its id."""
        with self.runtime.db.tenant(self.tenant_id) as session:
            event_id = store_event(
                session, tenant_id=self.tenant_id, source=source, dedupe_key=uuid.uuid4().hex, headers={},
                content_type="application/json", body=body, now=self.clock.now(),
            )  # fmt: skip
        return str(event_id)

    def process(self, event_id: str) -> str:
        """The worker's part."""
        return process_webhook(self.runtime, self.tenant_id, event_id)

    def tell(self, order_id: str, operation: str = "INSERT") -> str:
        """A webhook about an order, stored and processed; returns the event's status."""
        return self.process(self.store(self.body(order_id, operation)))

    def look(self, order_id: str, operation: str = "INSERT") -> Taken:
        """The same change found by looking, without a webhook."""
        with self.runtime.db.tenant(self.tenant_id) as session:
            config = session.scalars(select(TenantCrmConfig)).one()
        change = read_change(self.body(order_id, operation))
        assert change is not None
        connector = connector_of(config, self.runtime.box, self.runtime.redis, background=True)
        try:
            return take_change(self.runtime, self.tenant_id, config, connector, change)
        finally:
            connector.close()

    def configure(self, **values: Any) -> None:
        """Change the stored connection."""
        with self.runtime.db.tenant(self.tenant_id) as session:
            config = session.scalars(select(TenantCrmConfig)).one()
            for name, value in values.items():
                setattr(config, name, value)

    def tenant_settings(self, **values: Any) -> None:
        """Change settings of the business."""
        with self.owner.begin() as connection:
            for name, value in values.items():
                connection.execute(
                    text(
                        "update tenants set settings = settings || jsonb_build_object(:name, :value) where id = :id"
                    ),
                    {"name": name, "value": value, "id": self.tenant_id},
                )

    def event(self, event_id: str) -> WebhookEvent:
        """The stored event."""
        with self.runtime.db.tenant(self.tenant_id) as session:
            return session.get_one(WebhookEvent, uuid.UUID(event_id))

    def rows(self, model: type[Any], **where: Any) -> list[Any]:
        """North's rows of a table, oldest first."""
        with self.runtime.db.tenant(self.tenant_id) as session:
            return list(session.scalars(select(model).filter_by(**where).order_by(model.id)))

    def lead(self, phone: str | None = PHONE, **where: Any) -> Lead:
        """The one lead with this phone."""
        (found,) = self.rows(Lead, **(where or {"phone": phone}))
        return found  # type: ignore[no-any-return]

    def set(self, model: type[Any], row_id: int, **values: Any) -> None:
        """Change a row past all rules."""
        with self.runtime.db.tenant(self.tenant_id) as session:
            row = session.get_one(model, row_id)
            for name, value in values.items():
                setattr(row, name, value)

    def chat(self, lead_id: int) -> ChatSession:
        """A lead's conversation."""
        (found,) = self.rows(ChatSession, lead_id=lead_id)
        return found  # type: ignore[no-any-return]

    def touches(self, lead_id: int) -> list[TouchPoint]:
        """A lead's touch points."""
        return self.rows(TouchPoint, lead_id=lead_id)

    def requests(self, lead_id: int) -> list[LeadRequest]:
        """What a lead asked for."""
        return self.rows(LeadRequest, lead_id=lead_id)

    def history(self, lead_id: int) -> list[tuple[str, str | None, str | None]]:
        """What changed about a lead."""
        return [(row.what, row.before, row.after) for row in self.rows(LeadChange, lead_id=lead_id)]

    def notices(self) -> list[str]:
        """What the shop's people were told."""
        return [row.body for row in self.rows(ChatMessage, kind="notice")]

    def woken(self) -> list[tuple[str, int, str]]:
        """What the worker would do now."""
        return self.runtime.queue.take_due(self.clock.now())


@contextmanager
def desk_of(
    database: TestDatabase, redis_url: str, clock: FixedClock, world: World, owner: Engine
) -> Iterator[Desk]:
    """Connect north."""
    texts, mails = FakeSender("twilio"), FakeSender("sendgrid")
    with (
        ShopmonkeyStandIn(clock=clock.now) as shopmonkey,
        runtime_for(database, redis_url, clock, sms=texts, email=mails) as runtime,
    ):
        with runtime.db.tenant(world.north.tenant_id) as session:
            key, url = shopmonkey.api_key, shopmonkey.url
            config = create_crm_config(session, world.north.tenant_id, key, url, runtime.box)
            # The limits have tests of their own; here nobody waits for them.
            config.settings = {"rate": {"per_second": 1000, "burst": 500, "in_flight": 64}}
            session.get_one(Location, world.north.location_id).crm_location_id = shopmonkey.location_id
        yield Desk(runtime, shopmonkey, world, owner, clock, texts, mails)
