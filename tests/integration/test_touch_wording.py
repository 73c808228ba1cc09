"""What a written touch says: real times, today's prices, the introduction once."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from crm.calendar.labels import label
from crm.db import Database
from crm.models import (
    Location,
    Offer,
)
from ops.clock import FixedClock
from scheduler.dispatch import write_touch
from tests.conftest import World
from tests.integration.cadence_rows import change, messages, start, touch, wish


def test_times_are_real_offers_or_none_are_named(db: Database, world: World, clock: FixedClock) -> None:
    ids = start(db, world.north, clock.now())
    wish(db, world.north, "sun strip")
    clock.moment = touch(db, world.north, ids[2]).due_at
    change(db, world.north, "update touch_points set status = 'skipped' where step < 3")
    message_id = write_touch(db, world.north.tenant_id, ids[2], clock)
    with db.tenant(world.north.tenant_id) as session:
        offers = list(session.scalars(select(Offer).order_by(Offer.starts_at)))
        location = session.get_one(Location, world.north.location_id)
    assert {offer.message_id for offer in offers} == {message_id}
    assert len(offers) == 2
    body = messages(db, world.north)[0].body
    assert all(label(offer.starts_at, location.timezone) in body for offer in offers)
    south = start(db, world.south, clock.now())
    change(db, world.south, "update touch_points set status = 'skipped' where step < 3")
    clock.moment = touch(db, world.south, south[2]).due_at
    assert write_touch(db, world.south.tenant_id, south[2], clock) is not None
    assert "Which day would suit you?" in messages(db, world.south)[0].body


def test_times_are_not_looked_up_for_a_text_that_must_wait(
    db: Database, world: World, clock: FixedClock
) -> None:
    change(db, world.north, "update leads set phone = '+14155550199' where id = :lead")
    ids = start(db, world.north, clock.now())
    change(db, world.north, "update touch_points set status = 'skipped' where step < 3")
    change(
        db,
        world.north,
        "update touch_points set due_at = :at where step = 3",
        at=clock.now() + timedelta(hours=1),
    )
    clock.advance(timedelta(hours=1))
    assert write_touch(db, world.north.tenant_id, ids[2], clock) is None
    row = touch(db, world.north, ids[2])
    assert row.status == "planned"
    late = row.due_at - (clock.now() + timedelta(hours=2))
    assert timedelta(0) <= late < timedelta(minutes=10), (
        "ten in California, with the lead's share of the jitter"
    )


def test_a_text_that_has_no_hour_at_all_is_skipped_instead_of_put_off_for_months(
    db: Database, world: World, clock: FixedClock
) -> None:
    change(db, world.north, "update leads set phone = '+16702345678' where id = :lead")
    ids = start(db, world.north, clock.now())
    change(db, world.north, "update touch_points set status = 'skipped' where step <> 3 and step <> 6")
    change(db, world.north, "update location_hours set opens = '09:00', closes = '10:00'")
    for step in (3, 6):
        clock.moment = touch(db, world.north, ids[step - 1]).due_at
        assert write_touch(db, world.north.tenant_id, ids[step - 1], clock) is None
        row = touch(db, world.north, ids[step - 1])
        assert (row.status, row.channel) == ("skipped", "sms"), f"step {step}"
        assert row.reason == "no hour that the shop and the law allow comes within 12 days", (
            "the shop's mornings are the middle of the night in Saipan"
        )


def test_the_first_text_has_the_long_form_and_the_next_the_short_one(
    db: Database, world: World, clock: FixedClock
) -> None:
    ids = start(db, world.north, clock.now())
    write_touch(db, world.north.tenant_id, ids[0], clock)
    change(db, world.north, "update chat_messages set status = 'sent', sent_at = :at", at=clock.now())
    clock.moment = touch(db, world.north, ids[2]).due_at
    change(db, world.north, "update touch_points set status = 'skipped' where step = 2")
    write_touch(db, world.north.tenant_id, ids[2], clock)
    first, second = messages(db, world.north)
    assert "automated assistant" in first.body
    assert "Msg & data rates may apply" in first.body
    assert "Msg & data rates" not in second.body
    assert second.body.endswith("Reply STOP to opt out")


def test_the_details_quote_the_price_list(db: Database, world: World, clock: FixedClock) -> None:
    ids = start(db, world.north, clock.now())
    wish(db, world.north, "full tint ceramic")
    change(db, world.north, "update touch_points set status = 'skipped' where step = 1")
    clock.moment = touch(db, world.north, ids[1]).due_at
    assert write_touch(db, world.north.tenant_id, ids[1], clock) is not None
    message = messages(db, world.north)[0]
    assert message.subject == "Your request at North Tint"
    assert "Full car tint, sedan, ceramic film: $449, about 2 h 30 min" in message.body
