"""Changing when a location works, without losing sight of who is booked already."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from sqlalchemy.orm import Session

from cli.chart_parts import meets
from cli.context import Office
from cli.errors import CliError
from cli.output import local_time, one_line, print_table
from cli.places import choose_location
from crm.calendar.booker import queue_up
from crm.calendar.hours import Stretch
from crm.calendar.overview import Booking, load_stranded
from crm.models import Location

Change = Callable[[Session, Location], str]


def change_hours(
    office: Office,
    slug: str | None,
    change: Change,
    *,
    yes: bool,
    closes: Callable[[Location], Stretch] | None = None,
) -> None:
    """Make a change and print its sentence; without `yes` only when no booked appointment is left outside the hours.

    `closes` names a stretch of which everybody is listed, also who was booked outside the hours on purpose. Nothing is
    cancelled and nobody is told: whoever is left outside is listed, to be moved. Raises CliError, with nothing
    changed, when there are such appointments and `yes` was not said.
    """
    with office.db.tenant(office.tenant.id) as session:
        location = choose_location(session, slug)
        # Bookings take the same lock, so none can slip in between this list and the commit.
        queue_up(session, location.id)
        before = {one.id for one in load_stranded(session, location, office.clock.now())}
        said = change(session, location)
        session.flush()
        after = load_stranded(session, location, office.clock.now())
        shut = closes(location) if closes else None
        stranded = [one for one in after if one.id not in before or (shut and meets(one, shut))]
        if stranded and not yes:
            print_bookings(stranded, location)
            raise CliError(
                f"nothing was changed: {_many(stranded)} booked then; --yes changes it all the same, and they stay"
                " booked until you move or cancel them"
            )
    click.echo(said)
    if stranded:
        click.echo("Still booked, to be moved (leads move ID --to ...) or cancelled (leads cancel ID):")
        print_bookings(stranded, location)


def print_bookings(bookings: Iterable[Booking], location: Location) -> None:
    """Appointments as a table, in the shop's time."""
    rows = [
        [
            str(one.id),
            local_time(one.starts_at, location.timezone),
            local_time(one.ends_at, location.timezone),
            one_line(one.who),
            one.status,
            ", ".join(one.services) or "-",
        ]
        for one in bookings
    ]
    print_table(("ID", "STARTS", "ENDS", "WHO", "STATUS", "SERVICES"), rows)


def _many(bookings: list[Booking]) -> str:
    return "1 appointment is" if len(bookings) == 1 else f"{len(bookings)} appointments are"
