"""Days and times as customers write them, as arguments of find_times. Today is Monday, November 23, 2026."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any

import pytest

from agent.playbook.when import read_when

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
    ("can't do tuesday, how about wed", {"weekdays": [2]}),
    ("not tuesday", {"weekdays": [0, 2, 3, 4, 5, 6]}),
    ("any day but monday", {"weekdays": [1, 2, 3, 4, 5, 6]}),
    ("i'm busy friday but saturday is good", {"weekdays": [5]}),
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
