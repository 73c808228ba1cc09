"""What a turn did for a message is told with that message's answer, also when the turn that did it is gone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from agent.fixed import line
from agent.models.base import ModelReply, ModelRequest, ProviderError
from crm.db import Database
from crm.models import Appointment
from ops.clock import FixedClock
from scheduler.answer import MAX_TRIES
from tests.conftest import CUSTOMER_PHONE, TestDatabase, World
from tests.integration.answering import Shop, answering
from tests.integration.calendar_help import add_offer, dana, local
from tests.integration.talking import answer, call, chat_of, hear, outgoing, rows, say, scripted, stops

BOOKED = line("booked", "en", shop="North Tint", label="Tue, Nov 24 at 9:00 AM")
STOPPED = line("stopped", "en", shop="North Tint")
REST = line("rest", "en", shop="North Tint")
AWAY = ProviderError("away", kind="permanent", provider="playbook")


@pytest.fixture
def shop(test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World) -> Iterator[Shop]:
    with answering(test_database, redis_url, clock) as made:
        yield made


class Died(BaseException):
    """The process is gone: nothing is released."""


def die(_: ModelRequest) -> ModelReply:
    raise Died


def test_a_booking_that_no_words_were_found_for_is_told(shop: Shop, db: Database, world: World) -> None:
    offer = add_offer(db, dana(world.north), local(24, 9))
    wash = say("You are booked for Tue, Nov 24 at 9:00 AM with a free wash.")
    runtime = shop.with_model(scripted(call("book", offer_id=offer), wash, wash))
    hear(runtime, world.north, "yes please")
    assert answer(runtime, world.north) == "done"
    assert shop.texts() == [BOOKED]
    assert chat_of(db, world.north).state == "agent"
    assert outgoing(db, world.north, "notice") == []


def test_so_is_the_booking_of_a_turn_that_died(shop: Shop, db: Database, world: World) -> None:
    offer = add_offer(db, dana(world.north), local(24, 9))
    dying = shop.with_model(scripted(call("book", offer_id=offer), die))
    hear(dying, world.north, "yes please")
    with pytest.raises(Died):
        answer(dying, world.north)
    assert answer(shop.with_model(scripted(AWAY)), world.north, timedelta(minutes=2)) == "done"
    assert shop.texts() == [f"{BOOKED} {REST}"]
    assert chat_of(db, world.north).state == "human", "nobody knows what the turn would have said besides"


def test_and_the_booking_of_a_message_that_every_turn_dies_of(shop: Shop, db: Database, world: World) -> None:
    offer = add_offer(db, dana(world.north), local(24, 9))
    dying = shop.with_model(scripted(call("book", offer_id=offer), *[die] * MAX_TRIES))
    hear(dying, world.north, "yes please")
    for _ in range(MAX_TRIES):
        with pytest.raises(Died):
            answer(dying, world.north, timedelta(minutes=2))
    assert answer(dying, world.north, timedelta(minutes=2)) == "done"
    assert shop.texts() == [f"{BOOKED} {REST}"]
    assert len(rows(db, world.north, Appointment)) == 1


def test_a_stop_of_a_turn_that_died_is_confirmed_and_nothing_else_is_said(
    shop: Shop, db: Database, world: World
) -> None:
    dying = shop.with_model(scripted(call("opt_out", channel="all"), die))
    hear(dying, world.north, "I found another shop, that was it for us")
    with pytest.raises(Died):
        answer(dying, world.north)
    plea = scripted(say("Before you go: which film did you have in mind?"))
    assert answer(shop.with_model(plea), world.north, timedelta(minutes=2)) == "done"
    assert shop.texts() == [STOPPED]
    assert [one.kind for one in outgoing(db, world.north) if one.to_address == CUSTOMER_PHONE] == ["consent"]
    assert len(stops(db, world.north)) == 2
