"""A customer with two appointments talks to the playbook: which is cancelled, which is moved, and what is asked back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from agent.models.playbook import PlaybookModel
from crm.calendar.booking import Booker, book_directly
from crm.calendar.job import job_for
from crm.db import Database
from crm.models import Appointment, Location, Service
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import TestDatabase, World
from tests.integration.answering import Shop, answering
from tests.integration.calendar_help import dana, local
from tests.integration.talking import answer, flush, hear, rows

TUESDAY, FRIDAY = "Tue, Nov 24 at 9:00 AM", "Fri, Nov 27 at 1:00 PM"
ASK = "Do you want me to cancel your appointment on {}?"
WHICH = f"Which one do you want me to cancel: {TUESDAY} or {FRIDAY}?"
GONE = "Your appointment on {} is cancelled."


class Talk:
    """One conversation by text with a shop that has no model but the playbook."""

    def __init__(self, shop: Shop, world: World, clock: FixedClock, db: Database) -> None:
        self.shop, self.world, self.clock, self.db = shop, world, clock, db
        self.runtime: Runtime = shop.with_model(PlaybookModel())

    def say(self, words: str) -> str:
        """The answer to a text."""
        self.clock.advance(timedelta(minutes=2))
        hear(self.runtime, self.world.north, words)
        answer(self.runtime, self.world.north)
        flush(self.runtime, self.world.north)
        return self.shop.texts()[-1]

    def visits(self) -> list[tuple[str, object]]:
        """Status and start of both, in the order they were booked."""
        return [(one.status, one.starts_at) for one in rows(self.db, self.world.north, Appointment)]


@pytest.fixture
def talk(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, db: Database
) -> Iterator[Talk]:
    """A full tint is booked for Tuesday, a ceramic windshield for Friday."""
    who = dana(world.north)
    booker = Booker(who.lead_id, None, "owner", clock.now())
    booked = (("tint-full-sedan-carbon", local(24, 9)), ("tint-windshield-ceramic", local(27, 13)))
    with db.tenant(world.north.tenant_id) as s:
        location = s.get_one(Location, world.north.location_id)
        for code, start in booked:
            job = job_for([s.get_one(Service, world.north.service_ids[code])], None)
            book_directly(s, location, who.lead_id, job, start, booker)
    with answering(test_database, redis_url, clock) as shop:
        yield Talk(shop, world, clock, db)


KEPT = [("booked", local(24, 9)), ("booked", local(27, 13))]


@pytest.mark.parametrize(
    "said",
    ["Please cancel the windshield appointment", "cancel my second appointment please", "cancel friday please",
     "please cancel my windshield tint, I keep the full tint"],
)  # fmt: skip
def test_the_later_one_is_cancelled_when_it_is_named(talk: Talk, said: str) -> None:
    assert ASK.format(FRIDAY) in talk.say(said)
    assert talk.visits() == KEPT
    assert GONE.format(FRIDAY) in talk.say("yes please")
    assert talk.visits() == [KEPT[0], ("cancelled", local(27, 13))]


@pytest.mark.parametrize(
    ("answer", "gone"), [("friday", 1), ("the first one", 0), ("the windshield please", 1)]
)
def test_which_one_is_asked_and_the_answer_counts(talk: Talk, answer: str, gone: int) -> None:
    assert WHICH in talk.say("I need to cancel my appointment")
    assert GONE.format((TUESDAY, FRIDAY)[gone]) in talk.say(answer)
    statuses = [status for status, _ in talk.visits()]
    assert statuses == ["cancelled" if place == gone else "booked" for place in (0, 1)]


@pytest.mark.parametrize("answer", ["no, keep them", "yes"])
def test_which_one_is_asked_and_nothing_is_guessed(talk: Talk, answer: str) -> None:
    talk.say("I need to cancel my appointment")
    assert "is cancelled" not in talk.say(answer)
    assert talk.visits() == KEPT


def test_a_no_keeps_the_one_we_asked_about(talk: Talk) -> None:
    talk.say("cancel friday please")
    assert f"your appointment on {FRIDAY} stays" in talk.say("no")
    assert talk.visits() == KEPT


def test_another_one_than_we_asked_about_is_asked_about(talk: Talk) -> None:
    talk.say("cancel friday please")
    assert ASK.format(TUESDAY) in talk.say("no, cancel the full tint") or talk.visits() == KEPT
    assert talk.visits() == KEPT


@pytest.mark.parametrize(
    ("said", "moved", "kept"),
    [
        ("Can you move the windshield to Wednesday at 1 pm?", FRIDAY, 0),
        ("Can we move my Friday appointment to Wednesday at 1 pm?", FRIDAY, 0),
        ("Can we move it to wednesday at 1 pm instead of friday?", FRIDAY, 0),
        ("Can we move my Tuesday appointment to Wednesday at 1 pm?", TUESDAY, 1),
    ],
)
def test_the_one_that_is_named_is_moved(talk: Talk, said: str, moved: str, kept: int) -> None:
    assert f"I can move your appointment on {moved} to Wed, Nov 25 at 1:00 PM" in talk.say(said)
    assert "now on Wed, Nov 25 at 1:00 PM" in talk.say("yes please")
    after = talk.visits()
    assert after[kept] == KEPT[kept]
    assert after[1 - kept] == ("booked", local(25, 13))


@pytest.mark.parametrize(("answer", "moved"), [("the friday one", FRIDAY), ("the full tint", TUESDAY)])
def test_which_one_is_to_be_moved_is_asked(talk: Talk, answer: str, moved: str) -> None:
    asked = talk.say("I need to move my appointment to Saturday")
    assert f"Which appointment do you want to move: {TUESDAY} or {FRIDAY}?" in asked
    assert f"I can move your appointment on {moved} to" in talk.say(answer)
    assert talk.visits() == KEPT


def test_other_times_go_on_about_the_same_one(talk: Talk) -> None:
    talk.say("Can you move the windshield to Wednesday at 1 pm?")
    assert f"I can move your appointment on {FRIDAY} to Thu, Nov 26" in talk.say(
        "how about Thursday at 3 pm?"
    )
    assert "now on Thu, Nov 26 at 3:00 PM" in talk.say("yes please")
    assert talk.visits() == [KEPT[0], ("booked", local(26, 15))]
