"""Long conversations are summed up once, by the tenant's model or by rules, and the context reads that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import select

from agent.context import build_context
from agent.context.history import LEAST
from agent.models.base import AssistantStep, ModelReply, ProviderError, StopReason, Usage, UserText
from agent.models.scripted import ScriptedModel
from agent.notes import NOTE
from crm.db import Database
from crm.models import ChatMessage, ChatSession, ConversationSummary, ModelAttempt
from ops.clock import FixedClock
from scheduler.summaries import DUE_AT, summarise
from tests.conftest import Shop, TestDatabase, World
from tests.runtimes import runtime_for


def converse(db: Database, shop: Shop, count: int) -> None:
    """`count` messages, in turns; all answered."""
    with db.tenant(shop.tenant_id) as s:
        chat = s.get_one(ChatSession, shop.session_id)
        for number in range(count):
            inbound = number % 2 == 0
            row = ChatMessage(
                tenant_id=shop.tenant_id, session_id=shop.session_id, lead_id=shop.lead_id, channel="sms",
                direction="in" if inbound else "out", kind="inbound" if inbound else "reply",
                status="received" if inbound else "delivered", body=f"message {number}",
                from_address="a", to_address="b",
            )  # fmt: skip
            s.add(row)
            s.flush()
            if inbound:
                chat.last_inbound_id = chat.answered_up_to = row.id


def told(text: str, stop: StopReason = StopReason.END) -> ModelReply:
    step = AssistantStep(text=text, provider="claude", model="claude-haiku-5-5")
    return ModelReply(step, stop, Usage(100, 0, 0, 20), "claude-haiku-5-5")


def stored(db: Database, shop: Shop) -> list[ConversationSummary]:
    with db.tenant(shop.tenant_id) as s:
        return list(s.scalars(select(ConversationSummary).order_by(ConversationSummary.id)))


def context_items(db: Database, shop: Shop, clock: FixedClock) -> list[str]:
    with db.tenant(shop.tenant_id) as s:
        items = build_context(s, s.get_one(ChatSession, shop.session_id), clock.now()).items
        return [item.text for item in items if isinstance(item, UserText | AssistantStep)]


@pytest.fixture
def run(test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World) -> Iterator[Any]:
    with ExitStack() as stack:

        def go(*steps: Any, provider: str = "claude") -> tuple[str, ScriptedModel]:
            model = ScriptedModel(steps, provider=provider)
            runtime = stack.enter_context(runtime_for(test_database, redis_url, clock, models=[model]))
            return summarise(runtime, world.north.tenant_id, world.north.session_id), model

        yield go


def test_a_short_conversation_is_left_alone(run: Any, db: Database, world: World) -> None:
    converse(db, world.north, DUE_AT - 2)
    assert run()[0] == "not due"
    assert stored(db, world.north) == []


def test_a_long_one_is_summed_up_once(run: Any, db: Database, world: World, clock: FixedClock) -> None:
    converse(db, world.north, DUE_AT + 3)
    said, model = run(told("The customer wants dark film. They were told $99."))
    assert said == "stored"
    (summary,) = stored(db, world.north)
    assert (summary.body, summary.provider) == ("The customer wants dark film.", "claude")
    items = context_items(db, world.north, clock)
    assert items[0].startswith(NOTE)
    assert items[0].endswith("\nThe customer wants dark film.")
    assert len(items) - 3 in (LEAST - 1, LEAST, LEAST + 1)
    assert items[1] == f"message {int(items[1].split()[1])}"
    assert int(items[1].split()[1]) % 2 == 0, "what stays begins with the customer"
    asked = model.requests[0].items[0]
    assert isinstance(asked, UserText)
    # What was folded and what is still shown are the whole conversation, without a gap.
    assert f"message {int(items[1].split()[1]) - 1}" in asked.text
    assert items[1] not in asked.text
    assert run()[0] == "not due"
    with db.tenant(world.north.tenant_id) as s:
        (attempt,) = s.scalars(select(ModelAttempt)).all()
        assert (attempt.purpose, attempt.turn_id, attempt.ok) == ("summary", None, True)


def test_the_next_summary_is_given_the_one_before(run: Any, db: Database, world: World) -> None:
    converse(db, world.north, DUE_AT + 2)
    run(told("First part."))
    converse(db, world.north, DUE_AT + 2)
    _, model = run(told("Both parts."))
    assert '"earlier_summary": "First part."' in str(model.requests[0].items[0])
    assert [one.body for one in stored(db, world.north)] == ["First part.", "Both parts."]


def test_a_model_that_is_down_costs_nothing_but_a_try(run: Any, db: Database, world: World) -> None:
    converse(db, world.north, DUE_AT + 2)
    down = ProviderError("not possible", kind="permanent", provider="claude")
    assert run(down)[0] == "no model"
    assert stored(db, world.north) == []
    with db.tenant(world.north.tenant_id) as s:
        assert [one.ok for one in s.scalars(select(ModelAttempt))] == [False]
    assert run(told("Later."))[0] == "stored"


def test_a_shop_without_a_vendor_gets_it_by_rules(run: Any, db: Database, world: World) -> None:
    converse(db, world.north, DUE_AT + 2)
    assert run(provider="playbook")[0] == "stored"
    (summary,) = stored(db, world.north)
    assert summary.provider == "rules"
    assert summary.body.startswith('The customer wrote: "message 0"; "message 2"')


def test_a_cut_or_useless_summary_is_replaced_by_rules(run: Any, db: Database, world: World) -> None:
    converse(db, world.north, DUE_AT + 2)
    assert run(told("It costs $1", StopReason.LENGTH))[0] == "stored"
    assert stored(db, world.north)[0].provider == "rules"
