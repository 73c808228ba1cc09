"""Whom forgetting reaches, what it waits for, and what it asks about first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from sqlalchemy import Engine, text

from crm.consents import is_opted_out
from crm.db import Database
from crm.lead_forgetting import ForgetRefused
from crm.leads import LeadData, upsert_lead
from crm.models import Appointment, ChatMessage, TouchPoint
from crm.routing import owed
from crm.sample import add_sample_location
from crm.webhooks import store_event
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import TestDatabase, World
from tests.integration.answering import Shop as Desk
from tests.integration.answering import answering
from tests.integration.calendar_help import local
from tests.integration.forgetting_help import (
    EMAIL,
    PHONE,
    SECOND_PHONE,
    SECRETS,
    forget,
    found_anywhere,
    live,
    zerelda,
)
from tests.integration.people_help import another_lead, lead, merge
from tests.integration.talking import call, change, put, rows, say, scripted


@pytest.fixture
def desk(test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World) -> Iterator[Desk]:
    with answering(test_database, redis_url, clock) as made:
        yield made


@pytest.fixture
def runtime(desk: Desk) -> Runtime:
    return desk.with_model(
        scripted(
            call("update_lead", first_name="Zerelda", last_name="Quillfeather"),
            say("Gladly, which car is it?"),
            say("Noted."),
        )
    )


def test_all_leads_of_the_person_go_unless_only_one_is_meant(
    db: Database, owner_engine: Engine, redis_client: redis.Redis, world: World, clock: FixedClock
) -> None:
    shop = world.north
    me, second = zerelda(db, shop), another_lead(db, shop, phone=SECOND_PHONE, first_name="Zerelda")
    merge(db, me, second, clock.now())
    with db.tenant(shop.tenant_id) as session:
        place = add_sample_location(
            session, shop.tenant_id, slug="two", name="Two", phone="+13125550103", mailbox="two@north.example"
        )
        there, _ = upsert_lead(
            session,
            shop.tenant_id,
            place.id,
            LeadData(source="sample", first_name="Zerelda", phone=SECOND_PHONE),
        )
        there_id = there.id
    assert forget(db, redis_client, me, clock, everywhere=False).plan.lead_ids == (me.lead_id, second.lead_id)
    assert lead(db, shop, there_id).first_name == "Zerelda"
    assert forget(db, redis_client, me, clock).plan.lead_ids == (me.lead_id, second.lead_id)


def test_everywhere_is_every_shop_of_the_business(
    db: Database, owner_engine: Engine, redis_client: redis.Redis, world: World, clock: FixedClock
) -> None:
    shop = world.north
    me = zerelda(db, shop)
    with db.tenant(shop.tenant_id) as session:
        place = add_sample_location(
            session, shop.tenant_id, slug="two", name="Two", phone="+13125550103", mailbox="two@north.example"
        )
        data = LeadData(source="sample", first_name="Zerelda", phone=SECOND_PHONE, email=EMAIL)
        there, _ = upsert_lead(session, shop.tenant_id, place.id, data)
        there_id = there.id
    assert forget(db, redis_client, me, clock).plan.lead_ids == (me.lead_id, there_id)
    assert found_anywhere(owner_engine, shop.tenant_id, SECRETS) == set()


def test_visits_ahead_are_named_first(
    db: Database, redis_client: redis.Redis, world: World, clock: FixedClock
) -> None:
    me = zerelda(db, world.north)
    with db.tenant(me.tenant_id) as session:
        session.add(
            Appointment(
                tenant_id=me.tenant_id, location_id=me.location_id, bay_id=me.bay_ids[0], lead_id=me.lead_id,
                service_ids=[], starts_at=local(25, 9), ends_at=local(25, 12), source="agent",
            )
        )  # fmt: skip
    with pytest.raises(ForgetRefused, match="appointments ahead"):
        forget(db, redis_client, me, clock)
    assert lead(db, me, me.lead_id).first_name == "Zerelda"
    assert len(forget(db, redis_client, me, clock, visits="keep").plan.visits) == 1
    assert [row.status for row in rows(db, me, Appointment)] == ["booked"]
    forget(db, redis_client, me, clock, visits="cancel")
    assert [row.status for row in rows(db, me, Appointment)] == ["cancelled"]


def test_not_while_an_answer_or_a_message_is_on_its_way(
    db: Database, redis_client: redis.Redis, world: World, clock: FixedClock
) -> None:
    me = zerelda(db, world.north)
    later = clock.now() + timedelta(seconds=30)
    change(db, me, "update chat_sessions set lease_until = :at where id = :session", at=later)
    with pytest.raises(ForgetRefused, match="being written"):
        forget(db, redis_client, me, clock)
    change(db, me, "update chat_sessions set lease_until = null where id = :session")
    message_id = put(db, me, clock.now(), "on its way")
    sending = "update chat_messages set status = 'sending', claimed_until = :at where id = :message"
    change(db, me, sending, at=later, message=message_id)
    with pytest.raises(ForgetRefused, match="being sent"):
        forget(db, redis_client, me, clock)
    clock.advance(timedelta(minutes=1))
    forget(db, redis_client, me, clock)
    assert rows(db, me, ChatMessage)[0].status == "failed"


def test_what_waits_never_goes_and_nothing_is_planned(
    db: Database, redis_client: redis.Redis, runtime: Runtime, desk: Desk, world: World, clock: FixedClock
) -> None:
    me = live(db, runtime, clock, world.north)
    sent = len(desk.sms.sent) + len(desk.email.sent)
    forget(db, redis_client, me, clock)
    assert {row.status for row in rows(db, me, TouchPoint)} <= {"ended", "skipped", "written"}
    with db.system() as session:
        assert [
            row for row in owed(session, clock.now() + timedelta(days=60)) if row.tenant_id == me.tenant_id
        ] == []
    assert len(desk.sms.sent) + len(desk.email.sent) == sent


def test_a_stop_can_be_put_on_record_with_it(
    db: Database, redis_client: redis.Redis, world: World, clock: FixedClock
) -> None:
    me = zerelda(db, world.north)
    forget(db, redis_client, me, clock, stop=True)
    with db.tenant(me.tenant_id) as session:
        assert is_opted_out(session, me.tenant_id, "sms", PHONE)
        assert is_opted_out(session, me.tenant_id, "email", EMAIL)


def test_what_is_still_to_be_processed_is_somebody_writing_now(
    db: Database, redis_client: redis.Redis, world: World, clock: FixedClock
) -> None:
    me = zerelda(db, world.north)
    with db.tenant(me.tenant_id) as session:
        store_event(
            session, tenant_id=me.tenant_id, source="sendgrid_inbound", dedupe_key="k", headers={},
            content_type="", body=f"from {EMAIL}".encode(), now=clock.now(),
        )  # fmt: skip
    assert forget(db, redis_client, me, clock).waiting == 1
    with db.tenant(me.tenant_id) as session:
        assert session.execute(text("select length(body) from webhook_events")).scalar_one() > 0


def test_redis_forgets_too(
    db: Database, redis_client: redis.Redis, runtime: Runtime, world: World, clock: FixedClock
) -> None:
    me = live(db, runtime, clock, world.north)
    runtime.queue.wake("answer", me.tenant_id, me.session_id, clock.now())
    runtime.queue.wake("answer", me.tenant_id, world.north.session_id, clock.now())
    forget(db, redis_client, me, clock)
    waiting = [one.decode() for one in redis_client.zrange("leads:wake", 0, -1)]
    assert f"answer:{me.tenant_id}:{me.session_id}" not in waiting
    assert f"answer:{me.tenant_id}:{world.north.session_id}" in waiting
