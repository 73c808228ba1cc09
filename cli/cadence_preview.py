"""`leads cadence plan` and `leads cadence preview`: all touches of a plan with their times and words, and nothing is sent."""

from __future__ import annotations

import logging
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
import structlog

from channels.email.links import links_of
from channels.gate import GateRules
from cli.cadence_sample import Previewed, preview
from cli.context import Office, with_office
from cli.errors import CliError
from cli.output import heading, indented, local_time, one_line, print_json
from cli.when import a_moment, local_today
from crm.models import Lead
from crm.reading import find_lead
from scheduler.dry_run import DryRun, Foreseen, dry_run
from scheduler.plan import UnknownPlan, plan_for, plan_name_for

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
VERDICTS = {
    "allow": "lets it go",
    "hold": "holds it",
    "withhold": "never lets it go",
    "drop": "drops it as pointless",
}


@click.command("plan")
@click.argument("lead")
@click.option("--plan", "name", help="Another plan than the one that leads of this source get.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def plan_command(office: Office, lead: str, name: str | None, as_json: bool) -> None:
    """Show what a cadence begun now for LEAD would be: every touch, its time, its words, and what the gate says of it.

    Nothing is kept and nothing is sent. Words, prices and free times are those of today.
    """
    rules = GateRules(office.settings.demo_mode, tuple(office.settings.demo_allow_list))
    try:
        with office.db.tenant(office.tenant.id) as session:
            found = session.get_one(Lead, find_lead(session, lead))
            if found.erased_at is not None:
                raise CliError(f"lead {found.id} was forgotten")
            plan = plan_for(session, found.tenant_id, name or plan_name_for(session, found))
            with quiet():
                done = dry_run(session, found, plan, office.clock.now(), rules, links_of(office.settings))
            session.rollback()
    except UnknownPlan as error:
        raise CliError(f"{error} See: leads plans list") from error
    if as_json:
        print_json(done)
    else:
        _print_run(done)


@click.command("preview")
@click.argument("plan", required=False)
@click.option("--zone", help="Where the shop is, e.g. America/Denver; default: where your location is.")
@click.option("--start", help='When the lead comes in, on that clock: "2026-12-24 21:30"; default: now.')
@click.option("--language", default="en", show_default=True, help="Of the customer: en or es.")
@click.option("--source", help="Instead of PLAN: the plan that leads of this source get.")
@click.option(
    "--without", type=click.Choice(["phone", "email"]), help="A lead that has no phone, or no email."
)
@click.option("--seed", type=int, help="For the same few minutes of spread each time.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def preview_command(
    office: Office,
    plan: str | None,
    zone: str | None,
    start: str | None,
    language: str,
    source: str | None,
    without: str | None,
    seed: int | None,
    as_json: bool,
) -> None:
    """Show PLAN for a made-up lead: every touch with its local time, over weekends, holidays and changes of the clock, and
    with its words."""
    if (plan is None) == (source is None):
        raise CliError("say which plan, or with --source which leads; the plans: leads plans list")
    now = office.clock.now()
    try:
        with office.db.tenant(office.tenant.id) as session:
            done = preview(
                session,
                office.tenant.id,
                plan,
                zone=None if zone is None else _zone(zone),
                start=lambda where: now if start is None else a_moment(start, where, local_today(now, where)),
                language=language,
                source=source,
                without=without,
                seed=random.randrange(1, 10**6) if seed is None else seed,
            )
    except UnknownPlan as error:
        raise CliError(f"{error} See: leads plans list") from error
    if as_json:
        print_json(done)
    else:
        _print_preview(done)


@contextmanager
def quiet() -> Iterator[None]:
    """No line of a log says that something was written, because nothing was."""
    before = structlog.get_config()
    only_errors = structlog.make_filtering_bound_logger(logging.ERROR)
    structlog.configure(wrapper_class=only_errors, logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        yield
    finally:
        structlog.configure(**before)


def _zone(text: str) -> str:
    try:
        return ZoneInfo(text).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CliError(f"there is no time zone {one_line(text)!r}: write it like America/Chicago") from error


def _print_run(done: DryRun) -> None:
    heading(f"Lead {done.lead_id}: plan {done.plan}, as it would be if it began now")
    if done.goes_on is not None:
        click.echo(f"Run {done.goes_on} goes on, so none begins: leads cadence show {done.lead_id}")
    if done.obstacle is not None:
        click.echo(f"Not for this lead now: {one_line(done.obstacle)}")
    for one in done.touches:
        click.echo()
        _print_touch(one, done.timezone)


def _print_touch(one: Foreseen, timezone: str) -> None:
    heading(f"{one.step}  {when(one.due_at, timezone)}  {one.channel}  {one.template}")
    click.echo(f"    about: {one_line(one.about)}")
    if one.reason:
        click.echo(f"    {one.status}: {one_line(one.reason)}")
    _print_words(one.subject, one.body)
    if one.gate is not None:
        until = f" until {local_time(one.hold_until, timezone)}" if one.hold_until else ""
        click.echo(f"    the gate {VERDICTS[one.gate]}{until}: {one_line('; '.join(one.gate_reasons))}")


def _print_preview(done: Previewed) -> None:
    version = "as it ships" if done.plan_version is None else f"version {done.plan_version}"
    heading(f"Plan {done.plan}, {version}: a lead that comes in {when(done.start, done.timezone)}")
    for one in done.touches:
        click.echo()
        heading(f"{one.step}  {when(one.due_at, done.timezone)}  {one.channel}  {one.template}")
        click.echo(f"    about: {one_line(one.about)}")
        if one.reason:
            click.echo(f"    {one.status}: {one_line(one.reason)}")
        _print_words(one.subject, one.body)


def _print_words(subject: str | None, body: str | None) -> None:
    if subject:
        click.echo(f"    Subject: {one_line(subject)}")
    if body:
        click.echo(indented(body.rstrip(), "    | "))


def when(moment: datetime, timezone: str) -> str:
    """ "Fri 2026-12-25 10:00 MST": the day of the week is what people look for in a plan."""
    local = moment.astimezone(ZoneInfo(timezone))
    return f"{WEEKDAYS[local.weekday()]} {local:%Y-%m-%d %H:%M %Z}"
