"""`leads merge`, `leads split`, `leads state` and `leads history`: putting right who is who, and reading what happened."""

from __future__ import annotations

import getpass
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from cli.context import Office, with_office
from cli.errors import CliError
from cli.output import heading, local_time, one_line, print_json, print_table
from cli.people_split import part_of
from crm.lead_merging import MergeRefused, merge_leads
from crm.lead_splitting import SplitRefused, split_lead
from crm.lead_states import IllegalMove, locked, move
from crm.lead_story import Event, story_of
from crm.leads import root_of
from crm.models import ChatSession, Lead, Location
from crm.models.people import LEAD_STATUSES
from crm.reading import LeadLine, find_lead, show_lead
from crm.touches import halt_touches

# Nobody is followed up who is one of these.
_OVER = {"won": "the work was done", "lost": "the enquiry was closed", "unreachable": "no address works"}


def who_am_i() -> str:
    """The person at the keyboard, as the machine knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "owner"


def _by(command: Any) -> Any:
    command = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)
    command = click.option("--why", help="The reason, kept in the history.")(command)
    return click.option("--who", help="Your name; default: the one you are logged in with.")(command)


@click.command("merge")
@click.argument("lead")
@click.argument("other")
@click.option("--yes", is_flag=True, help="Without asking.")
@_by
@with_office
def merge_command(
    office: Office, lead: str, other: str, yes: bool, who: str | None, why: str | None, as_json: bool
) -> None:
    """Make OTHER the same person as LEAD: all that is OTHER's becomes LEAD's. Numbers, phones or emails.

    Nothing is lost: who writes to OTHER's address writes to LEAD, and a stop of either closes the addresses of both.
    """
    with office.db.tenant(office.tenant.id) as session:
        into_id, other_id = find_lead(session, lead), find_lead(session, other)
        lines = [show_lead(session, one).line for one in (into_id, other_id)]
    if not yes:
        for line in lines:
            click.echo(_short(line), err=True)
        click.confirm(f"Merge lead {other_id} into lead {into_id}?", abort=True, err=True)
    try:
        with office.db.tenant(office.tenant.id) as session:
            merged = merge_leads(
                session, into_id, other_id, who=who or who_am_i(), why=why, now=office.clock.now()
            )
    except MergeRefused as error:
        raise CliError(str(error)) from error
    if as_json:
        print_json(merged)
        return
    if merged.again:
        click.echo(f"Lead {other_id} was merged into lead {into_id} before.")
        return
    moved = ", ".join(f"{count} {name}" for name, count in merged.moved.items() if count)
    click.echo(f"Lead {other_id} is lead {into_id} now{': ' + moved if moved else ''}.")
    for sentence in merged.notes:
        click.echo(f"Note: {one_line(sentence)}.")


@click.command("split")
@click.argument("lead")
@click.option("--address", "addresses", multiple=True, help="A phone or email that is the other person's.")
@click.option(
    "--message", "messages", multiple=True, type=click.IntRange(1), help="A message, by its number."
)
@click.option("--vehicle", "vehicles", multiple=True, type=click.IntRange(1), help="A car, by its number.")
@click.option(
    "--request", "requests", multiple=True, type=click.IntRange(1), help="A request, by its number."
)
@click.option(
    "--appointment",
    "appointments",
    multiple=True,
    type=click.IntRange(1),
    help="An appointment, by its number.",
)
@click.option("--name", help="First name of the other person.")
@click.option("--rest-stays", is_flag=True, help="What is not named stays; without asking.")
@_by
@with_office
def split_command(
    office: Office,
    /,
    lead: str,
    rest_stays: bool,
    who: str | None,
    why: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Make a new lead of a part of LEAD, which was two persons. An address takes its messages with it.

    Whose a car, a request or an appointment is follows from nothing: whatever is not named is asked for.
    """
    with office.db.tenant(office.tenant.id) as session:
        lead_id = find_lead(session, lead)
        part = part_of(session, lead_id, given, rest_stays=rest_stays)
    try:
        with office.db.tenant(office.tenant.id) as session:
            done = split_lead(session, lead_id, part, who=who or who_am_i(), why=why, now=office.clock.now())
    except SplitRefused as error:
        raise CliError(str(error)) from error
    if as_json:
        print_json(done)
    else:
        click.echo(f"Lead {done.lead_id} is new, with {done.messages} messages of lead {lead_id}.")


@click.command("state")
@click.argument("lead")
@click.argument("state", type=click.Choice(LEAD_STATUSES))
@click.option("--why", required=True, help="The reason, kept in the history.")
@click.option("--who", help="Your name; default: the one you are logged in with.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def state_command(office: Office, lead: str, state: str, why: str, who: str | None, as_json: bool) -> None:
    """Say where LEAD stands. One that is won, lost or unreachable is followed up no more."""
    try:
        with office.db.tenant(office.tenant.id) as session:
            found = _locked(session, find_lead(session, lead))
            before = found.status
            changed = move(
                session, found, state, who=who or who_am_i(), why=why, now=office.clock.now(), by_person=True
            )
            if state in _OVER:
                halt_touches(session, found.id, "ended", _OVER[state], now=office.clock.now())
            lead_id = found.id
    except IllegalMove as error:
        raise CliError(str(error)) from error
    if as_json:
        print_json({"lead_id": lead_id, "before": before, "after": state, "changed": changed})
    else:
        click.echo(
            f"Lead {lead_id}: {before} -> {state}." if changed else f"Lead {lead_id} is {state} already."
        )


@click.command("history")
@click.argument("lead")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def history_command(office: Office, lead: str, as_json: bool) -> None:
    """Tell what happened with LEAD, oldest first: states, merges, requests, appointments, consent."""
    with office.db.tenant(office.tenant.id) as session:
        lead_id = find_lead(session, lead)
        events = story_of(session, lead_id)
        timezone = session.get_one(Location, session.get_one(Lead, lead_id).location_id).timezone
    if as_json:
        print_json(events)
        return
    heading(f"Lead {lead_id}")
    print_table(("WHEN", "WHAT", "WHO", "WHY"), [_cells(event, lead_id, timezone) for event in events])


def _cells(event: Event, lead_id: int, timezone: str) -> list[str]:
    of_other = f"[lead {event.lead_id}] " if event.lead_id not in (0, lead_id) else ""
    message = f" (message {event.message_id})" if event.message_id else ""
    return [
        local_time(event.at, timezone),
        f"{of_other}{event.what}{message}",
        event.who or "-",
        event.why or "-",
    ]


def _locked(session: Session, lead_id: int) -> Lead:
    """The lead it is now, with the conversation locked before it, as everybody does."""
    lead_id = root_of(session, session.get_one(Lead, lead_id)).id
    session.execute(select(ChatSession.id).where(ChatSession.lead_id == lead_id).with_for_update())
    found = locked(session, lead_id)
    if found is None or found.erased_at is not None:
        raise CliError(f"lead {lead_id} was forgotten")
    return found


def _short(line: LeadLine) -> str:
    facts = (line.name or "no name", line.phone, line.email, line.status, line.location)
    return f"  {line.id}: " + ", ".join(one_line(one) for one in facts if one)
