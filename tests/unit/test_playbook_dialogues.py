"""Whole conversations with the playbook, on a tiny shop that keeps the tools' rules: prices, times, bookings."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.unit.playbook_shop import CIVIC, TinyShop, booked_shop


def test_a_price_question_ends_in_a_booking() -> None:
    shop = TinyShop()
    first = shop.hear("hi, how much to tint my windows?")
    assert "North Tint" in first
    assert "automated assistant" in first
    assert "make and model" in first
    prices = shop.hear("2021 honda civic")
    assert "$319" in prices
    assert "$449" in prices
    assert shop.lead_updates == {"vehicle_year": 2021, "vehicle_make": "Honda", "vehicle_model": "Civic"}
    offer = shop.hear("ceramic")
    assert "$449" in offer
    assert "Tue, Nov 24 at 9:00 AM" in offer
    done = shop.hear("the first one")
    assert shop.appointment is not None
    assert shop.appointment["services"] == ["Full tint, sedan, ceramic film"]
    assert "booked" in done
    assert "Tue, Nov 24 at 9:00 AM" in done
    assert "1 Main St" in done
    assert shop.names()[-1] == "book"


def test_one_text_with_everything_is_enough() -> None:
    shop = TinyShop()
    offer = shop.hear("I want ceramic tint on my 2021 Honda Civic saturday morning")
    assert "Sat, Nov 28" in offer
    assert shop.names() == ["update_lead", "find_services", "find_times"]
    shop.hear("9 works, I'm Dana")
    assert shop.appointment is not None
    assert shop.appointment["label"] == "Sat, Nov 28 at 9:00 AM"
    assert shop.first_name == "Dana"
    assert shop.vehicle is not None
    assert shop.vehicle["model"] == "Civic"


def test_a_day_named_before_the_car_is_not_forgotten() -> None:
    shop = TinyShop()
    shop.hear("do you have saturday for an oil change?")
    shop.hear("2020 camry")
    times = next(call for call in shop.calls if call.name == "find_times")
    assert times.arguments == {"service_ids": [5], "from_date": "2026-11-28", "to_date": "2026-11-28"}


@pytest.mark.parametrize(
    ("pick", "label"),
    [
        ("the first one", "Fri, Nov 27 at 9:00 AM"),
        ("10 works", "Fri, Nov 27 at 10:00 AM"),
        ("11am please", "Fri, Nov 27 at 11:00 AM"),
        ("the last one", "Fri, Nov 27 at 11:00 AM"),
        ("can i take the 9am?", "Fri, Nov 27 at 9:00 AM"),
        ("option 2", "Fri, Nov 27 at 10:00 AM"),
        ("friday at 10", "Fri, Nov 27 at 10:00 AM"),
    ],
)
def test_a_shown_time_is_taken_in_many_words(pick: str, label: str) -> None:
    shop = TinyShop(vehicle=dict(CIVIC))
    shop.hear("oil change friday morning")
    reply = shop.hear(pick)
    assert shop.appointment is not None
    assert shop.appointment["label"] == label
    assert label in reply


@pytest.mark.parametrize("text", ["yes", "friday", "sounds good", "friday works"])
def test_an_answer_that_fits_several_times_is_asked_back(text: str) -> None:
    shop = TinyShop(vehicle=dict(CIVIC))
    shop.hear("oil change friday morning")
    reply = shop.hear(text)
    assert "book" not in shop.names()
    assert "Which one shall I book" in reply


def test_a_yes_takes_the_only_time_that_was_asked_about() -> None:
    shop = TinyShop(vehicle=dict(CIVIC))
    assert "Shall I book it for you?" in shop.hear("oil change friday at 10")
    shop.hear("yes")
    assert shop.appointment is not None
    assert shop.appointment["label"] == "Fri, Nov 27 at 10:00 AM"


@pytest.mark.parametrize(
    "text",
    ["what about 10?", "is the 10am open?", "maybe friday", "not sure", "i can't do 10", "where are you?"],
)
def test_a_question_or_a_doubt_books_nothing(text: str) -> None:
    shop = TinyShop(vehicle=dict(CIVIC))
    shop.hear("oil change friday morning")
    shop.hear(text)
    assert "book" not in shop.names()


def test_refused_times_lead_to_others() -> None:
    shop = TinyShop(vehicle=dict(CIVIC))
    shop.hear("oil change friday morning")
    assert shop.hear("none of those work").endswith("?")
    reply = shop.hear("any other times?")
    assert "Fri, Nov 27" not in reply
    assert shop.calls[-1].arguments is not None
    assert shop.calls[-1].arguments["from_date"] == "2026-11-28"


def test_a_time_that_is_not_open_is_not_claimed() -> None:
    shop = TinyShop(vehicle=dict(CIVIC))
    reply = shop.hear("oil change sunday")
    assert "nothing open" in reply
    assert "Sun," not in reply


def test_a_taken_time_brings_its_alternatives() -> None:
    shop = TinyShop(vehicle=dict(CIVIC))
    shop.hear("oil change friday morning")
    shop.busy.add(datetime(2026, 11, 27, 9))  # noqa: DTZ001 - local wall time
    reply = shop.hear("9am works")
    assert "just taken" in reply
    assert "Tue, Nov 24 at 9:00 AM" in reply
    shop.hear("the first one")
    assert shop.appointment is not None
    assert shop.appointment["label"] == "Tue, Nov 24 at 9:00 AM"


def test_an_appointment_is_moved() -> None:
    shop = booked_shop()
    offer = shop.hear("can I move it to friday morning?")
    assert "move" in offer
    reply = shop.hear("10 works")
    assert shop.names()[-1] == "move"
    assert shop.names().count("book") == 1
    assert "Fri, Nov 27 at 10:00 AM" in reply


def test_moving_goes_on_over_several_texts() -> None:
    shop = booked_shop()
    shop.hear("I can't make it on tuesday")
    shop.hear("do you have anything on saturday?")
    shop.hear("the 9am works")
    assert shop.names()[-1] == "move"
    assert shop.appointment is not None
    assert shop.appointment["label"] == "Sat, Nov 28 at 9:00 AM"


@pytest.mark.parametrize("text", ["see you tuesday!", "thanks", "ok", "perfect, tuesday it is"])
def test_pleasantries_after_a_booking_change_nothing(text: str) -> None:
    shop = booked_shop()
    before = len(shop.calls)
    reply = shop.hear(text)
    assert not {"book", "move", "cancel"} & set(shop.names()[before:])
    assert reply


def test_a_cancellation_is_confirmed_first() -> None:
    shop = booked_shop()
    assert "Do you want me to cancel your appointment on Tue, Nov 24 at 9:00 AM?" in shop.hear(
        "I need to cancel"
    )
    assert "cancel" not in shop.names()
    assert "cancelled" in shop.hear("yes")
    assert shop.appointment is None


def test_a_cancellation_can_be_taken_back() -> None:
    shop = booked_shop()
    shop.hear("cancel it please")
    assert "stays" in shop.hear("no, keep it")
    assert shop.appointment is not None


def test_two_jobs_share_one_visit() -> None:
    shop = TinyShop()
    shop.hear("I need an oil change and windshield tint")
    reply = shop.hear("ford f150")
    assert "$249" in reply
    assert "$89.50" in reply
    assert sorted((shop.calls[-1].arguments or {})["service_ids"]) == [4, 5]


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("the first one", "$319"),
        ("the cheapest", "$319"),
        ("the $449 one", "$449"),
        ("whats the best one", "$449"),
    ],
)
def test_a_service_is_chosen_from_the_list(text: str, price: str) -> None:
    shop = TinyShop(vehicle=dict(CIVIC))
    assert "Which one would you like?" in shop.hear("how much is full tint?")
    reply = shop.hear(text)
    assert f"is {price}." in reply
    assert "Nov 24" in reply


def test_the_cheapest_looks_beyond_the_chosen_film() -> None:
    shop = TinyShop(vehicle=dict(CIVIC))
    shop.hear("how much is ceramic tint?")
    assert "$319" in shop.hear("whats the cheapest one")


def test_a_time_of_day_alone_stays_on_the_day_we_speak_of() -> None:
    shop = TinyShop(vehicle=dict(CIVIC))
    shop.hear("oil change saturday at 9")
    assert "Sat, Nov 28 at 10:00 AM" in shop.hear("10am then")


def test_a_pane_and_a_film_mean_tint_and_a_sun_strip_is_no_sunday() -> None:
    shop = TinyShop(vehicle=dict(CIVIC))
    shop.hear("front windows carbon and a sun strip tuesday")
    assert [c.arguments["query"] for c in shop.calls if c.arguments and "query" in c.arguments][:2] == [
        "sun strip",
        "front carbon tint",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "I am Bob",
        "please don't",
        "ok but not then",
        "yes but later",
        "right now I can't",
        "sure, how much?",
        "no",
        "wait",
    ],
)
def test_only_a_clear_yes_books(text: str) -> None:
    shop = TinyShop(vehicle=dict(CIVIC))
    assert "Shall I book it" in shop.hear("oil change friday at 10")
    shop.hear(text)
    assert "book" not in shop.names()


@pytest.mark.parametrize(
    "text", ["please don't cancel", "no", "yes but wait", "never mind", "keep it", "ok can we move it?"]
)
def test_only_a_clear_yes_cancels(text: str) -> None:
    shop = booked_shop()
    shop.hear("I need to cancel")
    shop.hear(text)
    assert "cancel" not in shop.names()
    assert shop.appointment is not None


@pytest.mark.parametrize(
    "text", ["yes", "Yes please", "yes, cancel it", "cancel it please", "yep", "ok", "Please do"]
)
def test_a_clear_yes_cancels(text: str) -> None:
    shop = booked_shop()
    shop.hear("I need to cancel")
    shop.hear(text)
    assert shop.appointment is None
