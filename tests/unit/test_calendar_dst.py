"""The days on which clocks change, as tables, in zones that do it at different hours, by half an hour, or never.

The expected moments are worked out by hand from the zones' published changes (tz database, 2026 and 2027).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from crm.calendar.hours import OpeningHours, open_stretches, to_utc

CHICAGO, PHOENIX, HONOLULU = "America/Chicago", "America/Phoenix", "Pacific/Honolulu"
ST_JOHNS, LORD_HOWE, BERLIN, SANTIAGO = (
    "America/St_Johns", "Australia/Lord_Howe", "Europe/Berlin", "America/Santiago",
)  # fmt: skip

# zone, local day, wall time, the moment in UTC. Of a time that happens twice the first is meant; a time that
# never happens is the first moment after the gap.
MOMENTS = [
    (CHICAGO, "2027-03-14", "01:55", "2027-03-14T07:55"),
    (CHICAGO, "2027-03-14", "02:00", "2027-03-14T08:00"),
    (CHICAGO, "2027-03-14", "02:30", "2027-03-14T08:00"),
    (CHICAGO, "2027-03-14", "03:00", "2027-03-14T08:00"),
    (CHICAGO, "2027-03-14", "09:00", "2027-03-14T14:00"),
    (CHICAGO, "2026-11-01", "00:59", "2026-11-01T05:59"),
    (CHICAGO, "2026-11-01", "01:00", "2026-11-01T06:00"),
    (CHICAGO, "2026-11-01", "01:59", "2026-11-01T06:59"),
    (CHICAGO, "2026-11-01", "02:00", "2026-11-01T08:00"),
    (CHICAGO, "2026-11-01", "09:00", "2026-11-01T15:00"),
    (PHOENIX, "2027-03-14", "02:30", "2027-03-14T09:30"),
    (PHOENIX, "2026-11-01", "01:30", "2026-11-01T08:30"),
    (HONOLULU, "2027-03-14", "02:30", "2027-03-14T12:30"),
    (HONOLULU, "2026-11-01", "01:30", "2026-11-01T11:30"),
    (ST_JOHNS, "2027-03-14", "01:59", "2027-03-14T05:29"),
    (ST_JOHNS, "2027-03-14", "02:15", "2027-03-14T05:30"),
    (ST_JOHNS, "2027-03-14", "03:00", "2027-03-14T05:30"),
    (ST_JOHNS, "2026-11-01", "01:30", "2026-11-01T04:00"),
    (ST_JOHNS, "2026-11-01", "02:00", "2026-11-01T05:30"),
    (LORD_HOWE, "2026-10-04", "01:55", "2026-10-03T15:25"),
    (LORD_HOWE, "2026-10-04", "02:00", "2026-10-03T15:30"),
    (LORD_HOWE, "2026-10-04", "02:29", "2026-10-03T15:30"),
    (LORD_HOWE, "2026-10-04", "02:30", "2026-10-03T15:30"),
    (LORD_HOWE, "2027-04-04", "01:30", "2027-04-03T14:30"),
    (LORD_HOWE, "2027-04-04", "01:59", "2027-04-03T14:59"),
    (LORD_HOWE, "2027-04-04", "02:00", "2027-04-03T15:30"),
    (BERLIN, "2027-03-28", "02:30", "2027-03-28T01:00"),
    (BERLIN, "2027-03-28", "03:00", "2027-03-28T01:00"),
    (BERLIN, "2026-10-25", "02:30", "2026-10-25T00:30"),
    (BERLIN, "2026-10-25", "03:00", "2026-10-25T02:00"),
    (SANTIAGO, "2026-09-06", "00:00", "2026-09-06T04:00"),
    (SANTIAGO, "2026-09-06", "00:30", "2026-09-06T04:00"),
]

# zone, local day, how long a shop is really open that works from midnight to six by the clock on the wall
NIGHTS = [
    (CHICAGO, "2027-03-14", 300),
    (CHICAGO, "2026-11-01", 420),
    (PHOENIX, "2027-03-14", 360),
    (PHOENIX, "2026-11-01", 360),
    (HONOLULU, "2027-03-14", 360),
    (HONOLULU, "2026-11-01", 360),
    (ST_JOHNS, "2027-03-14", 300),
    (ST_JOHNS, "2026-11-01", 420),
    (LORD_HOWE, "2026-10-04", 330),
    (LORD_HOWE, "2027-04-04", 390),
    (BERLIN, "2027-03-28", 300),
    (BERLIN, "2026-10-25", 420),
    (SANTIAGO, "2026-09-06", 300),
]


def night(zone: str, opens: time = time(0), closes: time = time(6)) -> OpeningHours:
    """Open every day by the same clock on the wall."""
    return OpeningHours(ZoneInfo(zone), dict.fromkeys(range(7), ((opens, closes),)))


@pytest.mark.parametrize(("zone", "day", "wall", "moment"), MOMENTS)
def test_a_wall_time_is_this_moment(zone: str, day: str, wall: str, moment: str) -> None:
    found = to_utc(date.fromisoformat(day), time.fromisoformat(wall), ZoneInfo(zone))
    assert found == datetime.fromisoformat(moment).replace(tzinfo=UTC)


@pytest.mark.parametrize(("zone", "day", "minutes"), NIGHTS)
def test_a_night_shift_is_this_long(zone: str, day: str, minutes: int) -> None:
    when = date.fromisoformat(day)
    (stretch,) = open_stretches(night(zone), when, when)
    assert stretch.ends_at - stretch.starts_at == timedelta(minutes=minutes)


@pytest.mark.parametrize(("zone", "day", "minutes"), NIGHTS)
def test_the_days_around_open_at_the_same_wall_time(zone: str, day: str, minutes: int) -> None:
    when = date.fromisoformat(day)
    around = open_stretches(
        night(zone, time(9), time(17)), when - timedelta(days=1), when + timedelta(days=1)
    )
    local = [one.starts_at.astimezone(ZoneInfo(zone)) for one in around]
    assert [moment.time() for moment in local] == [time(9)] * 3
    shift = {300: 60, 330: 30, 360: 0, 390: -30, 420: -60}[minutes]
    assert around[0].starts_at - around[1].starts_at == timedelta(days=-1, minutes=shift)
    assert {one.ends_at - one.starts_at for one in around} == {timedelta(hours=8)}


@pytest.mark.parametrize(("zone", "day", "minutes"), NIGHTS)
def test_no_stretch_begins_or_ends_at_a_time_that_does_not_exist(zone: str, day: str, minutes: int) -> None:
    when, timezone = date.fromisoformat(day), ZoneInfo(zone)
    for quarter in range(6 * 4):
        opens = time(quarter // 4, quarter % 4 * 15)
        for stretch in open_stretches(night(zone, opens, time(6, 30)), when, when):
            local = stretch.starts_at.astimezone(timezone)
            assert local.replace(tzinfo=None).replace(tzinfo=timezone, fold=0).astimezone(UTC) == (
                stretch.starts_at
            )
            assert (
                timedelta()
                <= local.replace(tzinfo=None) - datetime.combine(when, opens)
                <= timedelta(hours=1)
            )
