"""What customers answer to "shall I book it?", said to the playbook over the whole way: only a yes to that books."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.models.playbook import PlaybookModel
from crm.db import Database
from crm.models import Appointment, Offer
from ops.clock import FixedClock
from tests.conftest import TestDatabase, World
from tests.integration.answering import Shop, answering
from tests.integration.talking import answer, call, hear, outgoing, rows, say, scripted

ASKED = ("full ceramic tint 2021 honda civic sedan, how much?", "do you have something wednesday at 9 am?")
LABEL = "Wed, Nov 25 at 9:00 AM"


@pytest.fixture
def shop(test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World) -> Iterator[Shop]:
    with answering(test_database, redis_url, clock) as made:
        yield made


def talk(shop: Shop, db: Database, world: World, *words: str) -> tuple[str, int]:
    """The last answer after these texts, and how many appointments there are."""
    runtime = shop.with_model(PlaybookModel())
    for one in words:
        hear(runtime, world.north, one)
        answer(runtime, world.north)
    return outgoing(db, world.north)[-1].body, len(rows(db, world.north, Appointment))


@pytest.mark.parametrize("words", ["yes please, thanks!", "9am is great", "si por favor"])
def test_a_yes_books(shop: Shop, db: Database, world: World, words: str) -> None:
    assert talk(shop, db, world, *ASKED, words)[1] == 1


@pytest.mark.parametrize(
    "words", ["the first one", "ok 10", "that works for my neighbor", "yes you are a bot"]
)
def test_what_is_no_yes_to_that_is_asked_once_more(
    shop: Shop, db: Database, world: World, words: str
) -> None:
    text, booked = talk(shop, db, world, *ASKED, words)
    assert (text, booked) == (f"Just to be sure: shall I book {LABEL} for you?", 0)
    assert talk(shop, db, world, "yes")[1] == 1


@pytest.mark.parametrize("words", ["yes for $300", "yes a person please", "sí, por $300"])
def test_a_price_of_their_own_and_a_wish_for_a_person_go_to_a_person(
    shop: Shop, db: Database, world: World, words: str
) -> None:
    text, booked = talk(shop, db, world, *ASKED, words)
    assert ("person will get back" in text or "persona" in text, booked) == (True, 0)


def test_more_work_beside_the_yes_is_not_lost(shop: Shop, db: Database, world: World) -> None:
    text, booked = talk(shop, db, world, *ASKED, "yes and the windshield too")
    assert booked == 0
    assert "windshield" in text.lower()


def test_an_ok_before_the_question_who_answers_is_not_swallowed(
    shop: Shop, db: Database, world: World
) -> None:
    text, booked = talk(shop, db, world, *ASKED, "ok. are you a bot?")
    assert booked == 0
    assert "automated assistant" in text
    assert text.endswith(f"Shall I book {LABEL} for you?")
    assert talk(shop, db, world, "yes")[1] == 1


def test_a_model_that_hears_a_yes_to_another_price_books_nothing(
    shop: Shop, db: Database, world: World
) -> None:
    talk(shop, db, world, *ASKED)
    runtime = shop.with_model(
        scripted(call("book", offer_id=_offer(db, world)), say(f"Shall I book {LABEL}?"))
    )
    hear(runtime, world.north, "yes but only for $300")
    answer(runtime, world.north)
    assert rows(db, world.north, Appointment) == []


def _offer(db: Database, world: World) -> int:
    return next(one.id for one in rows(db, world.north, Offer) if one.starts_at.day == 25)
