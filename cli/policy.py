"""`leads policy`: the words the assistant works by, in versions, tried before they go live."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence

import click

from agent.policy import Problem, default_policy, frame
from cli.context import Office, with_office
from cli.errors import CliError
from cli.output import clean, local_time, one_line, print_json, print_table
from cli.policy_text import (
    SHIPPED,
    body_of,
    find_problems,
    print_problems,
    read_file,
    read_source,
    version_of,
)
from cli.policy_try import try_command
from crm.policies import UnchangedPolicy, add_policy, live_version, policy_lines, use_policy

_WHICH = "VERSION is a number of `leads policy history`, or `default` for the policy that ships."


@click.group("policy")
def policy_command() -> None:
    """Read, change and try the words the assistant works by."""


@policy_command.command("show", help=f"Print the policy that is live, or one version. {_WHICH}")
@click.argument("version", required=False)
@click.option("--frame", "with_frame", is_flag=True, help="Put the part in front that always holds.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def show_command(office: Office, version: str | None, with_frame: bool, as_json: bool) -> None:
    """Print one version on standard output, and which one it is on standard error."""
    with office.db.tenant(office.tenant.id) as session:
        live = live_version(session, office.tenant.id)
        number = version_of(version) if version else live
        body = body_of(session, office.tenant.id, number)
    if as_json:
        print_json({"version": number, "live": number == live, "frame": frame(), "body": body})
        return
    named = f"version {number}" if number else "the policy that ships"
    click.echo(f"{named}, {'live' if number == live else 'not live'}", err=True)
    click.echo((f"{frame()}\n" if with_frame else "") + clean(body).rstrip())


@policy_command.command("history")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def history_command(office: Office, as_json: bool) -> None:
    """List all versions, newest first, and how many answers each has written."""
    with office.db.tenant(office.tenant.id) as session:
        lines = policy_lines(session, office.tenant.id)
    if as_json:
        print_json(lines)
        return
    rows = [
        [
            f"{line.version}{' (live)' if line.live else ''}",
            local_time(line.created_at, "UTC"),
            one_line(line.author),
            str(line.characters),
            str(line.turns),
            one_line(line.note) or "-",
        ]
        for line in lines
    ]
    live = not any(line.live for line in lines)
    rows.append(
        [f"{SHIPPED}{' (live)' if live else ''}", "-", "-", str(len(default_policy())), "-", "what ships"]
    )
    print_table(("VERSION", "MADE", "BY", "CHARACTERS", "ANSWERS", "NOTE"), rows)


@policy_command.command(
    "check", help="Look for what would mislead the model. WHAT is a file, - or a version."
)
@click.argument("what", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def check_command(office: Office, what: str | None, as_json: bool) -> None:
    """Print what the check finds; exit code 1 when there are errors."""
    with office.db.tenant(office.tenant.id) as session:
        if what is None:
            body = body_of(session, office.tenant.id, live_version(session, office.tenant.id))
        else:
            body = read_source(session, office.tenant.id, what)
    problems = find_problems(body)
    if as_json:
        print_json(problems)
    else:
        print_problems(problems)
        click.echo("nothing found" if not problems else _counted(problems))
    if any(one.level == "error" for one in problems):
        sys.exit(1)


@policy_command.command("edit")
@click.option(
    "--file", "source", help="Take the new text from this file, or - for standard input; else $EDITOR opens."
)
@click.option(
    "--from", "base", help="Start from this version instead of the live one (`default`: what ships)."
)
@click.option("--note", default="", help="What was changed and why, for the history.")
@click.option("--by", help="Who changes it, by name; default: your login name.")
@with_office
def edit_command(office: Office, source: str | None, base: str | None, note: str, by: str | None) -> None:
    """Store a new version. It does not go live: try it, then `leads policy use`."""
    with office.db.tenant(office.tenant.id) as session:
        start = version_of(base) if base else live_version(session, office.tenant.id)
        text = body_of(session, office.tenant.id, start)
    if source is not None:
        new: str | None = read_file(source)
    else:
        new = click.edit(text, extension=".md")
    if new is None or new.strip() == text.strip():
        raise CliError("the text was not changed; nothing was stored")
    # Stored in any case: work is not thrown away for an error that keeps it from going live.
    try:
        with office.db.tenant(office.tenant.id) as session:
            number = add_policy(
                session, office.tenant.id, new, by or getpass.getuser(), office.clock.now(), note=note
            )
    except UnchangedPolicy as error:
        raise CliError(str(error)) from None
    print_problems(find_problems(new))
    click.echo(f"Stored as version {number}; it is not live. Try it: leads policy try {number}")
    click.echo(f"Make it live: leads policy use {number}")


@policy_command.command("use", help=f"Make a version live. {_WHICH}")
@click.argument("version")
@with_office
def use_command(office: Office, version: str) -> None:
    """Make a version live unless the check finds errors in it."""
    number = version_of(version)
    with office.db.tenant(office.tenant.id) as session:
        body = body_of(session, office.tenant.id, number)
        problems = find_problems(body) if number is not None else []
        errors = [one for one in problems if one.level == "error"]
        if errors:
            print_problems(errors)
            raise CliError("nothing was changed: a version with errors does not go live")
        before = live_version(session, office.tenant.id)
        use_policy(session, office.tenant.id, number)
    print_problems(problems)
    back = f"leads policy use {before or SHIPPED}"
    click.echo(f"Live from the next answer on: {version}. The way back: {back}")


def _counted(problems: Sequence[Problem]) -> str:
    errors = sum(one.level == "error" for one in problems)
    return f"{errors} error{'' if errors == 1 else 's'}, {len(problems) - errors} to look at"


policy_command.add_command(try_command)
