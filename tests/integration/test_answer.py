"""From an unanswered text to the reply that leaves: once, by one worker, with the times it showed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from agent.models.base import ModelReply, ModelRequest
from agent.models.playbook import PlaybookModel
from agent.models.scripted import ScriptedModel
from agent.notes import RECORDS
from crm.db import Database
from crm.models import Appointment, ChatMessage, ChatSession, ModelAttempt, Offer, ToolCallRow, Turn
from crm.routing import owed
from ops.clock import FixedClock
from scheduler.answer import answer as think
from tests.conftest import CUSTOMER_EMAIL, CUSTOMER_PHONE, TestDatabase, World
from tests.integration.answering import Shop, Slow, answering, turn_under_way
from tests.integration.talking import (
    answer,
    asked,
    bare,
    call,
    change,
    chat_of,
    hear,
    lead_of,
    outgoing,
    rows,
    say,
    scripted,
)


@pytest.fixture
def shop(test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World) -> Iterator[Shop]:
    with answering(test_database, redis_url, clock) as made:
        yield made


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
    assert [(m.from_address, m.to_address, bare(m.body)) for m in shop.sms.sent] == [
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
    assert (shop.texts(), [bare(m.body) for m in shop.email.sent]) == ([], ["Which car is it?"])


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
        subject="RE: [EXTERNAL] Tint for my car",
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
    said = [bare(getattr(item, "text", "")) for item in second.requests[0].items]
    assert [text for text in said if not text.startswith(RECORDS)] == [
        "how much?",
        "Which car is it?",
        "a Civic",
    ]
    assert second.requests[0].facts["first_reply"] is False
    assert second.requests[0].system == first.requests[0].system, "the cached part stays the same"
    assert rows(db, world.north, ChatSession)[0].answered_up_to > 0
