"""Several appointments of one customer: which of them is moved or cancelled, and that the others stay as they are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from agent.tools.base import ToolContext
from crm.calendar.booking import Booker, book_directly
from crm.calendar.job import job_for
from crm.db import Database
from crm.models import Location, Service
from ops.clock import FixedClock
from tests.conftest import World
from tests.integration.calendar_help import add_message, add_offer, add_turn, call, dana, local
from tests.integration.tool_help import appointments, hear, show, times

TUESDAY, FRIDAY = "Tue, Nov 24 at 9:00 AM", "Fri, Nov 27 at 9:00 AM"


@pytest.fixture
def ctx(db: Database, world: World, clock: FixedClock) -> ToolContext:
    """A turn of a customer with a full tint on Tuesday and a sun strip on Friday."""
    made = add_turn(db, clock, dana(world.north))
    call(made, "book", offer_id=add_offer(db, dana(world.north), local(24, 9)))
    made = hear(made, world, "Friday at 9 works too")
    friday = add_offer(db, dana(world.north), local(27, 9), code="tint-sunstrip")
    assert not call(made, "book", offer_id=friday)[1].is_error
    return made


def state(ctx: ToolContext, world: World) -> dict[str, tuple[object, ...]]:
    """Status, start and number of changes of every appointment, by its service."""
    codes = {number: code for code, number in world.north.service_ids.items()}
    return {codes[one.service_ids[0]]: (one.status, one.starts_at, one.sequence) for one in appointments(ctx)}


def both(tint: str = "booked", strip: str = "booked") -> dict[str, tuple[object, ...]]:
    """The two of them where they were booked."""
    return {
        "tint-full-sedan-carbon": (tint, local(24, 9), int(tint == "cancelled")),
        "tint-sunstrip": (strip, local(27, 9), int(strip == "cancelled")),
    }


def test_a_move_takes_the_appointment_for_those_services(ctx: ToolContext, world: World) -> None:
    ctx = hear(ctx, world, "Can you move the sun strip to Wednesday at 1 PM?")
    wednesday = {"from_date": "2026-11-25", "to_date": "2026-11-25", "after": "13:00", "before": "13:00"}
    (offer,) = times(ctx, world, code="tint-sunstrip", **wednesday)["offers"]
    show(ctx, world, f"{offer['label']} is free for the sun strip. Shall I move it there?")
    ctx = hear(ctx, world, "Yes please")
    moved, result = call(ctx, "move", offer_id=offer["offer_id"])
    assert not result.is_error
    assert (moved["moved_from"], moved["appointment"]["services"]) == (
        FRIDAY,
        ["Sun strip (windshield brow)"],
    )
    assert state(ctx, world) == {**both(), "tint-sunstrip": ("booked", local(25, 13), 1)}


def test_a_move_to_a_time_for_other_work_changes_nothing(
    ctx: ToolContext, world: World, owner_engine: Engine
) -> None:
    with owner_engine.begin() as connection:
        connection.execute(
            text("update service_catalog set active = false, price_cents = 99900 where id = :id"),
            {"id": world.north.service_ids["tint-full-sedan-ceramic"]},
        )
    ctx = hear(ctx, world, "Wednesday at 9 please")
    other = add_offer(ctx.db, dana(world.north), local(25, 9), code="tint-full-sedan-ceramic")
    answer, result = call(ctx, "move", offer_id=other)
    assert result.is_error
    assert "other services" in answer["error"]
    assert state(ctx, world) == both()


def test_of_two_for_the_same_work_none_is_moved(
    ctx: ToolContext, world: World, db: Database, clock: FixedClock
) -> None:
    who = dana(world.north)
    with db.tenant(ctx.tenant_id) as s:
        strip = s.get_one(Service, world.north.service_ids["tint-sunstrip"])
        booker = Booker(who.lead_id, None, "owner", clock.now())
        location = s.get_one(Location, ctx.location_id)
        book_directly(s, location, who.lead_id, job_for([strip], None), local(28, 9), booker)
    ctx = hear(ctx, world, "Wednesday at 1 PM works")
    answer, result = call(ctx, "move", offer_id=add_offer(db, who, local(25, 13), code="tint-sunstrip"))
    assert result.is_error
    assert "several appointments" in answer["error"]
    assert [one.starts_at for one in appointments(ctx)] == [local(24, 9), local(27, 9), local(28, 9)]


def test_a_time_of_the_later_one_does_not_block_its_own_move(
    ctx: ToolContext, world: World, owner_engine: Engine
) -> None:
    """With one bay only the appointment itself is in the way; for other work it stays in the way."""
    with owner_engine.begin() as connection:
        connection.execute(
            text(
                "update bays set active = false"
                " where id <> (select bay_id from appointments order by id desc limit 1)"
            )
        )
    friday = {"from_date": "2026-11-27", "to_date": "2026-11-27", "after": "09:00", "before": "09:00"}
    assert [one["label"] for one in times(ctx, world, code="tint-sunstrip", **friday)["offers"]] == [FRIDAY]
    others = times(ctx, world, code="tint-sunroof", **friday)["offers"]
    assert FRIDAY not in [one["label"] for one in others]


@pytest.mark.parametrize(
    "said",
    [
        "Please cancel the sun strip appointment",
        "cancel my second appointment please",
        "I need to cancel the brow strip, keep the full tint",
        "Please cancel the sun strip on Friday",
        "cancel friday",
    ],
)
@pytest.mark.parametrize("with_id", [True, False])
def test_the_one_that_is_named_is_cancelled(
    ctx: ToolContext, world: World, said: str, *, with_id: bool
) -> None:
    ids = [one["appointment_id"] for one in call(ctx, "my_appointments")[0]["appointments"]]
    ctx = hear(ctx, world, said)
    _, result = call(ctx, "cancel", appointment_id=ids[0])
    assert result.is_error, "the words name the other one"
    gone, result = call(ctx, "cancel", **({"appointment_id": ids[1]} if with_id else {}))
    assert not result.is_error
    assert gone["appointment"]["label"] == FRIDAY
    assert state(ctx, world) == both(strip="cancelled")
    _, result = call(ctx, "cancel", appointment_id=ids[0])
    assert result.is_error, "these words have had their effect"
    assert call(ctx, "cancel")[0] == gone, "asked for once more it is the same one"
    assert state(ctx, world) == both(strip="cancelled")


def test_words_that_fit_both_are_asked_back(ctx: ToolContext, world: World) -> None:
    ids = [one["appointment_id"] for one in call(ctx, "my_appointments")[0]["appointments"]]
    ctx = hear(ctx, world, "I need to cancel my appointment")
    answer, _ = call(ctx, "cancel")
    assert answer["which"] == [TUESDAY, FRIDAY]
    assert all(label in answer["error"] for label in (TUESDAY, FRIDAY))
    for number in ids:
        assert call(ctx, "cancel", appointment_id=number)[1].is_error
    assert state(ctx, world) == both()
    add_message(ctx.db, dana(world.north), body=f"Which one shall I cancel: {TUESDAY} or {FRIDAY}?")
    ctx = hear(ctx, world, "yes")
    assert call(ctx, "cancel")[1].is_error
    ctx = hear(ctx, world, "the friday one")
    assert call(ctx, "cancel", appointment_id=ids[0])[1].is_error
    assert not call(ctx, "cancel", appointment_id=ids[1])[1].is_error
    assert state(ctx, world) == both(strip="cancelled")


def test_both_are_cancelled_one_by_one(ctx: ToolContext, world: World) -> None:
    ids = [one["appointment_id"] for one in call(ctx, "my_appointments")[0]["appointments"]]
    ctx = hear(ctx, world, "please cancel both appointments")
    for number in ids:
        assert not call(ctx, "cancel", appointment_id=number)[1].is_error
    assert state(ctx, world) == both("cancelled", "cancelled")


@pytest.mark.parametrize("then", ["sorry about that", "Hello?", "Thanks", "yes please cancel it"])
def test_a_yes_cancels_one_whatever_is_written_before_it_was_told(
    ctx: ToolContext, world: World, then: str
) -> None:
    add_message(ctx.db, dana(world.north), body=f"Do you want me to cancel your appointment on {TUESDAY}?")
    ctx = hear(ctx, world, "yes please cancel it")
    gone, _ = call(ctx, "cancel")
    assert gone["appointment"]["label"] == TUESDAY
    # Nothing was answered, so the words before are read once more.
    newer = add_message(ctx.db, dana(world.north), direction="in", status="received", body=then)
    again, result = call(replace(ctx, trigger_message_id=newer), "cancel")
    assert not result.is_error
    assert again == gone
    assert state(ctx, world) == both(tint="cancelled")


def test_a_yes_to_a_question_about_one_that_is_gone_cancels_no_other(ctx: ToolContext, world: World) -> None:
    add_message(ctx.db, dana(world.north), body=f"Do you want me to cancel your appointment on {TUESDAY}?")
    ctx = hear(ctx, world, "cancel tuesday please")
    call(ctx, "cancel")
    ctx = hear(ctx, world, "yes")
    answer, result = call(ctx, "cancel")
    assert result.is_error
    assert FRIDAY in answer["error"]
    assert state(ctx, world) == both(tint="cancelled")


def test_an_appointment_that_is_not_theirs_is_not_cancelled(ctx: ToolContext, world: World) -> None:
    ctx = hear(ctx, world, "cancel both")
    answer, result = call(ctx, "cancel", appointment_id=10**12)
    assert result.is_error
    assert "no such upcoming appointment" in answer["error"]
    assert state(ctx, world) == both()


@pytest.mark.parametrize(
    "wishes", [{"from_date": "9999-12-31", "after": "23:00"}, {"from_date": "9000-01-01"}]
)
def test_a_day_beyond_every_calendar_finds_the_last_times_there_are(
    ctx: ToolContext, world: World, wishes: dict[str, str]
) -> None:
    found = times(ctx, world, code="tint-sunroof", **wishes)
    assert "nearest free times" in found["note"]
    assert found["offers"]
    assert min(one["date"] for one in found["offers"]) > "2026-12-01"
