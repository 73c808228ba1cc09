"""Both calendars changed, what makes a look due, and what it does not survive."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from crm.connectors.base import Change, ConnectorError
from crm.db import Database
from crm.models import Location
from ops.clock import FixedClock
from tests.conftest import TestDatabase, World
from tests.integration.back_help import Back, reading_back
from tests.integration.calendar_help import local
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


def test_our_later_change_is_pushed(back: Back) -> None:
    number = back.booked()
    back.drag(number, WEDNESDAY)
    back.site.clock.advance(timedelta(minutes=5))
    back.site.move(local(26, 9))
    back.look()
    assert back.row(number).starts_at == local(26, 9)
    assert back.site.push(number) == "moved"
    back.look()
    assert (back.row(number).starts_at, back.site.starts()) == (local(26, 9), [local(26, 9)])
    assert back.texts() == []


def test_their_later_change_wins_over_one_of_ours_that_waits(back: Back) -> None:
    number = back.booked()
    back.site.move(local(26, 9))
    back.site.clock.advance(timedelta(minutes=5))
    back.drag(number, WEDNESDAY)
    back.look()
    row = back.row(number)
    assert (row.starts_at, row.sync_due_at) == (WEDNESDAY, None)
    assert back.site.push(number) == "not due"
    assert back.site.starts() == [WEDNESDAY]


def test_a_note_that_is_edited_while_ours_waits_brings_nothing_back(back: Back) -> None:
    number = back.booked()
    back.site.move(local(26, 9))
    back.site.clock.advance(timedelta(minutes=5))
    entry = back.entry(number)
    back.site.shopmonkey.change("appointment", entry["id"], note=entry["note"] + "\nbring snacks")
    back.look()
    assert back.row(number).starts_at == local(26, 9)
    assert back.site.push(number) == "moved"
    assert back.site.starts() == [local(26, 9)]


def test_nothing_is_judged_while_a_push_is_under_way(back: Back) -> None:
    number = back.booked()
    back.drag(number, WEDNESDAY)
    back.site.change(number, sync_claimed_until=back.site.clock.now() + 5 * HOUR)
    back.look()
    assert back.row(number).starts_at == NINE
    back.site.change(number, sync_claimed_until=None)
    back.look()
    assert back.row(number).starts_at == WEDNESDAY


def test_what_changed_while_the_calendar_was_read_is_looked_at_next_time(
    back: Back, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = back.booked()
    back.drag(number, WEDNESDAY)
    original = back.site.shopmonkey.handle

    def meanwhile(request):  # type: ignore[no-untyped-def]
        answer = original(request)
        if "search_replacement" in request.path:
            back.site.move(local(27, 9))
        return answer

    monkeypatch.setattr(back.site.shopmonkey, "handle", meanwhile)
    back.look()
    assert back.row(number).starts_at == local(27, 9)


def test_a_list_from_before_our_push_moves_nothing_back_where_there_are_no_versions(
    back: Back, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm.connectors.shopmonkey.rows.version_of", lambda row: None)
    number = back.booked()
    back.drag(number, WEDNESDAY)
    original = back.site.shopmonkey.handle

    def meanwhile(request):  # type: ignore[no-untyped-def]
        answer = original(request)
        if "search_replacement" in request.path:
            monkeypatch.setattr(back.site.shopmonkey, "handle", original)
            back.site.move(local(27, 9))
            assert back.site.push(number) == "moved"
        return answer

    monkeypatch.setattr(back.site.shopmonkey, "handle", meanwhile)
    back.look()
    assert (back.row(number).starts_at, back.site.starts()) == (local(27, 9), [local(27, 9)])
    back.look()
    assert back.row(number).starts_at == local(27, 9)


def test_what_was_cancelled_here_and_is_put_back_there_takes_its_time_and_is_told(back: Back) -> None:
    number = back.booked()
    back.site.cancel(number)
    assert back.site.push(number) == "cancelled"
    back.look()
    assert back.blocks() == []
    back.site.shopmonkey.change("appointment", back.entry(number)["id"], cancellationNote=None)
    back.look()
    back.look()
    assert (back.row(number).status, len(back.blocks())) == ("cancelled", 1)
    (notice,) = back.notices()
    assert "cancelled here but stands in Shopmonkey" in notice
    assert back.news() == []


def test_a_webhook_makes_the_look_at_that_location_due(back: Back) -> None:
    number = back.booked()
    check = back.check(back.site.clock.now() + HOUR)
    entry = back.entry(number)["id"]
    assert back.told(Change("appointment", "UPDATE", entry, None)) == f"look {check} is due"
    assert back.told(Change("appointment", "DELETE", entry, None)) == "the look is due already"
    assert back.told(Change("appointment", "DELETE", "never-seen", None)) == "an entry of no location of ours"
    assert back.site.shopmonkey.requests[-1].path != f"/v3/appointment/{entry}"
    job, tenant_id, row_id = back.site.runtime.queue.take_due(back.site.clock.now() + timedelta(seconds=3))[
        -1
    ]
    assert (job, tenant_id, row_id) == ("crm_check", back.site.shop.tenant_id, str(check))


def test_of_several_locations_the_entry_is_asked_for(back: Back) -> None:
    with back.site.db.tenant(back.site.shop.tenant_id) as s:
        place = s.get_one(Location, back.site.shop.location_id)
        other = Location(
            tenant_id=place.tenant_id,
            slug="west",
            name="West",
            timezone=place.timezone,
            crm_location_id="west-1",
        )
        s.add(other)
    check = back.check(back.site.clock.now() + HOUR)
    ours = back.site.busy(NINE)
    foreign = back.site.busy(NINE, locationId=back.site.shopmonkey.add_location("East"))
    assert back.told(Change("appointment", "INSERT", ours, None)) == f"look {check} is due"
    assert back.told(Change("appointment", "INSERT", foreign, None)) == "an entry of no location of ours"
    assert back.told(Change("appointment", "INSERT", "gone", None)) == "an entry of no location of ours"


def test_a_look_that_fails_changes_nothing(back: Back) -> None:
    number = back.booked()
    back.site.busy(WEDNESDAY)
    back.look()
    back.site.shopmonkey.delete_appointment(back.entry(number)["id"])
    back.site.shopmonkey.fail_always(503)
    with pytest.raises(ConnectorError):
        back.look()
    assert (back.row(number).status, len(back.blocks())) == ("booked", 1)


def test_the_settings_may_want_no_reading(back: Back) -> None:
    number = back.booked()
    back.drag(number, WEDNESDAY)
    back.site.settings(read_appointments=False)
    asked = len(back.site.shopmonkey.requests)
    assert back.look().again_after == HOUR
    assert (back.row(number).starts_at, len(back.site.shopmonkey.requests)) == (NINE, asked)
    assert "not read" in back.told(Change("appointment", "UPDATE", back.entry(number)["id"], None))
