"""`leads hours limits`, `holidays` and `skills`: what a location takes on, and which bay can do it."""

from __future__ import annotations

from datetime import date, time
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from cli.changes import change_hours
from cli.context import Office, with_office
from cli.errors import CliError
from cli.output import one_line
from cli.places import choose_bay, choose_location
from cli.when import a_stretch, a_time, local_today
from crm.calendar.booker import queue_up
from crm.calendar.public_holidays import OBSERVED, BadHolidays, Holidays, holidays_between, holidays_of
from crm.models import Location, Service

NONE = "none"


@click.command("limits")
@click.option("--jobs", help="Most jobs that start on one day, or none.")
@click.option("--labour-hours", help="Most hours of work on one day, or none.")
@click.option("--buffer-before", type=click.IntRange(0, 480), help="Minutes a bay stays free before a job.")
@click.option("--buffer-after", type=click.IntRange(0, 480), help="Minutes a bay stays free after a job.")
@click.option("--same-day-until", help="After this time of day nothing more is taken for today, or none.")
@click.option("--drop-off", help="When cars are dropped off, like 8:00-9:00, or none: the first hour.")
@click.option("--notice", type=click.IntRange(0, 43_200), help="Minutes between now and the first start.")
@click.option("--horizon", type=click.IntRange(1, 365), help="Days ahead that can be booked.")
@click.option("--slot", type=click.IntRange(5, 240), help="Minutes between two possible starts.")
@click.option("--location", "slug", help="The location's short name; needed where there are several.")
@with_office
def limits_command(office: Office, /, slug: str | None, **given: Any) -> None:
    """Set the limits of a location; what is not named stays. Appointments that exist are not touched."""
    changes = _changes({name: value for name, value in given.items() if value is not None})
    if not changes:
        raise CliError("say which limit, for example --jobs 8; `leads hours` shows them all")
    with office.db.tenant(office.tenant.id) as session:
        location = choose_location(session, slug)
        # Whoever books has read the rules behind this lock: a change comes before them or after them.
        queue_up(session, location.id)
        for column, value in changes.items():
            setattr(location, column, value)
        session.flush()
    said = ", ".join(f"{column.replace('_', ' ')} {_shown(value)}" for column, value in changes.items())
    click.echo(f"{location.slug}: {said}.")


def _changes(given: dict[str, Any]) -> dict[str, Any]:
    """The columns of a location that the options mean. Raises CliError."""
    changes: dict[str, Any] = {}
    for name, value in given.items():
        if name == "jobs":
            changes["max_jobs_per_day"] = _number(value, 1, "--jobs")
        elif name == "labour_hours":
            changes["max_labour_minutes_per_day"] = _number(value, 60, "--labour-hours")
        elif name == "same_day_until":
            changes["same_day_cutoff"] = None if value == NONE else a_time(value)
        elif name == "drop_off":
            ends = (None, None) if value == NONE else a_stretch(value)
            changes["drop_off_from"], changes["drop_off_until"] = ends
        else:
            changes[COLUMNS[name]] = value
    return changes


COLUMNS = {
    "buffer_before": "buffer_before_minutes",
    "buffer_after": "buffer_after_minutes",
    "notice": "notice_minutes",
    "horizon": "horizon_days",
    "slot": "slot_minutes",
}


def _number(text: str, times: int, option: str) -> int | None:
    if text == NONE:
        return None
    try:
        found = float(text) * times
    except ValueError as error:
        raise CliError(f"{option} is a number or none, not {text!r}") from error
    if found != found or not 1 <= found <= 100_000 or found != int(found):
        raise CliError(f"{option} cannot be {text}")
    return int(found)


def _shown(value: object) -> str:
    return "none" if value is None else value.strftime("%H:%M") if isinstance(value, time) else str(value)


@click.command("holidays")
@click.argument("place")
@click.option("--open-on", multiple=True, help="Work on this one all the same; may be given several times.")
@click.option("--location", "slug", help="The location's short name; needed where there are several.")
@click.option("--yes", is_flag=True, help="Observe them although somebody is booked then; they stay booked.")
@with_office
def holidays_command(
    office: Office, place: str, open_on: tuple[str, ...], slug: str | None, yes: bool
) -> None:
    """Close on the public holidays of PLACE: a state (IL), a country (US, CA-ON), or none."""
    with office.db.tenant(office.tenant.id) as session:
        year = local_today(office.clock.now(), choose_location(session, slug).timezone).year
    observed = {} if place.lower() == NONE else _observed(place, open_on, year)

    def change(s: Session, location: Location) -> str:
        location.holidays = observed
        if not observed:
            return f"{location.slug} observes no public holidays."
        but = f", but works on {', '.join(observed['open_on'])}" if observed["open_on"] else ""
        return f"{location.slug} is closed on the public holidays of {place.upper()}{but}."

    change_hours(office, slug, change, yes=yes)


def _observed(place: str, open_on: tuple[str, ...], year: int) -> dict[str, Any]:
    """The value of `locations.holidays`, its names checked. Raises CliError.

    Two letters are a state of the US before they are a country: IL is Illinois, not Israel.
    """
    country, _, subdivision = place.strip().upper().partition("-")
    tries = [{"country": country, **({"subdivision": subdivision} if subdivision else {})}]
    if not subdivision:
        tries.insert(0, {"country": "US", "subdivision": country})
    config, days = next(((one, found) for one in tries if (found := _known(one))), ({}, None))
    if days is None:
        raise CliError(
            f"no public holidays are known for {one_line(place)!r}: write a state like IL, or CA-ON"
        )
    all_days = holidays_between(days, date(year, 1, 1), date(year + 1, 12, 31)).values()
    # Whoever works on a holiday works on the weekday it moves to as well.
    names = sorted({name.replace(OBSERVED, "").strip() for name in all_days})
    known = {name.lower(): name for name in names}
    for name in open_on:
        if name.strip().lower() not in known:
            raise CliError(f"{place.upper()} has no holiday {one_line(name)!r}; it has {', '.join(names)}")
    return {**config, "open_on": sorted({known[name.strip().lower()] for name in open_on})}


def _known(config: dict[str, str]) -> Holidays | None:
    try:
        return holidays_of(config)
    except BadHolidays:
        return None


@click.command("skills")
@click.argument("bay")
@click.argument("skills", nargs=-1, required=True)
@click.option("--location", "slug", help="The location's short name; needed where there are several.")
@with_office
def skills_command(office: Office, bay: str, skills: tuple[str, ...], slug: str | None) -> None:
    """Say what BAY can do: categories or codes of services, or `everything`."""
    with office.db.tenant(office.tenant.id) as session:
        location = choose_location(session, slug)
        queue_up(session, location.id)
        row = choose_bay(session, location, bay)
        sold = session.execute(
            select(Service.category, Service.code).where(Service.location_id == location.id, Service.active)
        ).all()
        known = {word for pair in sold for word in pair}
        wanted = [] if [one.lower() for one in skills] == ["everything"] else list(dict.fromkeys(skills))
        for one in wanted:
            if one not in known:
                categories = ", ".join(sorted({category for category, _ in sold}))
                raise CliError(
                    f"{location.slug} has no service or category {one_line(one)!r}; categories are {categories}"
                )
        row.skills = wanted
        session.flush()
        click.echo(f"{one_line(row.name)} does {', '.join(wanted) or 'everything'}.")
