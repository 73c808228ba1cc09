"""What is kept no longer goes, in small steps, per business; what proves consent stays, and so do stops."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from channels.inbound import MediaPart
from crm import retention
from crm.consents import record_consent
from crm.db import Database
from crm.models import (
    ChatMessage,
    ConsentEvent,
    ConversationSummary,
    JobExecution,
    Lead,
    MailEvent,
    MessageMedia,
    ModelAttempt,
    SendDecision,
    Tenant,
    ToolCallRow,
    Turn,
    WebhookEvent,
)
from crm.retention import cutoffs, expire_page, page_after
from crm.tenants import TenantSettings
from crm.webhooks import store_event
from ops.clock import FixedClock
from scheduler import jobs
from scheduler.retention import expire, wake_all
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_PHONE, Shop, TestDatabase, World
from tests.integration.answering import Shop as Desk
from tests.integration.answering import answering
from tests.integration.calendar_help import customers
from tests.integration.talking import answer, call, hear, put, rows, say, scripted

YEAR = timedelta(days=366)


@pytest.fixture
def desk(test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World) -> Iterator[Desk]:
    with answering(test_database, redis_url, clock) as made:
        yield made


@pytest.fixture
def runtime(desk: Desk) -> Runtime:
    steps = (call("update_lead", first_name="Dana"), say("Gladly, which car is it?"))
    return desk.with_model(scripted(*steps, *steps))


def live(db: Database, runtime: Runtime, shop: Shop) -> None:
    """A conversation with an answer, a picture, a summary, decisions, raw posts."""
    now = runtime.clock.now()
    hear(
        runtime, shop, "hello from long ago", raw={"From": CUSTOMER_PHONE},
        media=(MediaPart("https://x.example/1", "image/jpeg", content=b"picture"),),
    )  # fmt: skip
    assert answer(runtime, shop) == "done"
    with db.tenant(shop.tenant_id) as session:
        session.add_all([
            ConversationSummary(tenant_id=shop.tenant_id, session_id=shop.session_id, up_to_message_id=1,
                                body="said hello", provider="p", model="m", created_at=now),
            MailEvent(tenant_id=shop.tenant_id, message_id=None, address="a@b.example", event="bounce",
                      soft_key="k", raw={"email": "a@b.example"}, occurred_at=now),
            ModelAttempt(tenant_id=shop.tenant_id, session_id=shop.session_id, lead_id=shop.lead_id,
                         location_id=shop.location_id, provider="p", model="m", requested_model="m", ok=False,
                         error="said hello", ms=1, created_at=now),
            JobExecution(tenant_id=shop.tenant_id, job="x", outcome="done", started_at=now),
        ])  # fmt: skip
        record_consent(
            session, tenant_id=shop.tenant_id, channel="sms", address=CUSTOMER_PHONE, action="revoke",
            actor="customer", source="wrote by sms", evidence="STOP", effective_at=now,
        )  # fmt: skip
        for status in ("processed", "failed", "received"):
            event_id = store_event(
                session, tenant_id=shop.tenant_id, source="x", dedupe_key=status, headers={}, content_type="",
                body=b"raw", now=now,
            )  # fmt: skip
            session.execute(
                text("update webhook_events set status = :status where id = :id"),
                {"status": status, "id": event_id},
            )


def settings(db: Database, shop: Shop, **given: Any) -> None:
    with db.tenant(shop.tenant_id) as session:
        session.get_one(Tenant, shop.tenant_id).settings = given


def words(db: Database, shop: Shop) -> list[str]:
    return [row.body for row in rows(db, shop, ChatMessage) if row.body]


def run(runtime: Runtime, shop: Shop) -> str:
    return jobs.JOBS["retention"](runtime, shop.tenant_id, "0")


def test_nothing_young_goes(db: Database, runtime: Runtime, world: World) -> None:
    live(db, runtime, world.north)
    before = words(db, world.north)
    assert run(runtime, world.north) == "nothing is too old"
    assert words(db, world.north) == before
    assert len(rows(db, world.north, WebhookEvent)) == 3


def test_each_kind_goes_at_its_time(db: Database, runtime: Runtime, world: World, clock: FixedClock) -> None:
    shop = world.north
    live(db, runtime, shop)
    clock.advance(timedelta(days=31))
    run(runtime, shop)
    with db.tenant(shop.tenant_id) as session:
        left = session.execute(text("select status from webhook_events order by 1")).scalars().all()
    assert left == ["failed", "received"], "what is still to be processed is no old paper"
    assert rows(db, shop, MailEvent)[0].raw == {}
    assert rows(db, shop, JobExecution) == []
    assert rows(db, shop, Turn)[0].trace != {}
    clock.advance(timedelta(days=60))
    run(runtime, shop)
    with db.tenant(shop.tenant_id) as session:
        left = session.execute(text("select status from webhook_events order by 1")).scalars().all()
    assert left == ["received"]
    clock.advance(timedelta(days=100))
    run(runtime, shop)
    turn, attempt = rows(db, shop, Turn)[0], rows(db, shop, ModelAttempt)[-1]
    assert (turn.trace, turn.status, turn.rounds) == ({}, "done", 2)
    assert (attempt.error, attempt.ok, attempt.ms) == (None, False, 1)
    assert {row.result for row in rows(db, shop, ToolCallRow)} == {"[kept no longer]"}
    assert "hello from long ago" in words(db, shop)
    clock.advance(YEAR)
    run(runtime, shop)
    with db.tenant(shop.tenant_id) as session:
        assert session.query(MessageMedia.body, MessageMedia.status).all() == [(None, "refused")]
    assert rows(db, shop, SendDecision)[0].reasons != []
    clock.advance(4 * YEAR)
    run(runtime, shop)
    assert words(db, shop) == []
    assert rows(db, shop, ConversationSummary) == []
    assert rows(db, shop, SendDecision)[0].reasons == []
    found = rows(db, shop, ChatMessage)
    assert {row.raw for row in found} == {None}
    assert CUSTOMER_PHONE in {row.from_address for row in found}, "to whom and when is the proof, and stays"
    events = rows(db, shop, ConsentEvent)
    assert "STOP" in {event.evidence for event in events}, "the ledger is never deleted"
    assert run(runtime, shop) == "nothing is too old"


def test_a_business_may_keep_for_ever_or_shorter(
    db: Database, runtime: Runtime, world: World, clock: FixedClock
) -> None:
    live(db, runtime, world.north)
    live(db, runtime, world.south)
    settings(db, world.north, keep_transcripts_days=None)
    settings(db, world.south, keep_transcripts_days=30)
    clock.advance(timedelta(days=31))
    for shop in (world.north, world.south):
        run(runtime, shop)
    assert words(db, world.north) != []
    assert words(db, world.south) == []
    clock.advance(10 * YEAR)
    run(runtime, world.north)
    assert words(db, world.north) != []


def test_what_is_on_its_way_keeps_its_words(
    db: Database, runtime: Runtime, world: World, clock: FixedClock
) -> None:
    put(db, world.north, clock.now(), "still to be sent")
    clock.advance(10 * YEAR)
    run(runtime, world.north)
    assert any("still to be sent" in body for body in words(db, world.north))


def many(db: Database, shop: Shop, count: int, at: datetime) -> None:
    """Many leads with an old message each."""
    made = customers(db, shop, count)
    with db.tenant(shop.tenant_id) as session:
        session.add_all(
            ChatMessage(
                tenant_id=shop.tenant_id, session_id=one.session_id, lead_id=one.lead_id, direction="in",
                channel="sms", kind="inbound", status="received", body="old", from_address="x", to_address="y",
                created_at=at,
            )
            for one in made
        )  # fmt: skip


def test_it_goes_page_by_page_and_wakes_itself_for_the_rest(
    db: Database, runtime: Runtime, world: World, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = world.north
    many(db, shop, 7, clock.now())
    clock.advance(10 * YEAR)
    monkeypatch.setattr(retention, "LEADS_A_PAGE", 3)
    monkeypatch.setattr(retention, "ROWS_A_STEP", 2)
    ticks = iter([0.0, 0.0, 100.0, 100.0, 100.0, 100.0])
    assert expire(runtime, shop.tenant_id, "0", lambda: next(ticks)) == "2 messages"
    woken = [entry for entry in runtime.queue.take_due(clock.now()) if entry[0] == "retention"]
    with db.tenant(shop.tenant_id) as session:
        third = session.query(Lead.id).order_by(Lead.id).offset(2).limit(1).scalar()
    assert woken == [("retention", shop.tenant_id, str(third))]
    assert expire(runtime, *woken[0][1:]) == "5 messages"
    assert words(db, shop) == []


def test_a_row_that_somebody_holds_is_passed_over(
    db: Database, runtime: Runtime, world: World, clock: FixedClock
) -> None:
    shop = world.north
    many(db, shop, 3, clock.now())
    clock.advance(10 * YEAR)
    when = cutoffs(TenantSettings(), clock.now())
    with db.tenant(shop.tenant_id) as holder:
        held = holder.execute(
            text("select id from chat_messages order by id limit 1 for update")
        ).scalar_one()
        with db.tenant(shop.tenant_id) as session:
            done = expire_page(session, page_after(session, shop.tenant_id, 0), when)
    assert done["messages"] == 2
    assert [row.id for row in rows(db, shop, ChatMessage) if row.body] == [held]
    run(runtime, shop)
    assert words(db, shop) == []


def test_every_business_is_woken_also_a_paused_one(
    db: Database, runtime: Runtime, world: World, clock: FixedClock, owner_engine: Any
) -> None:
    with owner_engine.begin() as connection:
        connection.execute(text("update tenants set status = 'paused' where slug = 'north'"))
    assert wake_all(runtime) == 3
    clock.advance(timedelta(hours=1))
    woken = {entry[1] for entry in runtime.queue.take_due(clock.now()) if entry[0] == "retention"}
    assert woken == {0, world.north.tenant_id, world.south.tenant_id}


def test_what_is_nobodys_goes_by_the_defaults(
    db: Database, runtime: Runtime, world: World, clock: FixedClock
) -> None:
    with db.system() as session:
        store_event(
            session, tenant_id=None, source="x", dedupe_key="k", headers={}, content_type="", body=b"raw",
            now=clock.now(), status="quarantined",
        )  # fmt: skip
    clock.advance(timedelta(days=89))
    assert jobs.JOBS["retention"](runtime, 0, "0") == "nothing is too old"
    clock.advance(timedelta(days=2))
    assert jobs.JOBS["retention"](runtime, 0, "0") == "1 kept aside"
