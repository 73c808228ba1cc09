"""Services, quotes and times as a model gets them: the catalogue and the calendar, nothing made up."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from agent.tools.base import ToolContext
from crm.db import Database
from crm.models import Bay, Service
from ops.clock import FixedClock
from tests.conftest import World
from tests.integration.calendar_help import add_turn, call, dana
from tests.integration.tool_help import times


@pytest.fixture
def ctx(db: Database, world: World, clock: FixedClock) -> ToolContext:
    """A turn of north's customer."""
    return add_turn(db, clock, dana(world.north))


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


def test_a_service_that_is_no_longer_sold_cannot_be_found(ctx: ToolContext, world: World) -> None:
    service_id = world.north.service_ids["tint-sunstrip"]
    with ctx.db.tenant(ctx.tenant_id) as s:
        s.get_one(Service, service_id).active = False
    assert call(ctx, "find_services", query="sun strip")[0]["services"] == []
    assert call(ctx, "find_times", service_ids=[service_id])[1].is_error


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


def test_a_quote_adds_up_and_says_what_is_not_in_it(ctx: ToolContext, world: World) -> None:
    ids = [world.north.service_ids[code] for code in ("tint-full-sedan-ceramic", "tint-sunstrip")]
    answer, result = call(ctx, "quote", service_ids=ids, vehicle="my 2021 Honda Civic")
    assert not result.is_error, result.text
    prices = [one["price_cents"] for one in answer["services"]]
    assert answer["body_style"] == "sedan"
    assert prices[0] == 44900
    assert answer["total_cents"] == sum(prices)
    assert answer["total"] == f"${sum(prices) // 100}"
    assert answer["duration"] == "3 h"
    with ctx.db.tenant(ctx.tenant_id) as s:
        services = [s.get_one(Service, one) for one in ids]
    assert answer["not_included"] == [
        f"{one.name}: {one.not_included}" for one in services if one.not_included
    ]
    assert answer["not_included"]


def test_a_quote_needs_the_car_and_the_right_one(ctx: ToolContext, world: World) -> None:
    sedan = world.north.service_ids["tint-full-sedan-ceramic"]
    unknown, result = call(ctx, "quote", service_ids=[sedan])
    assert result.is_error
    assert "depends on the vehicle" in unknown["error"]
    truck, result = call(ctx, "quote", service_ids=[sedan], vehicle="F-150")
    assert result.is_error
    assert "The vehicle is a truck" in truck["error"]
    assert "$" not in truck["error"]
    call(ctx, "update_lead", vehicle_make="Ford", vehicle_model="F-150")
    assert call(ctx, "quote", service_ids=[sedan])[1].is_error, "the vehicle on file counts"
    assert not call(ctx, "quote", service_ids=[sedan], body_style="sedan")[1].is_error


def test_a_quote_with_one_unknown_price_has_no_total(ctx: ToolContext, world: World) -> None:
    with ctx.db.tenant(ctx.tenant_id) as s:
        unpriced = s.scalars(select(Service).where(Service.price_cents.is_(None), Service.active)).first()
        assert unpriced is not None
        ids = [unpriced.id, world.north.service_ids["tint-sunstrip"]]
    answer, _ = call(ctx, "quote", service_ids=ids, body_style="sedan")
    assert (answer["total"], answer["total_cents"]) == (None, None)
    assert "hand_off" in answer["note"]


def test_another_shops_service_cannot_be_quoted(ctx: ToolContext, world: World) -> None:
    answer, result = call(ctx, "quote", service_ids=[world.south.service_ids["tint-sunstrip"]])
    assert result.is_error
    assert "Unknown service_id" in answer["error"]
