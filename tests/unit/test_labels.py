"""What people read: times, hours, durations, prices."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest

from agent.check import names_moment
from crm.calendar.labels import clock_label, duration_label, hours_text, label, visit_label
from crm.models import Appointment, LocationHours
from crm.money import dollars


def test_a_label_is_in_the_shops_own_time() -> None:
    moment = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
    assert label(moment, "America/Chicago") == "Tue, Nov 24 at 9:00 AM"
    assert label(moment, "America/Los_Angeles") == "Tue, Nov 24 at 7:00 AM"


def test_a_label_may_be_on_another_day_than_utc() -> None:
    assert label(datetime(2026, 12, 1, 3, 30, tzinfo=UTC), "America/Chicago") == "Mon, Nov 30 at 9:30 PM"


@pytest.mark.parametrize(
    ("begin", "end", "words"),
    [
        (15, 16, "drop off Tue, Nov 24 between 9:00 and 10:00 AM"),
        (17, 19, "drop off Tue, Nov 24 between 11:00 AM and 1:00 PM"),
    ],
)
def test_a_car_that_is_left_has_a_window(begin: int, end: int, words: str) -> None:
    window = [datetime(2026, 11, 24, hour, tzinfo=UTC) for hour in (begin, end)]
    visit = Appointment(starts_at=window[1], arrives_from=window[0], arrives_until=window[1])
    assert visit_label(visit, "America/Chicago") == words
    assert names_moment(f"You can {words}. Does that suit you?", words)
    assert not names_moment("You can come Tue, Nov 24 at 9:00 AM.", words)


@pytest.mark.parametrize(
    ("moment", "words"),
    [(time(0), "12:00 AM"), (time(9, 5), "9:05 AM"), (time(12), "12:00 PM"), (time(23, 59), "11:59 PM")],
)
def test_the_twelve_hour_clock(moment: time, words: str) -> None:
    assert clock_label(moment) == words


@pytest.mark.parametrize(
    ("minutes", "words"), [(45, "45 min"), (60, "1 h"), (120, "2 h"), (150, "2 h 30 min")]
)
def test_durations(minutes: int, words: str) -> None:
    assert duration_label(minutes) == words


@pytest.mark.parametrize(
    ("cents", "words"), [(44900, "$449"), (44950, "$449.50"), (149900, "$1,499"), (5, "$0.05")]
)
def test_prices(cents: int, words: str) -> None:
    assert dollars(cents) == words


def test_a_negative_price_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        dollars(-1)


def test_a_week_in_one_line() -> None:
    rows = [_row(day, 9, 18) for day in range(5)] + [_row(5, 9, 14)]
    assert hours_text(rows) == "Mon-Fri 9:00 AM-6:00 PM; Sat 9:00 AM-2:00 PM; Sun closed"


def test_a_lunch_break_is_said() -> None:
    rows = [_row(0, 13, 17), _row(0, 9, 12)]
    assert hours_text(rows) == "Mon 9:00 AM-12:00 PM and 1:00 PM-5:00 PM; Tue-Sun closed"


def test_a_shop_without_hours_is_closed() -> None:
    assert hours_text([]) == "Mon-Sun closed"


def _row(day: int, opens: int, closes: int) -> LocationHours:
    return LocationHours(weekday=day, opens=time(opens), closes=time(closes))
