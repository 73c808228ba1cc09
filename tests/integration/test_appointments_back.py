"""What the shop changes about our bookings in its own calendar becomes true here; nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from crm.calendar.outside import Laid
from crm.db import Database
from crm.models import Bay, Lead
from ops.clock import FixedClock
from tests.conftest import TestDatabase, World
from tests.integration.back_help import Back, reading_back
from tests.integration.calendar_help import customers, local
from tests.integration.push_help import NINE

HOUR = timedelta(hours=1)
LENGTH = timedelta(minutes=150)
WEDNESDAY = local(25, 11)


@pytest.fixture
def back(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World
) -> Iterator[Back]:
    with reading_back(test_database, redis_url, clock, db, world) as made:
        yield made


def test_an_echo_of_our_own_push_changes_nothing(back: Back) -> None:
    number = back.booked()
    before = back.row(number)
    looked = back.look()
    after = back.row(number)
    assert (after.version, after.history, after.tell_due_at) == (before.version, before.history, None)
    assert (looked.error, back.blocks()) == (None, [])
    assert "ours as they were" in looked.text


def test_what_is_moved_there_is_moved_here(back: Back) -> None:
    number = back.booked()
    back.drag(number, WEDNESDAY)
    back.look()
    row = back.row(number)
    assert (row.starts_at, row.ends_at, row.blocked_from, row.blocked_until) == (
        WEDNESDAY, WEDNESDAY + LENGTH, WEDNESDAY, WEDNESDAY + LENGTH,
    )  # fmt: skip
    assert (row.status, row.sequence, row.override, row.labour_minutes) == ("booked", 1, None, 150)
    assert back.history(number) == [("agent", "booked"), ("crm", "moved")]
    assert row.history[-1]["why"] == "moved in Shopmonkey"
    assert (row.history[-1]["from"], row.history[-1]["to"]) == (NINE.isoformat(), WEDNESDAY.isoformat())
    assert (row.sync_due_at, row.sync_state, row.external_starts_at) == (None, "pushed", WEDNESDAY)
    assert back.site.owed() == [], "what came from there is not pushed there"
    back.look()
    assert back.row(number).version == row.version


def test_a_time_our_rules_would_not_offer_is_the_shops_to_choose(back: Back) -> None:
    number = back.booked()
    sunday_night = local(29, 22, 10)
    back.drag(number, sunday_night)
    back.look()
    row = back.row(number)
    assert row.starts_at == sunday_night
    assert row.override is not None
    assert (row.override["by"], "closed" in row.override["rules"]) == ("Shopmonkey", True)
    assert row.history[-1]["against"]


def test_a_longer_entry_keeps_its_bay_longer(back: Back) -> None:
    number = back.booked()
    back.drag(number, NINE, NINE + LENGTH + HOUR)
    back.look()
    row = back.row(number)
    assert (row.starts_at, row.ends_at, row.labour_minutes) == (NINE, NINE + LENGTH + HOUR, 210)
    assert back.tell(number) == "nothing changed in the end", "nobody comes at another time because of it"
    assert back.texts() == []


def test_on_a_bay_that_is_taken_it_goes_to_another_one(back: Back) -> None:
    number = back.booked()
    other = back.site.book(WEDNESDAY, customers(back.site.db, back.site.shop, 1)[0])
    taken = back.row(other).bay_id
    back.site.change(number, bay_id=taken)
    back.drag(number, WEDNESDAY)
    back.look()
    assert back.row(number).starts_at == WEDNESDAY
    assert back.row(number).bay_id != taken
    assert back.notices() == []


def test_where_every_bay_has_a_car_it_is_written_down_beside_them_and_the_shop_is_told(back: Back) -> None:
    number = back.booked()
    for who in customers(back.site.db, back.site.shop, 2):
        back.site.book(WEDNESDAY, who)
    back.drag(number, WEDNESDAY)
    back.look()
    row = back.row(number)
    with back.site.db.tenant(back.site.shop.tenant_id) as s:
        bay = s.get_one(Bay, row.bay_id)
    assert (row.starts_at, row.status, bay.active) == (WEDNESDAY, "booked", False)
    assert row.override is not None
    assert "taken" in row.override["rules"]
    (notice,) = back.notices()
    assert "Dana Reyes" in notice
    assert "every bay" in notice
    back.tell(number)
    assert len(back.texts()) == 1, "they come then, so they are told"
    # Back to a time with room it stands on a bay again.
    back.drag(number, local(26, 9))
    back.look()
    assert back.row(number).bay_id in back.site.shop.bay_ids


def test_other_peoples_entries_give_way_to_our_customers(back: Back) -> None:
    number = back.booked()
    back.site.busy(WEDNESDAY)
    back.site.busy(WEDNESDAY)
    back.look()
    assert len(back.spans()) == 2
    back.drag(number, WEDNESDAY)
    back.look()
    row = back.row(number)
    assert row.bay_id in back.site.shop.bay_ids
    assert back.notices() == []
    assert [(start, end) for _, start, end in back.spans()] == [(WEDNESDAY, WEDNESDAY + LENGTH)]


def test_what_gave_way_blocks_what_is_left_in_the_same_moment(
    back: Back, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody may be offered its time between the move and the end of the look."""
    number = back.booked()
    for _ in range(2):
        back.site.busy(WEDNESDAY - HOUR, 5)
    back.look()
    back.drag(number, WEDNESDAY)
    monkeypatch.setattr("scheduler.crm_appointments.lay_out", lambda *_, **__: Laid())
    back.look()
    bay = back.site.shop.bay_ids.index(back.row(number).bay_id)
    whole = (WEDNESDAY - HOUR, WEDNESDAY + 4 * HOUR)
    assert sorted(back.spans()) == sorted(
        [
            (bay, WEDNESDAY - HOUR, WEDNESDAY),
            (bay, WEDNESDAY + LENGTH, whole[1]),
            (1 - bay, *whole),
        ]
    )
    monkeypatch.undo()
    assert back.look().error is None
    assert len(back.spans()) == 3


def test_a_confirmed_time_is_not_confirmed_any_more(back: Back) -> None:
    number = back.booked()
    back.site.change(number, status="confirmed")
    back.drag(number, NINE, NINE + LENGTH + HOUR)
    back.look()
    assert back.row(number).status == "confirmed", "the customer comes when they said"
    back.drag(number, WEDNESDAY)
    back.look()
    assert back.row(number).status == "booked"


def test_a_car_that_is_left_gets_the_window_of_its_new_day(back: Back) -> None:
    back.set(drop_off_from=local(24, 8).time(), drop_off_until=local(24, 9).time())
    number = back.booked()
    back.site.change(number, visit="drop_off", arrives_from=local(24, 8), arrives_until=NINE)
    back.drag(number, local(25, 13))
    back.look()
    row = back.row(number)
    hours = (row.arrives_from, row.arrives_until)
    assert row.starts_at == local(25, 13)
    assert row.arrives_until is not None
    assert row.arrives_until <= row.starts_at
    assert hours[0] is not None
    assert hours[0].date() == local(25, 13).date()
    back.drag(number, local(29, 22))
    back.look()
    row = back.row(number)
    assert (row.arrives_from, row.arrives_until) == (local(29, 21), local(29, 22)), "the shop is closed then"


def test_what_is_cancelled_there_is_cancelled_here(back: Back) -> None:
    number = back.booked()
    back.site.shopmonkey.cancel_appointment(back.entry(number)["id"], "the customer called")
    back.look()
    row = back.row(number)
    assert (row.status, row.sequence, row.external_starts_at) == ("cancelled", 1, None)
    assert back.history(number)[-1] == ("crm", "cancelled")
    assert row.history[-1]["why"] == "cancelled in Shopmonkey"
    with back.site.db.tenant(back.site.shop.tenant_id) as s:
        assert s.get_one(Lead, back.site.shop.lead_id).status == "engaged"
    assert back.site.owed() == []
    assert back.offered(NINE)


def test_a_deleted_entry_is_believed_gone_at_the_second_look(back: Back) -> None:
    number = back.booked()
    back.site.shopmonkey.delete_appointment(back.entry(number)["id"])
    looked = back.look()
    assert (back.row(number).status, looked.again_after) == ("booked", timedelta(seconds=20))
    looked = back.look()
    assert (back.row(number).status, looked.again_after) == ("cancelled", None)
    assert back.row(number).history[-1]["why"] == "deleted in Shopmonkey"
    assert back.notes == {"missing": {}}


def test_an_entry_the_list_forgot_is_found_by_its_id(back: Back) -> None:
    number = back.booked()
    entry = back.entry(number)
    # Recurring entries are left out by lists; without technicians to ask for the calendar leaves this one out too.
    entry["_recurring"], entry["_technicianIds"] = True, ["nobody-known"]
    for _ in range(3):
        looked = back.look()
        assert back.row(number).status == "booked"
        assert looked.notes == {"missing": {}}
    back.site.shopmonkey.delete_appointment(entry["id"])
    back.look()
    back.look()
    assert back.row(number).status == "cancelled"


def test_a_move_beyond_what_is_read_is_found_by_its_id(back: Back) -> None:
    number = back.booked()
    far = local(24, 9) + timedelta(days=200)
    back.drag(number, far)
    back.look()
    assert (back.row(number).starts_at, back.row(number).status) == (far, "booked")
    back.look()
    assert back.row(number).status == "booked"


def test_an_entry_made_anew_from_a_copy_is_ours(back: Back) -> None:
    number = back.booked()
    entry = back.entry(number)
    copy = back.site.busy(WEDNESDAY, note=entry["note"], customerId=entry["customerId"])
    back.look()
    assert (back.row(number).starts_at, len(back.blocks())) == (NINE, 1), "while ours stands it is a copy"
    back.site.shopmonkey.delete_appointment(entry["id"])
    back.look()
    row = back.row(number)
    assert (row.status, row.starts_at, row.external_id, back.blocks()) == ("booked", WEDNESDAY, copy, [])


def test_an_entry_that_went_to_another_shop_is_told_and_left(back: Back, world: World) -> None:
    number = back.booked()
    elsewhere = back.site.shopmonkey.add_location("South Street")
    back.site.shopmonkey.change("appointment", back.entry(number)["id"], locationId=elsewhere)
    for _ in range(3):
        back.look()
    assert back.row(number).status == "booked"
    (notice,) = back.notices()
    assert "another shop" in notice


def test_past_entries_that_are_cleared_away_cancel_nothing(back: Back) -> None:
    number = back.booked()
    back.site.clock.advance(NINE + HOUR - back.site.clock.now())
    back.site.shopmonkey.delete_appointment(back.entry(number)["id"])
    for _ in range(3):
        back.look()
    assert back.row(number).status == "booked"
