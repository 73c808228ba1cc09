"""A booking is made at the price the customer was told, or they are asked again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.tools.base import ToolContext
from crm.db import Database
from crm.models import ChatSession, Service
from ops.clock import FixedClock
from tests.conftest import World
from tests.integration.calendar_help import add_turn, call, dana
from tests.integration.tool_help import appointments, show, times

CODE = "tint-full-sedan-carbon"


@pytest.fixture
def told(db: Database, world: World, clock: FixedClock) -> tuple[ToolContext, int]:
    """The turn after one that quoted a price and showed a time; and that time's offer."""
    first = add_turn(db, clock, dana(world.north), body="how much, and when?")
    _, result = call(first, "quote", service_ids=[world.north.service_ids[CODE]], body_style="sedan")
    assert not result.is_error
    offer_id = times(
        first, world, CODE, from_date="2026-11-24", to_date="2026-11-24", after="09:00", before="09:00"
    )["offers"][0]
    show(first, world)
    with db.tenant(first.tenant_id) as s:
        s.get_one(ChatSession, first.session_id).answered_up_to = first.trigger_message_id
    return add_turn(db, clock, dana(world.north)), offer_id["offer_id"]


def change(ctx: ToolContext, world: World, **values: object) -> int:
    """Change the service in the catalogue; returns its price of before, in cents."""
    with ctx.db.tenant(ctx.tenant_id) as s:
        service = s.get_one(Service, world.north.service_ids[CODE])
        before = service.price_cents
        for name, value in values.items():
            setattr(service, name, value)
        assert before is not None
        return before


def test_the_price_that_was_told_is_booked(told: tuple[ToolContext, int]) -> None:
    ctx, offer_id = told
    assert not call(ctx, "book", offer_id=offer_id)[1].is_error


def test_another_price_is_told_and_agreed_to_first(
    told: tuple[ToolContext, int], world: World, db: Database, clock: FixedClock
) -> None:
    ctx, offer_id = told
    before = change(ctx, world, price_cents=99_900)
    refused, result = call(ctx, "book", offer_id=offer_id)
    assert result.is_error
    assert f"was ${before // 100}" in refused["error"]
    assert "is $999 now" in refused["error"]
    # To have looked is not to have told: the yes is still the one to the old price.
    call(ctx, "quote", service_ids=[world.north.service_ids[CODE]], body_style="sedan")
    assert call(ctx, "book", offer_id=offer_id)[1].is_error
    assert appointments(ctx) == []
    later = add_turn(db, clock, dana(world.north), body="ok, yes please, 9:00 on Tuesday")
    assert not call(later, "book", offer_id=offer_id)[1].is_error
    assert len(appointments(later)) == 1


def test_a_price_only_a_person_may_name_now_is_another_price(
    told: tuple[ToolContext, int], world: World
) -> None:
    ctx, offer_id = told
    change(ctx, world, price_cents=None)
    refused, result = call(ctx, "book", offer_id=offer_id)
    assert result.is_error
    assert "quoted by a person" in refused["error"]


def test_what_is_sold_no_more_is_not_booked(told: tuple[ToolContext, int], world: World) -> None:
    ctx, offer_id = told
    change(ctx, world, active=False)
    refused, result = call(ctx, "book", offer_id=offer_id)
    assert result.is_error
    assert "does not sell" in refused["error"]
    assert appointments(ctx) == []


def test_another_conversations_prices_say_nothing(told: tuple[ToolContext, int], world: World) -> None:
    """Booked without a price ever told here, as after a person named it on the telephone."""
    ctx, offer_id = told
    change(ctx, world, price_cents=99_900)
    early = replace(ctx, turn_id=ctx.turn_id - 1)
    assert not call(early, "book", offer_id=offer_id)[1].is_error
