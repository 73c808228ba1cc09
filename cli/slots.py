"""`leads slots`: free times, found by the same rules as a customer's."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import click

from cli.context import Office, with_office
from cli.errors import CliError
from cli.output import print_json, print_table
from cli.places import choose_location, choose_services
from cli.when import a_date, a_time, local_today
from crm.calendar.job import Job, job_for
from crm.calendar.labels import duration_label
from crm.calendar.overview import bay_names
from crm.calendar.slots import Slot, Wanted, find_slots
from crm.models import Location
from crm.vehicles import BODY_STYLES


@click.command("slots")
@click.argument("services", nargs=-1, required=True, metavar="SERVICE...")
@click.option("--location", "slug", help="The location's short name; needed where there are several.")
@click.option("--vehicle", type=click.Choice(BODY_STYLES), help="Its shape; some work takes longer on some.")
@click.option("--from", "from_", help="The first day.")
@click.option("--to", help="The last day.")
@click.option("--after", help="The earliest time of day, like 9:00.")
@click.option("--before", help="Starts before this time of day.")
@click.option("--limit", default=6, show_default=True, type=click.IntRange(1, 100))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def slots_command(
    office: Office, /, services: tuple[str, ...], slug: str | None, vehicle: str | None, limit: int, as_json: bool,
    **wishes: str | None,
) -> None:  # fmt: skip
    """Find free times for one visit with all of these services (codes or numbers), spread over the days."""
    now = office.clock.now()
    with office.db.tenant(office.tenant.id) as session:
        location = choose_location(session, slug)
        wanted = _wanted(location, local_today(now, location.timezone), **wishes)
        job = job_for(choose_services(session, location, services), vehicle)
        slots = find_slots(session, location, job, now, wanted, limit=limit)
        names = bay_names(session, location)
    if as_json:
        print_json([_as_data(slot, names) for slot in slots])
        return
    if not slots:
        click.echo("nothing is free then", err=True)
        return
    print_table(("AT", "DROP OFF", "DONE", "BAYS"), [_row(slot, location, names) for slot in slots])
    click.echo(_about(job, location), err=True)


def _wanted(
    location: Location,
    today: date,
    *,
    from_: str | None,
    to: str | None,
    after: str | None,
    before: str | None,
) -> Wanted:
    """The wish; raises CliError for one that no time can fulfil."""
    first, last = (a_date(text, today) if text else None for text in (from_, to))
    earliest, latest = (a_time(text) if text else None for text in (after, before))
    if last and last < (first or today):
        raise CliError(f"--to {last} is before {f'--from {first}' if first else 'today'}")
    if first and first < today:
        raise CliError(f"--from {first} is over")
    if earliest and latest and latest <= earliest:
        raise CliError("--before is not after --after")
    return Wanted(from_date=first, to_date=last, after=earliest, before=latest)


def _row(slot: Slot, location: Location, names: dict[int, str]) -> list[str]:
    """The first column is what `leads book --at` takes."""
    zone = ZoneInfo(location.timezone)
    starts, ends = slot.starts_at.astimezone(zone), slot.ends_at.astimezone(zone)
    arrives = "-"
    if slot.arrives_from and slot.arrives_until:
        come, gone = slot.arrives_from.astimezone(zone), slot.arrives_until.astimezone(zone)
        arrives = f"{come:%H:%M}-{gone:%H:%M}"
    done = f"{ends:%H:%M}" if ends.date() == starts.date() else f"{ends:%Y-%m-%d %H:%M}"
    return [f"{starts:%Y-%m-%d %H:%M %a}", arrives, done, ", ".join(names[bay] for bay in slot.bay_ids)]


def _about(job: Job, location: Location) -> str:
    left = ", the car is dropped off" if job.visit == "drop_off" else ""
    return f"{duration_label(job.labour_minutes)} of work{left}; times are {location.timezone}"


def _as_data(slot: Slot, names: dict[int, str]) -> dict[str, object]:
    return {
        "starts_at": slot.starts_at,
        "ends_at": slot.ends_at,
        "arrives_from": slot.arrives_from,
        "arrives_until": slot.arrives_until,
        "bays": [names[bay] for bay in slot.bay_ids],
    }
