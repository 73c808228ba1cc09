"""Booking, moving and cancelling as a model asks for them: only what was shown, and only after a yes to that."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from agent.tools.base import ToolContext
from crm.db import Database
from crm.models import Appointment, ChatSession
from ops.clock import FixedClock
from tests.conftest import World
from tests.integration.calendar_help import (
    add_message,
    add_offer,
    add_turn,
    call,
    customers,
    dana,
    local,
)
from tests.integration.tool_help import appointments, hear, rows, show, times


@pytest.fixture
def ctx(db: Database, world: World, clock: FixedClock) -> ToolContext:
    """A turn of north's customer."""
    return add_turn(db, clock, dana(world.north))


def test_find_show_book_once(ctx: ToolContext, world: World) -> None:
    answer = times(ctx, world, from_date="2026-11-24", to_date="2026-11-24", after="09:00", before="09:00")
    assert answer["offers"] == [
        {
            "offer_id": answer["offers"][0]["offer_id"],
            "label": "Tue, Nov 24 at 9:00 AM",
            "date": "2026-11-24",
            "time": "09:00",
            "ends": "11:30 AM",
            "services": ["Full car tint, sedan, carbon film"],
        }
    ]
    show(ctx, world)
    first, result = call(ctx, "book", offer_id=answer["offers"][0]["offer_id"])
    again, _ = call(ctx, "book", offer_id=answer["offers"][0]["offer_id"])
    assert not result.is_error
    assert first == again
    assert first["appointment"]["label"] == "Tue, Nov 24 at 9:00 AM"
    assert first["appointment"]["status"] == "booked"
    assert [(row.tool, row.is_write) for row in rows(ctx)] == [("find_times", False), ("book", True)]
    listed, _ = call(ctx, "my_appointments")
    assert listed["appointments"] == [first["appointment"]]


def test_a_refused_write_may_be_tried_again(ctx: ToolContext, world: World) -> None:
    offer_id = add_offer(ctx.db, dana(world.north), local(24, 9), shown=None)
    refused, result = call(ctx, "book", offer_id=offer_id)
    assert result.is_error
    assert "not been shown" in refused["error"]
    show(ctx, world)
    assert not call(ctx, "book", offer_id=offer_id)[1].is_error
    assert [row.is_error for row in rows(ctx)] == [True, False]


def test_foreign_and_invented_offers_are_refused_alike(ctx: ToolContext, world: World) -> None:
    (neighbour,) = customers(ctx.db, world.north, 1)
    theirs = add_offer(ctx.db, neighbour, local(24, 9))
    strangers = add_offer(ctx.db, dana(world.south), local(24, 9))
    for tool_name in ("book", "move"):
        answers = [call(ctx, tool_name, offer_id=one)[0] for one in (theirs, strangers, 10**12)]
        assert answers[0] == answers[1] == answers[2]
        assert "no such offer" in answers[0]["error"]
    with ctx.db.tenant(ctx.tenant_id) as s:
        assert s.scalars(select(Appointment)).all() == []


def test_a_conflict_brings_new_offers_that_can_be_booked(
    ctx: ToolContext, world: World, db: Database
) -> None:
    offer_id = add_offer(db, dana(world.north), local(24, 9))
    for who in customers(db, world.north, 2):
        other = add_turn(db, ctx.clock, who)
        assert not call(other, "book", offer_id=add_offer(db, who, local(24, 9)))[1].is_error
    answer, result = call(ctx, "book", offer_id=offer_id)
    assert result.is_error
    assert "just taken" in answer["error"]
    assert len(answer["offers"]) == 3
    show(ctx, world)
    later = hear(ctx, world, f"{answer['offers'][0]['label']} then")
    booked, result = call(later, "book", offer_id=answer["offers"][0]["offer_id"])
    assert not result.is_error
    assert booked["appointment"]["label"] == answer["offers"][0]["label"]


def test_move_and_cancel(ctx: ToolContext, world: World) -> None:
    who = dana(world.north)
    call(ctx, "book", offer_id=add_offer(ctx.db, who, local(24, 9)))
    ctx = hear(ctx, world, "Could we do Wednesday at 1 instead?")
    moved, _ = call(ctx, "move", offer_id=add_offer(ctx.db, who, local(25, 13)))
    assert moved["moved_from"] == "Tue, Nov 24 at 9:00 AM"
    assert moved["appointment"]["label"] == "Wed, Nov 25 at 1:00 PM"
    ctx = hear(ctx, world, "I have to cancel, sorry")
    gone, _ = call(ctx, "cancel")
    assert gone["appointment"]["status"] == "cancelled"
    later = hear(ctx, world, "cancel it please")
    refused, result = call(later, "cancel")
    assert result.is_error
    assert refused["error"] == "This customer has no upcoming appointment."


def test_a_car_that_is_left_has_a_window_and_a_day(ctx: ToolContext, world: World) -> None:
    codes = ("ppf-front", "coating-ceramic")
    ids = [world.north.service_ids[code] for code in codes]
    answer, _ = call(ctx, "find_times", service_ids=ids, from_date="2026-11-24", to_date="2026-11-24")
    (offer,) = answer["offers"]
    label = "drop off Tue, Nov 24 between 9:00 and 10:00 AM"
    assert (offer["label"], offer["time"], offer["visit"]) == (label, "09:00", "drop_off")
    assert (offer["done_on"], "ends" in offer) == ("Wed, Nov 25", False)
    show(ctx, world)
    booked, _ = call(ctx, "book", offer_id=offer["offer_id"])
    assert (booked["appointment"]["label"], booked["appointment"]["done_on"]) == (label, "Wed, Nov 25")
    with ctx.db.tenant(ctx.tenant_id) as s:
        row = s.scalars(select(Appointment)).one()
        assert (row.starts_at, row.ends_at, row.labour_minutes) == (local(24, 10), local(25, 15), 840)


def offered(ctx: ToolContext, world: World) -> dict[str, int]:
    """Three times shown in one message; their ids by label."""
    with ctx.db.tenant(ctx.tenant_id) as s:
        s.get_one(ChatSession, ctx.session_id).answered_up_to = ctx.trigger_message_id
    answer = times(ctx, world, from_date="2026-11-24", to_date="2026-11-25")
    labels = [one["label"] for one in answer["offers"]]
    show(ctx, world, f"I have {', '.join(labels)}. Which one works for you?")
    return {one["label"]: one["offer_id"] for one in answer["offers"]}


@pytest.mark.parametrize(
    "body", ["hello?", "how much is it?", "yes", "no thanks", "not tuesday", "yes, 3:15", "friday"]
)
def test_no_time_is_booked_without_a_yes_to_it(ctx: ToolContext, world: World, body: str) -> None:
    ids = offered(ctx, world)
    assert len(ids) == 3
    ctx = hear(ctx, world, body)
    for label, offer_id in ids.items():
        answer, result = call(ctx, "book", offer_id=offer_id)
        assert result.is_error
        assert answer["needs_yes"] is True
        assert label in answer["error"]
        assert "Ask" in answer["error"]
    assert appointments(ctx) == []


@pytest.mark.parametrize(
    ("body", "place"), [("the first one", 0), ("la segunda por favor", 1), ("the last one works", 2)]
)
def test_a_place_in_our_list_takes_that_time_only(
    ctx: ToolContext, world: World, body: str, place: int
) -> None:
    ids = offered(ctx, world)
    ctx = hear(ctx, world, body)
    for number, offer_id in enumerate(ids.values()):
        if number != place:
            assert call(ctx, "book", offer_id=offer_id)[1].is_error
    assert not call(ctx, "book", offer_id=list(ids.values())[place])[1].is_error
    assert len(appointments(ctx)) == 1


def test_a_named_time_takes_it_over_two_messages(ctx: ToolContext, world: World) -> None:
    ids = offered(ctx, world)
    label = next(iter(ids))
    ctx = hear(ctx, world, label, "where can I park?")
    assert not call(ctx, "book", offer_id=ids[label])[1].is_error


def test_a_yes_counts_for_the_time_we_asked_about_last(ctx: ToolContext, world: World) -> None:
    ids = offered(ctx, world)
    first, second, _ = ids
    add_message(ctx.db, dana(world.north), body=f"Yes, {second} is open. Shall I book it for you?")
    ctx = hear(ctx, world, "sí, por favor")
    assert call(ctx, "book", offer_id=ids[first])[1].is_error
    assert not call(ctx, "book", offer_id=ids[second])[1].is_error


def test_a_yes_to_another_question_books_nothing(ctx: ToolContext, world: World) -> None:
    offer_id = add_offer(ctx.db, dana(world.north), local(24, 9))
    add_message(ctx.db, dana(world.north), body="Would you like a person to call you?")
    ctx = hear(ctx, world, "yes please")
    assert call(ctx, "book", offer_id=offer_id)[1].is_error
    assert appointments(ctx) == []


def test_answered_words_agree_to_nothing_new(ctx: ToolContext, world: World) -> None:
    offer_id = add_offer(ctx.db, dana(world.north), local(24, 9))
    ctx = hear(ctx, world, "what does it cost again?")
    assert call(ctx, "book", offer_id=offer_id)[1].is_error, "the yes of the turn before is used up"


def test_the_same_time_found_twice_is_one_time(ctx: ToolContext, world: World) -> None:
    wishes = {"from_date": "2026-11-24", "to_date": "2026-11-24", "after": "09:00", "before": "09:00"}
    first, second = (times(ctx, world, **wishes)["offers"][0]["offer_id"] for _ in range(2))
    show(ctx, world, "I have Tue, Nov 24 at 9:00 AM. Shall I book it?")
    ctx = hear(ctx, world, "tuesday at 9 works")
    assert first != second
    assert not call(ctx, "book", offer_id=second)[1].is_error


def test_one_time_for_two_services_needs_a_word_about_which(ctx: ToolContext, world: World) -> None:
    wishes = {"from_date": "2026-11-24", "to_date": "2026-11-24", "after": "09:00", "before": "09:00"}
    carbon, ceramic = (
        times(ctx, world, f"tint-full-sedan-{film}", **wishes)["offers"][0]["offer_id"]
        for film in ("carbon", "ceramic")
    )
    show(ctx, world, "Carbon or ceramic, both could be Tue, Nov 24 at 9:00 AM. Which one?")
    ctx = hear(ctx, world, "tuesday at 9 works")
    answer, result = call(ctx, "book", offer_id=carbon)
    assert result.is_error
    assert "More than one service" in answer["error"]
    ctx = hear(ctx, world, "ceramic, tuesday at 9")
    assert call(ctx, "book", offer_id=carbon)[1].is_error
    booked, _ = call(ctx, "book", offer_id=ceramic)
    assert booked["appointment"]["services"] == ["Full car tint, sedan, ceramic film"]


@pytest.mark.parametrize(
    "body",
    [
        "what is your cancellation policy?",
        "don't cancel it",
        "I can't make it",
        "hello",
        "cancel friday please",
    ],
)
def test_nothing_is_cancelled_that_nobody_asked_to_cancel(ctx: ToolContext, world: World, body: str) -> None:
    call(ctx, "book", offer_id=add_offer(ctx.db, dana(world.north), local(24, 9)))
    ctx = hear(ctx, world, body)
    answer, result = call(ctx, "cancel")
    assert result.is_error
    assert "Tue, Nov 24 at 9:00 AM" in answer["error"]
    assert [one.status for one in appointments(ctx)] == ["booked"]


@pytest.mark.parametrize(("asked", "gone"), [("Do you want me to cancel your appointment?", True),
                                             ("Shall I cancel it or move it?", False)])  # fmt: skip
def test_a_yes_to_our_question_cancels(ctx: ToolContext, world: World, asked: str, gone: bool) -> None:
    call(ctx, "book", offer_id=add_offer(ctx.db, dana(world.north), local(24, 9)))
    add_message(ctx.db, dana(world.north), body=asked)
    ctx = hear(ctx, world, "yes please")
    assert call(ctx, "cancel")[1].is_error is not gone
