"""Other people's entries and the shop's own blocks take our bays, so that nobody is offered their time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from crm.calendar.booking import book
from crm.calendar.refusals import BookingConflict
from crm.db import Database
from ops.clock import FixedClock
from tests.conftest import TestDatabase, World
from tests.integration.back_help import Back, reading_back
from tests.integration.calendar_help import add_offer, local
from tests.integration.push_help import NINE

HOUR = timedelta(hours=1)
LENGTH = timedelta(minutes=150)


@pytest.fixture
def back(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World
) -> Iterator[Back]:
    with reading_back(test_database, redis_url, clock, db, world) as made:
        yield made


def busy(back: Back, start: datetime, hours: float = 1, **more: object) -> str:
    return back.site.busy(start, hours, **more)


def test_a_time_that_is_full_there_is_not_offered_here(back: Back) -> None:
    assert back.offered(NINE)
    first = busy(back, NINE)
    back.look()
    assert back.offered(NINE), "there is a second bay"
    busy(back, NINE)
    back.look()
    assert not back.offered(NINE)
    assert back.offered(NINE + HOUR)
    back.site.shopmonkey.delete_appointment(first)
    back.look()
    assert back.offered(NINE)


def test_a_time_that_is_full_there_cannot_be_booked_with_an_old_offer(back: Back) -> None:
    offer = add_offer(back.site.db, back.site.dana, NINE)
    for _ in range(2):
        busy(back, NINE)
    back.look()
    with back.site.db.tenant(back.site.shop.tenant_id) as s, pytest.raises(BookingConflict):
        book(s, offer, back.site.dana.booker(back.site.clock.now()))


def test_a_look_that_finds_nothing_new_writes_nothing(back: Back) -> None:
    busy(back, NINE)
    back.site.shopmonkey.add_lunch(local(24, 12), days=5)
    back.look()
    before = [(one.id, one.version, one.external_id) for one in back.blocks()]
    assert len(before) == 6
    looked = back.look()
    assert [(one.id, one.version, one.external_id) for one in back.blocks()] == before
    assert looked.text.endswith("blocks: 0 new, 0 gone")


def test_a_block_is_no_customers_and_holds_nobodys_name(back: Back) -> None:
    busy(back, NINE, name="Dr. Private / Bentley", note="gate code 4711")
    back.look()
    (row,) = back.blocks()
    assert (row.lead_id, row.service_ids, row.source, row.sync_due_at) == (None, [], "crm", None)
    assert "Private" not in str(row.history)
    assert "4711" not in str(row.history)
    assert row.history[0]["who"] == "crm"


def test_moved_and_cancelled_entries_take_their_block_along(back: Back) -> None:
    entry = busy(back, NINE)
    back.look()
    back.site.shopmonkey.move_appointment(entry, NINE + 3 * HOUR)
    back.look()
    assert [span[1:] for span in back.spans()] == [(NINE + 3 * HOUR, NINE + 4 * HOUR)]
    back.site.shopmonkey.cancel_appointment(entry)
    back.look()
    assert back.blocks() == []


def test_two_that_change_places_do_not_meet(back: Back) -> None:
    back.only_bays(1)
    first, second = busy(back, NINE), busy(back, NINE + HOUR)
    back.look()
    back.site.shopmonkey.move_appointment(first, NINE + HOUR)
    back.site.shopmonkey.move_appointment(second, NINE)
    assert back.look().error is None
    assert [one.external_id for one in back.blocks()] == [second, first]


def test_series_block_each_of_their_days(back: Back) -> None:
    sam = back.site.shopmonkey.add_user("Sam")
    kim = back.site.shopmonkey.add_user("Kim")
    back.site.shopmonkey.add_lunch(local(24, 12), days=3, technicians=[sam, kim])
    back.look()
    assert back.spans() == [
        (bay, local(day, 12), local(day, 13)) for day in (24, 25, 26) for bay in (0, 1)
    ], "two people at lunch are missing on two bays"
    assert not back.offered(local(25, 12))
    assert all(one.labour_minutes == 0 for one in back.blocks())


def test_a_lunch_is_no_job_of_the_day(back: Back) -> None:
    back.set(max_jobs_per_day=1)
    back.site.shopmonkey.add_lunch(local(24, 12), days=1)
    back.look()
    assert back.offered(NINE)
    busy(back, local(24, 15), customerId=back.site.customer_id)
    back.look()
    assert not back.offered(NINE), "a car is"


def test_blocks_of_series_stay_while_series_cannot_be_read(back: Back) -> None:
    plain = busy(back, NINE)
    lunches = back.site.shopmonkey.add_lunch(local(24, 12), days=2)
    back.look()
    for lunch in lunches:
        back.site.shopmonkey.remove("appointment", lunch)
    back.site.shopmonkey.delete_appointment(plain)
    busy(back, local(24, 12), 2)
    back.site.shopmonkey.fail_always(404, path="search_replacement")
    looked = back.look()
    assert "series could not be read" in looked.text
    assert sorted(span[1] for span in back.spans()) == [local(24, 12), local(24, 12), local(25, 12)]
    back.site.shopmonkey.clear_faults()
    back.look()
    assert [span[1] for span in back.spans()] == [local(24, 12)]


def test_technicians_have_bays_by_the_settings(back: Back) -> None:
    sam, kim = back.site.shopmonkey.add_user("Sam"), back.site.shopmonkey.add_user("Kim")
    office = back.site.shopmonkey.add_user("Ann")
    back.site.settings(outside={"technician_bays": {sam: "Bay 2", kim: "Bay 1", office: ""}})
    busy(back, NINE, technicianIds=[sam])
    busy(back, NINE + HOUR, technicianIds=[kim])
    busy(back, NINE + 2 * HOUR, technicianIds=[office])
    back.look()
    assert [(bay, start) for bay, start, _ in back.spans()] == [(1, NINE), (0, NINE + HOUR)]


def test_a_day_without_times_can_close_the_shop(back: Back) -> None:
    back.site.settings(outside={"all_day": "every_bay"})
    back.site.shopmonkey.add_appointment(
        "2026-11-25T00:00:00Z", "2026-11-27T00:00:00Z", allDay=True, name="Trade fair"
    )
    back.look()
    assert back.spans() == [(bay, local(25, 0), local(27, 0)) for bay in (0, 1)]
    assert not back.offered(local(25, 11))
    assert not back.offered(local(26, 11))
    assert back.offered(local(27, 11))


def test_over_the_change_of_the_clocks(back: Back) -> None:
    """Summer time ends on November 1, 2026 at two in the morning; both the long day and what is beside it."""
    back.site.clock.advance(local(30, 9, month=10) - back.site.clock.now())
    back.site.settings(outside={"all_day": "every_bay"})
    before = busy(back, local(31, 9, month=10), 48)
    back.site.shopmonkey.add_appointment("2026-11-02T06:00:00Z", "2026-11-03T06:00:00Z", allDay=True)
    back.only_bays(1)
    back.look()
    spans = back.spans()
    assert before
    assert spans[0][1:] == (local(31, 9, month=10), local(2, 0)), (
        "the day behind it is taken by the other one"
    )
    assert spans[1][1:] == (local(2, 0), local(3, 0))
    assert spans[0][2] - spans[0][1] == timedelta(hours=40)


def test_more_entries_than_bays_block_what_there_is(back: Back) -> None:
    for _ in range(3):
        busy(back, NINE, 1)
    busy(back, NINE, 3)
    assert back.look().error is None
    assert not back.offered(NINE)
    taken = [
        sum(start <= moment < end for _, start, end in back.spans())
        for moment in (NINE, NINE + HOUR, NINE + 2 * HOUR, NINE + 3 * HOUR)
    ]
    assert taken == [2, 1, 1, 0], "the long one has a bay all the time, whoever came first"


def test_our_own_bookings_stay_where_they_are(back: Back) -> None:
    number = back.booked()
    bay = back.row(number).bay_id
    for _ in range(3):
        busy(back, NINE - HOUR, 3)
    back.look()
    assert (back.row(number).bay_id, back.row(number).starts_at) == (bay, NINE)
    on_ours = [span[1:] for span in back.spans() if back.site.shop.bay_ids[span[0]] == bay]
    assert on_ours == [(NINE - HOUR, NINE)], "a piece before, and nothing on top"


def test_an_entry_of_no_location_blocks_every_shop(back: Back) -> None:
    busy(back, NINE, locationId=None)
    back.look()
    (row,) = back.blocks()
    assert row.external_id is not None
    assert row.external_id.endswith(f"~{back.site.shop.location_id}")


def test_blocks_that_are_over_are_forgotten(back: Back) -> None:
    busy(back, NINE)
    back.look()
    back.look(timedelta(days=3))
    assert back.blocks() == []
