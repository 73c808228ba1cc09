"""What was done to an appointment is told, and done once, whatever the customer writes meanwhile and whoever dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from agent.models.base import ModelReply, ModelRequest, ToolResults
from agent.models.playbook import PlaybookModel
from crm.db import Database
from crm.models import Appointment
from ops.clock import FixedClock
from scheduler.answer import answer as think
from tests.conftest import TestDatabase, World
from tests.integration.answering import Shop, answering
from tests.integration.calendar_help import add_offer, add_turn, call, dana, local
from tests.integration.talking import answer, chat_of, flush, hear, rows
from tests.integration.tool_help import hear as hear_in_tools

ASKED = "How much is carbon tint on my 2021 honda civic sedan? Free on Wednesday at 1 pm?"
YES = "Wed at 1 pm works, book it please"
BOOKED = "You are booked, Dana: Wed, Nov 25 at 1:00 PM"


class Gone(BaseException):
    """The worker's process is killed."""


class Interrupted(PlaybookModel):
    """The playbook, to which something happens once, right after a change was made and before it is told."""

    def __init__(self, happens: Callable[[], None]) -> None:
        self._happens: Callable[[], None] | None = happens

    def answer(self, request: ModelRequest) -> ModelReply:
        """As the playbook does."""
        newest = request.items[-1]
        changed = isinstance(newest, ToolResults) and any("appointment" in one.text for one in newest.results)
        if changed and self._happens is not None:
            happens, self._happens = self._happens, None
            happens()
        return super().answer(request)


def _two_visits(db: Database, clock: FixedClock, world: World) -> None:
    ctx = add_turn(db, clock, dana(world.north))
    call(ctx, "book", offer_id=add_offer(db, dana(world.north), local(24, 9)))
    ctx = hear_in_tools(ctx, world, "Friday at 9 works too")
    friday = add_offer(db, dana(world.north), local(27, 9), code="tint-windshield-ceramic")
    assert not call(ctx, "book", offer_id=friday)[1].is_error


@pytest.fixture
def shop(test_database: TestDatabase, redis_url: str, clock: FixedClock) -> Iterator[Shop]:
    with answering(test_database, redis_url, clock) as made:
        yield made


@pytest.mark.parametrize("then", ["thanks a lot", "where are you?", "hello?"])
def test_a_booking_is_told_although_the_customer_wrote_before_it_left(
    shop: Shop, world: World, clock: FixedClock, db: Database, then: str
) -> None:
    runtime = shop.with_model(PlaybookModel())
    hear(runtime, world.north, ASKED)
    answer(runtime, world.north)
    flush(runtime, world.north)
    hear(runtime, world.north, YES)
    clock.advance(timedelta(seconds=20))
    think(runtime, world.north.tenant_id, world.north.session_id)
    hear(runtime, world.north, then)
    answer(runtime, world.north)
    flush(runtime, world.north)
    told = shop.texts()
    assert [BOOKED in one for one in told] == [False, True, False]
    assert "move" not in told[-1].lower(), "the question is answered, not begun anew"
    assert [one.status for one in rows(db, world.north, Appointment)] == ["booked"]


def test_a_booking_is_told_although_the_customer_wrote_in_the_middle_of_the_turn(
    shop: Shop, world: World, db: Database
) -> None:
    runtime = shop.with_model(PlaybookModel())
    hear(runtime, world.north, ASKED)
    answer(runtime, world.north)
    flush(runtime, world.north)
    busy = shop.with_model(Interrupted(lambda: hear(runtime, world.north, "thanks a lot") and None))
    hear(runtime, world.north, YES)
    assert answer(busy, world.north) == "done"
    assert chat_of(db, world.north).answer_due_at is not None, "the thanks are still to be answered"
    answer(runtime, world.north)
    flush(runtime, world.north)
    assert [BOOKED in one for one in shop.texts()] == [False, True, False]


@pytest.mark.parametrize("then", [None, "sorry about that"])
def test_a_killed_worker_s_cancellation_is_told_and_takes_no_second_visit(
    shop: Shop, world: World, clock: FixedClock, db: Database, then: str | None
) -> None:
    _two_visits(db, clock, world)
    runtime = shop.with_model(PlaybookModel())
    clock.advance(timedelta(minutes=5))
    hear(runtime, world.north, "I need to cancel my Tuesday appointment")
    answer(runtime, world.north)
    flush(runtime, world.north)

    def die() -> None:
        raise Gone

    dying = shop.with_model(Interrupted(die))
    hear(runtime, world.north, "yes please cancel it")
    with pytest.raises(Gone):
        answer(dying, world.north)
    if then is not None:
        hear(runtime, world.north, then)
    clock.advance(timedelta(minutes=3))
    answer(runtime, world.north)
    flush(runtime, world.north)
    answer(runtime, world.north)
    flush(runtime, world.north)
    told = [one for one in shop.texts() if "is cancelled" in one]
    assert told == [
        "Your appointment on Tue, Nov 24 at 9:00 AM is cancelled. If you want a new time later, just write here."
    ]
    assert [one.status for one in rows(db, world.north, Appointment)] == ["cancelled", "booked"]


def test_a_cancellation_that_waits_takes_no_second_visit(
    shop: Shop, world: World, clock: FixedClock, db: Database
) -> None:
    _two_visits(db, clock, world)
    runtime = shop.with_model(PlaybookModel())
    clock.advance(timedelta(minutes=5))
    hear(runtime, world.north, "I need to cancel my Tuesday appointment")
    answer(runtime, world.north)
    flush(runtime, world.north)
    hear(runtime, world.north, "yes please cancel it")
    clock.advance(timedelta(seconds=20))
    think(runtime, world.north.tenant_id, world.north.session_id)
    hear(runtime, world.north, "sorry about that")
    flush(runtime, world.north)
    answer(runtime, world.north)
    flush(runtime, world.north)
    assert [one.status for one in rows(db, world.north, Appointment)] == ["cancelled", "booked"]
    assert sum("is cancelled" in one for one in shop.texts()) == 1
