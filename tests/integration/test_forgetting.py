"""Forgetting a person: afterwards neither name, number, address nor any of their words is in any column of any table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from crm.consents import is_opted_out
from crm.db import Database
from crm.leads import Forgotten as ForgottenLead
from crm.leads import LeadData, upsert_lead
from crm.models import ChatMessage, ConsentEvent, LeadChange, SendDecision
from ops.clock import FixedClock
from scheduler.forgetting import preview
from scheduler.runtime import Runtime
from tests.conftest import Shop, TestDatabase, World
from tests.integration.answering import Shop as Desk
from tests.integration.answering import answering
from tests.integration.forgetting_help import (
    EMAIL,
    PHONE,
    SECRETS,
    WORDLESS,
    forget,
    found_anywhere,
    live,
    tables_of_people,
    zerelda,
)
from tests.integration.people_help import another_lead, chat, lead
from tests.integration.talking import agree, call, hear, put, rows, say, scripted


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


def test_nothing_of_the_person_is_left_in_any_table(
    db: Database,
    owner_engine: Engine,
    redis_client: redis.Redis,
    runtime: Runtime,
    world: World,
    clock: FixedClock,
) -> None:
    me = live(db, runtime, clock, world.north)
    before = found_anywhere(owner_engine, me.tenant_id, SECRETS)
    tables = {table for table, _, _ in before}
    # The person was really everywhere, or this test would prove nothing: a new table that hangs on a person has to be
    # filled in `live`, or named here with the reason why no words can be in it.
    assert tables >= tables_of_people(owner_engine) - WORDLESS | {"job_executions", "webhook_events"}
    done = forget(db, redis_client, me, clock)
    assert found_anywhere(owner_engine, me.tenant_id, SECRETS) == set()
    assert done.gone["raw webhooks"] == 5
    assert lead(db, me, me.lead_id).erased_at == clock.now()


def test_the_others_stay_as_they_are(
    db: Database,
    owner_engine: Engine,
    redis_client: redis.Redis,
    runtime: Runtime,
    world: World,
    clock: FixedClock,
) -> None:
    me = live(db, runtime, clock, world.north)
    hear(runtime, world.north, "I am Dana and stay")
    agree(db, world.north, clock.now())
    south = zerelda(db, world.south)
    put(db, south, clock.now(), "Zerelda, of the other business")
    forget(db, redis_client, me, clock)
    kept = found_anywhere(owner_engine, me.tenant_id, ("I am Dana and stay", "Dana", "dana@example.com"))
    assert {secret for _, _, secret in kept} == {"I am Dana and stay", "Dana", "dana@example.com"}
    theirs = found_anywhere(owner_engine, south.tenant_id, (PHONE, EMAIL, "of the other business"))
    assert {secret for _, _, secret in theirs} == {PHONE, EMAIL, "of the other business"}


def test_a_stop_still_holds_when_the_number_is_imported_again(
    db: Database,
    owner_engine: Engine,
    redis_client: redis.Redis,
    runtime: Runtime,
    world: World,
    clock: FixedClock,
) -> None:
    me = live(db, runtime, clock, world.north)
    hear(runtime, me, "STOP texting Zerelda", from_address=PHONE)
    assert is_opted_out_now(db, me)
    done = forget(db, redis_client, me, clock)
    assert PHONE in done.plan.stops
    left = found_anywhere(owner_engine, me.tenant_id, SECRETS)
    assert {(table, column) for table, column, _ in left} == {("consent_events", "address")}
    assert is_opted_out_now(db, me)
    again = another_lead(db, world.north, phone=PHONE, source="import")
    assert again.lead_id != me.lead_id
    with db.tenant(me.tenant_id) as session:
        events = session.query(ConsentEvent).filter(ConsentEvent.lead_id == me.lead_id).all()
    assert {event.evidence for event in events} == {"[erased]"}


def test_the_proof_stays_without_words(
    db: Database, redis_client: redis.Redis, runtime: Runtime, world: World, clock: FixedClock
) -> None:
    me = live(db, runtime, clock, world.north)
    mine = ChatMessage.session_id == me.session_id
    before = [
        (r.id, r.direction, r.kind, r.carrier_id, r.created_at) for r in rows(db, me, ChatMessage, mine)
    ]
    verdicts = [(row.message_id, row.decision) for row in rows(db, me, SendDecision)]
    said = [(row.id, row.action, row.actor, row.source) for row in rows(db, me, ConsentEvent)]
    forget(db, redis_client, me, clock)
    after = rows(db, me, ChatMessage, mine)
    assert [(r.id, r.direction, r.kind, r.carrier_id, r.created_at) for r in after] == before
    assert {row.status for row in after if row.direction == "out"} <= {"sent", "dropped", "failed"}
    assert [(row.message_id, row.decision) for row in rows(db, me, SendDecision)] == verdicts
    assert [(row.id, row.action, row.actor, row.source) for row in rows(db, me, ConsentEvent)] == said


def test_the_ledger_can_be_changed_in_no_other_way(
    owner_engine: Engine, db: Database, runtime: Runtime, world: World, clock: FixedClock
) -> None:
    live(db, runtime, clock, world.north)
    for statement in (
        "update consent_events set action = 'revoke'", "update consent_events set evidence = 'I agree'",
        "update consent_events set address = '+13125550000'", "update consent_events set actor = 'shop'",
        "update consent_events set evidence = '[erased]', effective_at = now() + interval '1 day'",
        "delete from consent_events",
    ):  # fmt: skip
        with pytest.raises(DBAPIError, match="append-only"), owner_engine.begin() as connection:
            connection.execute(text(statement))


def test_who_writes_again_is_a_new_lead(
    db: Database, redis_client: redis.Redis, runtime: Runtime, world: World, clock: FixedClock
) -> None:
    me = live(db, runtime, clock, world.north)
    token = chat(db, me, me.session_id).reply_token
    forget(db, redis_client, me, clock)
    receipt = hear(runtime, me, "hello again", from_address=PHONE)
    assert receipt.session_id != me.session_id
    assert chat(db, me, me.session_id).reply_token != token
    fresh = chat(db, me, receipt.session_id)
    assert lead(db, me, fresh.lead_id).first_name is None


def test_the_same_enquiry_told_again_brings_nobody_back(
    db: Database,
    owner_engine: Engine,
    redis_client: redis.Redis,
    runtime: Runtime,
    world: World,
    clock: FixedClock,
) -> None:
    me = live(db, runtime, clock, world.north)
    forget(db, redis_client, me, clock)
    told = LeadData(
        source="shopmonkey", external_id="order-0000042", first_name="Zerelda", phone=PHONE, email=EMAIL
    )
    with pytest.raises(ForgottenLead), db.tenant(me.tenant_id) as session:
        upsert_lead(session, me.tenant_id, me.location_id, told)
    assert found_anywhere(owner_engine, me.tenant_id, SECRETS) == set()


def test_a_dry_run_changes_nothing_and_twice_is_once(
    db: Database,
    owner_engine: Engine,
    redis_client: redis.Redis,
    runtime: Runtime,
    world: World,
    clock: FixedClock,
) -> None:
    me = live(db, runtime, clock, world.north)
    before = found_anywhere(owner_engine, me.tenant_id, SECRETS)
    found, raw = preview(db, me.tenant_id, me.lead_id, clock, everywhere=True)
    assert found_anywhere(owner_engine, me.tenant_id, SECRETS) == before
    assert (raw.webhooks, found.counts["messages"] > 3, found.counts["cars"]) == (5, True, 1)
    forget(db, redis_client, me, clock)
    changes = len(rows(db, me, LeadChange))
    erased = lead(db, me, me.lead_id).erased_at
    clock.advance(timedelta(days=1))
    done = forget(db, redis_client, me, clock)
    assert done.plan.erased_already
    assert (len(rows(db, me, LeadChange)), lead(db, me, me.lead_id).erased_at) == (changes, erased)


def is_opted_out_now(db: Database, me: Shop) -> bool:
    with db.tenant(me.tenant_id) as session:
        return is_opted_out(session, me.tenant_id, "sms", PHONE)
