"""Days and times as customers write them, as arguments of find_times. Today is Monday, November 23, 2026."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

import pytest

from agent.playbook.when import Doubt, read_when

NOW = datetime(2026, 11, 23, 9, 0)  # noqa: DTZ001 - local wall time of the shop


def day(value: int, month: int = 11) -> dict[str, str]:
    text = f"2026-{month:02d}-{value:02d}"
    return {"from_date": text, "to_date": text}


AT_10 = {"after": "10:00", "before": "10:00"}
CASES: list[tuple[str, dict[str, Any]]] = [
    ("tomorrow", day(24)),
    ("tmrw after 3", {**day(24), "after": "15:00"}),
    ("tomorow morning", {**day(24), "before": "12:00"}),
    ("2moro", day(24)),
    ("first thing tomorrow", {**day(24), "before": "10:00"}),
    ("day after tomorrow", day(25)),
    ("today", {"to_date": "2026-11-23"}),
    ("this afternoon", {"to_date": "2026-11-23", "after": "12:00"}),
    ("sat morning", {**day(28), "before": "12:00"}),
    ("saturdays", day(28)),
    ("wendesday", day(25)),
    ("thrusday afternoon", {**day(26), "after": "12:00"}),
    ("next tues am", {**day(1, 12), "before": "12:00"}),
    ("this friday", day(27)),
    ("monday", day(30)),
    ("monday or tuesday", {"weekdays": [0, 1]}),
    ("mon-wed", {"weekdays": [0, 1, 2]}),
    ("tuesday through thursday after 2", {"weekdays": [1, 2, 3], "after": "14:00"}),
    ("weekdays after 4", {"weekdays": [0, 1, 2, 3, 4], "after": "16:00"}),
    ("the 24th", day(24)),
    ("on the 5th", day(5, 12)),
    ("11/28", day(28)),
    ("11-28", day(28)),
    ("12/1/2026 3pm", {**day(1, 12), "after": "15:00", "before": "15:00"}),
    ("2026-12-04", day(4, 12)),
    ("1/4", {"from_date": "2027-01-04", "to_date": "2027-01-04"}),
    ("2/30", {}),
    ("nov 28 at 10am", {**day(28), **AT_10}),
    ("november 28th", day(28)),
    ("28th of november", day(28)),
    ("dec 2", day(2, 12)),
    ("in two weeks", {"from_date": "2026-12-07", "to_date": "2026-12-13"}),
    ("in 3 days", day(26)),
    ("a week from tuesday", day(1, 12)),
    ("asap", {}),
    ("any time", {}),
    ("next week", {"from_date": "2026-11-30", "to_date": "2026-12-06"}),
    ("early next week", {"from_date": "2026-11-30", "to_date": "2026-12-02"}),
    ("later this week", {"from_date": "2026-11-26", "to_date": "2026-11-28"}),
    ("the week after next", {"from_date": "2026-12-07", "to_date": "2026-12-13"}),
    ("this weekend", {"from_date": "2026-11-28", "to_date": "2026-11-29", "weekdays": [5, 6]}),
    ("weekends only", {"weekdays": [5, 6]}),
    ("end of the month", {"to_date": "2026-11-30"}),
    ("in december", {"from_date": "2026-12-01", "to_date": "2026-12-31"}),
    ("early december", {"from_date": "2026-12-01", "to_date": "2026-12-10"}),
    ("next month", {"from_date": "2026-12-01", "to_date": "2026-12-31"}),
    ("after the 24th", {"from_date": "2026-11-25"}),
    ("before friday", {"to_date": "2026-11-26"}),
    ("by friday", {"to_date": "2026-11-27"}),
    ("from wednesday on", {"from_date": "2026-11-25"}),
    ("at 2:30", {"after": "14:30", "before": "14:30"}),
    ("around 10", AT_10),
    ("10ish", AT_10),
    ("10 o'clock", AT_10),
    ("10 a.m.", AT_10),
    ("1000am", AT_10),
    ("at ten", AT_10),
    ("fri 10", {**day(27), **AT_10}),
    ("half past 9", {"after": "09:30", "before": "09:30"}),
    ("quarter to 3", {"after": "14:45", "before": "14:45"}),
    ("noon", {"after": "12:00", "before": "12:00"}),
    ("between 9 and 11", {"after": "09:00", "before": "11:00"}),
    ("9-11 on friday", {**day(27), "after": "09:00", "before": "11:00"}),
    ("from 1 to 4pm", {"after": "13:00", "before": "16:00"}),
    ("before noon", {"before": "12:00"}),
    ("after work thursday", {**day(26), "after": "16:00"}),
    ("10 or later", {"after": "10:00"}),
    ("can't do tuesday, how about wed", day(25)),
    ("not tuesday", {"weekdays": [0, 2, 3, 4, 5, 6]}),
    ("any day but monday", {"weekdays": [1, 2, 3, 4, 5, 6]}),
    ("i'm busy friday but saturday is good", day(28)),
]


@pytest.mark.parametrize(("text", "arguments"), CASES, ids=[case[0] for case in CASES])
def test_a_wish_about_time_becomes_arguments(text: str, arguments: dict[str, Any]) -> None:
    assert read_when(text, NOW).arguments(NOW.date()) == arguments


@pytest.mark.parametrize(
    "text",
    [
        "2021 honda civic",
        "how much for 2 windows",
        "i may come",
        "it is $450",
        "my phone is 312-555-0199",
        "talk soon",
        "35% tint",
        "ok",
        "sunroof",
    ],
)
def test_numbers_and_words_that_are_no_time(text: str) -> None:
    assert not read_when(text, NOW)


def test_a_bare_number_waits_for_its_context() -> None:
    when = read_when("9 works", NOW)
    assert not when
    assert when.clock.loose == (time(9),)


@pytest.mark.parametrize(
    ("text", "doubt", "meant"),
    [
        ("friday the 24th at 10", Doubt.WEEKDAY_DIFFERS, {date(2026, 11, 24), date(2026, 11, 27)}),
        ("5/12 please", Doubt.DAY_OR_MONTH, {date(2026, 12, 5), date(2027, 5, 12)}),
        ("nov 31", Doubt.NO_SUCH_DAY, set()),
        ("11/20 at 3", Doubt.PAST, set()),
        ("el martes 25 de noviembre", Doubt.WEEKDAY_DIFFERS, {date(2026, 11, 25), date(2026, 11, 24)}),
    ],
)
def test_a_day_that_cannot_be_told_is_in_doubt_and_never_guessed(
    text: str, doubt: Doubt, meant: set[date]
) -> None:
    when = read_when(text, NOW)
    assert when.doubt is doubt
    assert set(when.days.meant) == meant
    assert not when.days
    assert not {"from_date", "to_date", "weekdays"} & set(when.arguments(NOW.date()))


def test_a_choice_has_a_search_for_each_window_and_one_around_them() -> None:
    when = read_when("sat morning or mon", NOW)
    assert when.searches(NOW.date()) == [{**day(28), "before": "12:00"}, day(30)]
    assert when.arguments(NOW.date()) == {"weekdays": [0, 5]}


def test_no_wish_is_no_search_and_any_time_is_one_without_limits() -> None:
    assert read_when("2021 honda civic", NOW).searches(NOW.date()) == []
    assert read_when("any time", NOW).searches(NOW.date()) == [{}]


@pytest.mark.parametrize(
    ("older", "newer", "arguments"),
    [
        ("tuesday at 3", "actually make it 4", {**day(24), "after": "16:00", "before": "16:00"}),
        ("after 3", "thursday", {**day(26), "after": "15:00"}),
        ("saturday morning", "sunday instead", {**day(29), "before": "12:00"}),
        ("friday at 10", "any time is fine", {}),
        ("friday", "thanks", day(27)),
        ("sat morning or mon", "after 2 on monday", {**day(30), "after": "14:00"}),
        ("not tuesday", "mornings", {"before": "12:00", "weekdays": [0, 2, 3, 4, 5, 6]}),
    ],
)
def test_newer_words_go_over_older_ones(older: str, newer: str, arguments: dict[str, Any]) -> None:
    when = read_when(newer, NOW).over(read_when(older, NOW))
    assert when.arguments(NOW.date()) == arguments


def test_the_clock_of_a_car_is_no_clock() -> None:
    for text in (
        "ram 1500 friday",
        "mazda 3 friday",
        "bmw 330 friday",
        "21 civic friday",
        "my model 3, friday",
    ):
        assert read_when(text, NOW).arguments(NOW.date()) == day(27), text


def test_a_date_at_the_end_of_all_calendars_breaks_nothing() -> None:
    last = datetime(9999, 12, 30, 9, 0)  # noqa: DTZ001 - local wall time of the shop
    for text in (
        "in 99 weeks",
        "next month",
        "a week from friday",
        "first week of december",
        "1/4",
        "the 5th",
        "christmas",
    ):
        assert read_when(text, last).doubt in {None, *Doubt}
