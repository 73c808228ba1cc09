"""`leads hours`: when a location works, and the limits of what it takes on."""

from __future__ import annotations

from datetime import date, time

import click
from sqlalchemy import delete
from sqlalchemy.orm import Session

from cli.changes import change_hours
from cli.context import Office, with_office
from cli.errors import CliError
from cli.hours_limits import holidays_command, limits_command, skills_command
from cli.hours_show import show_hours
from cli.output import one_line
from cli.places import choose_bay, choose_location
from cli.when import a_date, local_today, stretches, weekdays
from crm.calendar.labels import WEEKDAYS, day_label
from crm.models import BayHours, Location, LocationHours, LocationSpecialHours

Stretches = list[tuple[time, time]]


class ShowByDefault(click.Group):
    """`leads hours --location x` means `leads hours show --location x`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `show` in front of options that stand alone."""
        bare = not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names)
        return super().parse_args(ctx, ["show", *args] if bare else args)


@click.group("hours", cls=ShowByDefault)
def hours_command() -> None:
    """Show (without a command) or change when a location works."""


@hours_command.command("show")
@click.option("--location", "slug", help="The location's short name; needed where there are several.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def show_command(office: Office, slug: str | None, as_json: bool) -> None:
    """Weekly hours, exceptions, closures, holidays, bays and limits."""
    with office.db.tenant(office.tenant.id) as session:
        show_hours(session, choose_location(session, slug), office.clock.now(), as_json=as_json)


@hours_command.command("set")
@click.argument("days")
@click.argument("times", nargs=-1, required=True)
@click.option("--bay", "bay_name", help="Only for this bay; it still works only while the location is open.")
@click.option("--location", "slug", help="The location's short name; needed where there are several.")
@click.option("--yes", is_flag=True, help="Change although somebody is booked outside; they stay booked.")
@with_office
def set_command(
    office: Office, days: str, times: tuple[str, ...], bay_name: str | None, slug: str | None, yes: bool
) -> None:
    """Set the hours of DAYS: weekdays (Mon-Fri, sat, Mon,Wed) or one date (2026-12-24).

    TIMES are one or more stretches like 9:00-12:30, or `closed`; `usual` takes an exception back.

    \b
      leads hours set Mon-Fri 9:00-12:30 13:00-18:00
      leads hours set 2026-12-24 9:00-13:00
      leads hours set 2026-12-24 usual
      leads hours set Sat closed --bay "Bay 2"
    """
    usual = [text.lower() for text in times] == ["usual"]
    wanted: Stretches = [] if usual else stretches(times)
    week = weekdays(days)
    if week is None and bay_name:
        raise CliError("a bay has hours for weekdays only, like Mon-Fri")

    def change(s: Session, location: Location) -> str:
        if bay_name:
            return _set_bay(s, location, bay_name, week or [], wanted, usual)
        if week is not None:
            if usual:
                raise CliError("weekdays are the usual hours; say which times they have")
            return _set_week(s, location, week, wanted)
        day = a_date(days, local_today(office.clock.now(), location.timezone))
        return _set_day(s, location, day, wanted, usual)

    change_hours(office, slug, change, yes=yes)


def _set_week(s: Session, location: Location, days: list[int], wanted: Stretches) -> str:
    s.execute(
        delete(LocationHours).where(LocationHours.location_id == location.id, LocationHours.weekday.in_(days))
    )
    whose = {"tenant_id": location.tenant_id, "location_id": location.id}
    s.add_all(
        LocationHours(**whose, weekday=day, opens=opens, closes=closes)
        for day in days
        for opens, closes in wanted
    )
    return f"{location.slug}, {_named(days)}: {_said(wanted)}."


def _set_day(s: Session, location: Location, day: date, wanted: Stretches, usual: bool) -> str:
    if not wanted and not usual:
        raise CliError(f"a single day is closed with `leads close {day}`")
    s.execute(
        delete(LocationSpecialHours).where(
            LocationSpecialHours.location_id == location.id, LocationSpecialHours.on_date == day
        )
    )
    whose = {"tenant_id": location.tenant_id, "location_id": location.id}
    s.add_all(
        LocationSpecialHours(**whose, on_date=day, opens=opens, closes=closes) for opens, closes in wanted
    )
    hours = "the usual hours" if usual else _said(wanted)
    return f"{location.slug}, {day_label(day)}, {day.year}: {hours}."


def _set_bay(
    s: Session, location: Location, name: str, days: list[int], wanted: Stretches, usual: bool
) -> str:
    """A bay without any row works whenever the location does, so one that has rows needs one for each day it works."""
    bay = choose_bay(s, location, name)
    had = {row.weekday for row in s.query(BayHours).filter_by(bay_id=bay.id)}
    s.execute(delete(BayHours).where(BayHours.bay_id == bay.id, BayHours.weekday.in_(days)))
    whose = {"tenant_id": location.tenant_id, "bay_id": bay.id}
    if usual:
        if had - set(days):
            # The bay keeps rows for other days; on these it follows the location again.
            s.add_all(BayHours(**whose, weekday=day, opens=time(), closes=time(23, 59)) for day in days)
        return f"{one_line(bay.name)}, {_named(days)}: whenever {location.slug} is open."
    if not had:
        others = [day for day in range(7) if day not in days]
        s.add_all(BayHours(**whose, weekday=day, opens=time(), closes=time(23, 59)) for day in others)
    s.add_all(
        BayHours(**whose, weekday=day, opens=opens, closes=closes) for day in days for opens, closes in wanted
    )
    # Without any row left it would work whenever the location does.
    if not wanted and not (had or set(range(7))) - set(days):
        raise CliError(f"that leaves {one_line(bay.name)} no hours at all, which would mean the usual ones")
    return f"{one_line(bay.name)}, {_named(days)}: {_said(wanted)}."


def _named(days: list[int]) -> str:
    return ", ".join(WEEKDAYS[day] for day in days)


def _said(wanted: Stretches) -> str:
    texts = [f"{opens.hour}:{opens.minute:02d}-{closes.hour}:{closes.minute:02d}" for opens, closes in wanted]
    return " and ".join(texts) or "closed"


hours_command.add_command(limits_command)
hours_command.add_command(holidays_command)
hours_command.add_command(skills_command)
