"""Whole conversations with the playbook through the real answer path: real tools, agreement, check and outbox, in
English and Spanish."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from agent.models.playbook import PlaybookModel
from crm.calendar.labels import label
from crm.db import Database
from crm.models import Appointment, TouchPoint, Turn
from ops.clock import FixedClock
from scheduler.runtime import Runtime
from tests.conftest import TestDatabase, World
from tests.integration.answering import Shop, answering
from tests.integration.talking import MINUTE, answer, change, hear, lead_of, rows

ZONE = "America/Chicago"


@dataclass
class Talk:
    """One customer at the north shop, answered by the playbook."""

    shop: Shop
    runtime: Runtime
    world: World
    db: Database
    clock: FixedClock

    def say(self, text: str) -> str:
        """One text and its answer, which must have passed the check at once."""
        before = len(self.shop.texts())
        # Who answers at once again and again is taken for a machine.
        self.clock.advance(MINUTE)
        hear(self.runtime, self.world.north, text)
        assert answer(self.runtime, self.world.north) == "done"
        (reply,) = self.shop.texts()[before:]
        turn = rows(self.db, self.world.north, Turn)[-1]
        assert (turn.status, turn.model, (turn.trace or {}).get("findings")) == ("done", "playbook-1", [])
        return reply

    def visits(self) -> list[tuple[str, str]]:
        """Every appointment and its state."""
        found = rows(self.db, self.world.north, Appointment)
        return [(label(one.starts_at, ZONE), one.status) for one in found]


@pytest.fixture
def talk(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, db: Database
) -> Iterator[Talk]:
    with answering(test_database, redis_url, clock) as shop:
        yield Talk(shop, shop.with_model(PlaybookModel()), world, db, clock)


SPANISH = [
    ("Hola, cuánto cuesta polarizar mi Honda Civic 2019 con cerámica?", "cuesta $449"),
    ("tienen algo el sábado por la mañana?", "sab, 28 nov a las 9:00 AM"),
    ("la primera por favor", "Su cita esta agendada, Dana: sab, 28 nov a las 9:00 AM"),
    (
        "puedo cambiar mi cita para el viernes por la mañana?",
        "Puedo mover su cita del sab, 28 nov a las 9:00 AM",
    ),
    ("la segunda", "Su cita ahora es el vie, 27 nov a las 10:00 AM"),
    ("gracias", "Nos vemos el vie, 27 nov a las 10:00 AM"),
    ("quiero cancelar mi cita", "¿Quiere que cancele su cita del vie, 27 nov a las 10:00 AM?"),
    ("sí, por favor", "Su cita del vie, 27 nov a las 10:00 AM esta cancelada"),
    ("escríbame en dos semanas", "le vuelvo a escribir entonces"),
]
ENGLISH = [
    ("how much are ceramic fronts and a sun strip on my 2019 civic?", "$248 in total"),
    ("sat morning or mon", "Sat, Nov 28"),
    ("the first one works, and where do you wait? is there parking?", "Parking: Free behind the shop"),
    ("can I move it to monday at 10?", "Mon, Nov 30 at 10:00 AM"),
    ("yes please", "Your appointment is now on Mon, Nov 30 at 10:00 AM"),
    ("actually, cancel it please", "Do you want me to cancel your appointment on Mon, Nov 30 at 10:00 AM?"),
    ("yes", "is cancelled"),
    ("text me again in january", "I will write to you again then"),
]


@pytest.mark.parametrize("told", [SPANISH, ENGLISH], ids=["spanish", "english"])
def test_a_booking_is_made_moved_and_cancelled(told: list[tuple[str, str]], talk: Talk) -> None:
    facts = '{"parking": "Free behind the shop"}'
    change(talk.db, talk.world.north, "update locations set facts = :facts where id = :location", facts=facts)
    seen = []
    for text, expected in told:
        assert expected in (reply := talk.say(text)), (text, reply)
        seen.append([state for _, state in talk.visits()])
    assert seen[2] == ["booked"]
    assert seen[-1] == ["cancelled"]
    assert len(talk.visits()) == 1, "a move changes the appointment and makes no second one"
    lead = lead_of(talk.db, talk.world.north)
    assert lead.language == ("es" if told is SPANISH else "en")
    (plan,) = rows(talk.db, talk.world.north, TouchPoint, TouchPoint.plan == "follow_up")
    assert plan.status == "planned"


@pytest.mark.parametrize(
    ("text", "choice", "words"),
    [
        ("ppf on the front end of my 2019 civic on wednesday", "yes please", "drop off Wed, Nov 25"),
        (
            "cuánto cuesta ppf delantero para mi civic 2019 el miércoles?",
            "sí, por favor",
            "mié, 25 nov",
        ),
    ],
)
def test_a_car_that_is_left_is_booked_in_both_languages(
    talk: Talk, text: str, choice: str, words: str
) -> None:
    assert words in talk.say(text)
    assert words in talk.say(choice)
    assert [state for _, state in talk.visits()] == ["booked"]


def test_an_offer_in_spanish_counts_as_shown_and_only_a_yes_takes_it(talk: Talk) -> None:
    offered = talk.say("Quiero polarizar mi Civic 2019 con cerámica el sábado a las 9")
    assert "sab, 28 nov a las 9:00 AM. ¿Quiere que se la agende?" in offered
    assert talk.visits() == []
    talk.say("déjeme pensarlo")
    assert talk.visits() == []
    assert "agendada" in talk.say("ok, el sábado a las 9 está bien")
    assert talk.visits() == [("Sat, Nov 28 at 9:00 AM", "booked")]


def test_not_interested_is_a_goodbye_and_stop_is_a_stop(talk: Talk) -> None:
    assert "Reply STOP" in talk.say("not interested, thanks")
    assert lead_of(talk.db, talk.world.north).status != "opted_out"
    hear(talk.runtime, talk.world.north, "please quit messaging me")
    answer(talk.runtime, talk.world.north)
    assert lead_of(talk.db, talk.world.north).status == "opted_out"


def test_a_person_is_told_in_the_customers_language(talk: Talk) -> None:
    reply = talk.say("el polarizado quedó mal, quiero un reembolso")
    assert "una persona le va a responder" in reply
    assert lead_of(talk.db, talk.world.north).status == "human"
