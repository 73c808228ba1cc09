"""The calendar as text: everything in its column, whatever a customer is called."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rich.cells import cell_len

from cli.chart import day_chart
from cli.week_chart import week_chart
from crm.calendar.hours import Stretch
from crm.calendar.overview import BayRow, Booking, Overview

CHICAGO = ZoneInfo("America/Chicago")
EVIL = "Eve\x1b[2J\u202e\x07 Oh"


def at(day: int, hour: int, minute: int = 0, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=CHICAGO).astimezone(UTC)


def booking(
    number: int, bay: int, who: str, starts_at: datetime, ends_at: datetime, **values: Any
) -> Booking:
    given = {
        "id": number, "bay_id": bay, "lead_id": 1, "who": who, "services": ("Full car tint",),
        "starts_at": starts_at, "ends_at": ends_at, "blocked_from": starts_at, "blocked_until": ends_at,
        "arrives_from": None, "arrives_until": None, "visit": "wait", "labour_minutes": 60,
        "status": "booked", "source": "agent", "override": None, **values,
    }  # fmt: skip
    return Booking(**given)


def picture(*bookings: Booking) -> Overview:
    """Monday to Sunday: open until Wednesday with a lunch break, Bay 2 without afternoons, Thanksgiving."""
    mornings = tuple(Stretch(at(day, 9), at(day, 12)) for day in (23, 24, 25))
    afternoons = tuple(Stretch(at(day, 13), at(day, 17)) for day in (23, 24, 25))
    bays = BayRow(1, "Bay 1", tuple(sorted(mornings + afternoons))), BayRow(2, "Bay 2", mornings)
    closed = {date(2026, 11, 26): "Thanksgiving"}
    return Overview(
        "Lakeside", "lakeside", CHICAGO, date(2026, 11, 23), date(2026, 11, 29), bays, bookings, closed
    )


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("Bay")]


def test_a_day_is_drawn_in_half_hours_with_closed_hours_and_buffers() -> None:
    view = picture(booking(7, 1, "Dana Whitfield", at(23, 9, 30), at(23, 11), blocked_until=at(23, 11, 30)))
    text = day_chart(view, date(2026, 11, 23))
    lines = text.splitlines()
    assert lines[0] == "Lakeside: Mon, Nov 23, 2026 (America/Chicago)"
    assert lines[2] == "       9       10      11      12      13      14      15      16"
    assert rows(text) == [
        "Bay 1  ....[a Dana W. ]----....////////................................   21%",
        "Bay 2  ........................////////////////////////////////////////    0%",
    ]
    assert "a  #7 9:30-11:00  Bay 1  Dana Whitfield  Full car tint" in lines


@pytest.mark.parametrize("who", ["Dana", EVIL, "漢字山田太郎さん", "👩‍🔧 Robin", "x" * 300, "", "é" * 40])
def test_no_name_moves_a_column_or_reaches_the_terminal(who: str) -> None:
    view = picture(booking(7, 1, who, at(23, 9), at(23, 11)), booking(8, 1, who, at(23, 13), at(23, 13, 30)))
    day, week = day_chart(view, date(2026, 11, 23)), week_chart(view)
    assert {cell_len(row.split("%")[0]) for row in rows(day)} == {cell_len(rows(day)[1].split("%")[0])}
    assert all(cell_len(line) <= 80 for line in (day + "\n" + week).splitlines())
    assert not {"\x1b", "\x07", "\u202e"} & set(day + week)


def test_a_job_over_night_points_at_the_other_day() -> None:
    view = picture(booking(7, 2, "Lee", at(23, 11), at(24, 10), status="confirmed"))
    monday, tuesday = day_chart(view, date(2026, 11, 23)), day_chart(view, date(2026, 11, 24))
    assert rows(monday)[1].split()[2].startswith("................[a")
    assert ">" in rows(monday)[1]
    assert rows(tuesday)[1].removeprefix("Bay 2  ").startswith("<a Lee ]....")
    assert "a  #7 11:00-Tue 10:00  Bay 2  Lee  Full car tint  confirmed" in monday
    assert "a  #7 Mon 11:00-10:00  Bay 2  Lee  Full car tint  confirmed" in tuesday
    assert "goes on #7 Lee" in week_chart(view)


def test_a_lifted_limit_is_marked_and_explained() -> None:
    lifted = {"by": "Sam\x1b", "why": "regular customer", "rules": ["max_jobs_per_day"]}
    view = picture(booking(7, 1, "Dana", at(23, 9), at(23, 11), override=lifted))
    assert "[a! Dana" in day_chart(view, date(2026, 11, 23))
    for text in (day_chart(view, date(2026, 11, 23)), week_chart(view)):
        assert "! #7 lifted max_jobs_per_day: Sam�, regular customer" in text


def test_a_week_has_a_line_per_day_and_bay_and_says_how_full_it_is() -> None:
    view = picture(
        booking(7, 1, "Dana", at(23, 9), at(23, 12)),
        booking(8, 1, "Lee", at(23, 13), at(23, 13, 30)),
        booking(9, 2, "Kim", at(26, 9), at(26, 10)),
    )
    assert week_chart(view).splitlines()[2:] == [
        "Mon, Nov 23  Bay 1  [#####.....]  50%  9:00 #7 Dana, 13:00 #8 Lee",
        "             Bay 2  [..........]   0%",
        "Tue, Nov 24  Bay 1  [..........]   0%",
        "             Bay 2  [..........]   0%",
        "Wed, Nov 25  Bay 1  [..........]   0%",
        "             Bay 2  [..........]   0%",
        "Thu, Nov 26  Bay 1  closed: Thanksgiving",
        "             Bay 2  closed: Thanksgiv  9:00 #9 Kim",
        "Fri, Nov 27  closed",
        "Sat, Nov 28  closed",
        "Sun, Nov 29  closed",
    ]


def test_more_bookings_than_fit_are_counted() -> None:
    many = [booking(n, 1, "Maximilian Long", at(23, 9 + n), at(23, 10 + n)) for n in range(3)]
    line = week_chart(picture(*many)).splitlines()[2]
    assert line == "Mon, Nov 23  Bay 1  [####......]  43%  9:00 #0 Maximilian L +2 more"


def test_the_hour_that_comes_twice_is_drawn_twice() -> None:
    night = Stretch(at(1, 0), at(1, 4))
    view = replace(picture(), first=date(2026, 11, 1), bays=(BayRow(1, "Bay 1", (night,)),), closed={})
    ruler = day_chart(view, date(2026, 11, 1)).splitlines()[2]
    assert ruler.split() == ["0", "1", "1", "2", "3"]


def test_a_closed_day_says_why() -> None:
    assert day_chart(picture(), date(2026, 11, 26)).endswith("\nclosed: Thanksgiving")
    assert day_chart(picture(), date(2026, 11, 28)).endswith("\nclosed")
