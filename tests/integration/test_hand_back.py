"""A person gives the conversation back to the agent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crm.db import Database
from crm.sessions import hand_back
from ops.clock import FixedClock
from tests.conftest import MONDAY_NINE_IN_CHICAGO, TestDatabase, World
from tests.integration.answering import Shop, answering
from tests.integration.talking import answer, asked, call, change, chat_of, hear, lead_of, say, scripted


@pytest.fixture
def shop(test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World) -> Iterator[Shop]:
    with answering(test_database, redis_url, clock) as made:
        yield made


HAND_OFF = call("hand_off", reason="asked_for_person", note="Wants to talk.")


def test_what_a_person_dealt_with_is_not_answered_again(shop: Shop, db: Database, world: World) -> None:
    runtime = shop.with_model(scripted(HAND_OFF, say("A person will get back to you.")))
    hear(runtime, world.north, "a human please")
    assert answer(runtime, world.north) == "done"
    hear(runtime, world.north, "how late are you open?")
    with db.tenant(world.north.tenant_id) as session:
        assert hand_back(session, world.north.session_id, who="Sam", now=MONDAY_NINE_IN_CHICAGO)
        assert not hand_back(session, world.north.session_id, who="Sam", now=MONDAY_NINE_IN_CHICAGO), (
            "it is the agent's already"
        )
    assert answer(runtime, world.north) == "not due"
    assert (chat_of(db, world.north).state, lead_of(db, world.north).status) == ("agent", "engaged")
    model = scripted(say("Which car is it?"))
    runtime = shop.with_model(model)
    hear(runtime, world.north, "and how much is tint?")
    assert answer(runtime, world.north) == "done"
    assert asked(model) == "and how much is tint?"


def test_handing_back_does_not_undo_a_stop(shop: Shop, db: Database, world: World) -> None:
    change(db, world.north, "update chat_sessions set state = 'human' where id = :session")
    change(db, world.north, "update leads set status = 'opted_out' where id = :lead")
    with db.tenant(world.north.tenant_id) as session:
        assert hand_back(session, world.north.session_id, who="Sam", now=MONDAY_NINE_IN_CHICAGO)
    assert lead_of(db, world.north).status == "opted_out"


def test_handing_back_opens_no_debt(shop: Shop, db: Database, world: World, clock: FixedClock) -> None:
    runtime = shop.with_model(scripted())
    hear(runtime, world.north, "how much?")
    change(db, world.north, "update chat_sessions set state = 'human' where id = :session")
    with db.tenant(world.north.tenant_id) as session:
        assert hand_back(session, world.north.session_id, who="Sam", now=MONDAY_NINE_IN_CHICAGO)
    chat = chat_of(db, world.north)
    assert (chat.answer_due_at, chat.answered_up_to) == (None, chat.last_inbound_id)
    assert answer(runtime, world.north) == "not due"
