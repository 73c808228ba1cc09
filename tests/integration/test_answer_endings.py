"""How a conversation leaves the agent: handed off, opted out, given up; and what a dead worker did is not done again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from time import monotonic
from typing import Any

import pytest
from rq.timeouts import JobTimeoutException, TimerDeathPenalty

from agent.fixed import line
from agent.models.base import ModelReply, ModelRequest, ProviderError
from agent.models.scripted import ScriptedModel
from agent.tools.base import Toolbox, ToolRun, tool
from crm.db import Database
from crm.models import Appointment, ModelAttempt, ToolCallRow, Turn
from crm.routing import owed
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_PHONE, TestDatabase, World
from tests.integration.answering import Shop, answering, turns
from tests.integration.calendar_help import add_offer, dana, local
from tests.integration.talking import (
    after,
    answer,
    call,
    change,
    chat_of,
    hear,
    lead_of,
    outgoing,
    rows,
    say,
    scripted,
    stops,
)


@pytest.fixture
def shop(test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World) -> Iterator[Shop]:
    with answering(test_database, redis_url, clock) as made:
        yield made


HAND_OFF = call("hand_off", reason="asked_for_person", note="Wants to talk.")


def test_the_agents_own_hand_off_is_announced(shop: Shop, db: Database, world: World) -> None:
    runtime = shop.with_model(scripted(HAND_OFF, say("A person will get back to you.")))
    hear(runtime, world.north, "a human please")
    assert answer(runtime, world.north) == "done"
    assert shop.texts() == ["A person will get back to you."]
    (notice,) = [m for m in shop.sms.sent if m.kind == "notice"]
    assert "needs a person: asked for person. Wants to talk." in notice.body
    assert chat_of(db, world.north).state == "human"
    hear(runtime, world.north, "when?")
    assert answer(runtime, world.north) == "not due"
    assert len(shop.texts()) == 1
    assert "Dana wrote: when?" in [m.body for m in shop.sms.sent if m.kind == "notice"]


def test_after_its_own_hand_off_the_agent_may_finish(shop: Shop, db: Database, world: World) -> None:
    last = say("A person will get back to you.")
    runtime = shop.with_model(scripted(HAND_OFF, call("find_services", query="tint"), last))
    hear(runtime, world.north, "a human please")
    assert answer(runtime, world.north) == "done"
    assert shop.texts() == ["A person will get back to you."]
    assert [row.is_error for row in rows(db, world.north, ToolCallRow)] == [False, False]


def test_a_hand_off_is_announced_even_when_the_customer_writes_meanwhile(
    shop: Shop, db: Database, world: World
) -> None:
    holder: list[Runtime] = []
    model = scripted(
        HAND_OFF, after(lambda: hear(holder[0], world.north, "hello?"), say("A person will get back to you."))
    )
    holder.append(shop.with_model(model))
    hear(holder[0], world.north, "a human please")
    assert answer(holder[0], world.north) == "done"
    assert shop.texts() == ["A person will get back to you."]
    assert chat_of(db, world.north).answer_due_at is None


def test_no_model_is_a_holding_line_and_a_person(shop: Shop, db: Database, world: World) -> None:
    down = ProviderError("no credit", kind="permanent", provider="playbook")
    runtime = shop.with_model(scripted(down))
    hear(runtime, world.north, "how much?")
    assert answer(runtime, world.north) == "done"
    assert [text[:53] for text in shop.texts()] == ["Thanks for your message! North Tint has received it a"]
    (notice,) = [m for m in shop.sms.sent if m.kind == "notice"]
    assert (
        notice.body
        == f"Dana needs a person: no model could answer. See: leads transcript {world.north.lead_id}"
    )
    chat = chat_of(db, world.north)
    assert (chat.state, chat.state_reason) == ("human", "no model could answer")
    (turn,) = rows(db, world.north, Turn)
    assert turn.trace["hand_off"] == "no model could answer"
    assert [attempt.ok for attempt in rows(db, world.north, ModelAttempt)] == [False]


def test_opting_out_in_other_words_is_confirmed_once(shop: Shop, db: Database, world: World) -> None:
    plea = "Sorry to see you go! Our ceramic film is the best in town. Want me to look for times this week?"
    model = scripted(call("opt_out", channel="all"), say(plea))
    runtime = shop.with_model(model)
    hear(runtime, world.north, "I found another shop, that was it for us")
    assert answer(runtime, world.north) == "done"
    assert shop.texts() == [line("stopped", "en", shop="North Tint")], "whatever the model would have said"
    assert sorted(stops(db, world.north)) == [("customer", "email"), ("customer", "sms")]
    assert outgoing(db, world.north)[0].kind == "consent"
    # Whoever writes after a stop is not answered, by no model either; the shop hears of it, once.
    hear(runtime, world.north, "thanks")
    assert answer(runtime, world.north) == "not due"
    assert answer(runtime, world.north) == "not due"
    assert [m.kind for m in outgoing(db, world.north)] == ["consent", "notice"]
    assert "after saying stop" in outgoing(db, world.north)[1].body
    model.assert_done()
    assert lead_of(db, world.north).status == "opted_out"


def test_a_failure_does_not_hide_that_the_person_opted_out(shop: Shop, db: Database, world: World) -> None:
    failing = [call("opt_out", channel="all"), ProviderError("away", kind="permanent", provider="playbook")]
    runtime = shop.with_model(scripted(*failing))
    hear(runtime, world.north, "I found another shop, that was it for us")
    assert answer(runtime, world.north) == "done"
    assert lead_of(db, world.north).status == "opted_out"
    assert [m.kind for m in outgoing(db, world.north) if m.to_address == CUSTOMER_PHONE] == ["consent"]


def test_a_poisoned_session_backs_off_and_ends_with_a_person(
    shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    broken = scripted(*[RuntimeError("a bug of ours")] * 4)
    runtime = shop.with_model(broken)
    hear(runtime, world.north, "how much?")
    clock.advance(timedelta(seconds=20))
    for wait in (10, 20, 30, 40):
        with pytest.raises(RuntimeError, match="a bug"):
            answer(runtime, world.north, timedelta())
        chat = chat_of(db, world.north)
        assert (chat.lease_token, chat.answer_due_at) == (None, clock.now() + timedelta(seconds=wait))
        assert answer(runtime, world.north, timedelta(seconds=wait - 1)) == "not due"
        clock.advance(timedelta(seconds=1))
    assert {status for status, _ in turns(db, world)} == {"failed"}
    assert shop.texts() == []
    assert answer(runtime, world.north, timedelta()) == "done"
    assert len(broken.requests) == 4, "the fifth try asks no model"
    assert "has received it and a person will get back" in shop.texts()[0]
    assert chat_of(db, world.north).state == "human"
    assert len(outgoing(db, world.north, "notice")) == 1


def test_a_new_text_gives_a_poisoned_session_new_tries(
    shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    runtime = shop.with_model(scripted(*[RuntimeError("a bug of ours")] * 3, say("Which car is it?")))
    hear(runtime, world.north, "how much?")
    for _ in range(3):
        with pytest.raises(RuntimeError):
            answer(runtime, world.north, timedelta(minutes=1))
    hear(runtime, world.north, "hello?")
    assert chat_of(db, world.north).answer_tries == 0
    assert answer(runtime, world.north) == "done"
    assert shop.texts() == ["Which car is it?"]


def test_a_dead_workers_booking_is_not_made_again(
    shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    offer = add_offer(db, dana(world.north), local(24, 9))
    booking = call("book", offer_id=offer)

    class Died(BaseException):
        """The process is gone: nothing is released."""

    def die(_: ModelRequest) -> ModelReply:
        raise Died

    dying = shop.with_model(scripted(booking, die))
    hear(dying, world.north, "yes please")
    with pytest.raises(Died):
        answer(dying, world.north)
    assert len(rows(db, world.north, Appointment)) == 1
    assert turns(db, world) == [("running", None)]
    assert answer(dying, world.north) == "not due", "its lease still runs"
    model = scripted(booking, say("You're booked for Tue, Nov 24 at 9:00 AM."))
    assert answer(shop.with_model(model), world.north, timedelta(minutes=2)) == "done"
    assert [status for status, _ in turns(db, world)] == ["abandoned", "done"]
    assert len(rows(db, world.north, Appointment)) == 1
    assert len(rows(db, world.north, ToolCallRow, ToolCallRow.is_write)) == 1
    assert '"status": "booked"' in str(model.requests[1].items[-1])
    assert shop.texts() == ["You're booked for Tue, Nov 24 at 9:00 AM."]


@pytest.mark.parametrize("again", [None, "hello?"])
def test_a_hand_off_whose_worker_died_is_announced(
    shop: Shop, db: Database, world: World, clock: FixedClock, again: str | None
) -> None:
    """The sweeper finds it although a person has the conversation, and whatever the customer wrote meanwhile."""

    class Died(BaseException):
        """The process is gone: nothing is released."""

    def die(_: ModelRequest) -> ModelReply:
        raise Died

    dying = shop.with_model(scripted(HAND_OFF, die))
    hear(dying, world.north, "a human please")
    with pytest.raises(Died):
        answer(dying, world.north)
    if again is not None:
        hear(dying, world.north, again)
    clock.advance(timedelta(minutes=3))
    with dying.db.system() as session:
        found = [(one.job, one.row_id) for one in owed(session, clock.now())]
    assert ("answer", str(chat_of(db, world.north).id)) in found
    runtime = shop.with_model(scripted(HAND_OFF, say("A person will get back to you.")))
    assert answer(runtime, world.north) == "done"
    assert shop.texts() == ["A person will get back to you."]
    chat = chat_of(db, world.north)
    assert (chat.state, chat.answer_due_at) == ("human", None)
    assert answer(runtime, world.north) == "not due"


def test_a_debt_left_to_a_person_is_theirs(shop: Shop, db: Database, world: World) -> None:
    runtime = shop.with_model(scripted())
    hear(runtime, world.north, "how much?")
    change(db, world.north, "update chat_sessions set state = 'human' where id = :session")
    assert answer(runtime, world.north) == "not due"
    assert (chat_of(db, world.north).answer_due_at, turns(db, world), shop.texts()) == (None, [], [])


def test_whatever_a_dead_turn_did_is_told_and_not_done_again(shop: Shop, db: Database, world: World) -> None:
    """The ledger itself, with a tool that would do the thing twice if it were asked twice."""
    done: list[int] = []

    @tool(write=True)
    def order(run: ToolRun, pieces: int) -> dict[str, Any]:
        """Order something."""
        done.append(pieces)
        return {"ordered": pieces, "number": len(done)}

    def with_order(*steps: Any) -> tuple[Runtime, ScriptedModel]:
        model = scripted(*steps)
        return replace(shop.with_model(model), toolbox=Toolbox([order])), model

    dying, _ = with_order(call("order", pieces=3), RuntimeError("a bug of ours"))
    hear(dying, world.north, "three please")
    with pytest.raises(RuntimeError):
        answer(dying, world.north)
    runtime, model = with_order(call("order", pieces=3), call("order", pieces=4), say("Ordered!"))
    assert answer(runtime, world.north, timedelta(minutes=1)) == "done"
    assert done == [3, 4], "other arguments are another effect"
    assert '{"ordered": 3, "number": 1}' in str(model.requests[1].items[-1])
    hear(runtime, world.north, "three more")
    runtime, _ = with_order(call("order", pieces=3), say("Ordered!"))
    assert answer(runtime, world.north) == "done"
    assert done == [3, 4, 3], "another message is another wish"


def test_a_job_out_of_time_ends_and_leaves_the_debt(shop: Shop, db: Database, world: World) -> None:
    """RQ's limit is thrown into the thread, wherever it is; nothing may take it for a model's or a tool's failure."""

    def too_long(_: ModelRequest) -> ModelReply:
        with TimerDeathPenalty(0.05, JobTimeoutException, job_id="test"):
            end = monotonic() + 20
            while monotonic() < end:
                pass
        raise AssertionError("the limit never came")

    runtime = shop.with_model(scripted(too_long))
    hear(runtime, world.north, "how much?")
    with pytest.raises(JobTimeoutException):
        answer(runtime, world.north)
    chat = chat_of(db, world.north)
    assert (chat.lease_token, chat.answer_due_at is not None) == (None, True)
    assert [status for status, _ in turns(db, world)] == ["failed"]
    assert shop.texts() == []
