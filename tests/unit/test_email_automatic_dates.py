"""Until when somebody is away, in the words of their mailbox."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.away import LONGEST, away_until
from channels.email.signs import plain

MONDAY = date(2026, 11, 23)
NOVEMBER, DECEMBER, JANUARY = 11, 12, 1


@pytest.mark.parametrize(
    ("text", "month", "day"),
    [
        ("I'm out until Monday, call my cell 555-0142", NOVEMBER, 30),
        ("back on 12/3", DECEMBER, 2),
        ("returning Monday 11/30", NOVEMBER, 29),
        ("returning to the office Mon., Nov. 30th", NOVEMBER, 29),
        ("out 11/25-11/29", NOVEMBER, 29),
        ("out from 11/25/26 until 11/29/26", NOVEMBER, 29),
        ("out of the office Dec 20 - 27", DECEMBER, 27),
        ("on leave from November 24 through December 4, 2026", DECEMBER, 4),
        ("away until 2026-12-04", DECEMBER, 4),
        ("until next Monday", NOVEMBER, 30),
        ("returning Mon, 8 am", NOVEMBER, 29),
        ("until the 3rd", DECEMBER, 3),
        ("out of the office today, I'll get back to you tomorrow", NOVEMBER, 23),
        ("I am out of the office this week", NOVEMBER, 29),
        ("away through Dec 1, back Wednesday, December 2", DECEMBER, 1),
        ("bis zum 3. Dezember im Urlaub", DECEMBER, 3),
        ("vom 20.11. bis einschließlich 04.12.2026", DECEMBER, 4),
        ("ab dem 4.12. wieder erreichbar", DECEMBER, 3),
        ("vom 24.-28. Dezember", DECEMBER, 28),
        ("bis Montag", NOVEMBER, 30),
        ("jusqu'au 4 décembre inclus", DECEMBER, 4),
        ("de retour le lundi 30 novembre", NOVEMBER, 29),
        ("du 23/11 au 27/11", NOVEMBER, 27),
        ("hasta el lunes", NOVEMBER, 30),
        ("regreso el 7 de diciembre", DECEMBER, 6),
        ("volveré el próximo lunes", NOVEMBER, 29),
        ("até 1º de dezembro", DECEMBER, 1),
        ("retorno na segunda-feira, dia 30 de novembro", NOVEMBER, 29),
        ("fino al 7 dicembre", DECEMBER, 7),
        ("rientro lunedì 7 dicembre", DECEMBER, 6),
        ("terug op 7 december", DECEMBER, 6),
    ],
)
def test_the_last_day_away(text: str, month: int, day: int) -> None:
    assert away_until(plain(text), MONDAY) == date(2026, month, day)


def test_over_the_turn_of_the_year() -> None:
    assert away_until(plain("from December 24 to January 4"), MONDAY) == date(2027, JANUARY, 4)
    assert away_until(plain("back January 4"), MONDAY) == date(2027, JANUARY, 3)


@pytest.mark.parametrize(
    "text",
    [
        "I am away",
        "until November 10, 2026",
        "until November 10",
        "back on November 23",
        "until next Friday",
        "call 312-555-0142 or see 12/3 Main Street",
        "until 31.02.",
        "until 99/99",
        "We met on Monday, December 7",
        "Sent on November 30",
        "until further notice",
        "until next week",
        "jusqu'à mon retour",
        "hasta la segunda semana de enero",
        "until May 3, 2031",
        "",
    ],
)
def test_what_is_not_said_has_passed_or_is_unclear(text: str) -> None:
    assert away_until(plain(text), MONDAY) is None


def test_numbers_that_can_be_two_days_are_not_guessed() -> None:
    early = date(2026, 11, 5)
    assert away_until("until 12/11", early) is None
    assert away_until("until 12/11", MONDAY) == date(2026, 12, 11), "the 12th of November has passed"
    assert away_until("until 12/13", early) == date(2026, 12, 13)
    assert away_until("until 11/11", early) == date(2026, 11, 11)


@given(
    st.dates(date(2026, 1, 1), date(2027, 12, 31)),
    st.text(alphabet="0123456789/.- untilbackmondydecjr,", max_size=60),
)
def test_never_before_the_mail_nor_far_ahead(sent: date, text: str) -> None:
    found = away_until(text, sent)
    assert found is None or sent <= found <= sent + LONGEST


@given(st.dates(date(2026, 1, 1), date(2027, 12, 31)), st.integers(1, 300))
def test_a_whole_date_is_always_that_day(sent: date, ahead: int) -> None:
    day = sent + timedelta(days=ahead)
    assert away_until(f"until {day.isoformat()}", sent) == day
    assert away_until(plain(f"until {day:%B} {day.day}, {day.year}"), sent) == day
    assert away_until(f"bis {day.day}.{day.month}.{day.year}", sent) == day
