"""Opening hours as real time, with the nights on which clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.calendar.hours import OpeningHours, Stretch, common, exists, open_stretches, to_utc
from crm.calendar.public_holidays import BadHolidays, holidays_between, holidays_of

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


def test_special_hours_replace_the_day_and_a_closure_closes_them() -> None:
    day, special = date(2026, 11, 26), {date(2026, 11, 26): ((time(6), time(8)),)}
    weekly = {weekday: ((time(9), time(18)),) for weekday in range(7)}
    illinois = holidays_of({"country": "US", "subdivision": "IL"})
    assert OpeningHours(CHICAGO, weekly, holidays=illinois).of_day(day) == ()
    assert OpeningHours(CHICAGO, weekly, (), special, illinois).of_day(day) == ((time(6), time(8)),)
    assert OpeningHours(CHICAGO, weekly, ((day, day),), special, illinois).of_day(day) == ()


def test_holidays_are_the_states_own_and_can_be_worked_on() -> None:
    illinois = holidays_of(
        {"country": "US", "subdivision": "IL", "open_on": ["columbus day", "Independence Day"]}
    )
    assert illinois is not None
    assert illinois.on(date(2026, 2, 12)) == "Lincoln's Birthday"
    assert illinois.on(date(2026, 10, 12)) is None
    assert (illinois.on(date(2026, 7, 4)), illinois.on(date(2026, 7, 3))) == (None, None)
    assert holidays_between(illinois, date(2026, 11, 20), date(2027, 1, 2)) == {
        date(2026, 11, 26): "Thanksgiving Day",
        date(2026, 12, 25): "Christmas Day",
        date(2027, 1, 1): "New Year's Day",
    }
    texas = holidays_of({"country": "US", "subdivision": "TX"})
    assert texas is not None
    assert texas.on(date(2026, 2, 12)) is None
    assert holidays_of({}) is None


def test_a_new_years_day_observed_in_the_old_year_counts() -> None:
    everywhere = holidays_of({"country": "US"})
    assert everywhere is not None
    assert everywhere.on(date(2027, 12, 31)) == "New Year's Day (observed)"


@pytest.mark.parametrize(
    "config",
    [
        {"country": "XX"},
        {"country": "US", "subdivision": "ZZ"},
        {"open_on": []},
        {"country": "US", "opn": []},
    ],
)
def test_nonsense_for_holidays_is_refused(config: dict[str, object]) -> None:
    with pytest.raises(BadHolidays):
        holidays_of(config)


def test_the_longest_stretch_and_day() -> None:
    lunch = hours((time(9), time(12)), (time(13), time(17)))
    assert lunch.longest() == (timedelta(hours=4), timedelta(hours=7))
    touching = hours((time(9), time(12)), (time(12), time(17)))
    assert touching.longest() == (timedelta(hours=8), timedelta(hours=8))
    assert OpeningHours(CHICAGO, {}).longest() == (timedelta(0), timedelta(0))


def test_what_two_rows_of_time_have_in_common() -> None:
    one = [Stretch(_utc(11, 24, 9), _utc(11, 24, 12)), Stretch(_utc(11, 24, 13), _utc(11, 24, 17))]
    other = [Stretch(_utc(11, 24, 11), _utc(11, 24, 14)), Stretch(_utc(11, 24, 17), _utc(11, 24, 18))]
    shared = [Stretch(_utc(11, 24, 11), _utc(11, 24, 12)), Stretch(_utc(11, 24, 13), _utc(11, 24, 14))]
    assert common(one, other) == common(other, one) == shared


def test_lord_howe_skips_half_an_hour() -> None:
    island = ZoneInfo("Australia/Lord_Howe")
    assert not exists(date(2026, 10, 4), time(2, 15), island)
    assert exists(date(2026, 10, 4), time(2, 30), island)
    assert to_utc(date(2026, 10, 4), time(2, 15), island) == to_utc(date(2026, 10, 4), time(2, 30), island)


def _utc(month: int, day: int, hour: int) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)
