"""`leads calendar`: the bays and who is on them."""

from __future__ import annotations

import shutil
import sys
from datetime import timedelta

import click

from cli.chart import day_chart
from cli.context import Office, with_office
from cli.errors import CliError
from cli.output import print_json
from cli.places import choose_location
from cli.week_chart import week_chart
from cli.when import a_date, local_today
from crm.calendar.overview import Overview, load_overview

WIDTH_OF_A_FILE = 80
WIDEST = 160


@click.command("calendar")
@click.option("--location", "slug", help="The location's short name; needed where there are several.")
@click.option("--day", is_flag=False, flag_value="today", help="One day in half hours; alone: today.")
@click.option(
    "--week", is_flag=False, flag_value="today", help="Seven days from this one; the default, from today."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def calendar_command(
    office: Office, slug: str | None, day: str | None, week: str | None, as_json: bool
) -> None:
    """Draw the calendar. A date is written 2026-11-24, today or tomorrow; times are the shop's."""
    if day and week:
        raise CliError("say --day or --week, not both")
    with office.db.tenant(office.tenant.id) as session:
        location = choose_location(session, slug)
        today = local_today(office.clock.now(), location.timezone)
        first = a_date(day or week or "today", today)
        view = load_overview(session, location, first, first if day else first + timedelta(days=6))
    if as_json:
        print_json(_as_data(view))
        return
    width = min(shutil.get_terminal_size().columns, WIDEST) if sys.stdout.isatty() else WIDTH_OF_A_FILE
    click.echo(day_chart(view, first, width) if day else week_chart(view, width))


def _as_data(view: Overview) -> dict[str, object]:
    return {
        "location": view.slug,
        "timezone": view.timezone.key,
        "first": str(view.first),
        "last": str(view.last),
        "bays": view.bays,
        "bookings": view.bookings,
        "closed": {str(day): reason for day, reason in view.closed.items()},
    }
