"""`leads cadence pause|resume|skip|edit` and `leads back`: a person of the shop changes what is planned for one lead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.hours import next_allowed
from cli.context import Office, with_office
from cli.errors import CliError
from cli.output import local_time, one_line, print_json
from cli.people import who_am_i
from cli.when import a_moment, local_today
from crm.models import Lead, Location, TouchPoint
from crm.reading import find_lead
from crm.sessions import hand_back
from crm.touch_changes import ChangeRefused, lock, move_step, pause_cadence, skip_step
from scheduler.plan import UnknownPlan
from scheduler.resume import ResumeRefused, resume_by_hand

BY_HAND = "changed by hand"


def _by(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)
    command = click.option("--why", default=BY_HAND, help="The reason, kept in the history.")(command)
    return click.option("--who", help="Your name; default: the one you are logged in with.")(command)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (ChangeRefused, ResumeRefused, UnknownPlan) as error:
        raise CliError(str(error)) from error


@click.command("pause")
@click.argument("lead")
@_by
@with_office
def pause_command(office: Office, lead: str, who: str | None, why: str, as_json: bool) -> None:
    """Pause all that is planned for LEAD until somebody resumes it; replies and silence change nothing.

    What was written and still waits for its hour is dropped. Reminders of a visit and dates the customer named stay.
    """
    with office.db.tenant(office.tenant.id) as session, _refusals():
        lead_id = find_lead(session, lead)
        done = pause_cadence(session, lead_id, who=who or who_am_i(), why=why, now=office.clock.now())
    if as_json:
        print_json(done)
        return
    dropped = f", and {done.dropped} that waited in the outbox dropped" if done.dropped else ""
    click.echo(f"Lead {done.lead_id}: {done.touches} touches are paused{dropped}.")
    click.echo(f"To go on: leads cadence resume {done.lead_id}", err=True)


@click.command("resume")
@click.argument("lead")
@_by
@with_office
def resume_command(office: Office, lead: str, who: str | None, why: str, as_json: bool) -> None:
    """Take the paused cadence of LEAD up now: what is left of it is planned anew from today on."""
    with office.db.tenant(office.tenant.id) as session, _refusals():
        lead_id = find_lead(session, lead)
        done = resume_by_hand(session, lead_id, who=who or who_am_i(), why=why, now=office.clock.now())
    if as_json:
        print_json({"lead_id": lead_id, "outcome": done})
    else:
        click.echo(f"Lead {lead_id}: {done}.")


@click.command("skip")
@click.argument("lead")
@click.argument("step", type=click.IntRange(1))
@click.option("--run", type=click.IntRange(1), help="Of which run; default: the newest cadence.")
@_by
@with_office
def skip_command(
    office: Office, lead: str, step: int, run: int | None, who: str | None, why: str, as_json: bool
) -> None:
    """Leave STEP of LEAD's cadence out."""
    with office.db.tenant(office.tenant.id) as session, _refusals():
        lead_id = find_lead(session, lead)
        touch = skip_step(
            session, lead_id, step, run=run, who=who or who_am_i(), why=why, now=office.clock.now()
        )
    if as_json:
        print_json(_as_row(touch))
    else:
        click.echo(f"Lead {touch.lead_id}: step {touch.cadence_run}.{touch.step} is left out.")


@click.command("edit")
@click.argument("lead")
@click.argument("step", type=click.IntRange(1))
@click.option("--at", required=True, help='When, on the shop\'s clock: "2026-12-01 14:30".')
@click.option("--run", type=click.IntRange(1), help="Of which run; default: the newest cadence.")
@_by
@with_office
def edit_command(
    office: Office, lead: str, step: int, at: str, run: int | None, who: str | None, why: str, as_json: bool
) -> None:
    """Have STEP of LEAD's cadence sent at another time. The gate still keeps it to the lawful hours."""
    now = office.clock.now()
    with office.db.tenant(office.tenant.id) as session, _refusals():
        lead_id = find_lead(session, lead)
        zone = _zone(session, lead_id)
        moment = a_moment(at, zone, local_today(now, zone))
        touch = move_step(
            session, lead_id, step, moment, timezone=zone, run=run, who=who or who_am_i(), why=why, now=now
        )
        held = next_allowed(moment, [zone], None, "touch") if touch.channel == "sms" else None
    if as_json:
        print_json({**_as_row(touch), "hold_until": held})
        return
    click.echo(
        f"Lead {touch.lead_id}: step {touch.cadence_run}.{touch.step} goes {local_time(moment, zone)}."
    )
    if held is not None:
        click.echo(
            f"Note: no text leaves at that hour; the gate would hold it until {local_time(held, zone)}."
        )


@click.command("back")
@click.argument("lead")
@click.option("--who", help="Your name; default: the one you are logged in with.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def back_command(office: Office, lead: str, who: str | None, as_json: bool) -> None:
    """Give the conversation with LEAD back to the assistant, as a line /back in an answered alert does.

    What was written so far counts as dealt with. The assistant answers the next message, and a paused cadence is taken up
    after a silence.
    """
    with office.db.tenant(office.tenant.id) as session, _refusals():
        chat, found = lock(session, find_lead(session, lead))
        state, lead_id = chat.state, found.id
        given = state == "human" and hand_back(
            session, chat.id, who=who or who_am_i(), now=office.clock.now()
        )
    if as_json:
        print_json({"lead_id": lead_id, "given_back": given})
    elif given:
        click.echo(f"Lead {lead_id}: the assistant has the conversation again.")
    else:
        click.echo(f"Lead {lead_id}: nobody had taken the conversation over.")


def _zone(session: Session, lead_id: int) -> str:
    where = select(Location.timezone).join(Lead, Lead.location_id == Location.id).where(Lead.id == lead_id)
    return session.scalars(where).one()


def _as_row(touch: TouchPoint) -> dict[str, Any]:
    return {
        "lead_id": touch.lead_id,
        "run": touch.cadence_run,
        "step": touch.step,
        "channel": touch.channel,
        "template": touch.template,
        "status": touch.status,
        "due_at": touch.due_at,
        "local_time": touch.local_time,
        "reason": one_line(touch.reason) or None,
    }
