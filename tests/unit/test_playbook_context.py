"""What a text means in its conversation: its language, what was asked before, the times on the table."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from agent.models.base import AssistantStep, UserText
from agent.playbook.intents import Intent
from agent.playbook.reading import read
from agent.playbook.transcript import Situation, read_situation
from tests.unit.playbook_shop import TinyShop


def situation(said: str, **facts: Any) -> Situation:
    shop = TinyShop()
    request = shop.request((*facts.pop("before", ()), UserText(said)))
    object.__setattr__(request, "facts", {**shop.facts(), **facts})
    return read_situation(request)


@pytest.mark.parametrize(
    ("said", "known", "language"),
    [
        ("quiero una cita para mañana", "en", "es"),
        ("how much is tint?", "es", "en"),
        ("10", "es", "es"),
        ("ok", "", "en"),
        ("ok", "de", "en"),
    ],
)
def test_the_language_is_that_of_the_text_or_of_the_conversation(
    said: str, known: str, language: str
) -> None:
    assert read(situation(said, language=known)).language == language


def test_times_asked_for_over_several_texts_belong_together() -> None:
    before = (UserText("do you have anything friday"), AssistantStep(text="What car do you drive?"))
    reading = read(situation("2020 camry, after 3", before=before))
    assert reading.when_open.arguments(date(2026, 11, 23)) == {
        "from_date": "2026-11-27",
        "to_date": "2026-11-27",
        "after": "15:00",
    }


def test_a_correction_is_known_as_one_and_a_second_car_is_kept() -> None:
    assert read(situation("actually make it 4")).corrects
    assert not read(situation("tuesday at 4")).corrects
    reading = read(situation("2019 tahoe and a 2022 model y"))
    assert reading.new_vehicle is not None
    assert reading.new_vehicle.name == "2019 Chevrolet Tahoe"
    assert [car.name for car in reading.more_vehicles] == ["2022 Tesla Model Y"]


OFFERS = [
    {"offer_id": 1, "label": "Fri, Nov 27 at 9:00 AM", "date": "2026-11-27", "time": "09:00"},
    {"offer_id": 2, "label": "Fri, Nov 27 at 10:00 AM", "date": "2026-11-27", "time": "10:00"},
    {"offer_id": 3, "label": "Sat, Nov 28 at 9:00 AM", "date": "2026-11-28", "time": "09:00"},
]


@pytest.mark.parametrize(
    ("said", "ids"),
    [
        ("el segundo", [2]),
        ("la primera por favor", [1]),
        ("el viernes a las 10", [2]),
        ("saturday or friday at 10", [2]),
        ("sat morning or friday at 10", [2, 3]),
        ("friday the 28th", []),
        ("friday the 28th at 9", []),
        ("9, actually 10", [2]),
        ("not friday, saturday", [3]),
    ],
)
def test_the_shown_times_that_a_text_means(said: str, ids: list[int]) -> None:
    pick = read(situation(said, offers=OFFERS)).pick
    assert pick.named
    assert [slot.id for slot in pick.fits] == ids


def test_a_change_of_mind_before_anything_is_booked_moves_no_appointment() -> None:
    assert not read(situation("can you change that to 10?", offers=OFFERS)).has(Intent.MOVE)
    assert read(situation("can you change my appointment to 10?", offers=OFFERS)).has(Intent.MOVE)
    booked = [{**OFFERS[0], "appointment_id": 5, "status": "booked"}]
    assert read(situation("change that to 10", offers=OFFERS, appointments=booked)).has(Intent.MOVE)
