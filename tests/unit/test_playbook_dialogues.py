"""Whole conversations with the playbook, on a tiny shop that keeps the tools' rules."""

from __future__ import annotations

from datetime import datetime

import pytest

from agent.models.base import AssistantStep, StopReason, ToolCall, ToolResult, ToolResults, Usage, UserText
from agent.models.playbook import PlaybookModel
from tests.unit.playbook_shop import TinyShop

CIVIC = {"year": 2021, "make": "Honda", "model": "Civic", "body_style": "sedan"}


def booked_shop(start: str = "the first one") -> TinyShop:
    """A shop with a civic's ceramic tint booked through the conversation."""
    shop = TinyShop(vehicle=dict(CIVIC), first_name="Dana")
    shop.hear("ceramic tint please, tuesday")
    shop.hear(start)
    assert shop.appointment is not None
    return shop


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
    ("text", "reason"),
    [
        ("let me talk to a human", "asked_for_person"),
        ("this is a terrible service, refund me", "complaint"),
        ("you scratched my car", "damage_or_claim"),
        ("any discount for military?", "price_question"),
        ("do you offer financing?", "out_of_scope"),
        ("hola, cuanto cuesta el polarizado?", "cannot_answer"),
        ("ppf whole car price for my 2020 civic", "price_question"),
        ("cancel my appointment", "cannot_answer"),
    ],
)
def test_a_person_takes_over(text: str, reason: str) -> None:
    shop = TinyShop()
    reply = shop.hear(text)
    assert shop.calls[-1].name == "hand_off"
    assert shop.calls[-1].arguments is not None
    assert shop.calls[-1].arguments["reason"] == reason
    assert "person" in reply or "persona" in reply


def test_a_failed_hand_off_is_not_promised() -> None:
    shop = TinyShop(broken=frozenset({"hand_off"}))
    reply = shop.hear("let me talk to a human")
    assert "could not reach" in reply
    assert "passed this on" not in reply


def test_not_understood_twice_brings_a_person() -> None:
    shop = TinyShop()
    assert "did not get that" in shop.hear("blargh fnord")
    shop.hear("fnord blargh")
    assert shop.names() == ["hand_off"]


def test_the_bot_question_is_answered_truthfully_and_offers_a_person() -> None:
    shop = TinyShop()
    reply = shop.hear("wait, are you a bot or a real person?")
    assert reply.startswith("Yes, I am an automated assistant for North Tint")
    assert "person" in reply
    assert shop.calls == []
    shop.hear("yes please")
    assert shop.names() == ["hand_off"]


def test_stop_is_stored_and_confirmed_once() -> None:
    shop = TinyShop()
    reply = shop.hear("please stop texting me")
    assert [(call.name, call.arguments) for call in shop.calls] == [("opt_out", {"channel": "all"})]
    assert reply == "You will get no more messages from North Tint."


def test_a_stop_that_could_not_be_stored_is_not_claimed() -> None:
    reply = TinyShop(broken=frozenset({"opt_out"})).hear("stop texting me")
    assert "STOP" in reply
    assert "will get no more" not in reply


@pytest.mark.parametrize("tool", ["find_services", "find_times", "book", "update_lead"])
def test_a_broken_tool_ends_in_an_honest_line(tool: str) -> None:
    shop = TinyShop(broken=frozenset({tool}))
    shop.hear("oil change for my 2021 honda civic friday morning")
    reply = shop.hear("9am works")
    assert reply
    assert tool == "update_lead" or shop.appointment is None
    assert tool == "update_lead" or "You are booked" not in reply


def test_hours_and_address_come_from_the_shop() -> None:
    shop = TinyShop()
    assert "Mon-Fri 9:00 AM-6:00 PM" in shop.hear("what are your hours?")
    assert "1 Main St" in shop.hear("and where are you located?")


def test_a_plain_question_does_not_hide_the_price_question() -> None:
    shop = TinyShop(vehicle=dict(CIVIC))
    reply = shop.hear("where are you and how much is an oil change?")
    assert "1 Main St" in reply
    assert "$89.50" in reply


def test_the_wish_of_the_lead_is_enough_for_a_yes() -> None:
    shop = TinyShop(vehicle=dict(CIVIC), wish="Full ceramic tint", first_name="Dana")
    shop.history.append(AssistantStep(text="Hi Dana, this is Ava at North Tint. Still interested in tint?"))
    reply = shop.hear("yes")
    assert "$449" in reply


def test_an_unknown_body_style_is_asked_for() -> None:
    shop = TinyShop(vehicle={"year": 2022, "make": "Fisker", "model": "Ocean", "body_style": None})
    assert "sedan, coupe" in shop.hear("ceramic full tint price?")
    assert "$469" in shop.hear("its a truck")


def test_an_email_is_a_letter() -> None:
    shop = TinyShop(channel="email", vehicle=dict(CIVIC), first_name="Dana")
    reply = shop.hear("How much is an oil change?")
    assert reply.startswith("Hi Dana,\n\nThis is Ava, the automated assistant at North Tint.")
    assert reply.endswith("Best regards,\nAva, automated assistant\nNorth Tint\n+13125550101")


def test_without_tools_there_is_a_final_text_that_claims_nothing() -> None:
    shop = TinyShop(vehicle=dict(CIVIC))
    for text in ("how much is an oil change?", "stop texting me", "talk to a human", "hola cuanto cuesta"):
        reply = PlaybookModel().answer(shop.request((UserText(text),), allow_tools=False))
        assert reply.step.calls == ()
        assert reply.stop is StopReason.END
        assert reply.step.text
        assert "passed this on" not in reply.step.text
        assert "will get no more" not in reply.step.text


def test_it_goes_on_from_what_another_model_did_in_this_turn() -> None:
    shop = TinyShop(vehicle=dict(CIVIC), first_name="Dana")
    call = ToolCall("toolu_1", "book", {"offer_id": 7})
    result = (
        '{"appointment": {"appointment_id": 3, "label": "Fri, Nov 27 at 9:00 AM", "date": "2026-11-27",'
        ' "time": "09:00", "services": ["Oil change"], "status": "booked"}}'
    )
    items = (
        UserText("the 9am works"),
        AssistantStep(calls=(call,), provider="claude"),
        ToolResults((ToolResult("toolu_1", "book", result),)),
    )
    reply = PlaybookModel().answer(shop.request(items))
    assert reply.step.calls == ()
    assert "Fri, Nov 27 at 9:00 AM" in reply.step.text


def test_notes_of_the_system_are_not_the_customer() -> None:
    shop = TinyShop(vehicle=dict(CIVIC))
    items = (
        UserText("[Shop records, not written by the customer]\n{}"),
        UserText("what are your hours?"),
        AssistantStep(text="We are open at 3 AM."),
        UserText("[Note, not from the customer] This draft was not sent."),
    )
    reply = PlaybookModel().answer(shop.request(items, allow_tools=False))
    assert "Mon-Fri 9:00 AM-6:00 PM" in reply.step.text


def test_the_reply_names_the_model_and_costs_nothing() -> None:
    reply = PlaybookModel().answer(TinyShop().request((UserText("hi"),)))
    assert (reply.step.provider, reply.step.model, reply.requested_model) == (
        "playbook",
        "playbook-1",
        "playbook-1",
    )
    assert reply.usage == Usage(0, 0, 0, 0)
