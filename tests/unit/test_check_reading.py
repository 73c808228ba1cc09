"""How the check reads times, days, amounts and lengths of time, however they are written."""

from __future__ import annotations

from datetime import date

import pytest

from agent.check import times_in
from agent.check.amounts import amounts_in
from agent.check.clocks import clocks_in
from agent.check.days import days_in
from agent.check.durations import spans_in
from agent.check.text import clean, sentences

TODAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("four hundred and forty-nine dollars", "449 dollars"),
        ("cuatrocientos cuarenta y nueve dólares", "449 dolares"),
        ("fifteen hundred, 4 hundred fifty, six grand", "1500, 450, 6000"),
        ("a dollar, an hour, half an hour", "1 dollar, 1 hour, half an hour"),
        ("Once you choose one of the two", "Once you choose one of the 2"),
        ("a las once, once dólares", "a las 11, 11 dolares"),
        ("the first of December, the first one", "the 1 of December, the first one"),
        ("9 a.m. Tuesday, 2½ hours, ten percent", "9 am Tuesday, 2.5 hours, 10%"),
        ("Sí, si quiere", "yes, si quiere"),
        ("I саn dо it fоr ＄１", "I can do it for $1"),
    ],
)
def test_one_plain_form(text: str, plain: str) -> None:
    assert clean(text) == plain


def test_sentences_end_where_a_reader_ends_them() -> None:
    text = clean("We open at 9 a.m. We are at 1 Main St. in Chicago.\nIs Nov. 24 ok? It is $89.50.Good")
    assert [one.text for one in sentences(text)] == [
        "We open at 9 am.",
        "We are at 1 Main St in Chicago.",
        "Is Nov 24 ok?",
        "It is $89.50.",
        "Good",
    ]


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("9:00 AM", {"09:00"}),
        ("9am, 12pm, 12 a.m., 930am", {"09:00", "12:00", "00:00", "09:30"}),
        ("14:15", {"14:15"}),
        ("at 9", {"09:00", "21:00"}),
        ("between 9:00 and 10:00 AM", {"09:00", "21:00", "10:00"}),
        ("9, 10 or 11 AM", {"09:00", "21:00", "10:00", "22:00", "11:00"}),
        ("half past nine, quarter to ten", {"09:30", "21:30", "09:45", "21:45"}),
        ("noon or midnight", {"12:00", "00:00"}),
        ("a las 3 de la tarde", {"15:00"}),
        ("a las nueve y media", {"09:30", "21:30"}),
        ("Dec 2 - 9:00 AM", {"09:00"}),
        ("2 hours, $9.30, 9/30, 9 Main St, 9 windows", set()),
    ],
)
def test_times_of_day(text: str, times: set[str]) -> None:
    assert times_in(text) == times


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("Tue, Nov 24", ["2026-11-24"]),
        ("martes 24 de noviembre, mar, 24 nov", ["2026-11-24", "2026-11-24"]),
        ("tomorrow, pasado mañana, today", ["2026-11-24", "2026-11-25", "2026-11-23"]),
        ("Nov 24, 25 or 27", ["2026-11-24", "2026-11-25", "2026-11-27"]),
        ("11/24, 2026-11-24, the 24th", ["2026-11-24"] * 3),
        ("Sun strip, the sun is out, 24/7 fun, 1/2", []),
    ],
)
def test_days(text: str, days: list[str]) -> None:
    found = [day for day in days_in(clean(text), TODAY) if not day.weekdays or len(day.weekdays) == 1]
    fitting = [one for one in found if any(one.fits(date.fromisoformat(day)) for day in days)]
    assert len(fitting) == len(days)


def test_several_days_of_the_week_are_one_mention() -> None:
    one, two, three = days_in(clean("Mon-Fri, lunes a viernes; every day but Sunday"), TODAY)
    assert one.weekdays == two.weekdays == frozenset(range(5))
    assert three.weekdays == frozenset(range(6))


def test_a_date_that_is_another_weekday_is_impossible() -> None:
    right, wrong = days_in("Tue, Nov 24; Wed, Nov 24", TODAY)
    assert right.possible(TODAY)
    assert not wrong.possible(TODAY)


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("$449, $1,499.50 and 89.5 dollars", [44900, 149950, 8950]),
        ("USD 449, 449 USD, 449$", [44900] * 3),
        ("$319 to 449", [31900, 44900]),
        ("1.5k", [150000]),
        ("99 cents", [99]),
        ("It costs 449.", [44900]),
        ("cuesta 449", [44900]),
        ("un dólar", [100]),
        ("€449 or 300 pesos", [None, None]),
        ("It is 24 months, 2021 Civic, 35%, 9:00, option 2.", []),
    ],
)
def test_amounts(text: str, cents: list[int | None]) -> None:
    assert [one.cents for one in amounts_in(clean(text))] == cents


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("2 h 30 min", [(150, 150)]),
        ("2.5 hours, two and a half hours, 2½ hours", [(150, 150)] * 3),
        ("2 to 3 hours", [(120, 180)]),
        ("half an hour", [(30, 30)]),
        ("dos horas y media", [(150, 150)]),
        ("10 year warranty", [(5256000, 5256000)]),
        ("por ahora, 2 hoods", []),
    ],
)
def test_lengths_of_time(text: str, minutes: list[tuple[float, float]]) -> None:
    assert [(span.low, span.high) for span in spans_in(clean(text))] == minutes


def test_a_clock_says_what_it_was() -> None:
    (clock,) = clocks_in("at 9:30 AM")
    assert (str(clock), clock.minutes) == ("9:30 AM", frozenset({570}))
