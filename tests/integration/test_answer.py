"""From an unanswered text to the reply that leaves: once, by one worker, and never behind the customer's back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from agent.models.base import ModelReply, ModelRequest, ProviderError
from agent.models.playbook import PlaybookModel
from agent.models.scripted import ScriptedModel
from agent.tools.base import Toolbox, ToolRun, tool
from crm.db import Database
from crm.models import Appointment, ChatMessage, ChatSession, ModelAttempt, Offer, ToolCallRow, Turn
from crm.routing import owed
from ops.clock import FixedClock
from scheduler.answer import answer as think
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_EMAIL, CUSTOMER_PHONE, TestDatabase, World
from tests.integration.calendar_help import add_offer, dana, local
from tests.integration.talking import (
    after,
    answer,
    asked,
    call,
    change,
    chat_of,
    flush,
    hear,
    lead_of,
    outgoing,
    rows,
    say,
    scripted,
    stops,
)
from tests.runtimes import FakeSender, runtime_for


class Shop:
    """A runtime per model, one carrier for all of them."""

    def __init__(self, stack: ExitStack, database: TestDatabase, redis_url: str, clock: FixedClock) -> None:
        self._stack, self._given = stack, (database, redis_url, clock)
        self.sms, self.email = FakeSender("fake-sms"), FakeSender("fake-email")

    def with_model(self, *models: Any, **given: Any) -> Runtime:
        made = runtime_for(*self._given, models=models, sms=self.sms, email=self.email, **given)
        return self._stack.enter_context(made)

    def texts(self, to: str = CUSTOMER_PHONE) -> list[str]:
        return [message.body for message in self.sms.sent if message.to_address == to]


@pytest.fixture
def shop(test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World) -> Iterator[Shop]:
    with ExitStack() as stack:
        yield Shop(stack, test_database, redis_url, clock)


class Slow:
    """A model that waits in the middle of its answer."""

    provider = model = "playbook"

    def __init__(self, reply: ModelReply) -> None:
        self._reply = reply
        self.asked = 0
        self.reached, self.may_answer = threading.Event(), threading.Event()

    def answer(self, request: ModelRequest) -> ModelReply:
        self.asked += 1
        self.reached.set()
        assert self.may_answer.wait(20)
        return self._reply


@contextmanager
def turn_under_way(runtime: Runtime, world: World, model: Slow) -> Iterator[list[str]]:
    """A worker is thinking; the result is in the list after the block."""
    outcome: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(answer, runtime, world.north)
        assert model.reached.wait(20)
        try:
            yield outcome
        finally:
            model.may_answer.set()
        outcome.append(future.result(20))


def turns(db: Database, world: World) -> list[tuple[str, str | None]]:
    return [(turn.status, turn.error) for turn in rows(db, world.north, Turn)]


def test_a_text_is_answered_once(shop: Shop, db: Database, world: World, clock: FixedClock) -> None:
    model = scripted(say("Which car is it?"))
    runtime = shop.with_model(model)
    trigger = hear(runtime, world.north, "how much for tint?").message_id
    assert answer(runtime, world.north, timedelta(seconds=2)) == "not due", "more may follow"
    assert answer(runtime, world.north, timedelta(seconds=1)) == "done"
    assert answer(runtime, world.north) == "not due"
    assert shop.texts() == ["Which car is it?"]
    (reply,) = outgoing(db, world.north)
    (turn,) = rows(db, world.north, Turn)
    assert (reply.kind, reply.status, reply.answers_up_to, reply.turn_id) == (
        "reply",
        "sent",
        trigger,
        turn.id,
    )
    assert (turn.status, turn.trigger_message_id, turn.model, turn.rounds) == ("done", trigger, "scripted", 1)
    assert (turn.cost_microusd, len(rows(db, world.north, ModelAttempt))) == (0, 1)
    chat = chat_of(db, world.north)
    assert (chat.answered_up_to, chat.answer_due_at, chat.burst_started_at) == (trigger, None, None)
    assert (chat.lease_token, chat.lease_until, chat.answer_tries) == (None, None, 0)
    assert lead_of(db, world.north).status == "engaged"


def test_the_playbook_answers_with_the_real_tools(shop: Shop, db: Database, world: World) -> None:
    runtime = shop.with_model(PlaybookModel())
    hear(runtime, world.north, "How much is a full ceramic tint for my 2021 Honda Civic sedan?")
    assert answer(runtime, world.north) == "done"
    (reply,) = shop.texts()
    assert "$449" in reply
    assert rows(db, world.north, ToolCallRow, ToolCallRow.tool == "find_services")


def test_two_shops_with_one_customer_do_not_meet(shop: Shop, db: Database, world: World) -> None:
    model = scripted(say("North here."), say("South here."))
    runtime = shop.with_model(model)
    hear(runtime, world.north, "a question for north")
    hear(runtime, world.south, "a question for south")
    assert think(runtime, world.south.tenant_id, world.north.session_id) == "not due"
    assert [answer(runtime, one) for one in (world.north, world.south)] == ["done", "done"]
    assert [(m.from_address, m.to_address, m.body) for m in shop.sms.sent] == [
        (world.north.phone, CUSTOMER_PHONE, "North here."),
        (world.south.phone, CUSTOMER_PHONE, "South here."),
    ]
    assert asked(model, 1) == "a question for south"
    assert "north" not in str(model.requests[1]).lower()
    for one in (world.north, world.south):
        assert len(rows(db, one, Turn)) == 1


def test_many_workers_at_once_think_once(shop: Shop, db: Database, world: World, clock: FixedClock) -> None:
    model = scripted(say("Which car is it?"))
    runtime = shop.with_model(model)
    hear(runtime, world.north, "how much?")
    clock.advance(timedelta(seconds=20))
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: answer(runtime, world.north, timedelta()), range(8)))
    assert sorted(seen) == ["done"] + ["not due"] * 7
    assert (len(model.requests), shop.texts()) == (1, ["Which car is it?"])


def test_a_second_worker_during_the_turn_waits_for_nothing(shop: Shop, db: Database, world: World) -> None:
    model = Slow(say("Which car is it?"))
    runtime = shop.with_model(model)
    hear(runtime, world.north, "how much?")
    with turn_under_way(runtime, world, model) as outcome:
        assert answer(runtime, world.north) == "not due"
    assert (outcome, model.asked, shop.texts()) == (["done"], 1, ["Which car is it?"])


def test_a_newer_text_drops_the_draft_and_both_are_answered(shop: Shop, db: Database, world: World) -> None:
    slow = Slow(say("It is too early to say."))
    runtime = shop.with_model(slow)
    hear(runtime, world.north, "how much?")
    with turn_under_way(runtime, world, slow) as outcome:
        hear(runtime, world.north, "for a Civic")
    assert outcome == ["dropped"]
    assert turns(db, world) == [("dropped", "the customer wrote again")]
    model = scripted(say("Which film?"))
    assert answer(shop.with_model(model), world.north) == "done"
    assert asked(model) == "how much?\nfor a Civic"
    assert shop.texts() == ["Which film?"]


def test_a_text_between_the_reply_and_its_sending_reopens_the_question(
    shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    runtime = shop.with_model(scripted(say("It depends on the car.")))
    hear(runtime, world.north, "how much?")
    clock.advance(timedelta(seconds=20))
    assert think(runtime, world.north.tenant_id, world.north.session_id) == "done"
    hear(runtime, world.north, "open on Saturday?")
    assert flush(runtime, world.north) == "dropped"
    model = scripted(say("Yes. And which car is it?"))
    assert answer(shop.with_model(model), world.north) == "done"
    assert asked(model) == "how much?\nopen on Saturday?"
    assert "It depends" not in str(model.requests[0].items)
    assert shop.texts() == ["Yes. And which car is it?"]


def test_a_reply_that_still_waits_was_not_said(
    shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    runtime = shop.with_model(scripted(say("It depends on the car.")))
    hear(runtime, world.north, "how much?")
    clock.advance(timedelta(seconds=20))
    assert think(runtime, world.north.tenant_id, world.north.session_id) == "done"
    change(db, world.north, "update chat_messages set send_after = :later where kind = 'reply'",
           later=clock.now() + timedelta(minutes=10))  # fmt: skip
    hear(runtime, world.north, "open on Saturday?")
    model = scripted(say("Yes. And which car is it?"))
    assert answer(shop.with_model(model), world.north) == "done"
    assert asked(model) == "how much?\nopen on Saturday?"
    assert [m.status for m in outgoing(db, world.north)] == ["dropped", "sent"]


def test_a_stop_during_the_turn_sends_nothing_of_it(shop: Shop, db: Database, world: World) -> None:
    slow = Slow(say("Which car is it?"))
    runtime = shop.with_model(slow)
    hear(runtime, world.north, "how much?")
    with turn_under_way(runtime, world, slow) as outcome:
        hear(runtime, world.north, "STOP")
    assert outcome == ["dropped"]
    (confirmation,) = shop.texts()
    assert "unsubscribed" in confirmation
    assert answer(runtime, world.north) == "not due"
    assert chat_of(db, world.north).answer_due_at is None


def test_a_stop_while_a_turn_dies_does_not_bring_the_debt_back(
    shop: Shop, db: Database, world: World
) -> None:
    holder: list[Runtime] = []

    def stop_and_die(_: ModelRequest) -> ModelReply:
        hear(holder[0], world.north, "STOP")
        raise RuntimeError("the worker broke")

    holder.append(shop.with_model(scripted(stop_and_die)))
    hear(holder[0], world.north, "how much?")
    with pytest.raises(RuntimeError):
        answer(holder[0], world.north)
    assert chat_of(db, world.north).answer_due_at is None


def test_a_person_who_takes_over_during_the_turn_is_not_talked_over(
    shop: Shop, db: Database, world: World
) -> None:
    slow = Slow(say("Which car is it?"))
    runtime = shop.with_model(slow)
    hear(runtime, world.north, "how much?")
    with turn_under_way(runtime, world, slow) as outcome:
        change(db, world.north, "update chat_sessions set state = 'human' where id = :session")
        hear(runtime, world.north, "hello?")
    assert outcome == ["dropped"]
    assert turns(db, world) == [("dropped", "a person took over")]
    assert shop.texts() == []
    with runtime.db.system() as session:
        assert [row for row in owed(session, runtime.clock.now()) if row.job == "answer"] == []


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
    model = scripted(call("opt_out", channel="all"), say("You will get no more messages."))
    runtime = shop.with_model(model)
    hear(runtime, world.north, "I found another shop, that was it for us")
    assert answer(runtime, world.north) == "done"
    assert shop.texts() == ["You will get no more messages."]
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


def test_a_worker_that_comes_back_too_late_says_nothing(
    shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    slow = Slow(say("I was slow."))
    runtime = shop.with_model(slow)
    hear(runtime, world.north, "how much?")
    with turn_under_way(runtime, world, slow) as outcome:
        fast = shop.with_model(scripted(say("Which car is it?")))
        assert answer(fast, world.north, timedelta(minutes=2)) == "done"
    assert outcome == ["abandoned"]
    assert shop.texts() == ["Which car is it?"]
    assert [status for status, _ in turns(db, world)] == ["abandoned", "done"]


def find(world: World, **more: Any) -> ModelReply:
    wanted = [world.north.service_ids["tint-full-sedan-ceramic"]]
    return call("find_times", service_ids=wanted, **more)


def test_only_times_that_stand_in_the_reply_were_shown(shop: Shop, db: Database, world: World) -> None:
    def show_first(request: ModelRequest) -> ModelReply:
        with db.tenant(world.north.tenant_id) as session:
            first = session.scalars(select(Offer).order_by(Offer.starts_at)).first()
            assert first is not None
        return say(f"How about {_label(first)}?")

    runtime = shop.with_model(scripted(find(world), show_first))
    hear(runtime, world.north, "when can you do it?")
    assert answer(runtime, world.north) == "done"
    offers = sorted(rows(db, world.north, Offer), key=lambda offer: offer.starts_at)
    (reply,) = outgoing(db, world.north)
    assert [offer.message_id for offer in offers] == [reply.id] + [None] * (len(offers) - 1)
    assert len(offers) > 1
    model = scripted(call("book", offer_id=offers[1].id), say("Which time do you want?"))
    runtime = shop.with_model(model)
    hear(runtime, world.north, "the second one")
    assert answer(runtime, world.north) == "done"
    assert rows(db, world.north, Appointment) == []
    assert [o["offer_id"] for o in model.requests[0].facts["offers"]] == [offers[0].id]


def test_the_same_hour_of_another_day_was_not_shown(shop: Shop, db: Database, world: World) -> None:
    model = scripted(
        find(world, from_date="2026-11-24", to_date="2026-11-24", after="09:00", before="12:00"),
        find(world, from_date="2026-11-25", to_date="2026-11-25", after="09:00", before="12:00"),
        say("I have Tue, Nov 24 at 9:00 AM. Shall I book it?"),
    )
    runtime = shop.with_model(model)
    hear(runtime, world.north, "when can you do it?")
    assert answer(runtime, world.north) == "done"
    shown = [_label(offer) for offer in rows(db, world.north, Offer) if offer.message_id is not None]
    hidden = [_label(offer) for offer in rows(db, world.north, Offer) if offer.message_id is None]
    assert shown == ["Tue, Nov 24 at 9:00 AM"]
    assert "Wed, Nov 25 at 9:00 AM" in hidden


def _label(offer: Offer) -> str:
    from crm.calendar.labels import label

    return label(offer.starts_at, "America/Chicago")


def test_texts_on_both_channels_get_one_answer_on_the_last(shop: Shop, db: Database, world: World) -> None:
    model = scripted(say("Which car is it?"))
    runtime = shop.with_model(model)
    hear(runtime, world.north, "how much?")
    hear(runtime, world.north, "I mean ceramic.", channel="email")
    assert answer(runtime, world.north) == "done"
    assert asked(model) == "how much?\nI mean ceramic."
    assert (shop.texts(), [m.body for m in shop.email.sent]) == ([], ["Which car is it?"])


def test_a_mail_is_answered_in_its_thread(shop: Shop, db: Database, world: World) -> None:
    runtime = shop.with_model(scripted(say("Which car is it?")))
    hear(runtime, world.north, "how much?", channel="email", subject="Tint for my car")
    assert answer(runtime, world.north) == "done"
    (first,) = shop.email.sent
    (asked_by,) = rows(db, world.north, ChatMessage, ChatMessage.direction == "in")
    assert (first.to_address, first.from_address) == (CUSTOMER_EMAIL, world.north.mailbox)
    assert (first.subject, first.in_reply_to, first.rfc_references) == (
        "Re: Tint for my car", asked_by.rfc_message_id, asked_by.rfc_message_id,
    )  # fmt: skip
    assert first.rfc_message_id == f"<{first.outbox_id}@north.example>"
    token = chat_of(db, world.north).reply_token
    assert first.reply_to == f"shop+{token}@north.example"
    hear(
        runtime, world.north, "a Civic", channel="email", rfc_references=first.rfc_message_id,
        session_id=world.north.session_id, rfc_message_id="<second@customer.example>",
    )  # fmt: skip
    shop2 = shop.with_model(scripted(say("Which film do you want?")))
    assert answer(shop2, world.north) == "done"
    second = shop.email.sent[1]
    assert second.subject == "Re: Tint for my car"
    assert second.in_reply_to == "<second@customer.example>"
    assert second.rfc_references == f"{first.rfc_message_id} <second@customer.example>"


def test_a_session_under_lease_is_not_owed_and_a_human_one_not_claimed(
    shop: Shop, db: Database, world: World, clock: FixedClock
) -> None:
    runtime = shop.with_model(scripted())
    hear(runtime, world.north, "how much?")
    clock.advance(timedelta(seconds=20))
    change(
        db, world.north, "update chat_sessions set lease_until = :until where id = :session",
        until=clock.now() + timedelta(seconds=30),
    )  # fmt: skip
    with runtime.db.system() as session:
        assert owed(session, clock.now()) == []
    assert answer(runtime, world.north, timedelta()) == "not due"
    change(
        db, world.north, "update chat_sessions set lease_until = null, state = 'human' where id = :session"
    )
    assert answer(runtime, world.north, timedelta()) == "not due"
    assert rows(db, world.north, Turn) == []


def test_history_tells_who_said_what(shop: Shop, db: Database, world: World) -> None:
    first = scripted(say("Which car is it?"))
    hear(shop.with_model(first), world.north, "how much?")
    assert answer(shop.with_model(first), world.north) == "done"
    assert first.requests[0].facts["first_reply"] is True
    second: ScriptedModel = scripted(say("Which film?"))
    runtime = shop.with_model(second)
    hear(runtime, world.north, "a Civic")
    assert answer(runtime, world.north) == "done"
    said = [getattr(item, "text", "") for item in second.requests[0].items[1:]]
    assert said == ["how much?", "Which car is it?", "a Civic"]
    assert second.requests[0].facts["first_reply"] is False
    assert second.requests[0].system == first.requests[0].system, "the cached part stays the same"
    assert rows(db, world.north, ChatSession)[0].answered_up_to > 0


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
