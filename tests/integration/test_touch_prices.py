"""A price that went out in a follow-up is a price the customer was told: they book at it, or are asked again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from crm.db import Database
from crm.models import ChatMessage, Service
from crm.told_prices import KEPT_AS, prices_kept, prices_said
from ops.clock import FixedClock
from scheduler.dispatch import write_touch
from tests.conftest import World
from tests.integration.cadence_rows import change, messages, start, touch, wish
from tests.integration.calendar_help import add_offer, add_turn, call, dana, local
from tests.integration.tool_help import appointments

CODE = "tint-full-sedan-ceramic"


@pytest.fixture
def told(db: Database, world: World, clock: FixedClock) -> ChatMessage:
    """The touch with the details, as it went out."""
    ids = start(db, world.north, clock.now())
    wish(db, world.north, "full tint ceramic")
    change(db, world.north, "update touch_points set status = 'skipped' where step = 1")
    clock.moment = touch(db, world.north, ids[1]).due_at
    assert write_touch(db, world.north.tenant_id, ids[1], clock) is not None
    change(db, world.north, "update chat_messages set status = 'delivered', sent_at = :at", at=clock.now())
    (message,) = messages(db, world.north)
    assert "$449" in message.body
    return message


def cost(db: Database, world: World, cents: int | None) -> None:
    with db.tenant(world.north.tenant_id) as s:
        s.get_one(Service, world.north.service_ids[CODE]).price_cents = cents


def test_the_touch_keeps_the_prices_it_names(told: ChatMessage, world: World) -> None:
    assert prices_kept(told.raw) == {world.north.service_ids[CODE]: 44_900}


def test_the_price_of_a_touch_is_booked_or_asked_about(
    told: ChatMessage, db: Database, world: World, clock: FixedClock
) -> None:
    offer_id = add_offer(db, dana(world.north), local(27, 9), code=CODE)
    cost(db, world, 49_900)
    yes = add_turn(db, clock, dana(world.north))
    refused, result = call(yes, "book", offer_id=offer_id)
    assert result.is_error
    assert "was $449" in refused["error"]
    assert "is $499 now" in refused["error"]
    assert appointments(yes) == []
    cost(db, world, 44_900)
    assert not call(yes, "book", offer_id=offer_id)[1].is_error


def test_a_later_look_tells_the_price_anew(
    told: ChatMessage, db: Database, world: World, clock: FixedClock
) -> None:
    cost(db, world, 49_900)
    clock.advance(timedelta(hours=1))
    asks = add_turn(db, clock, dana(world.north), body="how much is it?")
    call(asks, "quote", service_ids=[world.north.service_ids[CODE]], body_style="sedan")
    answered = "update chat_sessions set answered_up_to = :up_to where id = :session"
    change(db, world.north, answered, up_to=asks.trigger_message_id)
    offer_id = add_offer(db, dana(world.north), local(27, 9), code=CODE)
    assert not call(add_turn(db, clock, dana(world.north)), "book", offer_id=offer_id)[1].is_error


@pytest.mark.parametrize("status", ["withheld", "dropped", "failed", "undelivered"])
def test_what_never_arrived_told_nothing(
    told: ChatMessage, db: Database, world: World, clock: FixedClock, status: str
) -> None:
    change(db, world.north, "update chat_messages set status = :status", status=status)
    offer_id = add_offer(db, dana(world.north), local(27, 9), code=CODE)
    cost(db, world, 49_900)
    assert not call(add_turn(db, clock, dana(world.north)), "book", offer_id=offer_id)[1].is_error


def test_only_a_price_that_stands_in_the_words_was_told() -> None:
    row = Service(id=7, price_cents=44_900)
    assert prices_said("It is $449 today.", [row]) == {KEPT_AS: {"7": 44_900}}
    for words in ("It is $4490.", "It is $449.50.", "It is $449,000.", "It is 449 km away.", ""):
        assert prices_said(words, [row]) == {}
    assert prices_said("From $449.", [row]) == {KEPT_AS: {"7": 44_900}}
    assert prices_said("$449", [Service(id=8, price_cents=None)]) == {}


@pytest.mark.parametrize("raw", [None, {}, {KEPT_AS: None}, {KEPT_AS: "erased"}])
def test_a_message_without_prices_keeps_none(raw: dict[str, object] | None) -> None:
    assert prices_kept(raw) == {}
