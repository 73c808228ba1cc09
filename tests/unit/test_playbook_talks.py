"""Conversations that need more than a price and a time: days in doubt, several things at once, later, other hours, what
the owner wrote. Each reply goes through the check (playbook_shop.TinyShop.hear)."""

from __future__ import annotations

import json

import pytest

from tests.unit.playbook_shop import CIVIC, TinyShop, booked_shop
from tests.unit.playbook_tools import Refused

HOLIDAYS = [
    {"date": "2026-11-26", "label": "Thu, Nov 26", "hours": "closed", "why": "Thanksgiving Day"},
    {"date": "2026-11-28", "label": "Sat, Nov 28", "hours": "10:00 AM-1:00 PM", "why": "special hours"},
]
FACTS = {"parking": "Free parking behind the shop", "warranty": "Ceramic film has a lifetime warranty"}


def shop_with_car(**more: object) -> TinyShop:
    return TinyShop(vehicle=dict(CIVIC), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "question", "answer", "label"),
    [
        ("oil change friday the 28th", "The 28th is a Saturday.", "the 28th", "Sat, Nov 28"),
        ("oil change friday dec 12", "The 12th is a Saturday.", "saturday", "Sat, Dec 12"),
        ("oil change on 5/12", "Do you mean Sat, Dec 5 or Wed, May 12?", "december", "Sat, Dec 5"),
        ("oil change on 5/12", "Do you mean Sat, Dec 5 or Wed, May 12?", "the first one", "Sat, Dec 5"),
        ("oil change nov 31", "I cannot find that date.", "nov 30", "Mon, Nov 30"),
        ("oil change nov 3 at 9", "That date has gone by.", "dec 3", "Thu, Dec 3"),
    ],
)
def test_a_day_in_doubt_is_asked_and_not_guessed(text: str, question: str, answer: str, label: str) -> None:
    shop = shop_with_car()
    asked = shop.hear(text)
    assert question in asked
    assert asked.endswith("?")
    assert "find_times" not in shop.names()
    reply = shop.hear(answer)
    assert label in reply
    assert "$89.50" not in reply, "the price was told with the question"


def test_a_doubt_that_is_not_settled_is_asked_shortly_again() -> None:
    shop = shop_with_car()
    shop.hear("oil change friday the 28th")
    assert shop.hear("yes") == "Which day do you mean?"


def test_a_choice_of_days_is_searched_window_by_window() -> None:
    shop = shop_with_car()
    reply = shop.hear("oil change sat morning or mon")
    searches = [call.arguments for call in shop.calls if call.name == "find_times"]
    assert searches == [
        {"service_ids": [5], "from_date": "2026-11-28", "to_date": "2026-11-28", "before": "12:00"},
        {"service_ids": [5], "from_date": "2026-11-30", "to_date": "2026-11-30"},
    ]
    assert "Sat, Nov 28 at 9:00 AM, Sat, Nov 28 at 10:00 AM or Mon, Nov 30 at 9:00 AM" in reply
    assert "Mon, Nov 30 at 9:00 AM" in shop.hear("the last one, and where are you?")
    assert shop.appointment is not None


@pytest.mark.parametrize("day", ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday"])
def test_every_day_of_the_week_can_be_offered_and_booked(day: str) -> None:
    """The check reads "I have Wed" as something done, so an offer is put in other words."""
    shop = shop_with_car()
    assert "Which one works for you?" in shop.hear(f"oil change {day}")
    assert "You are booked" in shop.hear("the first one")


def test_several_services_are_added_up_by_the_tool() -> None:
    shop = shop_with_car()
    reply = shop.hear("oil change and windshield tint, how much all together?")
    assert "$338.50 in total" in reply
    assert "quote" in shop.names()


def test_a_refused_quote_leaves_the_single_prices() -> None:
    shop = shop_with_car(broken=frozenset({"quote"}))
    reply = shop.hear("oil change and windshield tint, how much all together?")
    assert "total" not in reply
    assert "$249" in reply
    assert "$89.50" in reply


def test_two_cars_have_a_price_each_and_times_for_the_first() -> None:
    shop = TinyShop()
    reply = shop.hear("how much is ceramic tint for a 2021 honda civic and a 2022 ford f150")
    assert "Full tint, sedan, ceramic film is $449" in reply
    assert "Full tint, truck, ceramic film is $469" in reply
    assert "For the Civic I can offer" in reply


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("text me next month", "2026-12-01"),
        ("write me in two weeks", "2026-12-07"),
        ("can you check back with me in january", "2027-01-01"),
        ("not now, maybe next month", "2026-12-01"),
        ("remind me on dec 7", "2026-12-07"),
    ],
)
def test_a_date_to_write_again_is_kept(text: str, day: str) -> None:
    shop = shop_with_car()
    shop.hear("how much is an oil change?")
    assert "write to you again then" in shop.hear(text)
    assert [plan["date"] for plan in shop.follow_ups] == [day]
    assert "book" not in shop.names()


def test_a_wish_to_hear_later_without_a_day_is_asked_for_one() -> None:
    shop = shop_with_car()
    assert "On which day shall I write to you again?" in shop.hear("remind me later")
    assert shop.follow_ups == []
    shop.hear("in two weeks")
    assert [plan["about"] for plan in shop.follow_ups] == ["your visit"]


def test_a_refused_date_is_not_promised() -> None:
    shop = shop_with_car(broken=frozenset({"follow_up"}))
    assert "On which day" in shop.hear("text me next month")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("are you open on thanksgiving?", "On Thu, Nov 26 we are closed (Thanksgiving Day)."),
        ("are you open saturday?", "On Sat, Nov 28 we are open 10:00 AM-1:00 PM."),
        ("what time do you close today?", "On Mon, Nov 23 we are open 9:00 AM-6:00 PM."),
        ("are you open on sunday?", "On Sun, Nov 29 we are closed."),
        (
            "what are your hours?",
            "Our usual hours: Mon-Fri 9:00 AM-6:00 PM; Saturdays 9:00 AM-2:00 PM; Sun closed.",
        ),
        ("a que hora abren el sabado?", "El sab, 28 nov abrimos de 10:00 AM a 1:00 PM."),
        ("cual es su horario?", "El jue, 26 nov estamos cerrados (Thanksgiving Day)."),
    ],
)
def test_hours_know_the_days_that_differ(text: str, words: str) -> None:
    assert words in TinyShop(exceptions=HOLIDAYS).hear(text)


def test_what_the_owner_wrote_is_said_and_the_rest_is_for_a_person() -> None:
    shop = shop_with_car(shop_facts=FACTS)
    assert "Warranty: Ceramic film has a lifetime warranty." in shop.hear("what warranty do you have?")
    reply = shop.hear("is there parking? and how much is an oil change")
    assert "Free parking behind the shop" in reply
    assert "$89.50" in reply
    assert "hand_off" not in shop.names()
    shop.hear("do you offer financing?")
    assert shop.names()[-1] == "hand_off"


def test_a_question_beside_the_yes_is_answered_too() -> None:
    shop = shop_with_car(shop_facts=FACTS)
    shop.hear("oil change friday morning")
    reply = shop.hear("10 works. do you have parking?")
    assert "You are booked: Fri, Nov 27 at 10:00 AM" in reply
    assert "Free parking behind the shop" in reply


def test_another_question_does_not_drop_the_open_one() -> None:
    shop = shop_with_car()
    shop.hear("oil change friday at 10")
    assert shop.hear("where are you?").endswith("Shall I book Fri, Nov 27 at 10:00 AM for you?")
    shop.hear("yes")
    assert shop.appointment is not None


def test_a_corrected_time_and_a_corrected_car_keep_the_day() -> None:
    shop = shop_with_car()
    shop.hear("oil change friday morning")
    assert "Fri, Nov 27 at 3:00 PM. Shall I book it" in shop.hear("actually make it 3pm")
    reply = shop.hear("sorry it's a 2019 f150")
    assert "2019 Ford F-150" in reply
    assert "Fri, Nov 27" in reply


@pytest.mark.parametrize("text", ["not interested", "no longer interested, thanks", "found someone else"])
def test_not_interested_is_a_goodbye_that_names_the_word_stop(text: str) -> None:
    shop = shop_with_car()
    reply = shop.hear(text)
    assert "Reply STOP and you get no more messages." in reply
    assert "?" not in reply
    assert shop.names() == []


@pytest.mark.parametrize(
    "text", ["not interested, stop texting me", "not interested in your messages", "stop"]
)
def test_a_stop_beside_it_is_a_stop(text: str) -> None:
    shop = shop_with_car()
    shop.hear(text)
    assert shop.names() == ["opt_out"]


def test_a_write_that_was_not_plainly_agreed_to_is_asked_about_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = shop_with_car()
    shop.hear("oil change friday morning")

    def refuse(offer_id: int) -> dict[str, object]:
        raise Refused("Nothing was changed.", needs_yes=True, label="Fri, Nov 27 at 10:00 AM")

    monkeypatch.setattr(shop, "_book", refuse)
    assert shop.hear("10 works") == "Just to be sure: shall I book Fri, Nov 27 at 10:00 AM for you?"
    shop.hear("yes")
    assert shop.names()[-1] == "hand_off", "nobody is asked the same thing in a circle"


def test_a_cancel_that_was_not_plainly_asked_for_is_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = booked_shop()
    shop.hear("I need to cancel")
    again = "Do you want me to cancel your appointment on Tue, Nov 24 at 9:00 AM?"

    def refuse() -> dict[str, object]:
        raise Refused("Nothing was changed.", needs_yes=True, label="Wed, Nov 25 at 9:00 AM")

    monkeypatch.setattr(shop, "_cancel", refuse)
    # Moved by the shop meanwhile: the records of this turn know it at its new time.
    moved = json.dumps(shop.appointment).replace("Tue, Nov 24", "Wed, Nov 25").replace("11-24", "11-25")
    shop.appointment = json.loads(moved)
    assert shop.hear("yes") == again.replace("Tue, Nov 24", "Wed, Nov 25")
