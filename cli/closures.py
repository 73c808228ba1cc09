"""`leads close`: days on which nothing is offered or accepted."""

from __future__ import annotations

from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from cli.changes import change_hours
from cli.context import Office, with_office
from cli.errors import CliError
from cli.places import choose_location
from cli.when import a_date, local_today
from crm.calendar.hours import Stretch, to_utc
from crm.calendar.labels import day_label
from crm.models import Location, LocationClosure

ONE_DAY = timedelta(days=1)


@click.command("close")
@click.argument("day", metavar="DATE")
@click.option("--until", help="The last day, included; default: DATE alone.")
@click.option("--reason", default="", help="Shown in the calendar.")
@click.option("--open", "reopen", is_flag=True, help="Take the closure of these days back.")
@click.option("--yes", is_flag=True, help="Close although somebody is booked; they stay booked.")
@click.option("--location", "slug", help="The location's short name; needed where there are several.")
@with_office
def close_command(
    office: Office, day: str, until: str | None, reason: str, reopen: bool, yes: bool, slug: str | None
) -> None:
    """Close a location on DATE (2026-12-24, today or tomorrow), or from DATE until another day.

    Appointments of those days are listed, and the shop closes only with --yes. They stay booked and nobody is
    told: move or cancel each one.
    """
    with office.db.tenant(office.tenant.id) as session:
        today = local_today(office.clock.now(), choose_location(session, slug).timezone)
    first = a_date(day, today)
    last = a_date(until, today) if until else first
    if last < first:
        raise CliError(f"{last} is before {first}")
    if last < today:
        raise CliError(f"{last} is over")

    def change(session: Session, location: Location) -> str:
        return (
            _open(session, location, first, last)
            if reopen
            else _close(session, location, first, last, reason)
        )

    def days(location: Location) -> Stretch:
        zone = ZoneInfo(location.timezone)
        return Stretch(to_utc(first, time(), zone), to_utc(last + ONE_DAY, time(), zone))

    change_hours(office, slug, change, yes=yes, closes=None if reopen else days)


def _close(s: Session, location: Location, first: date, last: date, reason: str) -> str:
    """A row for exactly these days; the same again only changes the reason."""
    same = select(LocationClosure).where(
        LocationClosure.location_id == location.id,
        LocationClosure.starts_on == first,
        LocationClosure.ends_on == last,
    )
    closure = s.scalars(same).first() or _closure(location, first, last, "")
    closure.reason = reason.strip() or closure.reason
    s.add(closure)
    return f"{location.slug} is closed {_days(first, last)}."


def _open(s: Session, location: Location, first: date, last: date) -> str:
    """Cut these days out of every closure that holds one of them. Raises CliError when none does."""
    hit = s.scalars(
        select(LocationClosure).where(
            LocationClosure.location_id == location.id,
            LocationClosure.starts_on <= last,
            LocationClosure.ends_on >= first,
        )
    ).all()
    if not hit:
        raise CliError(
            f"{location.slug} is not closed by hand {_days(first, last)}; a public holiday is opened with"
            " `leads hours holidays ... --open-on NAME`, a day without hours with `leads hours set DATE TIMES`"
        )
    for closure in hit:
        s.delete(closure)
    # Two halves of neighbouring closures must not collide with rows that are about to go.
    s.flush()
    for closure in hit:
        if closure.starts_on < first:
            s.add(_closure(location, closure.starts_on, first - ONE_DAY, closure.reason))
        if closure.ends_on > last:
            s.add(_closure(location, last + ONE_DAY, closure.ends_on, closure.reason))
    return f"{location.slug} keeps its usual hours {_days(first, last)}."


def _closure(location: Location, first: date, last: date, reason: str) -> LocationClosure:
    return LocationClosure(
        tenant_id=location.tenant_id, location_id=location.id, starts_on=first, ends_on=last, reason=reason
    )


def _days(first: date, last: date) -> str:
    single = f"on {day_label(first)}, {first.year}"
    return single if first == last else f"from {day_label(first)} to {day_label(last)}, {last.year}"
