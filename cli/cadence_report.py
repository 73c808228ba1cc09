"""`leads cadence report`: which touches work, and which only make people say stop."""

from __future__ import annotations

from datetime import timedelta

import click
from sqlalchemy import select

from cli.context import Office, with_office
from cli.errors import CliError
from cli.output import heading, local_time, print_json, print_table
from crm.cadence_report import CadenceReport, Line, Narrowed, report_on
from crm.models import Location

COLUMNS = (
    "PLAN", "STEP", "CHANNEL", "TEMPLATE", "WRITTEN", "SENT", "DELIVERED", "FAILED", "ANSWERED", "BOOKED",
    "OPTED OUT", "NOT SENT",
)  # fmt: skip
REASONS = 20


@click.command("report")
@click.option("--days", type=click.IntRange(1, 1826), default=30, show_default=True,
              help="Touches that were due in the last so many days.")  # fmt: skip
@click.option("--plan", help="Only touches of this plan.")
@click.option("--channel", type=click.Choice(["sms", "email"]), help="Only touches by this channel.")
@click.option("--template", help="Only touches with this template.")
@click.option("--location", help="Only leads of this location, by its short name.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@with_office
def report_command(
    office: Office,
    days: int,
    plan: str | None,
    channel: str | None,
    template: str | None,
    location: str | None,
    as_json: bool,
) -> None:
    """Show what came of the touches: sent, answered, booked, opted out, and why others were not sent."""
    until = office.clock.now()
    with office.db.tenant(office.tenant.id) as session:
        places = {one.slug: one for one in session.scalars(select(Location).order_by(Location.id))}
        if location is not None and location not in places:
            raise CliError(f"there is no location {location!r}; there is {', '.join(places) or 'none yet'}")
        only = Narrowed(plan, channel, template, places[location].id if location else None)
        report = report_on(session, office.tenant.id, until - timedelta(days=days), until, only)
        shown = places[location] if location else next(iter(places.values()), None)
        zone = shown.timezone if shown else "UTC"
    if as_json:
        print_json(report)
    else:
        _print(report, zone)


def _print(report: CadenceReport, zone: str) -> None:
    heading(f"Touches due from {local_time(report.since, zone)} to {local_time(report.until, zone)}")
    if not report.lines:
        click.echo("No touch came to its end in that time.")
        return
    print_table(COLUMNS, [*(_row(line) for line in report.lines), _total(report)])
    if report.not_sent:
        click.echo()
        heading("Not sent")
        rows = list(report.not_sent.items())
        print_table(("TOUCHES", "WHY"), [[str(count), reason] for reason, count in rows[:REASONS]])
        if len(rows) > REASONS:
            click.echo(f"and {len(rows) - REASONS} more reasons: --json has them all")
    click.echo()
    totals = report.totals
    click.echo(
        f"{totals['touches']} touches = {totals['written']} written + {totals['skipped']} skipped +"
        f" {totals['ended']} ended before their time. Written = {totals['waiting']} waiting +"
        f" {totals['on_its_way']} sent without a last word + {totals['delivered']} delivered +"
        f" {totals['failed']} failed + {totals['withheld']} held back by the gate. What is still planned or paused is"
        " not counted."
    )
    click.echo(report.rule)


def _row(line: Line) -> list[str]:
    version = f" v{line.plan_version}" if line.plan_version is not None else ""
    return [
        f"{line.plan}{version}", str(line.step), line.channel, line.template, str(line.written), str(line.sent),
        str(line.delivered), str(line.failed), _share(line.answered, line.sent), _share(line.booked, line.sent),
        _share(line.opted_out, line.sent), str(line.skipped + line.ended + line.withheld),
    ]  # fmt: skip


def _total(report: CadenceReport) -> list[str]:
    one = report.totals
    return [
        "all", "", "", "", str(one["written"]), str(one["sent"]), str(one["delivered"]), str(one["failed"]),
        _share(one["answered"], one["sent"]), _share(one["booked"], one["sent"]), _share(one["opted_out"], one["sent"]),
        str(one["skipped"] + one["ended"] + one["withheld"]),
    ]  # fmt: skip


def _share(count: int, of: int) -> str:
    return f"{count} ({count / of:.1%})" if of else str(count)
