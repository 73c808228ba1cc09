"""The tools as a model calls them: what they give, what they refuse, and one effect per message."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from sqlalchemy import Engine, select, text

from agent.models.base import ToolCall
from agent.tools import default_toolbox
from agent.tools.base import Toolbox, ToolContext, ToolRefusal, ToolRun, tool
from crm.consents import is_opted_out
from crm.db import Database
from crm.models import (
    Appointment,
    Bay,
    ChatMessage,
    ChatSession,
    ConsentEvent,
    Lead,
    Offer,
    Service,
    Staff,
    ToolCallRow,
    Vehicle,
)
from ops.clock import FixedClock
from tests.conftest import World
from tests.integration.calendar_help import add_message, add_offer, add_turn, call, customers, dana, local


@pytest.fixture
def ctx(db: Database, world: World, clock: FixedClock) -> ToolContext:
    """A turn of north's customer."""
    return add_turn(db, clock, dana(world.north))


def rows(ctx: ToolContext) -> list[ToolCallRow]:
    """Everything recorded for this customer, in order."""
    with ctx.db.tenant(ctx.tenant_id) as s:
        return list(s.scalars(select(ToolCallRow).order_by(ToolCallRow.id)))


def show(ctx: ToolContext, world: World) -> None:
    """The reply with the offers of this turn reached the customer."""
    message_id = add_message(ctx.db, dana(world.north))
    with ctx.db.tenant(ctx.tenant_id) as s:
        for offer in s.scalars(select(Offer).where(Offer.message_id.is_(None))):
            offer.message_id = message_id


def times(
    ctx: ToolContext, world: World, code: str = "tint-full-sedan-carbon", **wishes: Any
) -> dict[str, Any]:
    """What find_times gives for one service."""
    answer, result = call(ctx, "find_times", service_ids=[world.north.service_ids[code]], **wishes)
    assert not result.is_error, result.text
    return answer


def test_specs_are_byte_stable_valid_and_closed() -> None:
    first, second = (default_toolbox().specs() for _ in range(2))
    assert json.dumps([vars(one) for one in first]) == json.dumps([vars(one) for one in second])
    assert [one.name for one in first if one.write] == [
        "book", "move", "cancel", "update_lead", "hand_off", "opt_out"
    ]  # fmt: skip
    for spec in first:
        jsonschema.Draft202012Validator.check_schema(spec.schema)
        assert spec.schema["additionalProperties"] is False
        assert not {"tenant_id", "lead_id", "session_id"} & spec.schema["properties"].keys()


def test_find_services_gives_prices_and_honest_notes(ctx: ToolContext) -> None:
    answer, _ = call(ctx, "find_services", query="full ceramic tint for my civic")
    (only,) = answer["services"]
    assert (only["code"], only["price"], only["duration"]) == (
        "tint-full-sedan-ceramic",
        "$449",
        "2 h 30 min",
    )
    assert "note" not in answer
    unclear, _ = call(ctx, "find_services", query="full ceramic tint", body_style=None)
    assert "depends on the vehicle" in unclear["note"]
    nothing, _ = call(ctx, "find_services", query="oil change")
    assert nothing["services"] == []
    assert "coating, ppf, removal, tint" in nothing["note"]
    unpriced, _ = call(ctx, "find_services", query="paint protection whole car")
    assert unpriced["services"][0]["price"] is None
    assert "hand_off" in unpriced["note"]


def test_find_services_uses_the_vehicle_on_file(ctx: ToolContext) -> None:
    call(ctx, "update_lead", vehicle_year=2021, vehicle_make="Ford", vehicle_model="F-150")
    answer, _ = call(ctx, "find_services", query="full tint")
    assert [one["body_style"] for one in answer["services"]] == ["truck", "truck"]


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


def test_two_workers_with_the_same_call_have_one_effect(ctx: ToolContext, world: World) -> None:
    offer_id = add_offer(ctx.db, dana(world.north), local(24, 9))
    with ThreadPoolExecutor(2) as pool:
        texts = list(pool.map(lambda _: call(ctx, "book", offer_id=offer_id)[1].text, range(2)))
    assert texts[0] == texts[1]
    assert len([row for row in rows(ctx) if row.tool == "book"]) == 1
    with ctx.db.tenant(ctx.tenant_id) as s:
        assert len(s.scalars(select(Appointment)).all()) == 1


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
    booked, result = call(ctx, "book", offer_id=answer["offers"][0]["offer_id"])
    assert not result.is_error
    assert booked["appointment"]["label"] == answer["offers"][0]["label"]


def test_move_and_cancel(ctx: ToolContext, world: World) -> None:
    who = dana(world.north)
    call(ctx, "book", offer_id=add_offer(ctx.db, who, local(24, 9)))
    moved, _ = call(ctx, "move", offer_id=add_offer(ctx.db, who, local(25, 13)))
    assert moved["moved_from"] == "Tue, Nov 24 at 9:00 AM"
    assert moved["appointment"]["label"] == "Wed, Nov 25 at 1:00 PM"
    gone, _ = call(ctx, "cancel")
    assert gone["appointment"]["status"] == "cancelled"
    later = replace(ctx, trigger_message_id=add_message(ctx.db, who, direction="in", status="received"))
    refused, result = call(later, "cancel")
    assert result.is_error
    assert refused["error"] == "This customer has no upcoming appointment."


def test_times_for_several_services_add_up(ctx: ToolContext, world: World) -> None:
    ids = [world.north.service_ids[code] for code in ("tint-full-sedan-carbon", "tint-sunstrip")]
    answer, _ = call(
        ctx, "find_times", service_ids=ids, from_date="2026-11-24", after="09:00", before="09:00"
    )
    assert answer["offers"][0]["ends"] == "12:00 PM"
    assert len(answer["offers"][0]["services"]) == 2


def test_times_that_do_not_exist_get_the_nearest_and_a_note(ctx: ToolContext, world: World) -> None:
    sunday = times(ctx, world, from_date="2026-11-29", to_date="2026-11-29")
    assert "nearest" in sunday["note"]
    assert {offer["date"] for offer in sunday["offers"]} <= {"2026-11-28", "2026-11-30"}
    late = times(ctx, world, from_date="2026-11-24", to_date="2026-11-24", after="20:00")
    assert "time of day" in late["note"]
    assert {offer["date"] for offer in late["offers"]} == {"2026-11-24"}


def test_a_visit_that_never_fits_needs_a_person(ctx: ToolContext, world: World) -> None:
    with ctx.db.tenant(ctx.tenant_id) as s:
        for bay in s.scalars(select(Bay).where(Bay.location_id == ctx.location_id)):
            bay.skills = ["tint"]
    answer, _ = call(ctx, "find_times", service_ids=[world.north.service_ids["ppf-front"]])
    assert answer["offers"] == []
    assert "Hand off" in answer["note"]


def test_days_that_are_over_are_refused(ctx: ToolContext, world: World) -> None:
    ids = [world.north.service_ids["tint-sunstrip"]]
    answer, result = call(ctx, "find_times", service_ids=ids, from_date="2026-11-20", to_date="2026-11-22")
    assert result.is_error
    assert "in the past" in answer["error"]


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


def test_the_shape_of_the_car_decides_how_long_it_takes(ctx: ToolContext, world: World) -> None:
    with ctx.db.tenant(ctx.tenant_id) as s:
        service = s.get_one(Service, world.north.service_ids["tint-fronts-carbon"])
        service.minutes_by_body_style = {"truck": 90}
    call(ctx, "update_lead", vehicle_make="Ford", vehicle_model="F-150")
    wishes = {"from_date": "2026-11-24", "after": "09:00", "before": "09:00"}
    assert times(ctx, world, "tint-fronts-carbon", **wishes)["offers"][0]["ends"] == "10:30 AM"
    found, _ = call(ctx, "find_services", query="two front windows carbon")
    assert [one["duration"] for one in found["services"]] == ["1 h 30 min"]


def test_another_shops_service_is_unknown(ctx: ToolContext, world: World) -> None:
    answer, result = call(ctx, "find_times", service_ids=[world.south.service_ids["tint-sunstrip"]])
    assert result.is_error
    assert "Unknown service_id" in answer["error"]


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("no_such_tool", {}, "no tool with this name"),
        ("book", None, "must be a JSON object"),
        ("book", {}, "offer_id: Field required"),
        ("book", {"offer_id": "soon"}, "offer_id"),
        ("book", {"offer_id": 1, "lead_id": 2}, "lead_id: Extra inputs"),
        ("find_times", {"service_ids": []}, "service_ids"),
        ("find_times", {"service_ids": [1], "from_date": "next week"}, "from_date"),
        ("find_times", {"service_ids": [1], "after": "09:00Z"}, "without a zone"),
        ("find_times", {"service_ids": [1], "weekdays": [7]}, "weekdays"),
        ("hand_off", {"reason": "bored", "note": "x"}, "reason"),
    ],
)
def test_bad_calls_come_back_as_errors(
    ctx: ToolContext, name: str, arguments: dict[str, Any] | None, words: str
) -> None:
    result = default_toolbox().run(ctx, ToolCall("c", name, arguments, raw_arguments="{"))
    assert result.is_error
    answer = json.loads(result.text)
    assert words in answer["error"]
    assert name == "no_such_tool" or answer["expected"]
    (row,) = rows(ctx)
    assert (row.tool, row.is_error, row.is_write) == (name, True, False)


def test_nulls_and_empty_texts_mean_left_out(ctx: ToolContext, world: World) -> None:
    empty = dict.fromkeys(("from_date", "to_date", "after", "before", "weekdays"))
    answer = times(ctx, world, **{**empty, "after": ""})
    assert len(answer["offers"]) == 3


def test_an_exception_in_a_tool_undoes_everything_and_says_nothing_of_it(ctx: ToolContext) -> None:
    @tool(write=True)
    def explode(run: ToolRun) -> dict[str, Any]:
        """Break after writing."""
        run.lead().first_name = "Nobody"
        run.s.flush()
        run.s.execute(text("select 1/0"))
        return {}

    result = Toolbox([explode]).run(ctx, ToolCall("c", "explode", {}))
    assert result.is_error
    assert "technical reason" in result.text
    assert "division" not in result.text
    with ctx.db.tenant(ctx.tenant_id) as s:
        assert s.get_one(Lead, ctx.lead_id).first_name == "Dana"
    assert [(row.tool, row.is_error) for row in rows(ctx)] == [("explode", True)]


def test_a_database_that_is_gone_is_an_error_result(ctx: ToolContext, owner_engine: Engine) -> None:
    with owner_engine.begin() as connection:
        connection.execute(text("alter table tool_calls rename to tool_calls_away"))
    _, result = call(ctx, "my_appointments")
    assert result.is_error


def test_a_refusal_keeps_what_it_has_to_keep(ctx: ToolContext) -> None:
    @tool(write=False)
    def refuse(run: ToolRun) -> dict[str, Any]:
        """Refuse."""
        raise ToolRefusal("Not today.", why="rain")

    result = Toolbox([refuse]).run(ctx, ToolCall("c", "refuse", {}))
    assert json.loads(result.text) == {"error": "Not today.", "why": "rain"}


def test_update_lead_saves_and_guesses_the_shape(ctx: ToolContext) -> None:
    answer, _ = call(
        ctx,
        "update_lead",
        last_name="Reed\x00",
        vehicle_year=2021,
        vehicle_make="Honda",
        vehicle_model="CR-V",
    )
    assert answer["lead"] == {
        "first_name": "Dana",
        "last_name": "Reed",
        "email": "dana@example.com",
        "vehicle": {"year": 2021, "make": "Honda", "model": "CR-V", "body_style": "suv"},
    }
    other, _ = call(ctx, "update_lead", vehicle_make="Honda", vehicle_model="Something New")
    assert other["lead"]["vehicle"]["body_style"] is None
    said, _ = call(ctx, "update_lead", body_style="coupe")
    assert said["lead"]["vehicle"]["body_style"] == "coupe"
    with ctx.db.tenant(ctx.tenant_id) as s:
        assert len(s.scalars(select(Vehicle)).all()) == 1


def test_an_email_of_another_lead_is_not_taken(ctx: ToolContext, world: World, db: Database) -> None:
    (other,) = customers(db, world.north, 1)
    with db.tenant(world.north.tenant_id) as s:
        s.get_one(Lead, other.lead_id).email = "kim@example.com"
    answer, result = call(ctx, "update_lead", email="Kim@Example.com", last_name="Reed")
    assert result.is_error
    assert "belongs to another customer" in answer["error"]
    with db.tenant(world.north.tenant_id) as s:
        lead = s.get_one(Lead, ctx.lead_id)
        assert (lead.email, lead.last_name) == ("dana@example.com", None)
    assert not call(ctx, "update_lead", email="Dana.Reed@Example.com")[1].is_error


def test_hand_off_tells_the_shop_once(ctx: ToolContext, world: World, db: Database) -> None:
    with db.tenant(world.north.tenant_id) as s:
        for name, values in {
            "Mail": {"email": "m@north.example"},
            "Gone": {"phone": "+13125550555", "removed_at": ctx.clock.now()},
            "Quiet": {"phone": "+13125550556", "notify": False},
        }.items():
            s.add(Staff(tenant_id=world.north.tenant_id, location_id=None, name=name, **values))
    for note in ("Scratch on the hood.", "Scratch on the hood, upset."):
        answer, _ = call(ctx, "hand_off", reason="complaint", note=note)
        assert answer == {"handed_off": True}
    with db.tenant(world.north.tenant_id) as s:
        session = s.get_one(ChatSession, ctx.session_id)
        assert (session.state, session.state_reason) == ("human", "complaint")
        assert s.get_one(Lead, ctx.lead_id).status == "human"
        notices = s.scalars(select(ChatMessage).where(ChatMessage.kind == "notice")).all()
    assert {(one.channel, one.to_address, one.from_address) for one in notices} == {
        ("sms", "+13125550777", "+13125550101"),
        ("email", "m@north.example", "shop@north.example"),
    }
    assert len(notices) == 2
    assert all(one.status == "pending" and one.outbox_id for one in notices)
    assert "Scratch on the hood." in notices[0].body


def test_opt_out_is_wide_and_recorded_with_the_customers_words(
    world: World, db: Database, clock: FixedClock
) -> None:
    ctx = add_turn(db, clock, dana(world.north), body="enough, let me be")
    assert call(ctx, "opt_out", channel="all")[0] == {"opted_out": True}
    with db.tenant(ctx.tenant_id) as s:
        assert is_opted_out(s, ctx.tenant_id, "sms", "+13125550199")
        assert is_opted_out(s, ctx.tenant_id, "email", "dana@example.com")
        assert s.get_one(Lead, ctx.lead_id).status == "opted_out"
        events = s.scalars(select(ConsentEvent)).all()
        assert {one.evidence for one in events} == {"enough, let me be"}
        assert {one.message_id for one in events} == {ctx.trigger_message_id}
    with db.tenant(world.south.tenant_id) as s:
        assert not is_opted_out(s, world.south.tenant_id, "sms", "+13125550199")


def test_opt_out_of_one_channel_leaves_the_other(ctx: ToolContext) -> None:
    call(ctx, "opt_out", channel="sms")
    with ctx.db.tenant(ctx.tenant_id) as s:
        assert is_opted_out(s, ctx.tenant_id, "sms", "+13125550199")
        assert not is_opted_out(s, ctx.tenant_id, "email", "dana@example.com")


def test_a_service_that_is_no_longer_sold_cannot_be_found(ctx: ToolContext, world: World) -> None:
    service_id = world.north.service_ids["tint-sunstrip"]
    with ctx.db.tenant(ctx.tenant_id) as s:
        s.get_one(Service, service_id).active = False
    assert call(ctx, "find_services", query="sun strip")[0]["services"] == []
    assert call(ctx, "find_times", service_ids=[service_id])[1].is_error
