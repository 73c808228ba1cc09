"""The month's budget steps down and tells the staff once; customers are answered at every step."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, text

from agent.budget import Step, budget_of
from agent.choosing import Chosen, choose
from agent.models.base import Model
from agent.models.playbook import PlaybookModel
from agent.pricing import TYPICAL
from agent.providers import Pool
from crm.db import Database
from crm.models import ChatMessage, ChatSession, JobExecution, ModelAttempt, Tenant
from crm.tenants import TenantSettings, settings_of
from ops.clock import FixedClock
from tests.conftest import Shop, TestDatabase, World
from tests.integration.talking import answer, hear, outgoing
from tests.runtimes import FakeSender, runtime_for
from tests.unit.test_routing import claude, openai
from tests.unit.test_routing_models import Configured

CENT = 10_000
_ids = itertools.count(1)


def spend(db: Database, shop: Shop, at: datetime, microusd: int | None, **more: Any) -> None:
    values = {
        "provider": "claude", "model": "claude-sonnet-5-5", "requested_model": "claude-sonnet-5-5", "ok": True, "ms": 1,
        "input_tokens": 1000, "cached_tokens": 0, "written_tokens": 0, "output_tokens": 100, **more,
    }  # fmt: skip
    with db.tenant(shop.tenant_id) as session:
        session.add(
            ModelAttempt(
                tenant_id=shop.tenant_id, session_id=shop.session_id, lead_id=shop.lead_id,
                location_id=shop.location_id, cost_microusd=microusd, created_at=at, **values,
            )
        )  # fmt: skip


def chosen(
    db: Database, shop: Shop, now: datetime, models: Any, cents: int | None = 100, **more: Any
) -> Chosen:
    settings = TenantSettings(monthly_ai_budget_cents=cents, **more)
    with db.tenant(shop.tenant_id) as session:
        return choose(session, session.get_one(ChatSession, shop.session_id), models, settings, now)


def names(models: tuple[Model, ...]) -> list[str]:
    return [model.model for model in models]


def notices(db: Database, shop: Shop) -> list[str]:
    return [message.body for message in outgoing(db, shop, "notice")]


POOL = Pool(Configured("claude", "openai", anthropic_model="claude-sonnet-5-5", openai_model="gpt-6-sol"))


@pytest.mark.parametrize(
    ("spent", "expected", "why"),
    [
        (79, ["claude-sonnet-5-5", "gpt-6-sol", "playbook-1"], ()),
        (80, ["claude-sonnet-5-5", "gpt-6-sol", "playbook-1"], ("the month's AI budget: alert",)),
        (90, ["claude-haiku-5-5", "gpt-6-luna", "playbook-1"], ("the month's AI budget: smaller",)),
        (100, ["playbook-1"], ("the month's AI budget: rules",)),
        (500, ["playbook-1"], ("the month's AI budget: rules",)),
    ],
)
def test_it_steps_down(
    db: Database, world: World, clock: FixedClock, spent: int, expected: list[str], why: tuple[str, ...]
) -> None:
    spend(db, world.north, clock.now(), spent * CENT)
    found = chosen(db, world.north, clock.now(), POOL)
    assert (names(found.models), found.why) == (expected, why)
    assert names(chosen(db, world.south, clock.now(), POOL).models)[0] == "claude-sonnet-5-5", (
        "its own budget"
    )
    assert notices(db, world.south) == []


def test_without_a_limit_nothing_is_counted(db: Database, world: World, clock: FixedClock) -> None:
    spend(db, world.north, clock.now(), 10**9)
    assert names(chosen(db, world.north, clock.now(), POOL, None).models)[0] == "claude-sonnet-5-5"
    assert names(chosen(db, world.north, clock.now(), POOL, 0).models) == ["playbook-1"]


def test_a_budget_never_leaves_nobody(db: Database, world: World, clock: FixedClock) -> None:
    spend(db, world.north, clock.now(), 200 * CENT)
    found = chosen(db, world.north, clock.now(), [claude(), openai()])
    assert [type(model) for model in found.models] == [PlaybookModel]


def test_a_server_of_ones_own_has_no_smaller_model(db: Database, world: World, clock: FixedClock) -> None:
    own = Pool(Configured("openai", "claude", openai_base_url="http://127.0.0.1:1/v1", openai_model="qwen"))
    spend(db, world.north, clock.now(), 95 * CENT)
    assert names(chosen(db, world.north, clock.now(), own).models) == [
        "qwen",
        "claude-haiku-5-5",
        "playbook-1",
    ]


def test_the_staff_hear_of_each_step_once_a_month(db: Database, world: World, clock: FixedClock) -> None:
    now = clock.now()
    spend(db, world.north, now, 82 * CENT)
    for _ in range(3):
        chosen(db, world.north, now, POOL)
    (alert,) = notices(db, world.north)
    assert alert == (
        "82% of this month's AI budget is used: $0.82 of $1.00. From 90% on a smaller model answers, from 100% on the"
        " built-in rules, until Dec 1. Customers are always answered. See: leads ai cost"
    )
    spend(db, world.north, now, 10 * CENT)
    chosen(db, world.north, now, POOL)
    assert len(notices(db, world.north)) == 1
    spend(db, world.north, now, 10 * CENT)
    for _ in range(2):
        chosen(db, world.north, now, POOL)
    assert len(notices(db, world.north)) == 2
    assert "is used up. Until Dec 1 the built-in rules answer" in notices(db, world.north)[1]
    later = now + timedelta(days=20)
    assert chosen(db, world.north, later, POOL).why == ()
    spend(db, world.north, later, 85 * CENT)
    chosen(db, world.north, later, POOL)
    assert len(notices(db, world.north)) == 3


def test_two_workers_at_once_send_one_alert(
    db: Database, world: World, owner_engine: Engine, clock: FixedClock
) -> None:
    """Eight conversations of one shop reach the step in the same moment, all in open transactions of their own."""
    spend(db, world.north, clock.now(), 85 * CENT)
    sessions = [another_session(db, world.north) for _ in range(8)]
    barrier = threading.Barrier(8)

    def work(session_id: int) -> None:
        with db.tenant(world.north.tenant_id) as session:
            chat = session.scalars(
                select(ChatSession).where(ChatSession.id == session_id).with_for_update()
            ).one()
            barrier.wait(20)
            choose(session, chat, POOL, TenantSettings(monthly_ai_budget_cents=100), clock.now())

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, sessions))
    assert len(notices(db, world.north)) == 1
    with owner_engine.connect() as connection:
        assert connection.execute(select(JobExecution.subject)).scalars().all() == ["2026-11 alert"]


def another_session(db: Database, shop: Shop) -> int:
    from crm.leads import LeadData, upsert_lead
    from crm.sessions import open_session

    with db.tenant(shop.tenant_id) as session:
        data = LeadData(source="sample", phone=f"+1312555{next(_ids):04d}")
        lead, _ = upsert_lead(session, shop.tenant_id, shop.location_id, data)
        return open_session(session, lead).id


def test_a_worker_that_dies_before_its_commit_leaves_the_alert_to_the_next(
    db: Database, world: World, clock: FixedClock
) -> None:
    spend(db, world.north, clock.now(), 85 * CENT)
    settings = TenantSettings(monthly_ai_budget_cents=100)

    class Killed(Exception):
        pass

    def die() -> None:
        with db.tenant(world.north.tenant_id) as session:
            chat = session.get_one(ChatSession, world.north.session_id)
            choose(session, chat, POOL, settings, clock.now())
            raise Killed

    with pytest.raises(Killed):
        die()
    assert notices(db, world.north) == []
    chosen(db, world.north, clock.now(), POOL)
    assert len(notices(db, world.north)) == 1


def test_unknown_prices_count_as_an_estimate_and_say_so(
    db: Database, world: World, clock: FixedClock
) -> None:
    now = clock.now()
    spend(db, world.north, now, None, model="claude-next", input_tokens=100_000, output_tokens=10_000)
    spend(db, world.north, now, None, provider="openai-compatible", input_tokens=None, output_tokens=None,
          cached_tokens=None, written_tokens=None)  # fmt: skip
    # Nobody bills what failed without an answer.
    spend(db, world.north, now, None, ok=False, input_tokens=None, output_tokens=None)
    uncounted = (TYPICAL.input or 0) * 4 + (TYPICAL.output or 0) * 20
    with db.tenant(world.north.tenant_id) as session:
        budget = budget_of(session, TenantSettings(monthly_ai_budget_cents=70), now)
    assert budget is not None
    assert (budget.known_microusd, budget.unpriced) == (0, 2)
    assert budget.assumed_microusd == 100_000 * 4 + 10_000 * 20 + uncounted
    assert budget.step is Step.SMALLER
    chosen(db, world.north, now, POOL, 70)
    (alert,) = notices(db, world.north)
    assert "$0.63 of it is our estimate for 2 requests of unknown price." in alert


def test_the_month_is_the_shops(db: Database, world: World) -> None:
    """Chicago is six hours behind: on December 1, 05:00 UTC it is still November there."""
    spend(db, world.north, datetime(2026, 11, 1, 4, 59, tzinfo=UTC), 500 * CENT)
    spend(db, world.north, datetime(2026, 11, 1, 5, 1, tzinfo=UTC), 80 * CENT)
    november = chosen(db, world.north, datetime(2026, 12, 1, 5, 0, tzinfo=UTC), POOL)
    assert november.why == ("the month's AI budget: alert",)
    assert chosen(db, world.north, datetime(2026, 12, 1, 6, 0, tzinfo=UTC), POOL).why == ()


def test_a_customer_is_answered_by_the_rules_and_the_staff_hear_why(
    test_database: TestDatabase,
    redis_url: str,
    db: Database,
    world: World,
    owner_engine: Engine,
    clock: FixedClock,
) -> None:
    with owner_engine.begin() as connection:
        connection.execute(text("""update tenants set settings = '{"monthly_ai_budget_cents": 5}'"""))
    spend(db, world.north, clock.now(), 5 * CENT)
    sms = FakeSender("fake-sms")
    with runtime_for(test_database, redis_url, clock, models=[claude(), PlaybookModel()], sms=sms) as runtime:
        hear(runtime, world.north, "How much is a full ceramic tint for my 2021 Honda Civic sedan?")
        assert answer(runtime, world.north) == "done"
    with db.tenant(world.north.tenant_id) as session:
        assert settings_of(session.get_one(Tenant, world.north.tenant_id)).monthly_ai_budget_cents == 5
        sent = session.scalars(select(ChatMessage).where(ChatMessage.direction == "out")).all()
    assert {message.kind for message in sent} == {"reply", "notice"}
    assert any("$449" in message.body for message in sent if message.kind == "reply")
    assert any("is used up" in message.body for message in sms.sent), "the notice left with the turn"
