"""What the API and an import leave for the worker becomes a cadence, once; and people who wrote first are leads too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
import redis
from sqlalchemy import Engine, func, select

from app import create_app
from channels.api.webhook import PATH
from channels.inbound import Inbound
from channels.inbox import receive
from crm.consents import record_consent
from crm.db import Database
from crm.models import ChatMessage, Lead, LeadRequest, TouchPoint, WebhookEvent
from ops.clock import FixedClock
from ops.queue import WakeQueue
from scheduler.hooks import process_webhook
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_PHONE, Shop, TestDatabase, World
from tests.integration.api_help import AGREED, PHONE, Api, serving
from tests.integration.import_help import importing, write
from tests.runtimes import PUBLIC, runtime_for


@pytest.fixture
def api(
    db: Database, queue: WakeQueue, clock: FixedClock, redis_client: redis.Redis, owner_engine: Engine
) -> Iterator[Api]:
    with serving(db, queue, clock, redis_client, owner_engine) as made:
        yield made


@pytest.fixture
def runtime(test_database: TestDatabase, redis_url: str, clock: FixedClock) -> Iterator[Runtime]:
    with runtime_for(test_database, redis_url, clock) as made:
        yield made


def work(runtime: Runtime, db: Database, shop: Shop) -> list[str]:
    """Process every event of a shop that is due, as the worker does."""
    with db.tenant(shop.tenant_id) as s:
        ids = s.scalars(select(WebhookEvent.id).where(WebhookEvent.status == "received")).all()
    return [process_webhook(runtime, shop.tenant_id, str(row_id)) for row_id in ids]


def touches(db: Database, shop: Shop, lead_id: int) -> list[str]:
    with db.tenant(shop.tenant_id) as s:
        found = select(TouchPoint.status).where(TouchPoint.lead_id == lead_id).order_by(TouchPoint.step)
        return list(s.scalars(found))


def test_a_lead_of_the_api_is_written_to_once(api: Api, world: World, db: Database, runtime: Runtime) -> None:
    told = {"phone": PHONE, "wish": "Tint", "consent": {"sms": {"given": True, "text": AGREED}}}
    lead_id = api.tell(world.north, told).get_json()["lead_id"]
    assert work(runtime, db, world.north) == ["processed"]
    begun = touches(db, world.north, lead_id)
    assert "planned" in begun
    api.tell(world.north, told)
    api.tell(world.north, {**told, "wish": "Strip"})
    work(runtime, db, world.north)
    assert touches(db, world.north, lead_id) == begun


def test_the_application_has_the_api(api: Api, world: World, runtime: Runtime, owner_engine: Engine) -> None:
    client = create_app(runtime).test_client()
    described = client.get("/api/v1/openapi.json")
    assert described.get_json()["servers"] == [{"url": PUBLIC}]
    assert client.post(PATH, json={"phone": PHONE}).status_code == 401
    given = {"Authorization": f"Bearer {api.server_key(world.north)}"}
    assert client.post(f"{PATH}/", json={"phone": PHONE}, headers=given).status_code == 201
    # Its own small limit holds in spite of the large one for mail.
    assert client.post(PATH, json={"wish": "x" * 70_000}, headers=given).status_code == 413


def test_who_said_stop_is_not_written_to(api: Api, world: World, db: Database, runtime: Runtime) -> None:
    shop = world.north
    with db.tenant(shop.tenant_id) as s:
        record_consent(
            s, tenant_id=shop.tenant_id, channel="sms", address=CUSTOMER_PHONE, action="revoke", actor="customer", source="text",
            evidence="STOP", effective_at=api.deps.clock.now(),
        )  # fmt: skip
    told = {"phone": CUSTOMER_PHONE, "consent": {"sms": {"given": True, "text": AGREED}}}
    lead_id = api.tell(shop, told).get_json()["lead_id"]
    work(runtime, db, shop)
    assert set(touches(db, shop, lead_id)) <= {"skipped"}


def test_an_imported_lead_is_written_to_when_its_moment_comes(
    world: World, db: Database, runtime: Runtime, clock: FixedClock, tmp_path: Path
) -> None:
    shop = world.north
    rows = [
        [f"P{n}", f"312555{n:04d}", f"p{n}@example.com", "x", "", "", "yes", "Text me"] for n in (150, 151)
    ]
    importing(db, shop, write(tmp_path / "a.csv", rows), clock.now(), per_hour=1).run()
    first, second = (_lead(db, shop, f"+1312555{n:04d}") for n in (150, 151))
    assert sorted(work(runtime, db, shop)) == ["not due", "processed"]
    assert touches(db, shop, first)
    assert touches(db, shop, second) == []
    clock.moment = _due(db, shop)
    work(runtime, db, shop)
    assert touches(db, shop, second)


def _lead(db: Database, shop: Shop, phone: str) -> int:
    with db.tenant(shop.tenant_id) as s:
        return s.scalars(select(Lead.id).where(Lead.phone == phone)).one()


def _due(db: Database, shop: Shop) -> datetime:
    with db.tenant(shop.tenant_id) as s:
        return s.scalars(select(WebhookEvent.next_try_at).where(WebhookEvent.status == "received")).one()


def test_unknown_texters_and_mailers_are_leads_and_their_words_are_the_enquiry(
    api: Api, world: World, db: Database, queue: WakeQueue
) -> None:
    """They have no row of lead_requests: that is for what a source tells under a number of its own, so that it counts
    once. Here the message is what counts once, by the carrier's number, and it is the debt that is answered."""
    shop = world.north
    senders = (("sms", PHONE, shop.phone), ("email", "new@example.com", shop.mailbox))
    for channel, sender, to in senders:
        for _ in range(2):
            receive(db, queue, _message(api, shop, channel, sender, to), we_confirm_stops=False)
    with db.tenant(shop.tenant_id) as s:
        for channel, sender, _ in senders:
            lead = s.scalars(
                select(Lead).where((Lead.phone if channel == "sms" else Lead.email) == sender)
            ).one()
            messages = s.scalars(select(ChatMessage).where(ChatMessage.lead_id == lead.id)).all()
            assert [message.body for message in messages] == ["How much is tint?"]
        assert s.scalar(select(func.count()).select_from(LeadRequest)) == 0
    # What they tell by a form later belongs to the same lead.
    body = api.tell(shop, {"phone": PHONE, "wish": "Tint"}).get_json()
    assert (body["created"], body["lead_id"]) == (False, _lead(db, shop, PHONE))


def _message(api: Api, shop: Shop, channel: str, sender: str, to: str) -> Inbound:
    return Inbound(
        tenant_id=shop.tenant_id,
        location_id=shop.location_id,
        channel="sms" if channel == "sms" else "email",
        from_address=sender,
        to_address=to,
        body="How much is tint?",
        carrier="twilio" if channel == "sms" else "sendgrid",
        carrier_id=f"{channel}-1",
        received_at=api.deps.clock.now(),
    )
