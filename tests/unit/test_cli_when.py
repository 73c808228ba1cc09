"""Dates and times as an owner types them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest

from cli.errors import CliError
from cli.when import a_date, a_moment, a_time, weekdays

TODAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("Mon-Fri", [0, 1, 2, 3, 4]),
        ("sat", [5]),
        ("Mon,Wednesday", [0, 2]),
        ("Fri-Mon", [0, 4, 5, 6]),
        ("Monkey", None),
        ("Mon-", None),
        ("Mon-Tue-Wed", None),
        ("2026-12-24", None),
    ],
)
def test_weekdays(text: str, days: list[int] | None) -> None:
    assert weekdays(text) == days


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("9:00", time(9)),
        ("9am", time(9)),
        ("12am", time()),
        ("12 PM", time(12)),
        ("2:30pm", time(14, 30)),
        ("23:59", time(23, 59)),
    ],
)
def test_a_time_of_day(text: str, moment: time) -> None:
    assert a_time(text) == moment


@pytest.mark.parametrize("text", ["", "9", "13pm", "0am", "9:60", "24:00", "9:0", "-1:00", "\x1b[2J"])
def test_no_time_of_day(text: str) -> None:
    with pytest.raises(CliError, match="is no time of day"):
        a_time(text)


def test_a_date_may_be_named() -> None:
    assert (a_date("Today", TODAY), a_date("tomorrow", TODAY)) == (TODAY, date(2026, 11, 24))


def test_of_an_hour_that_comes_twice_the_first_is_meant() -> None:
    assert a_moment("2026-11-01 01:30", "America/Chicago", TODAY) == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "zone"),
    [("2027-03-14 02:30", "America/Chicago"), ("2026-10-04 02:15", "Australia/Lord_Howe")],
)
def test_a_time_the_clocks_leave_out_does_not_exist(text: str, zone: str) -> None:
    with pytest.raises(CliError, match="does not exist"):
        a_moment(text, zone, TODAY)
