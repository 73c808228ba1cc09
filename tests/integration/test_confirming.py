""" "C" to a reminder: the calendar knows, one true answer goes out, no model is asked; everything else is the agent's."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from channels.consent import read_consent
from crm.consents import is_opted_out
from crm.db import Database
from crm.models import ChatMessage, ConsentEvent, Turn
from ops.clock import FixedClock
from scheduler import jobs
from tests.conftest import CUSTOMER_PHONE, TestDatabase, World
from tests.integration.calendar_help import add_message, dana, local
from tests.integration.talking import change, chat_of, hear, lead_of, rows, say, scripted
from tests.integration.visit_help import Visits, visiting

THURSDAY = local(3, 14, month=12)
REMINDED = local(1, 14, month=12)


@pytest.fixture
def visits(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, db: Database
) -> Iterator[Visits]:
    model = scripted(*[say("Let me see what is free.") for _ in range(5)])
    with visiting(test_database, redis_url, clock, world, model) as made:
        yield made


@pytest.fixture
def number(visits: Visits) -> int:
    """A visit the customer was just reminded of by text."""
    made = visits.books(THURSDAY)
    visits.at(REMINDED)
    return made


def turns(visits: Visits) -> list[Turn]:
    return rows(visits.db, visits.shop, Turn)


@pytest.mark.parametrize(
    "words", ["C", "c", "confirm", "Yes", "si", "Sí, gracias", "confirmo", "C.", "yes i confirm"]
)
def test_a_word_confirms_it_without_a_model(visits: Visits, number: int, words: str) -> None:
    assert visits.hears(words) == "confirmed"
    row = visits.visit(number)
    assert row.status == "confirmed"
    entry = row.history[-1]
    said = rows(visits.db, visits.shop, ChatMessage, ChatMessage.body == words)[-1]
    assert (entry["what"], entry["who"], entry["message"]) == ("confirmed", "customer", said.id)
    assert turns(visits) == []
    answer = visits.texts()[-1]
    assert "your appointment at North Tint is confirmed: Thu, Dec 3 at 2:00 PM." in answer
    chat = chat_of(visits.db, visits.shop)
    assert (chat.answer_due_at, chat.answered_up_to) == (None, said.id)


@pytest.mark.parametrize(
    "words",
    [
        "yes but can we make it friday?",
        "c?",
        "ok",
        "no",
        "can i come at 3",
        "yes 👍",
        "C you later",
        "what time was it?",
    ],
)
def test_anything_else_goes_to_the_agent(visits: Visits, number: int, words: str) -> None:
    assert visits.hears(words) == "done"
    assert visits.visit(number).status == "booked"
    assert len(turns(visits)) == 1
    assert visits.texts()[-1] == "Let me see what is free."


def test_the_agent_knows_the_reminder(visits: Visits, number: int) -> None:
    model = scripted(say("Which time on Friday would suit you?"))
    hear(visits.runtime, visits.shop, "can we make it friday?")
    visits.clock.advance(timedelta(seconds=20))
    asked = replace(visits.runtime, models=(model,))
    assert jobs.answer(asked, visits.shop.tenant_id, str(visits.shop.session_id)) == "done"
    (request,) = model.requests
    assert any("a reminder from North Tint" in str(getattr(item, "text", "")) for item in request.items)


def test_c_twice_is_one_confirmation(visits: Visits, number: int) -> None:
    hear(visits.runtime, visits.shop, "C")
    assert visits.hears("C") == "confirmed"
    assert len(visits.texts()) == 3, "both are answered at once"
    assert visits.hears("c") == "confirmed"
    row = visits.visit(number)
    assert [entry["what"] for entry in row.history] == ["booked", "confirmed"]
    assert visits.texts()[-1] == visits.texts()[-2]


def test_two_workers_confirm_once(visits: Visits, number: int) -> None:
    hear(visits.runtime, visits.shop, "C")
    visits.clock.advance(timedelta(seconds=20))
    with ThreadPoolExecutor(4) as pool:
        done = list(
            pool.map(
                lambda _: jobs.answer(visits.runtime, visits.shop.tenant_id, str(visits.shop.session_id)),
                range(4),
            )
        )
    assert sorted(done) == ["confirmed", "not due", "not due", "not due"]
    assert len(visits.texts()) == 3
    assert len(visits.visit(number).history) == 2


def test_who_has_confirmed_is_not_asked_again(visits: Visits, number: int) -> None:
    visits.hears("C")
    visits.at(local(3, 11, month=12))
    assert "expects you: Thu, Dec 3 at 2:00 PM. If you cannot make it" in visits.texts()[-1]


def test_cancel_is_still_a_stop(visits: Visits, number: int) -> None:
    hear(visits.runtime, visits.shop, "CANCEL")
    with visits.db.tenant(visits.shop.tenant_id) as session:
        assert is_opted_out(session, visits.shop.tenant_id, "sms", CUSTOMER_PHONE)
    visits.send()
    assert visits.visit(number).status == "booked"
    assert any("Dec 3" in one or "appointment" in one for one in visits.notices())
    visits.at(local(3, 11, month=12))
    assert len(visits.told()) == 2
    assert read_consent("C") is None


def test_c_after_a_stop_confirms_nothing_and_answers_nothing(visits: Visits, number: int) -> None:
    hear(visits.runtime, visits.shop, "STOP")
    visits.send()
    before = len(visits.texts())
    visits.hears("C")
    assert visits.visit(number).status == "booked"
    assert len(visits.texts()) == before


def test_a_person_hears_of_it_and_the_machine_is_quiet(visits: Visits, number: int) -> None:
    change(visits.db, visits.shop, "update chat_sessions set state = 'human' where id = :session")
    assert visits.hears("C") == "confirmed for the person who has the conversation"
    assert visits.visit(number).status == "confirmed"
    assert len(visits.texts()) == 2
    assert chat_of(visits.db, visits.shop).answer_due_at is None
    assert visits.notices() != []
    hear(visits.runtime, visits.shop, "and one question")
    assert chat_of(visits.db, visits.shop).answer_due_at is None, "only a word of confirmation is worked on"


def test_only_the_newest_message_counts(visits: Visits, number: int) -> None:
    visits.hears("is there parking?")
    assert visits.texts()[-1] == "Let me see what is free."
    visits.clock.advance(timedelta(minutes=2))
    assert visits.hears("yes") == "done"
    assert visits.visit(number).status == "booked", "that yes answers something else"


@pytest.mark.parametrize("state", ["cancelled", "moved"])
def test_a_visit_that_changed_meanwhile(visits: Visits, number: int, state: str) -> None:
    if state == "cancelled":
        visits.marks(number, "cancelled")
        assert visits.hears("C") == "done"
        assert visits.visit(number).status == "cancelled"
        return
    visits.moves(number, local(4, 9, month=12))
    assert visits.hears("C") == "done", "they said yes to another time"
    assert visits.visit(number).status == "booked"


def test_talk_without_a_reminder_is_the_agents(visits: Visits) -> None:
    visits.books(THURSDAY)
    assert visits.hears("C") == "done"


def test_another_address_confirms_nothing(visits: Visits, number: int) -> None:
    """A mail whose writer nobody vouches for, and a mail to a reminder that went by text."""
    assert visits.hears("confirm", "email") == "done"
    assert visits.visit(number).status == "booked"


def test_by_mail(visits: Visits) -> None:
    change(visits.db, visits.shop, "update leads set phone = null where id = :lead")
    number = visits.books(THURSDAY)
    visits.at(REMINDED)
    unproved = {"event_id": "e", "authentic": None}
    assert visits.hears("confirm", "email", raw=unproved) == "done"
    assert visits.visit(number).status == "booked"
    visits.at(local(3, 11, month=12))
    assert visits.hears("Confirm, thanks", "email") == "confirmed"
    assert visits.visit(number).status == "confirmed"
    assert "is confirmed: Thu, Dec 3 at 2:00 PM" in visits.email.sent[-1].body


def test_in_spanish(visits: Visits) -> None:
    change(visits.db, visits.shop, "update leads set language = 'es' where id = :lead")
    visits.books(THURSDAY)
    visits.at(REMINDED)
    visits.hears("sí")
    assert "queda confirmada: jue, 3 dic a las 2:00 PM" in visits.texts()[-1]


def test_a_yes_the_carrier_took_for_an_opt_in(visits: Visits, number: int) -> None:
    before = len(rows(visits.db, visits.shop, ConsentEvent))
    assert visits.hears("YES", opt_out_type="START") == "confirmed"
    assert visits.visit(number).status == "confirmed"
    assert len(rows(visits.db, visits.shop, ConsentEvent)) == before, "an answer to a reminder is no consent"


def test_a_yes_of_somebody_who_had_said_stop_opens_the_line_only(visits: Visits, number: int) -> None:
    hear(visits.runtime, visits.shop, "STOP")
    hear(visits.runtime, visits.shop, "YES", opt_out_type="START")
    with visits.db.tenant(visits.shop.tenant_id) as session:
        assert not is_opted_out(session, visits.shop.tenant_id, "sms", CUSTOMER_PHONE)
    assert visits.visit(number).status == "booked"


def test_a_yes_behind_other_talk_is_the_agents(visits: Visits, number: int) -> None:
    """What came before and waits unanswered is talk, so the agent has both."""
    add_message(
        visits.db, dana(visits.shop), direction="in", status="received", body="what about my windows?"
    )
    assert visits.hears("yes") == "done"
    assert visits.visit(number).status == "booked"
    assert lead_of(visits.db, visits.shop).status == "booked"
