"""So many a day over the sending hours: never all at once, never more than said, and nothing made up for in a burst."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from crm.calendar.hours import Stretch
from scheduler.wave_pace import CATCH_UP, LOOK_AGAIN, Hours, pace

CHICAGO = Hours(("America/Chicago",))


def at(day: int, hour: int, minute: int = 0, month: int = 11) -> datetime:
    """A moment of 2026 on Chicago's clock; 23 November is a Monday."""
    return datetime(2026, month, day, hour, minute, tzinfo=ZoneInfo("America/Chicago")).astimezone(UTC)


def a_day(
    hours: Hours,
    start: datetime,
    per_day: int,
    *,
    away: tuple[datetime, datetime] | None = None,
    tick: int = 5,
) -> list[tuple[datetime, int]]:
    """What a wave takes from `start` for 24 hours when it is woken as the clock does."""
    taken: list[tuple[datetime, int]] = []
    now, next_at = start, start
    while now < start + timedelta(days=1):
        is_away = away is not None and away[0] <= now < away[1]
        if now >= next_at and not is_away:
            today, _ = hours.day_of(now)
            mine = [(moment, count) for moment, count in taken if moment >= today]
            step = pace(hours, now, per_day, sum(count for _, count in mine), mine[-1][0] if mine else None)
            assert step.next_at > now, "it never turns in place"
            if step.take:
                taken.append((now, step.take))
            next_at = step.next_at
        now += timedelta(seconds=tick)
    return taken


@pytest.mark.parametrize("per_day", [1, 7, 40, 500, 3000])
def test_a_day_is_spread_evenly(per_day: int) -> None:
    taken = a_day(CHICAGO, at(23, 0), per_day)
    total = sum(count for _, count in taken)
    assert 0.85 * per_day <= total <= per_day
    for moment, _ in taken:
        assert CHICAGO.opens(moment) == moment, "only inside the hours"
    most = max(count for _, count in taken)
    assert most <= max(1, -(-per_day // 400)), "a few at a time"
    if per_day >= 40:
        first, last = taken[0][0], taken[-1][0]
        assert last - first > timedelta(hours=7, minutes=30)


def test_hours_that_were_missed_are_not_made_up_for() -> None:
    whole = a_day(CHICAGO, at(23, 0), 600)
    some = a_day(CHICAGO, at(23, 0), 600, away=(at(23, 10), at(23, 15)))
    assert sum(count for _, count in some) < 0.7 * sum(count for _, count in whole)
    every = timedelta(hours=8) / 600
    assert max(count for _, count in some) <= CATCH_UP // every + 1


@pytest.mark.parametrize(
    ("now", "taken", "last", "take", "next_at"),
    [
        (at(23, 6), 0, None, 0, CHICAGO.opens(at(23, 6))),
        (at(23, 22), 3, at(23, 12), 0, CHICAGO.opens(at(23, 22))),
        (at(23, 12), 0, None, 1, at(23, 12) + LOOK_AGAIN),
        (at(23, 12), 4, at(23, 11), 0, at(23, 12) + LOOK_AGAIN),
        (at(23, 12), 3, at(23, 11, 59), 0, at(23, 12) + LOOK_AGAIN),
        (at(26, 12), 0, None, 0, CHICAGO.opens(at(26, 12))),
    ],
    ids=["early", "late", "first", "enough", "not yet", "Thanksgiving"],
)
def test_a_table(now: datetime, taken: int, last: datetime | None, take: int, next_at: datetime) -> None:
    step = pace(CHICAGO, now, 4, taken, last)
    assert (step.take, step.next_at) == (take, next_at)


def test_the_shops_own_hours_and_every_zone_count() -> None:
    lunch = (Stretch(at(23, 10), at(23, 12)), Stretch(at(23, 13), at(23, 16)))
    closed = Hours(("America/Chicago",), lunch)
    assert closed.of_day(at(23, 8)) == list(lunch)
    taken = a_day(closed, at(23, 0), 60)
    assert not [moment for moment, _ in taken if at(23, 12) <= moment < at(23, 13)]
    assert pace(closed, at(23, 12, 30), 60, 30, at(23, 11, 59)).next_at == at(23, 13)
    coasts = Hours(("America/New_York", "America/Los_Angeles"))
    (only,) = coasts.of_day(at(23, 8))
    (east,), (west,) = (
        Hours(("America/New_York",)).of_day(at(23, 8)),
        Hours(("America/Los_Angeles",)).of_day(at(23, 8)),
    )
    assert (only.starts_at, only.ends_at) == (west.starts_at, east.ends_at)


@pytest.mark.parametrize("day", [at(1, 0), at(8, 0, month=3)])
def test_a_change_of_clocks_loses_nothing(day: datetime) -> None:
    for start in (day, day + timedelta(days=1)):
        for one in CHICAGO.of_day(start + timedelta(hours=12)):
            assert CHICAGO.opens(one.starts_at) == one.starts_at
            assert CHICAGO.opens(one.ends_at) > one.ends_at
