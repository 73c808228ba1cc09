"""Shopmonkey's webhooks are stored, whatever they say; over real sockets and a real database. What they lead to is in
test_intake*.py."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import Engine, create_engine, select, text
from werkzeug.serving import make_server

from crm.connectors.shopmonkey.config import create_crm_config
from crm.connectors.shopmonkey.webhook import MAX_BYTES, make_blueprint
from crm.db import Database
from crm.models import Location, TenantCrmConfig
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


def test_one_change_is_stored_once_however_often_it_is_told(
    site: Site, shopmonkey: ShopmonkeyStandIn, owner_engine: Engine
) -> None:
    order_id = shopmonkey.add_lead("Pat", "Poe", PHONE).order_id
    told(site, shopmonkey, order_id, duplicate=2)
    shopmonkey.change("order", order_id, complaint="And the windshield")
    told(site, shopmonkey, order_id, "UPDATE")
    assert len(notes(owner_engine)) == 2


@pytest.mark.parametrize("body", [b"", b"junk", b"\xff\x00", b"[]", b'{"event": "order.insert"}'])
def test_junk_is_stored_and_answered_with_200(site: Site, owner_engine: Engine, body: bytes) -> None:
    assert requests.post(site.url, data=body, timeout=10).status_code == 200
    assert notes(owner_engine) == [(site.tenant_id, "received", "signature unsigned")]
    assert len(site.woken()) == 1


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
    told(site, shopmonkey, order_id, "UPDATE")
    # The second refused one told of the same change: one quarantined copy is enough.
    assert sorted(tuple(row[1:]) for row in notes(owner_engine)) == [
        ("quarantined", "signature invalid"),
        ("received", "signature invalid"),
        ("received", "signature valid"),
    ]


def test_a_database_that_is_away_asks_for_another_delivery(site: Site) -> None:
    site.deps.db = Database(create_engine("postgresql+psycopg2://x:y@127.0.0.1:1/none"))
    assert requests.post(site.url, data=b"{}", timeout=10).status_code == 503
