"""A no in a form counts against the person's own START when it was said after it, and only then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from sqlalchemy import Engine

from crm.connectors.intake import note_consent
from crm.connectors.records import ConsentEvidence
from crm.consents import record_consent, standing
from crm.db import Database
from crm.models import Lead
from ops.clock import FixedClock
from ops.queue import WakeQueue
from tests.conftest import CUSTOMER_PHONE, Shop, World
from tests.integration.api_help import Api, serving

HOUR = timedelta(hours=1)


@pytest.fixture
def api(
    db: Database, queue: WakeQueue, clock: FixedClock, redis_client: redis.Redis, owner_engine: Engine
) -> Iterator[Api]:
    with serving(db, queue, clock, redis_client, owner_engine) as made:
        yield made


def start(db: Database, shop: Shop, clock: FixedClock) -> None:
    """The customer texts START."""
    with db.tenant(shop.tenant_id) as session:
        record_consent(
            session,
            tenant_id=shop.tenant_id,
            channel="sms",
            address=CUSTOMER_PHONE,
            action="grant",
            actor="customer",
            source="START",
            evidence="START",
            effective_at=clock.now(),
            lead_id=shop.lead_id,
        )


def may_be_texted(db: Database, shop: Shop) -> bool:
    """Whether nothing forbids the cadence's texts to the customer."""
    with db.tenant(shop.tenant_id) as session:
        return standing(session, shop.tenant_id, "sms", CUSTOMER_PHONE).revocation("marketing") is None


def refuse(api: Api, shop: Shop, **more: object) -> None:
    """The customer sends the shop's form with a no to texts."""
    consent = {"sms": {"given": False, **more}}
    body = {"phone": CUSTOMER_PHONE, "wish": "Tint", "consent": consent}
    assert api.tell(shop, body).status_code in (200, 201)


def test_a_no_in_a_new_form_ends_the_texts_they_had_started(
    api: Api, db: Database, world: World, clock: FixedClock
) -> None:
    start(db, world.north, clock)
    start(db, world.south, clock)
    clock.advance(HOUR)
    refuse(api, world.north)
    assert not may_be_texted(db, world.north)
    assert may_be_texted(db, world.south), "another business hears nothing of it"
    clock.advance(HOUR)
    start(db, world.north, clock)
    assert may_be_texted(db, world.north), "their own START lifts it again"


def test_the_same_form_told_again_after_start_changes_nothing(
    api: Api, db: Database, world: World, clock: FixedClock
) -> None:
    refuse(api, world.north)
    assert not may_be_texted(db, world.north)
    clock.advance(HOUR)
    start(db, world.north, clock)
    clock.advance(HOUR)
    refuse(api, world.north)
    assert may_be_texted(db, world.north)


@pytest.mark.parametrize(("said", "texted"), [(-HOUR, True), (HOUR, False)], ids=["before", "after"])
def test_what_counts_is_when_they_said_it(
    api: Api, db: Database, world: World, clock: FixedClock, said: timedelta, texted: bool
) -> None:
    start(db, world.north, clock)
    at = (clock.now() + said).isoformat()
    clock.advance(2 * HOUR)
    refuse(api, world.north, at=at)
    assert may_be_texted(db, world.north) is texted


def test_a_field_that_only_stands_in_a_record_is_no_answer_to_start(
    db: Database, world: World, clock: FixedClock
) -> None:
    shop = world.north
    start(db, shop, clock)
    clock.advance(HOUR)
    with db.tenant(shop.tenant_id) as session:
        lead = session.get_one(Lead, shop.lead_id)
        note_consent(
            session,
            lead,
            ConsentEvidence("sms", CUSTOMER_PHONE, "optIn: false", refused=True),
            "crm",
            clock.now(),
        )
    assert may_be_texted(db, shop)
