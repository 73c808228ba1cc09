"""The planner by table: jitter, wishes of steps, shops' hours, holidays, clocks that change, and going on after silence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from crm.calendar.hours import OpeningHours
from scheduler.cadence import NO_HOUR, OF_A_VISIT, plan_touches, rest_of
from scheduler.moments import share
from scheduler.plan import Plan, load_plan
from tests.unit.planner_help import CHICAGO, MONDAY_ELEVEN, lead, plan_of, shop, walls


def test_500_leads_of_one_second_are_not_written_to_in_one_second() -> None:
    saturday_night = datetime(2026, 11, 15, 5, 0, tzinfo=UTC)
    plan = load_plan()
    seconds = [plan_touches(plan, lead(seed=number), saturday_night)[1].due_at for number in range(500)]
    opening = datetime(2026, 11, 16, 16, 10, tzinfo=UTC)
    assert min(seconds) >= opening
    assert max(seconds) < opening + timedelta(minutes=10)
    a_minute = [sum(1 for one in seconds if one - opening < timedelta(minutes=m)) for m in range(1, 11)]
    assert max(later - one for one, later in pairwise([0, *a_minute])) < 90, (
        "spread evenly, about fifty a minute"
    )


def test_a_lead_keeps_its_share_and_the_first_touch_has_none() -> None:
    for seed in (1, 2, 77):
        plain, moved = (plan_touches(load_plan(), lead(seed=s), MONDAY_ELEVEN) for s in (None, seed))
        assert moved[0].due_at == MONDAY_ELEVEN
        assert {b.due_at - a.due_at for a, b in zip(plain[1:], moved[1:], strict=True)} == {
            timedelta(seconds=int(600 * share(seed)))
        }
    assert len({share(seed) for seed in range(1000)}) == 1000
    assert all(0 <= share(seed) < 1 for seed in range(1000))


def test_jitter_takes_only_what_is_left_of_the_hours() -> None:
    # 17:53 and 17:55 on Monday; two hours of jitter would end in the night.
    start = MONDAY_ELEVEN + timedelta(hours=6, minutes=53)
    plan = plan_of({"after": "0m"}, {"after": "2m", "channel": "email"}, {"after": "1d"}, jitter="2h")
    for seed in range(50):
        first, second, third = plan_touches(plan, lead(seed=seed), start)
        assert first.due_at < second.due_at < start + timedelta(minutes=7)
        assert third.local_time.startswith("2026-12-01 17:5")


def test_jitter_that_comes_too_near_is_made_good() -> None:
    # Exactly `apart` between the two, and less of the jitter fits before closing than after the first.
    plan = plan_of({"after": "0m", "part": "afternoon"}, {"after": "3h"}, apart="3h", jitter="2h")
    touches = [plan_touches(plan, lead(seed=seed), MONDAY_ELEVEN) for seed in range(200)]
    assert all(two.due_at - one.due_at >= timedelta(hours=3) for one, two in touches)
    assert {two.local_time[:10] for _, two in touches} == {"2026-11-30", "2026-12-01"}


@pytest.mark.parametrize(
    ("wishes", "wall"),
    [
        ({"after": "1d"}, "2026-12-01 11:00"),
        ({"after": "1d", "days": ["thu", "fri"]}, "2026-12-03 11:00"),
        ({"after": "1d", "days": ["mon"]}, "2026-12-07 11:00"),
        ({"after": "1d", "part": "morning"}, "2026-12-01 11:00"),
        ({"after": "1d", "part": "afternoon"}, "2026-12-01 14:00"),
        ({"after": "1d", "part": "evening"}, "2026-12-01 17:00"),
        ({"after": "5d", "part": "evening"}, "2026-12-07 17:00"),
        ({"after": "5d", "days": ["sat"], "part": "midday"}, "2026-12-05 12:00"),
        ({"after": "2h", "part": "afternoon"}, "2026-11-30 14:00"),
        ({"after": "4h", "part": "morning"}, "2026-12-01 10:00"),
        ({"after": "4h", "days": ["wed"]}, "2026-12-02 10:00"),
    ],
)
def test_weekdays_and_parts_of_the_day(wishes: dict[str, object], wall: str) -> None:
    assert walls(plan_touches(plan_of({"after": "0m"}, wishes), lead(), MONDAY_ELEVEN))[1] == wall


@pytest.mark.parametrize(
    ("hours", "wall"),
    [
        (None, "2026-12-05 11:00"),
        (shop(days="01234"), "2026-12-07 11:00"),
        (shop(days="012345", opens=13), "2026-12-05 13:00"),
        (shop(days="3"), "2026-12-10 10:00"),
        (replace(shop(), closures=((date(2026, 12, 4), date(2026, 12, 20)),)), "2026-12-21 11:00"),
    ],
)
def test_the_shop_is_open_when_its_touches_leave(hours: OpeningHours | None, wall: str) -> None:
    # From Monday eleven on: the start itself moves to the first hour the shop has.
    plan = plan_of({"after": "0m"}, {"after": "5d"})
    assert walls(plan_touches(plan, lead(hours=hours), MONDAY_ELEVEN))[1] == wall


def test_a_step_that_no_hour_fits_is_skipped_and_says_so() -> None:
    plan = plan_of({"after": "0m"}, {"after": "1d", "days": ["sun"]}, {"after": "2d"})
    touches = plan_touches(plan, lead(), MONDAY_ELEVEN)
    assert [touch.status for touch in touches] == ["planned", "skipped", "planned"]
    assert touches[1].reason == NO_HOUR
    assert touches[2].local_time.startswith("2026-12-02 11:00")
    late = plan_of({"after": "0m"}, {"after": "1d", "part": "evening"})
    assert plan_touches(late, lead(hours=shop(closes=16)), MONDAY_ELEVEN)[1].reason == NO_HOUR


def test_public_holidays_are_left_out_when_the_plan_says_so() -> None:
    # Lincoln's birthday, which Illinois observes and the federation does not.
    friday = date(2027, 2, 12)
    start = datetime(2027, 2, 10, 17, 0, tzinfo=UTC)
    for avoids, wall in ((False, "2027-02-12 11:00"), (True, "2027-02-13 11:00")):
        plan = plan_of({"after": "0m"}, {"after": "2d"}, avoid_holidays=avoids)
        assert walls(plan_touches(plan, lead(holidays=frozenset({friday})), start))[1] == wall


def test_federal_holidays_and_sundays_are_always_left_out() -> None:
    # From the 20th of December on: Christmas is a Friday, the 27th a Sunday, New Year a Friday.
    start = datetime(2026, 12, 21, 17, 0, tzinfo=UTC)
    plan = plan_of({"after": "0m"}, *({"after": f"{day}d"} for day in range(1, 13)))
    assert [wall[5:10] for wall in walls(plan_touches(plan, lead(), start))] == [
        "12-21", "12-22", "12-23", "12-24", "12-26", "12-28", "12-29", "12-30", "12-31", "01-02", "01-04",
        "01-05", "01-06",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "start", "offsets"),
    [
        (CHICAGO, datetime(2026, 3, 6, 17, 30, tzinfo=UTC), 2),
        (CHICAGO, datetime(2026, 10, 30, 16, 30, tzinfo=UTC), 2),
        ("America/Anchorage", datetime(2026, 3, 6, 21, 30, tzinfo=UTC), 2),
        ("America/Phoenix", datetime(2026, 3, 6, 18, 30, tzinfo=UTC), 1),
        ("America/Puerto_Rico", datetime(2026, 10, 30, 15, 30, tzinfo=UTC), 1),
        ("Pacific/Honolulu", datetime(2026, 3, 6, 21, 30, tzinfo=UTC), 1),
        ("America/St_Johns", datetime(2026, 3, 6, 15, 0, tzinfo=UTC), 2),
        ("Asia/Kathmandu", datetime(2026, 3, 6, 5, 45, tzinfo=UTC), 1),
    ],
)
def test_the_local_time_stays_when_the_clocks_change(zone: str, start: datetime, offsets: int) -> None:
    touches = plan_touches(load_plan(), lead(zone, seed=5), start)[3:]
    assert len({wall[11:16] for wall in walls(touches)}) == 1
    utc = {touch.due_at.time() for touch in touches}
    assert len(utc) == offsets, "the month holds a change of the clocks, or there is none there"


def test_what_counts_from_a_visit_is_left_to_the_visit() -> None:
    plan = Plan.model_validate(load_plan("reminders"))
    touches = plan_touches(plan, lead(), MONDAY_ELEVEN)
    assert [touch.status for touch in touches] == ["planned", "skipped", "skipped"]
    assert {touch.reason for touch in touches[1:]} == {OF_A_VISIT}


def test_after_a_silence_the_rest_goes_on_one_a_day() -> None:
    # Two steps were done; the next one comes in the next good hour, the others keep their distances to it.
    sunday = datetime(2026, 12, 6, 20, 0, tzinfo=UTC)
    touches = rest_of(load_plan(), lead(), sunday, {1, 2})
    assert [touch.step for touch in touches] == list(range(3, 14))
    assert walls(touches)[:5] == [
        "2026-12-07 10:00", "2026-12-08 10:00", "2026-12-09 10:00", "2026-12-10 10:00", "2026-12-12 10:00",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("done", "days"),
    [
        (set(range(1, 8)), [0, 3, 7, 11, 16, 23]),
        ({1, 2, 3, 4, 5, 6, 7, 9, 11}, [0, 7, 16, 23]),
        (set(range(1, 13)), [0]),
        (set(range(1, 14)), []),
    ],
)
def test_the_rest_keeps_its_distances(done: set[int], days: list[int]) -> None:
    tuesday = datetime(2026, 1, 6, 17, 0, tzinfo=UTC)
    touches = rest_of(load_plan(), lead(seed=9), tuesday, done)
    on = [date.fromisoformat(wall[:10]) for wall in walls(touches)]
    assert [(day - date(2026, 1, 6)).days for day in on] == days
    assert all(touch.due_at >= tuesday for touch in touches)


def test_the_rest_of_nobody_who_can_be_reached_is_skipped() -> None:
    touches = rest_of(load_plan(), lead(has_phone=False, has_email=False), MONDAY_ELEVEN, {1})
    assert {touch.status for touch in touches} == {"skipped"}
    assert len(touches) == 12
