"""One day of the calendar as text: bays against time. Pure: from an Overview to lines, nothing is read or printed.

Every cell that holds a customer's words is cleaned and measured in terminal columns, so that a wide or an
evil name moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from string import ascii_letters

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
from crm.calendar.hours import Stretch
from crm.calendar.labels import WEEKDAYS, day_label
from crm.calendar.overview import BayRow, Booking, Overview

COLUMN = timedelta(minutes=30)
# How a half hour looks that holds no booking.
CLOSED, BUFFER = "/", "-"


def day_chart(view: Overview, day: date, width: int = 80) -> str:
    """One day: a line per bay, half hours as columns, and below it a legend with a line per booking.

    `width` in terminal columns; a day that is longer than fits is drawn with narrower columns.
    """
    title = f"{one_line(view.name)}: {day_label(day)}, {day.year} ({view.timezone.key})"
    bookings = [one for one in view.bookings if meets(one, view.day(day))]
    lines = [title] + [closed_line(view, day)] * (day in view.closed)
    frame = _frame(view, day, bookings)
    if frame is None:
        return "\n".join([title, closed_line(view, day)])
    keys = {one.id: key for one, key in zip(bookings, _keys(), strict=False)}
    left = min(max((cell_len(one_line(bay.name)) for bay in view.bays), default=3), 14)
    columns = max((frame.ends_at - frame.starts_at) // COLUMN, 1)
    cell = min(max((max(width, NARROWEST) - left - 8) // columns, 1), 4)
    lines += ["", f"{'':{left}}  {_ruler(view, frame, cell)}".rstrip()]
    for bay in view.bays:
        row = _bay_row(bay, bookings, keys, frame, cell)
        used = f"{utilisation(view, bay, day):4d}%" if open_on(view, bay, day) else "    -"
        lines.append(f"{set_cell_size(one_line(bay.name), left)}  {row} {used}".rstrip())
    lines += ["", f"{CLOSED} closed   {FREE} free   {BUFFER} kept free around a job   % of open hours in use"]
    lines += _legend(view, day, bookings, keys, max(width, NARROWEST))
    return "\n".join(lines)


def _legend(
    view: Overview, day: date, bookings: Sequence[Booking], keys: dict[int, str], width: int
) -> Iterator[str]:
    bays = {bay.id: one_line(bay.name) for bay in view.bays}
    if bookings:
        yield ""
    for one in sorted(bookings, key=lambda one: (one.starts_at, one.id)):
        facts = [
            f"{keys.get(one.id, '*')}  #{one.id} {_clock(view, one.starts_at, day)}-{_clock(view, one.ends_at, day)}",
            bays.get(one.bay_id, "-"),
            one_line(one.who),
            one_line(", ".join(one.services) or one.source),
        ]
        # The state matters to whoever reads the line, so a long service name gives way to it.
        ending = "" if one.status == "booked" else f"  {one.status}"
        if one.arrives_from and one.arrives_until and one.arrives_from >= view.day(day).starts_at:
            ending = f"  drop off {_clock(view, one.arrives_from, day)}-{_clock(view, one.arrives_until, day)}{ending}"
        line, room = "  ".join(facts), width - len(ending)
        yield (line if cell_len(line) <= room else set_cell_size(line, room - 3).rstrip() + "...") + ending
        if one.override:
            yield f"   {lifted(one.id, one.override)}"


def _clock(view: Overview, moment: datetime, day: date) -> str:
    """ "14:00", with the weekday when it is not this day."""
    local = moment.astimezone(view.timezone)
    other = f"{WEEKDAYS[local.weekday()]} " if local.date() != day else ""
    return f"{other}{local.hour}:{local.minute:02d}"


def _frame(view: Overview, day: date, bookings: Sequence[Booking]) -> Stretch | None:
    """From the first hour of the day on which anything happens to the last, on whole hours of the shop's clock.

    The night that a car stays is not drawn: a booking counts only with the ends that lie on this day.
    """
    span = view.day(day)
    moments = [
        end for bay in view.bays for one in open_on(view, bay, day) for end in (one.starts_at, one.ends_at)
    ]
    for one in bookings:
        moments += [end for end in (one.starts_at, one.ends_at) if span.starts_at <= end <= span.ends_at]
    if not moments:
        return span if bookings else None
    first = min(moments).astimezone(view.timezone)
    starts_at = min(moments) - timedelta(minutes=first.minute, seconds=first.second)
    steps = -((starts_at - max(moments)) // (2 * COLUMN))
    return Stretch(starts_at, starts_at + max(steps, 1) * 2 * COLUMN)


def _ruler(view: Overview, frame: Stretch, cell: int) -> str:
    """The hours above their columns; every second or third one where columns are narrow."""
    ruler, moment, place = "", frame.starts_at, 0
    while moment < frame.ends_at:
        local = moment.astimezone(view.timezone)
        if local.minute == 0 and (not ruler or len(ruler) < place):
            ruler = f"{ruler:{place}}{local.hour}"
        moment, place = moment + COLUMN, place + cell
    return f"{ruler:{place}}"


def _bay_row(
    bay: BayRow, bookings: Sequence[Booking], keys: dict[int, str], frame: Stretch, cell: int
) -> str:
    width = (frame.ends_at - frame.starts_at) // COLUMN * cell

    def place(moment: datetime) -> int:
        inside = min(max(moment, frame.starts_at), frame.ends_at)
        return round((inside - frame.starts_at) / COLUMN * cell)

    mine = sorted((one for one in bookings if one.bay_id == bay.id), key=lambda one: one.starts_at)
    ground = [CLOSED] * width
    for one in bay.open:
        ground[place(one.starts_at) : place(one.ends_at)] = FREE * (place(one.ends_at) - place(one.starts_at))
    for job in mine:
        start, end = place(job.blocked_from), place(job.blocked_until)
        ground[start:end] = BUFFER * (end - start)
    row, drawn = "", 0
    for job in mine:
        start = max(place(job.starts_at), drawn)
        end = min(max(place(job.ends_at), start + 1), width)
        if start >= width or end <= start:
            continue
        row += "".join(ground[drawn:start]) + _block(job, keys.get(job.id, "*"), frame, end - start)
        drawn = end
    return row + "".join(ground[drawn:])


def _block(job: Booking, key: str, frame: Stretch, width: int) -> str:
    """ "[a Dana==]": "<" and ">" instead of the brackets when the job began before or goes on after this day."""
    opening = "<" if job.starts_at < frame.starts_at else "["
    closing = ">" if job.ends_at > frame.ends_at else "]"
    if width < 3:
        return key if width == 1 else key + closing
    inside = f"{key}{LIFTED if job.override else ''} "
    shown = inside[: width - 2]
    if width - 2 > len(inside):
        shown += short_name(job.who, width - 2 - len(inside))
        shown += " " * (cell_len(shown) < width - 2)
    return f"{opening}{shown}{'=' * (width - 2 - cell_len(shown))}{closing}"


def _keys() -> Iterator[str]:
    """A letter for each booking of a day; whoever has more than 52 finds the rest under "*" by their number."""
    yield from ascii_letters
