"""What a turn leaves behind beside the reply: its record, and the summary of what came before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from rq.timeouts import JobTimeoutException
from sqlalchemy import Engine, text

from agent.check import Evidence, Verdict
from agent.choosing import Chosen
from agent.fixed import line
from agent.models.base import ProviderError
from crm.db import Database
from crm.models import ModelAttempt, Turn
from ops.clock import FixedClock
from tests.conftest import TestDatabase, World
from tests.integration.answering import Shop, answering
from tests.integration.talking import answer, chat_of, hear, rows, say, scripted


@pytest.fixture
def shop(test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World) -> Iterator[Shop]:
    with answering(test_database, redis_url, clock) as made:
        yield made


def test_the_turns_record_says_on_what_the_reply_rests(shop: Shop, db: Database, world: World) -> None:
    lie, truth = say("A full ceramic tint is $99."), say("Which car is it?")
    runtime = shop.with_model(scripted(lie, truth))
    hear(runtime, world.north, "how much is tint?")
    assert answer(runtime, world.north) == "done"
    (turn,) = rows(db, world.north, Turn)
    assert set(turn.trace) == {"findings", "hand_off", "facts", "limits", "refused_by", "choice"}
    assert "$99" in " ".join(turn.trace["findings"])
    assert (turn.trace["hand_off"], turn.trace["limits"]) == (None, None)


def test_a_bare_question_who_answers_needs_no_model(shop: Shop, db: Database, world: World) -> None:
    runtime = shop.with_model(scripted())
    hear(runtime, world.north, "Are you a real person?")
    assert answer(runtime, world.north) == "done"
    assert shop.texts() == [line("bot", "en", shop="North Tint")]
    assert rows(db, world.north, ModelAttempt) == []
    assert chat_of(db, world.north).state == "agent"


def test_our_own_line_is_in_the_customers_language(shop: Shop, db: Database, world: World) -> None:
    down = ProviderError("no credit", kind="permanent", provider="playbook")
    runtime = shop.with_model(scripted(down))
    hear(runtime, world.north, "Hola, quiero saber cuánto cuesta polarizar mi carro, gracias")
    assert answer(runtime, world.north) == "done"
    assert shop.texts() == [line("holding", "es", shop="North Tint")]


def test_a_summary_comes_after_the_reply_and_never_hurts_it(
    shop: Shop, db: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def summarise(*_: Any) -> str:
        seen.append(shop.texts())
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr("scheduler.answer.summarise", summarise)
    runtime = shop.with_model(scripted(say("Which car is it?")))
    hear(runtime, world.north, "how much?")
    assert answer(runtime, world.north) == "done"
    assert answer(runtime, world.north) == "not due"
    assert seen == [["Which car is it?"]], "once, and when the reply had left"


def test_a_summary_does_not_hold_up_the_end_of_a_job(
    shop: Shop, db: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def summarise(*_: Any) -> str:
        raise JobTimeoutException

    monkeypatch.setattr("scheduler.answer.summarise", summarise)
    runtime = shop.with_model(scripted(say("Which car is it?")))
    hear(runtime, world.north, "how much?")
    with pytest.raises(JobTimeoutException):
        answer(runtime, world.north)
    assert shop.texts() == ["Which car is it?"]


def test_the_shops_limit_of_segments_reaches_the_check(
    shop: Shop, world: World, owner_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with owner_engine.begin() as connection:
        given = {"id": world.north.tenant_id}
        connection.execute(
            text("update tenants set settings = '{\"max_segments\": 1}' where id = :id"), given
        )
    seen: list[int] = []

    def check(reply: str, evidence: Evidence) -> Verdict:
        seen.append(evidence.max_segments)
        return Verdict((), ())

    monkeypatch.setattr("agent.turn.check_reply", check)
    runtime = shop.with_model(scripted(say("Which car is it?")))
    hear(runtime, world.north, "how much?")
    assert answer(runtime, world.north) == "done"
    assert seen == [1]


def test_why_other_models_were_asked_is_kept(
    shop: Shop, db: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = scripted(say("Which car is it?"))
    runtime = shop.with_model()
    monkeypatch.setattr("scheduler.answer.choose", lambda *_: Chosen((model,), why=("the budget",)))
    hear(runtime, world.north, "how much?")
    assert answer(runtime, world.north) == "done"
    (turn,) = rows(db, world.north, Turn)
    assert turn.trace["choice"] == ["the budget"]
