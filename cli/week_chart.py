"""Several days of the calendar as text: a line per day and bay. Pure, like cli.chart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from rich.cells import cell_len, set_cell_size

from cli.chart_parts import (
    FREE,
    NARROWEST,
    closed_line,
    meets,
    open_on,
    short_name,
    utilisation,
)
from cli.lifting import LIFTED, lifted
from cli.output import one_line
from crm.calendar.labels import day_label
from crm.calendar.overview import Booking, Overview

BAR = 10
DAY_WIDTH = len("Wed, Nov 25")


def week_chart(view: Overview, width: int = 80) -> str:
    """Several days: a line per day and bay with its hours, how much of them is in use, and who comes when."""
    first, last = view.days()[0], view.days()[-1]
    lines = [
        f"{one_line(view.name)}: {day_label(first)} to {day_label(last)}, {last.year} ({view.timezone.key})",
        "",
    ]
    left = min(max((cell_len(one_line(bay.name)) for bay in view.bays), default=3), 12)
    for day in view.days():
        lines += _day_lines(view, day, left, max(width, NARROWEST))
    marks = [one for one in view.bookings if one.override]
    return "\n".join(lines + [""] * bool(marks) + [lifted(one.id, one.override) for one in marks])


def _day_lines(view: Overview, day: date, left: int, width: int) -> Iterator[str]:
    span = view.day(day)
    if not any(open_on(view, bay, day) for bay in view.bays) and not any(
        meets(one, span) for one in view.bookings
    ):
        yield f"{day_label(day):{DAY_WIDTH}}  {closed_line(view, day)}"
        return
    for number, bay in enumerate(view.bays):
        name = day_label(day) if number == 0 else ""
        open_that_day = open_on(view, bay, day)
        booked = [one for one in view.bookings if one.bay_id == bay.id and meets(one, span)]
        head = f"{name:{DAY_WIDTH}}  {set_cell_size(one_line(bay.name), left)}  "
        if not open_that_day:
            state = closed_line(view, day)
            line = f"{head}{set_cell_size(state, BAR + 7) if booked else state}"
        else:
            used = utilisation(view, bay, day)
            filled = max(round(BAR * used / 100), 1 if used else 0)
            line = f"{head}[{'#' * min(filled, BAR):{FREE}<{BAR}}] {used:3d}%"
        who = _who_comes(view, booked, day, width - cell_len(line) - 2)
        yield f"{line}  {who}".rstrip()


def _who_comes(view: Overview, booked: Sequence[Booking], day: date, room: int) -> str:
    """ "9:00 #12 Dana, 13:00 #14 Lee", as many as fit, and how many more there are."""
    said = ""
    for number, one in enumerate(booked):
        start = one.starts_at.astimezone(view.timezone)
        when = f"{start.hour}:{start.minute:02d}" if start.date() == day else "goes on"
        name = short_name(one.who, 12)
        longer = f"{said}{', ' if said else ''}{when} #{one.id}{LIFTED if one.override else ''} {name}"
        rest = len(booked) - number - 1
        if cell_len(longer) + (len(f" +{rest} more") if rest else 0) > room:
            return f"{said} +{rest + 1} more".strip() if said else f"{len(booked)} booked"
        said = longer
    return said
