"""From Shopmonkey's webhook to a lead with a conversation, over real sockets and a real database."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import Engine, create_engine, func, select, text
from werkzeug.serving import make_server

from crm.connectors.base import ConnectorError
from crm.connectors.shopmonkey.client import ShopmonkeyClient
from crm.connectors.shopmonkey.config import ClientFactory, create_crm_config
from crm.connectors.shopmonkey.intake import IntakeResult, Skipped, intake
from crm.connectors.shopmonkey.webhook import MAX_BYTES, make_blueprint
from crm.consents import has_grant, is_opted_out, record_consent
from crm.db import Database
from crm.models import ChatSession, ConsentEvent, Lead, Location, TenantCrmConfig, Vehicle, WebhookEvent
from ops.clock import FixedClock
from ops.queue import WakeQueue
from ops.secrets import SecretBox, new_key
from ops.settings import Settings
from tests.conftest import World
from tests.standins.shopmonkey import ShopmonkeyStandIn

SECRET = "webhook secret"
PHONE = "+13125550150"


@dataclass
class Deps:
    db: Database
    queue: WakeQueue
    clock: FixedClock
    settings: Settings


@dataclass
class Site:
    deps: Deps
    box: SecretBox
    base: str
    url: str
    tenant_id: int

    def take_in(self, event_id: str) -> IntakeResult | Skipped:
        return intake(
            self.deps.db, uuid.UUID(event_id), self.tenant_id, self.deps.clock, ClientFactory(self.box)
        )

    def woken(self) -> list[str]:
        return [row for _, _, row in self.deps.queue.take_due(self.deps.clock.now())]

    def configure(self, **values: Any) -> None:
        with self.deps.db.tenant(self.tenant_id) as s:
            config = s.scalars(select(TenantCrmConfig)).one()
            for name, value in values.items():
                setattr(config, name, value)


@pytest.fixture
def shopmonkey(clock: FixedClock) -> Iterator[ShopmonkeyStandIn]:
    with ShopmonkeyStandIn(clock=clock.now) as standin:
        yield standin


@pytest.fixture
def site(
    db: Database, queue: WakeQueue, clock: FixedClock, world: World, shopmonkey: ShopmonkeyStandIn
) -> Iterator[Site]:
    """North is connected to Shopmonkey; south is not."""
    key = new_key()
    box = SecretBox(key)
    with db.tenant(world.north.tenant_id) as s:
        config = create_crm_config(
            s, world.north.tenant_id, shopmonkey.api_key, shopmonkey.url, box, webhook_secret=SECRET
        )
        s.get_one(Location, world.north.location_id).crm_location_id = shopmonkey.location_id
        token = config.hook_token
    deps = Deps(db, queue, clock, Settings(_env_file=None, encryption_key=SecretStr(key)))
    app = Flask("test")
    app.register_blueprint(make_blueprint(deps))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    base = f"http://127.0.0.1:{server.server_port}"
    yield Site(deps, box, base, f"{base}/hooks/shopmonkey/{token}", world.north.tenant_id)
    server.shutdown()
    thread.join(10)
    server.server_close()


def told(
    site: Site, shopmonkey: ShopmonkeyStandIn, order_id: str, operation: str = "INSERT", **options: Any
) -> str:
    """Deliver a webhook about an order and return the id of the event that was woken."""
    answer = shopmonkey.deliver_webhook(site.url, "order", operation, order_id, secret=SECRET, **options)
    assert answer.status_code == 200
    (event_id,) = site.woken()
    return event_id


def notes(owner_engine: Engine) -> list[Any]:
    with owner_engine.begin() as connection:
        return list(connection.execute(text("select tenant_id, status, note from webhook_events")))


def test_a_quote_becomes_a_lead_with_car_consent_and_conversation(
    site: Site, shopmonkey: ShopmonkeyStandIn, world: World
) -> None:
    made = shopmonkey.add_lead(
        "Pat", "Poe", PHONE, "pat@example.com", opt_in=True, complaint="Full tint?",
        vehicle={"year": 2021, "make": "Honda", "model": "Civic", "type": "Sedan"},
    )  # fmt: skip
    result = site.take_in(told(site, shopmonkey, made.order_id))
    assert isinstance(result, IntakeResult)
    assert result.created
    with site.deps.db.tenant(site.tenant_id) as s:
        lead = s.get_one(Lead, result.lead_id)
        assert (lead.phone, lead.email, lead.source) == (PHONE, "pat@example.com", "shopmonkey")
        assert (lead.external_id, lead.wish) == (made.order_id, "Full tint?")
        assert lead.location_id == world.north.location_id
        assert s.get_one(ChatSession, result.session_id).lead_id == lead.id
        assert s.scalars(select(Vehicle.model).where(Vehicle.lead_id == lead.id)).all() == ["Civic"]
        assert has_grant(s, site.tenant_id, "sms", PHONE)
        event = s.scalars(select(ConsentEvent)).one()
        assert (event.actor, event.source, event.lead_id) == ("crm", "shopmonkey", lead.id)


def test_told_often_and_at_once_it_stays_one_lead(site: Site, shopmonkey: ShopmonkeyStandIn) -> None:
    made = shopmonkey.add_lead("Pat", "Poe", PHONE, "pat@example.com", opt_in=True)
    events = [told(site, shopmonkey, made.order_id, duplicate=2)]
    shopmonkey.change("order", made.order_id, complaint="And the windshield")
    events.append(told(site, shopmonkey, made.order_id, "UPDATE"))
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(site.take_in, events * 2))
    assert len({(r.lead_id, r.session_id) for r in results if isinstance(r, IntakeResult)}) == 1
    assert [isinstance(r, IntakeResult) and r.created for r in results].count(True) == 1
    site.take_in(events[0])
    with site.deps.db.tenant(site.tenant_id) as s:
        assert s.scalar(select(func.count()).select_from(WebhookEvent)) == 2
        assert s.scalar(select(func.count()).where(Lead.phone == PHONE)) == 1


def test_told_again_it_is_no_second_consent(site: Site, shopmonkey: ShopmonkeyStandIn) -> None:
    event_id = told(site, shopmonkey, shopmonkey.add_lead("Pat", "Poe", PHONE, opt_in=True).order_id)
    site.take_in(event_id)
    site.take_in(event_id)
    with site.deps.db.tenant(site.tenant_id) as s:
        assert s.scalar(select(func.count()).select_from(ConsentEvent)) == 1


def test_an_import_never_undoes_a_stop(site: Site, shopmonkey: ShopmonkeyStandIn, clock: FixedClock) -> None:
    with site.deps.db.tenant(site.tenant_id) as s:
        record_consent(
            s, tenant_id=site.tenant_id, channel="sms", address=PHONE, action="revoke", actor="customer",
            source="text", evidence="STOP", effective_at=clock.now(),
        )  # fmt: skip
    site.take_in(told(site, shopmonkey, shopmonkey.add_lead("Pat", "Poe", PHONE, opt_in=True).order_id))
    with site.deps.db.tenant(site.tenant_id) as s:
        assert is_opted_out(s, site.tenant_id, "sms", PHONE)
        assert s.scalar(select(func.count()).select_from(ConsentEvent)) == 1


def test_the_payload_is_not_believed(site: Site, shopmonkey: ShopmonkeyStandIn) -> None:
    made = shopmonkey.add_lead("Pat", "Poe", PHONE, status="Invoice")
    forged = {**shopmonkey.tables["order"][made.order_id], "status": "Estimate"}
    shopmonkey.deliver_webhook(site.url, "order", "INSERT", forged, secret=SECRET)
    (event_id,) = site.woken()
    assert isinstance(site.take_in(event_id), Skipped)


def test_an_order_of_another_location_is_left_alone(site: Site, shopmonkey: ShopmonkeyStandIn) -> None:
    elsewhere = shopmonkey.add_location("Other")
    made = shopmonkey.add_lead("Pat", "Poe", PHONE, locationId=elsewhere)
    result = site.take_in(told(site, shopmonkey, made.order_id))
    assert isinstance(result, Skipped)
    assert "location" in result.reason


@pytest.mark.parametrize(("table", "operation"), [("customer", "INSERT"), ("order", "DELETE")])
def test_other_changes_are_skipped_without_asking(
    site: Site, shopmonkey: ShopmonkeyStandIn, table: str, operation: str
) -> None:
    made = shopmonkey.add_lead("Pat", "Poe", PHONE)
    row = made.customer_id if table == "customer" else made.order_id
    shopmonkey.deliver_webhook(site.url, table, operation, row, secret=SECRET)
    (event_id,) = site.woken()
    assert isinstance(site.take_in(event_id), Skipped)
    assert shopmonkey.requests == []


def test_no_transaction_is_open_while_shopmonkey_is_asked(site: Site, shopmonkey: ShopmonkeyStandIn) -> None:
    event_id = told(site, shopmonkey, shopmonkey.add_lead("Pat", "Poe", PHONE).order_id)
    held: list[int] = []

    class Watching(ShopmonkeyClient):
        def _get(self, path: str) -> object:
            held.append(site.deps.db.engine.pool.checkedout())  # type: ignore[attr-defined]
            return super()._get(path)

    def make(config: TenantCrmConfig) -> ShopmonkeyClient:
        return Watching(site.box.decrypt(config.api_key_encrypted), config.base_url)

    intake(site.deps.db, uuid.UUID(event_id), site.tenant_id, site.deps.clock, make)
    assert len(held) >= 3
    assert set(held) == {0}


def test_errors_say_who_has_to_act(site: Site, shopmonkey: ShopmonkeyStandIn) -> None:
    event_id = told(site, shopmonkey, shopmonkey.add_lead("Pat", "Poe", PHONE).order_id)
    for spoil, kind in (
        ({"lead_rules": {"stauses": []}}, "misconfigured"),
        ({"lead_rules": {}, "api_key_encrypted": SecretBox(new_key()).encrypt("x")}, "misconfigured"),
        ({"api_key_encrypted": site.box.encrypt("wrong key")}, "misconfigured"),
        ({"api_key_encrypted": site.box.encrypt(shopmonkey.api_key)}, "transient"),
    ):
        site.configure(**spoil)
        shopmonkey.fail_always(503) if kind == "transient" else shopmonkey.clear_faults()
        with pytest.raises(ConnectorError) as caught:
            site.take_in(event_id)
        assert caught.value.kind == kind
    shopmonkey.clear_faults()
    assert isinstance(site.take_in(event_id), IntakeResult)
    site.configure(enabled=False)
    assert isinstance(site.take_in(event_id), Skipped)


@pytest.mark.parametrize("body", [b"", b"junk", b"\xff\x00", b"[]", b'{"event": "order.insert"}'])
def test_junk_is_stored_and_answered_with_200(site: Site, owner_engine: Engine, body: bytes) -> None:
    assert requests.post(site.url, data=body, timeout=10).status_code == 200
    assert notes(owner_engine) == [(site.tenant_id, "received", "signature unsigned")]
    (event_id,) = site.woken()
    assert isinstance(site.take_in(event_id), Skipped)


def test_unknown_tokens_and_giants(site: Site, owner_engine: Engine) -> None:
    assert requests.post(f"{site.base}/hooks/shopmonkey/nope", data=b"{}", timeout=10).status_code == 404
    assert requests.post(site.url, data=b"x" * (MAX_BYTES + 1), timeout=10).status_code == 200
    assert notes(owner_engine) == []
    site.configure(enabled=False)
    assert requests.post(site.url, data=b"{}", timeout=10).status_code == 404


def test_signatures_are_observed_and_then_enforced(
    site: Site, shopmonkey: ShopmonkeyStandIn, owner_engine: Engine
) -> None:
    order_id = shopmonkey.add_lead("Pat", "Poe", PHONE).order_id
    told(site, shopmonkey, order_id, scheme="wrong")
    site.configure(signature_mode="enforce")
    shopmonkey.change("order", order_id, name="New Quote 2")
    for scheme in ("wrong", "none"):
        shopmonkey.deliver_webhook(site.url, "order", "UPDATE", order_id, secret=SECRET, scheme=scheme)
        assert site.woken() == []
    # The forgery came first and must not make the real delivery look like a repetition.
    event_id = told(site, shopmonkey, order_id, "UPDATE")
    assert isinstance(site.take_in(event_id), IntakeResult)
    # The second refused one told of the same change: one quarantined copy is enough.
    assert sorted(tuple(row[1:]) for row in notes(owner_engine)) == [
        ("quarantined", "signature invalid"),
        ("received", "signature invalid"),
        ("received", "signature valid"),
    ]


def test_a_database_that_is_away_asks_for_another_delivery(site: Site) -> None:
    site.deps.db = Database(create_engine("postgresql+psycopg2://x:y@127.0.0.1:1/none"))
    assert requests.post(site.url, data=b"{}", timeout=10).status_code == 503
