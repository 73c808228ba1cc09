"""Conversations with the playbook that need a person, a stop or an honest line; and how it fits behind the Model
interface."""

from __future__ import annotations

import pytest

from agent.models.base import AssistantStep, StopReason, ToolCall, ToolResult, ToolResults, Usage, UserText
from agent.models.playbook import PlaybookModel
from tests.unit.playbook_shop import CIVIC, TinyShop


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("let me talk to a human", "asked_for_person"),
        ("this is a terrible service, refund me", "complaint"),
        ("you scratched my car", "damage_or_claim"),
        ("any discount for military?", "price_question"),
        ("do you offer financing?", "out_of_scope"),
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
