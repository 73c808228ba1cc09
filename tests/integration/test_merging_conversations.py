"""Merging while people talk: what is unanswered stays owed, what is answered is not answered again, what is being sent
arrives once, and whoever writes to the merged lead writes to the surviving one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from crm.consents import is_opted_out
from crm.db import Database
from crm.models import ChatMessage, ConversationSummary, Lead, Turn
from crm.routing import owed
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import CUSTOMER_PHONE, TestDatabase, World
from tests.integration.answering import Shop as Desk
from tests.integration.answering import answering
from tests.integration.people_help import OTHER_PHONE, another_lead, at_once, chat, hear_other, lead, merge
from tests.integration.talking import (
    agree,
    answer,
    asked,
    bare,
    change,
    hear,
    outgoing,
    rows,
    say,
    scripted,
)


@pytest.fixture
def desk(test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World) -> Iterator[Desk]:
    with answering(test_database, redis_url, clock) as made:
        yield made


def due(runtime: Runtime) -> list[tuple[str, str]]:
    with runtime.db.system() as session:
        return [(row.job, row.row_id) for row in owed(session, runtime.clock.now())]


def inbound(db: Database, world: World) -> list[tuple[str, int, int]]:
    found = rows(db, world.north, ChatMessage, ChatMessage.direction == "in")
    return [(row.body, row.session_id, row.lead_id) for row in found]


def test_both_waiting_messages_get_one_answer(
    desk: Desk, db: Database, world: World, clock: FixedClock
) -> None:
    shop, other = world.north, another_lead(db, world.north)
    runtime = desk.with_model(model := scripted(say("Which film would you like?")))
    hear(runtime, shop, "how much for a Civic?")
    hear_other(runtime, other, "it is Dana again, blue one")
    merged = merge(db, shop, other, clock.now())
    assert merged.answer_due_at is not None
    assert answer(runtime, shop) == "done"
    assert "Civic" in asked(model)
    assert "blue one" in asked(model)
    replies = outgoing(db, shop, "reply")
    assert [(bare(one.body), one.to_address) for one in replies] == [
        ("Which film would you like?", OTHER_PHONE)
    ]
    clock.advance(timedelta(hours=1))
    assert [one for one in due(runtime) if one[0] == "answer"] == []
    assert answer(runtime, other) == "not due"


def test_an_answered_conversation_stays_answered(
    desk: Desk, db: Database, world: World, clock: FixedClock
) -> None:
    shop, other = world.north, another_lead(db, world.north)
    runtime = desk.with_model(scripted(say("Which car is it?"), say("Yes, gladly.")))
    hear(runtime, shop, "how much?")
    assert answer(runtime, shop) == "done"
    hear_other(runtime, other, "do you do trucks?")
    assert answer(runtime, other) == "done"
    merge(db, shop, other, clock.now())
    found = chat(db, shop, shop.session_id)
    assert found.answer_due_at is None
    assert found.answered_up_to == found.last_inbound_id
    assert {row.session_id for row in rows(db, shop, ChatMessage)} == {shop.session_id}
    assert {row.session_id for row in rows(db, shop, Turn)} == {shop.session_id}
    assert answer(runtime, shop) == "not due"


def test_an_older_message_that_no_answer_can_cover_goes_to_a_person(
    desk: Desk, db: Database, world: World, clock: FixedClock
) -> None:
    shop, other = world.north, another_lead(db, world.north)
    runtime = desk.with_model(scripted(say("Yes, trucks too.")))
    hear_other(runtime, other, "my roof leaks since you worked on it")
    hear(runtime, shop, "do you do trucks?")
    assert answer(runtime, shop) == "done"
    merged = merge(db, shop, other, clock.now())
    told = [one for one in outgoing(db, shop, "notice") if "roof leaks" in one.body]
    assert len(told) == 1
    assert any("person" in note for note in merged.notes)
    assert chat(db, shop, shop.session_id).answer_due_at is None
    assert len(outgoing(db, shop, "reply")) == 1


def test_a_person_who_has_one_of_them_has_the_one(
    desk: Desk, db: Database, world: World, clock: FixedClock
) -> None:
    shop, other = world.north, another_lead(db, world.north)
    runtime = desk.with_model(scripted())
    change(
        db,
        other,
        "update chat_sessions set state = 'human', state_reason = 'asked for Sam' where id = :session",
    )
    hear(runtime, shop, "is anybody there?")
    merge(db, shop, other, clock.now())
    found = chat(db, shop, shop.session_id)
    assert (found.state, found.state_reason, found.answer_due_at) == ("human", "asked for Sam", None)
    assert any("is anybody there?" in one.body for one in outgoing(db, shop, "notice"))
    assert answer(runtime, shop) == "not due"


def test_a_text_from_the_other_number_comes_to_the_survivor(
    desk: Desk, db: Database, world: World, clock: FixedClock
) -> None:
    shop, other = world.north, another_lead(db, world.north)
    runtime = desk.with_model(scripted(say("Hello again.")))
    hear_other(runtime, other, "first")
    change(db, other, "update chat_sessions set answer_due_at = null where id = :session")
    merge(db, shop, other, clock.now())
    receipt = hear_other(runtime, other, "it is me")
    assert receipt.session_id == shop.session_id
    assert inbound(db, world)[-1] == ("it is me", shop.session_id, shop.lead_id)
    assert answer(runtime, shop) == "done"
    assert len(desk.texts(OTHER_PHONE)) == 1


def test_a_stop_from_the_other_number_closes_both(
    desk: Desk, db: Database, world: World, clock: FixedClock
) -> None:
    shop, other = world.north, another_lead(db, world.north)
    runtime = desk.with_model(scripted())
    agree(db, shop, clock.now())
    merge(db, shop, other, clock.now())
    hear_other(runtime, other, "STOP")
    with db.tenant(shop.tenant_id) as session:
        for address in (CUSTOMER_PHONE, OTHER_PHONE):
            assert is_opted_out(session, shop.tenant_id, "sms", address)
    assert lead(db, shop, shop.lead_id).status == "opted_out"


def test_a_mail_to_the_old_secret_comes_to_the_survivor(
    desk: Desk, db: Database, world: World, clock: FixedClock
) -> None:
    """The token names the merged conversation, and the inbox follows it; over two merges too."""
    shop, other = world.north, another_lead(db, world.north)
    third = another_lead(db, shop, phone="+13125550158")
    runtime = desk.with_model(scripted())
    merge(db, shop, other, clock.now())
    merge(db, third, shop, clock.now())
    receipt = hear(
        runtime, other, "by mail", "email", session_id=other.session_id, from_address="new@example.com"
    )
    assert receipt.session_id == third.session_id


def test_texts_during_the_merge_are_all_there(
    desk: Desk, db: Database, world: World, clock: FixedClock
) -> None:
    shop, other = world.north, another_lead(db, world.north)
    runtime = desk.with_model(scripted(say("All read.")))
    calls: list[Any] = [lambda n=n: hear_other(runtime, other, f"text {n}") for n in range(6)]
    calls.insert(3, lambda: merge(db, shop, other, clock.now()))
    done = at_once(*calls)
    assert [one for one in done if isinstance(one, Exception)] == []
    found = inbound(db, world)
    assert sorted(body for body, _, _ in found) == [f"text {n}" for n in range(6)]
    assert {(session_id, lead_id) for _, session_id, lead_id in found} == {(shop.session_id, shop.lead_id)}
    assert answer(runtime, shop) == "done"
    assert len(outgoing(db, shop, "reply")) == 1


def test_a_new_text_finds_the_survivor_although_the_number_moved(
    desk: Desk, db: Database, world: World, clock: FixedClock
) -> None:
    """The number leaves the one lead and comes to the other in the moment in which its owner writes."""
    shop = world.north
    one = another_lead(db, shop, phone=None, email="one@example.com")
    two = another_lead(db, shop)
    runtime = desk.with_model(scripted())
    done = at_once(lambda: merge(db, one, two, clock.now()), lambda: hear_other(runtime, two, "hello"))
    assert [found for found in done if isinstance(found, Exception)] == []
    assert inbound(db, world) == [("hello", one.session_id, one.lead_id)]
    assert len(rows(db, shop, Lead)) == 3


def test_summaries_speak_of_one_of_two_and_go(
    desk: Desk, db: Database, world: World, clock: FixedClock
) -> None:
    shop, other = world.north, another_lead(db, world.north)
    with db.tenant(shop.tenant_id) as session:
        for one in (shop, other):
            session.add(
                ConversationSummary(
                    tenant_id=shop.tenant_id, session_id=one.session_id, up_to_message_id=1, body="x",
                    provider="p", model="m",
                )
            )  # fmt: skip
    merge(db, shop, other, clock.now())
    assert rows(db, shop, ConversationSummary) == []
