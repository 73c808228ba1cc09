"""What both pictures of the calendar share: names in a few columns, open hours, use of a bay."""

from __future__ import annotations

from datetime import date, timedelta

from rich.cells import cell_len, set_cell_size

from cli.output import one_line
from crm.calendar.hours import Stretch
from crm.calendar.overview import BayRow, Booking, Overview

# Nothing is drawn for a terminal narrower than this.
NARROWEST = 60
FREE = "."


def utilisation(view: Overview, bay: BayRow, day: date) -> int:
    """How many per cent of a bay's open minutes of a local day are worked, rounded; 0 when it is closed."""
    open_that_day = open_on(view, bay, day)
    total = sum((one.ends_at - one.starts_at for one in open_that_day), timedelta())
    jobs = [Stretch(one.starts_at, one.ends_at) for one in view.bookings if one.bay_id == bay.id]
    used = sum((_shared(one, job) for one in open_that_day for job in jobs), timedelta())
    return round(100 * used / total) if total else 0


def closed_line(view: Overview, day: date) -> str:
    """ "closed: Thanksgiving Day", or just "closed" when the day has no hours."""
    reason = view.closed.get(day)
    return f"closed: {one_line(reason)}" if reason else "closed"


def short_name(name: str, room: int) -> str:
    """A name in at most `room` columns: whole, or "Dana W.", or cut."""
    words = one_line(name).split(" ")
    whole = " ".join(words)
    if cell_len(whole) > room and len(words) > 1:
        whole = f"{words[0]} {words[-1][:1]}."
    return set_cell_size(whole, min(cell_len(whole), room))


def open_on(view: Overview, bay: BayRow, day: date) -> list[Stretch]:
    """The bay's open stretches of one local day."""
    span = view.day(day)
    cut = [Stretch(max(one.starts_at, span.starts_at), min(one.ends_at, span.ends_at)) for one in bay.open]
    return [one for one in cut if one.starts_at < one.ends_at]


def meets(one: Booking, span: Stretch) -> bool:
    """True when some of the work lies inside; touching ends do not meet."""
    return one.starts_at < span.ends_at and span.starts_at < one.ends_at


def _shared(one: Stretch, other: Stretch) -> timedelta:
    both = min(one.ends_at, other.ends_at) - max(one.starts_at, other.starts_at)
    return max(both, timedelta())
