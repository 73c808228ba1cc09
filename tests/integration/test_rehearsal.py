"""Trying a policy: the same messages again, and not one row of the database is another afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from agent.rehearsal import NotOnStage, StageDatabase
from crm.db import Database
from crm.models import Lead
from ops.clock import FixedClock
from scheduler.rehearsal import Rehearsed, recorded_turns, rehearse
from scheduler.runtime import Runtime
from tests.conftest import Shop, TestDatabase, World
from tests.integration.calendar_help import add_offer, dana, local
from tests.integration.talking import answer, call, flush, hear, say, scripted
from tests.runtimes import FakeSender, runtime_for


def everything(owner_engine: Engine) -> dict[str, str]:
    """A fingerprint of every row of every table."""
    with owner_engine.connect() as connection:
        tables = connection.scalars(
            text("select tablename from pg_tables where schemaname = 'public' order by 1")
        ).all()
        statement = "select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from {} t"
        return {name: str(connection.scalar(text(statement.format(name)))) for name in tables}


@pytest.fixture
def with_models(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World
) -> Iterator[Any]:
    with ExitStack() as stack:
        sms = FakeSender("fake-sms")

        def make(*steps: Any) -> Runtime:
            models = [scripted(*steps)]
            return stack.enter_context(runtime_for(test_database, redis_url, clock, models=models, sms=sms))

        yield make


def held(with_models: Any, shop: Shop, words: str, *steps: Any) -> None:
    """One answered message."""
    runtime = with_models(*steps)
    hear(runtime, shop, words)
    assert answer(runtime, shop) == "done"
    flush(runtime, shop)


def rehearsed(runtime: Runtime, shop: Shop, turn: int = -1) -> Rehearsed:
    with runtime.db.tenant(shop.tenant_id) as s:
        recorded = recorded_turns(s, 10)[turn]
    return rehearse(runtime, shop.tenant_id, recorded, None, "# New\nBe brief.")


def test_both_policies_answer_and_nothing_changes(
    with_models: Any, world: World, owner_engine: Engine, clock: FixedClock
) -> None:
    held(
        with_models, world.north, "price for my civic?",
        call("find_services", query="full carbon tint civic"), say("Sure, which windows?"),
    )  # fmt: skip
    clock.advance(timedelta(days=3))
    before = everything(owner_engine)
    runtime = with_models(
        call("find_services", query="full carbon tint civic"),
        call("update_lead", first_name="Mallory"),
        call("hand_off", reason="other", summary="wants a person"),
        say("Hello from the old one."),
        call("find_services", query="ceramic for a truck"),
        say("Hello from the new one."),
    )
    result = rehearsed(runtime, world.north)
    assert everything(owner_engine) == before
    runtime.models[0].assert_done()
    assert result.customer == "price for my civic?"
    assert (result.old.reply, result.new.reply) == ("Hello from the old one.", "Hello from the new one.")
    assert [(one.name, one.recorded) for one in result.old.tools] == [
        ("find_services", True), ("update_lead", False), ("hand_off", False),
    ]  # fmt: skip
    assert [(one.name, one.recorded) for one in result.new.tools] == [("find_services", False)]
    systems = [request.system[0] for request in runtime.models[0].requests]
    assert "Be brief." not in systems[0]
    assert "Be brief." in systems[-1]


def test_a_turn_sees_its_own_writes_of_the_rehearsal(with_models: Any, world: World, db: Database) -> None:
    held(with_models, world.north, "hi", say("Hello!"))
    runtime = with_models(
        say("old"),
        call("update_lead", vehicle_year=2021, vehicle_make="Ford", vehicle_model="F-150"),
        call("find_services", query="full tint"),
        say("new"),
    )
    result = rehearsed(runtime, world.north)
    assert [one.is_error for one in result.new.tools] == [False, False]
    last = runtime.models[0].requests[-1].items[-1]
    assert "truck" in last.results[0].text
    assert "sedan" not in last.results[0].text


def test_the_turn_is_given_what_was_known_then(with_models: Any, world: World, clock: FixedClock) -> None:
    held(with_models, world.north, "first question", say("First answer."))
    held(with_models, world.north, "second question", say("Second answer."))
    clock.advance(timedelta(days=2))
    runtime = with_models(say("a"), say("b"))
    result = rehearsed(runtime, world.north, turn=0)
    assert result.customer == "first question"
    request = runtime.models[0].requests[0]
    assert "second" not in str(request.items)
    assert '"first_reply":true' in str(request.items)
    assert request.facts["now_local"].startswith("2026-11-23")


def test_a_recorded_write_gives_its_stored_result(
    with_models: Any, world: World, owner_engine: Engine
) -> None:
    steps = (call("update_lead", first_name="Dana B"), say("Noted."))
    held(with_models, world.north, "call me Dana B", *steps)
    before = everything(owner_engine)
    runtime = with_models(*steps, *steps)
    result = rehearsed(runtime, world.north)
    assert [(one.name, one.recorded) for one in result.old.tools] == [("update_lead", True)]
    assert everything(owner_engine) == before


def test_the_stage_has_no_way_to_commit(db: Database, world: World) -> None:
    stage = StageDatabase(db)
    with pytest.raises(NotOnStage), stage.tenant(world.north.tenant_id):
        pass
    with pytest.raises(NotOnStage):
        stage.system()
    with pytest.raises(NotOnStage):
        stage.one_statement("select 1", {})
    with stage.stage():
        with stage.tenant(world.north.tenant_id) as s:
            s.get_one(Lead, world.north.lead_id).first_name = "Changed"
            s.flush()
            s.commit()
        with stage.tenant(world.north.tenant_id) as s:
            assert s.get_one(Lead, world.north.lead_id).first_name == "Changed"
            assert s.get(Lead, world.south.lead_id) is None, "row-level security holds on the stage"
    with db.tenant(world.north.tenant_id) as s:
        assert s.get_one(Lead, world.north.lead_id).first_name == "Dana"


def test_an_agreement_of_then_still_counts_on_the_stage(
    with_models: Any, world: World, db: Database, owner_engine: Engine
) -> None:
    """The customer agreed, the real turn did not book, and later messages must not hide what they agreed to."""
    offer = add_offer(db, dana(world.north), local(25, 9))
    held(with_models, world.north, "Wednesday at 9 works, please book it", say("Which car is it?"))
    held(with_models, world.north, "no wait, never mind", say("All right."))
    before = everything(owner_engine)
    booked = "You're booked for Wed, Nov 25 at 9:00 AM."
    runtime = with_models(call("book", offer_id=offer), say(booked), say("Which car?"))
    result = rehearsed(runtime, world.north, turn=0)
    assert [(one.name, one.is_error) for one in result.old.tools] == [("book", False)]
    assert (result.old.reply, result.old.findings) == (booked, ())
    assert everything(owner_engine) == before
