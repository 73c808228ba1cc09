"""Opening hours as real time, with the nights on which clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from crm.calendar.hours import OpeningHours, Stretch, open_stretches, to_utc

CHICAGO = ZoneInfo("America/Chicago")
SPRING = date(2027, 3, 14)
AUTUMN = date(2026, 11, 1)


def hours(*stretches: tuple[time, time], closures: tuple[tuple[date, date], ...] = ()) -> OpeningHours:
    """The same stretches on every day of the week."""
    return OpeningHours(CHICAGO, dict.fromkeys(range(7), stretches), closures)


def test_an_ordinary_day() -> None:
    day = date(2026, 11, 24)
    assert open_stretches(hours((time(9), time(18))), day, day) == [
        Stretch(_utc(11, 24, 15), _utc(11, 25, 0))
    ]


def test_a_lunch_break_is_two_stretches() -> None:
    day = date(2026, 11, 24)
    found = open_stretches(hours((time(9), time(12)), (time(13), time(17))), day, day)
    assert [(one.starts_at.hour, one.ends_at.hour) for one in found] == [(15, 18), (19, 23)]


def test_touching_stretches_are_one() -> None:
    day = date(2026, 11, 24)
    found = open_stretches(hours((time(9), time(12)), (time(12), time(17))), day, day)
    assert found == [Stretch(_utc(11, 24, 15), _utc(11, 24, 23))]


def test_closures_include_both_ends() -> None:
    closed = hours((time(9), time(18)), closures=((date(2026, 11, 25), date(2026, 11, 26)),))
    found = open_stretches(closed, date(2026, 11, 24), date(2026, 11, 27))
    assert [one.starts_at.date() for one in found] == [date(2026, 11, 24), date(2026, 11, 27)]


def test_a_weekday_without_hours_is_closed() -> None:
    only_monday = OpeningHours(CHICAGO, {0: ((time(9), time(18)),)})
    found = open_stretches(only_monday, date(2026, 11, 23), date(2026, 11, 30))
    assert [one.starts_at.date() for one in found] == [date(2026, 11, 23), date(2026, 11, 30)]


def test_the_same_wall_hours_are_another_utc_hour_after_the_change() -> None:
    found = open_stretches(hours((time(9), time(18))), SPRING - timedelta(days=1), SPRING)
    assert [one.starts_at.hour for one in found] == [15, 14]


def test_a_stretch_over_the_spring_gap_is_an_hour_shorter() -> None:
    (night,) = open_stretches(hours((time(1), time(5))), SPRING, SPRING)
    assert night.ends_at - night.starts_at == timedelta(hours=3)


def test_a_stretch_over_the_autumn_hour_is_an_hour_longer() -> None:
    (night,) = open_stretches(hours((time(0), time(5))), AUTUMN, AUTUMN)
    assert night.ends_at - night.starts_at == timedelta(hours=6)


def test_a_time_that_never_happens_becomes_the_end_of_the_gap() -> None:
    assert to_utc(SPRING, time(2, 30), CHICAGO) == datetime(2027, 3, 14, 8, 0, tzinfo=UTC)
    assert open_stretches(hours((time(2), time(2, 45))), SPRING, SPRING) == []


def test_a_time_that_happens_twice_is_the_first() -> None:
    assert to_utc(AUTUMN, time(1, 30), CHICAGO) == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)


@given(
    day=st.dates(date(2024, 1, 1), date(2030, 12, 31)),
    moment=st.times(),
    zone=st.sampled_from(["America/New_York", "America/St_Johns", "America/Phoenix", "Australia/Lord_Howe"]),
)
def test_every_moment_is_real_and_at_or_after_the_wall_time(day: date, moment: time, zone: str) -> None:
    timezone = ZoneInfo(zone)
    wall = datetime.combine(day, moment.replace(microsecond=0, second=0))
    local = to_utc(day, wall.time(), timezone).astimezone(timezone)
    assert local.fold == 0
    assert timedelta(0) <= local.replace(tzinfo=None) - wall <= timedelta(hours=1)


def _utc(month: int, day: int, hour: int) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)
