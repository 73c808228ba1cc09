"""Nobody came: a few touches by the rules of all touches, which a slip, a reply, a stop or a new booking ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from crm.calendar.states import complete
from crm.db import Database
from crm.models import ChatMessage
from ops.clock import FixedClock
from tests.conftest import TestDatabase, World
from tests.integration.cadence_rows import start
from tests.integration.calendar_help import local
from tests.integration.talking import change, hear, lead_of, rows
from tests.integration.visit_help import Visits, visiting

NINE = local(24, 9)
MARKED = local(24, 10)


@pytest.fixture
def visits(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, db: Database
) -> Iterator[Visits]:
    with visiting(test_database, redis_url, clock, world) as made:
        yield made


@pytest.fixture
def missed(visits: Visits) -> int:
    """A visit that is marked as missed an hour after it was to begin; nothing has run since."""
    number = visits.books(NINE)
    visits.clock.moment = MARKED
    visits.marks(number, "no_show")
    return number


def touches(visits: Visits) -> list[str]:
    return [one.body for one in rows(visits.db, visits.shop, ChatMessage, ChatMessage.kind == "touch")]


def test_they_are_asked_for_another_time(visits: Visits, missed: int) -> None:
    visits.work()
    assert touches(visits) == [], "half an hour in which a slip can be taken back"
    visits.at(MARKED + timedelta(minutes=30))
    (first,) = touches(visits)
    assert "We missed you at your appointment. Shall we find another time?" in first
    assert lead_of(visits.db, visits.shop).status == "engaged"
    planned = [one for one in visits.plans(missed) if one.plan == "no_show"]
    assert [(one.kind, one.template) for one in planned] == [
        ("touch", "no_show"), ("touch", "no_show_times"), ("touch", "no_show_last")
    ]  # fmt: skip
    for day in (26, 27, 28, 30):
        visits.at(local(day, 11))
    assert len(touches(visits)) == 3


def test_a_slip_is_taken_back_and_nobody_hears_of_it(visits: Visits, missed: int) -> None:
    with visits.db.tenant(visits.shop.tenant_id) as session:
        complete(session, visits.owner(), missed)
    visits.at(MARKED + timedelta(hours=1))
    visits.at(local(25, 11))
    assert touches(visits) == []
    assert lead_of(visits.db, visits.shop).status == "won"


def test_a_slip_found_later_ends_the_rest(visits: Visits, missed: int) -> None:
    visits.at(MARKED + timedelta(minutes=30))
    with visits.db.tenant(visits.shop.tenant_id) as session:
        complete(session, visits.owner(), missed)
    assert {one.reason for one in visits.plans(missed, "ended")} >= {"the visit is over"}
    assert [one for one in visits.plans(missed, "planned", "paused") if one.plan == "no_show"] == []


def test_a_new_booking_ends_them(visits: Visits, missed: int) -> None:
    visits.at(MARKED + timedelta(minutes=30))
    again = visits.books(local(27, 9))
    left = [one for one in visits.plans(missed) if one.plan == "no_show"][1:]
    assert {(one.status, one.reason) for one in left} == {("ended", "booked")}
    visits.at(local(26, 11))
    assert len(touches(visits)) == 1
    assert [one.template for one in visits.plans(again, "written")] == ["confirmation"]


def test_a_reply_pauses_them(visits: Visits, missed: int) -> None:
    visits.at(MARKED + timedelta(minutes=30))
    hear(visits.runtime, visits.shop, "sorry, my kid was sick")
    left = [one for one in visits.plans(missed) if one.plan == "no_show"][1:]
    assert {one.status for one in left} == {"paused"}


def test_a_stop_ends_them(visits: Visits, missed: int) -> None:
    visits.at(MARKED + timedelta(minutes=30))
    hear(visits.runtime, visits.shop, "STOP")
    visits.at(local(26, 11))
    assert len(touches(visits)) == 1
    assert {one.status for one in visits.plans(missed)[3:]} <= {"ended", "written"}


def test_who_wrote_after_it_is_in_a_conversation(visits: Visits, missed: int) -> None:
    hear(visits.runtime, visits.shop, "so sorry! can I come tomorrow?")
    visits.at(MARKED + timedelta(minutes=30))
    assert touches(visits) == []
    assert [one for one in visits.plans(missed) if one.plan == "no_show"] == []


def test_who_has_another_appointment_is_not_asked(visits: Visits, missed: int) -> None:
    visits.books(local(27, 9))
    visits.at(MARKED + timedelta(minutes=30))
    assert touches(visits) == []


def test_a_running_cadence_is_enough(visits: Visits, missed: int) -> None:
    start(visits.db, visits.shop, visits.clock.now(), grant=False)
    visits.clock.moment = MARKED + timedelta(minutes=30)
    assert visits.plan() == ["a cadence is under way"]


def test_it_can_be_switched_off(visits: Visits, missed: int) -> None:
    change(
        visits.db, visits.shop, "update tenants set settings = settings || cast(:v as jsonb)",
        v='{"recover_no_shows": false}',
    )  # fmt: skip
    visits.clock.moment = MARKED + timedelta(minutes=30)
    assert visits.plan() == ["the shop's settings want nobody asked"]


def test_marked_at_night_it_waits_for_the_day(visits: Visits) -> None:
    number = visits.books(local(24, 15))
    visits.clock.moment = local(24, 23)
    visits.marks(number, "no_show")
    visits.at(local(24, 23, 30))
    assert len(visits.texts()) == 1
    visits.at(local(25, 10))
    assert "We missed you" in visits.texts()[-1]


@pytest.mark.parametrize(("days", "asked"), [(2, 1), (4, 0)])
def test_a_mark_that_is_made_much_later_asks_nobody(visits: Visits, days: int, asked: int) -> None:
    number = visits.books(NINE)
    visits.clock.moment = NINE + timedelta(days=days, hours=2)
    visits.marks(number, "no_show")
    visits.at(visits.clock.now() + timedelta(minutes=31))
    assert sum("We missed you" in one for one in touches(visits)) == asked
