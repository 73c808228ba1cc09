"""`leads cadence`: what is planned for a lead and what became of it; pausing, resuming and changing it by hand."""

from __future__ import annotations

import click

from cli.cadence_change import edit_command, pause_command, resume_command, skip_command
from cli.cadence_preview import plan_command, preview_command
from cli.cadence_report import report_command
from cli.context import Office, with_office
from cli.output import heading, local_time, one_line, print_json, print_table
from crm.cadence_runs import Run, Runs, TouchState, runs_of
from crm.reading import find_lead

COLUMNS = ("STEP", "WHEN", "CHANNEL", "TEMPLATE", "STATUS", "MESSAGE", "REASON")


@click.group("cadence")
def cadence_command() -> None:
    """See what is planned for a lead, try plans out, and change what is planned by hand."""


@cadence_command.command("show")
@click.argument("lead")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def show_command(office: Office, lead: str, as_json: bool) -> None:
    """Show all that was planned for LEAD, run by run, and what became of it. LEAD is its number, phone or email."""
    with office.db.tenant(office.tenant.id) as session:
        found = runs_of(session, find_lead(session, lead))
    if as_json:
        print_json(found)
    elif not found.runs:
        click.echo(
            f"Nothing was planned for lead {found.lead_id} yet. What it would be: leads cadence plan {lead}"
        )
    else:
        _print_runs(found)


def _print_runs(found: Runs) -> None:
    has_it = ", a person has the conversation" if found.conversation == "human" else ""
    heading(f"Lead {found.lead_id}: {found.status}{has_it}")
    for run in found.runs:
        click.echo()
        version = "as it ships" if run.plan_version is None else f"version {run.plan_version}"
        heading(f"Run {run.number}: plan {one_line(run.plan)}, {version}, begun {_when(run, found)}")
        print_table(COLUMNS, [_cells(run.number, one, found.timezone) for one in run.touches])


def _when(run: Run, found: Runs) -> str:
    return local_time(run.begun_at, found.timezone)


def _cells(run: int, one: TouchState, timezone: str) -> list[str]:
    message = f"#{one.message_id} {one.message_status or 'erased'}" if one.message_id else "-"
    reasons = [one.reason] if one.reason else []
    if one.status == "paused":
        again = f"looked at again {local_time(one.resume_at, timezone)}" if one.resume_at else "until resumed"
        reasons.append(again)
    if one.message_error:
        reasons.append(one.message_error)
    return [
        f"{run}.{one.step}",
        local_time(one.due_at, timezone),
        one.channel,
        one.template,
        one.status,
        message,
        "; ".join(reasons) or "-",
    ]


for _command in (plan_command, preview_command, pause_command, resume_command, skip_command, edit_command,
                 report_command):  # fmt: skip
    cadence_command.add_command(_command)
