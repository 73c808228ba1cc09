"""`leads waves`: write to old leads again, so many a day."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from cli.context import Office, with_office
from cli.errors import CliError
from cli.output import one_line, print_json, print_table
from cli.wave_tables import as_data, print_dry_run, print_wave, row_of
from crm.models import Location, Tenant, Wave
from crm.tenants import settings_of
from crm.waves import (
    STATUSES,
    USUAL,
    WaveFilter,
    WaveRefused,
    find_wave,
    pause_wave,
    results_of,
    resume_wave,
    start_wave,
    stop_wave,
)


@click.group("waves")
def waves_command() -> None:
    """Write to old leads again, so many a day over the sending hours.

    Only who may still be written to is: no stop, consent and last word not too old, nothing under way, no appointment,
    no person on the line. A wave stops itself when too many people say stop.
    """


@waves_command.command("start")
@click.argument("name")
@click.option("--plan", default="reactivation", show_default=True, help="The plan they get.")
@click.option(
    "--older-than", default="90d", show_default=True, help="Nothing was heard from them for so many days."
)
@click.option("--status", default=",".join(USUAL), show_default=True,
              help=f"Where the leads stand, by commas: {', '.join(STATUSES)}.")  # fmt: skip
@click.option("--source", help="Only leads that came from here, by commas; default: from anywhere.")
@click.option("--location", help="Only leads of this location, by its short name.")
@click.option("--per-day", type=click.IntRange(1, 5000), required=True, help="How many leads a day.")
@click.option("--by", help="Who starts it; default: your login.")
@click.option("--dry-run", is_flag=True, help="Only count whom it would write to, and why the others not.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@with_office
def start_command(
    office: Office,
    name: str,
    plan: str,
    older_than: str,
    status: str,
    source: str | None,
    location: str | None,
    per_day: int,
    by: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Start a wave, for example:

    \b
    leads waves start spring --older-than 120d --status lost,quoted --per-day 40 --dry-run
    """
    chosen = _filter(older_than, status, source)
    with office.db.tenant(office.tenant.id) as session, _refusals():
        shop = _location(session, location)
        _check_plan(session, office.tenant.id, plan)
        if dry_run:
            counts = _count(session, office, chosen, shop)
            print_json(counts) if as_json else print_dry_run(counts, per_day)
            return
        wave = start_wave(
            session, office.tenant.id, name, plan=plan, wanted=chosen, per_day=per_day,
            location_id=None if shop is None else shop.id, author=_who(by), now=office.clock.now(),
        )  # fmt: skip
        data = as_data(wave, results_of(session, wave))
    if as_json:
        print_json(data)
    else:
        click.echo(f"{name} is running: {per_day} leads a day. leads waves show {name} tells how it goes.")


@waves_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@with_office
def list_command(office: Office, as_json: bool) -> None:
    """List all waves, the newest first."""
    with office.db.tenant(office.tenant.id) as session:
        found = session.scalars(select(Wave).order_by(Wave.id.desc())).all()
        rows = [as_data(wave, results_of(session, wave)) for wave in found]
        zone = _timezone(session)
    if as_json:
        print_json(rows)
    elif not rows:
        click.echo("No wave yet.")
    else:
        columns = (
            "NAME",
            "STATUS",
            "PLAN",
            "A DAY",
            "TAKEN",
            "WRITTEN TO",
            "ANSWERED",
            "BOOKED",
            "SAID STOP",
            "BEGUN",
        )
        print_table(columns, [row_of(row, zone) for row in rows])


@waves_command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@with_office
def show_command(office: Office, name: str, as_json: bool) -> None:
    """Show one wave: whom it is for, how far it is, what came of it, and who was passed by."""
    with office.db.tenant(office.tenant.id) as session, _refusals():
        wave = find_wave(session, office.tenant.id, name)
        data = as_data(wave, results_of(session, wave))
        zone = _timezone(session)
    if as_json:
        print_json(data)
    else:
        print_wave(data, zone)


@waves_command.command("pause")
@click.argument("name")
@click.option("--by", help="Who pauses it; default: your login.")
@with_office
def pause_command(office: Office, name: str, by: str | None) -> None:
    """Take no further leads for now. Who was taken already gets the rest of the plan; `stop` ends that too."""
    with office.db.tenant(office.tenant.id) as session, _refusals():
        pause_wave(find_wave(session, office.tenant.id, name, lock=True), _who(by))
    click.echo(f"{one_line(name)} takes no further leads until: leads waves resume {one_line(name)}")


@waves_command.command("resume")
@click.argument("name")
@with_office
def resume_command(office: Office, name: str) -> None:
    """Go on with a paused wave."""
    with office.db.tenant(office.tenant.id) as session, _refusals():
        resume_wave(find_wave(session, office.tenant.id, name, lock=True), office.clock.now())
    click.echo(f"{one_line(name)} is running again.")


@waves_command.command("stop")
@click.argument("name")
@click.option("--by", help="Who stops it; default: your login.")
@with_office
def stop_command(office: Office, name: str, by: str | None) -> None:
    """End a wave for good: nobody more is taken, and nothing more is sent of it. Conversations go on."""
    with office.db.tenant(office.tenant.id) as session, _refusals():
        wave = find_wave(session, office.tenant.id, name, lock=True)
        ended = stop_wave(session, wave, f"stopped by {_who(by)}", office.clock.now())
    click.echo(f"{one_line(name)} is stopped; {ended} planned messages will not be sent.")


def _filter(older_than: str, status: str, source: str | None) -> WaveFilter:
    days = older_than.strip().removesuffix("d")
    if not days.isdigit():
        raise CliError(f"--older-than is a number of days like 90d, not {older_than!r}")
    try:
        return WaveFilter.model_validate({
            "older_than_days": int(days),
            "statuses": _parts(status),
            "sources": _parts(source) if source else None,
        })  # fmt: skip
    except ValidationError as error:
        fault = error.errors()[0]
        where = {"older_than_days": "--older-than", "statuses": "--status"}.get(
            str(fault["loc"][0]), "--source"
        )
        raise CliError(f"{where}: {fault['msg']}") from error


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _who(by: str | None) -> str:
    return (by or "").strip() or getpass.getuser()


def _location(session: Session, slug: str | None) -> Location | None:
    if slug is None:
        return None
    places = {one.slug: one for one in session.scalars(select(Location).order_by(Location.id))}
    if slug not in places:
        raise CliError(f"there is no location {slug!r}; there is {', '.join(places) or 'none yet'}")
    return places[slug]


def _check_plan(session: Session, tenant_id: int, name: str) -> None:
    # Loaded here: plans bring the whole scheduler with them, which the other commands do not need.
    from scheduler.plan import UnknownPlan, plan_for

    try:
        plan = plan_for(session, tenant_id, name)
    except UnknownPlan as error:
        raise CliError(str(error)) from error
    if plan.kind == "appointment":
        raise CliError(f"the plan {name} is for appointments, which the leads of a wave have none of")
    if plan.steps[0].step == 1:
        raise CliError(
            f"step 1 of the plan {name} answers a request of this hour; a wave needs a plan without a step 1"
        )


def _count(session: Session, office: Office, chosen: WaveFilter, shop: Location | None) -> dict[str, Any]:
    from scheduler.wave_choice import Wanted, count_all

    settings = settings_of(session.get_one(Tenant, office.tenant.id))
    wanted = Wanted(office.tenant.id, chosen, None if shop is None else shop.id, None, settings)
    return count_all(session, wanted, office.clock.now())


def _timezone(session: Session) -> str:
    return session.scalar(select(Location.timezone).order_by(Location.id).limit(1)) or "UTC"


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except WaveRefused as error:
        raise CliError(str(error)) from error
