"""`leads book`, `leads move`, `leads cancel` and `leads mark`: what an owner does with appointments.

Who is booked or moved gets a confirmation where the shop's settings and their addresses allow one, and each command says
whether the customer hears of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import click
from sqlalchemy.orm import Session

from cli.context import Office, with_office
from cli.errors import CliError
from cli.lifting import RULES, lifted, refused_sentence
from cli.output import one_line
from cli.places import choose_services
from cli.when import a_moment, local_today
from crm.calendar import states
from crm.calendar.booking import Booker, Override, book_directly, cancel, move_directly, upcoming
from crm.calendar.job import job_for
from crm.calendar.labels import visit_label
from crm.calendar.overview import bay_names
from crm.calendar.refusals import BookingConflict, BookingRefused
from crm.models import Appointment, Lead, Location, Vehicle
from crm.reading import find_lead
from crm.sessions import open_session
from crm.vehicles import BODY_STYLES
from scheduler.reminder_rules import will_confirm

F = TypeVar("F", bound=Callable[..., Any])
BY_FILE = "The customer gets a mail that takes it out of their calendar."
UNTOLD = "The customer has not been told; write or call."
TOLD_BY = {"sms": "text", "email": "mail"}
MARKS = {"confirmed": states.confirm, "completed": states.complete, "no-show": states.no_show}


def _overriding(command: F) -> F:
    """Adds --override, --by and --why."""
    for option in (
        click.option("--why", help="The reason, kept with the appointment."),
        click.option("--by", help="Who lifts the limit, by name."),
        click.option(
            "--override", "rules", multiple=True, type=click.Choice(list(RULES)), metavar="RULE",
            help=f"Lift a limit for this appointment; may be given several times. RULE: {', '.join(RULES)}.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command("book")
@click.argument("lead")
@click.argument("services", nargs=-1, required=True, metavar="SERVICE...")
@click.option("--at", "at", required=True, help='On the shop\'s clock: "2026-11-24 09:00".')
@click.option("--vehicle", type=click.Choice(BODY_STYLES), help="Its shape; default: that of the lead's car.")
@click.option("--again", is_flag=True, help="Book a second visit for the same work at the same time.")
@_overriding
@with_office
def book_command(
    office: Office, lead: str, services: tuple[str, ...], at: str, vehicle: str | None, again: bool,
    rules: tuple[str, ...], by: str | None, why: str | None,
) -> None:  # fmt: skip
    """Book LEAD (number, phone or email) for one visit with all SERVICEs (codes or numbers)."""
    override = _override(rules, by, why)
    with office.db.tenant(office.tenant.id) as session:
        person = session.get_one(Lead, find_lead(session, lead))
        location = session.get_one(Location, person.location_id)
        sold = choose_services(session, location, services)
        starts_at = a_moment(at, location.timezone, local_today(office.clock.now(), location.timezone))
        booker = Booker(person.id, open_session(session, person).id, "owner", office.clock.now(), why=why)
        job = job_for(sold, vehicle or _body_style(session, person.id))
        for other in [] if again else upcoming(session, person.id, office.clock.now()):
            if other.starts_at == starts_at and set(other.service_ids) == set(job.service_ids):
                raise CliError(f"that is booked already as #{other.id}; --again books it a second time")
        with _refusals(location):
            made = book_directly(session, location, person.id, job, starts_at, booker, override)
        _say("Booked", session, made, location)
        told = _told(session, made)
    click.echo(told)


@click.command("move")
@click.argument("appointment", type=click.IntRange(1))
@click.option("--to", "at", required=True, help='On the shop\'s clock: "2026-11-24 13:00".')
@_overriding
@with_office
def move_command(
    office: Office, appointment: int, at: str, rules: tuple[str, ...], by: str | None, why: str | None
) -> None:
    """Move APPOINTMENT (its number) to another time; it keeps the old one when the new one cannot be had."""
    override = _override(rules, by, why)
    with office.db.tenant(office.tenant.id) as session:
        row, location = _appointment(session, appointment)
        starts_at = a_moment(at, location.timezone, local_today(office.clock.now(), location.timezone))
        with _refusals(location):
            row, _ = move_directly(session, appointment, starts_at, _booker(office, row, why), override)
        _say("Moved", session, row, location)
        told = _told(session, row)
    click.echo(told)


@click.command("cancel")
@click.argument("appointment", type=click.IntRange(1))
@click.option("--why", help="The reason, kept in its history.")
@with_office
def cancel_command(office: Office, appointment: int, why: str | None) -> None:
    """Cancel APPOINTMENT (its number). Doing it twice changes nothing."""
    with office.db.tenant(office.tenant.id) as session:
        row, location = _appointment(session, appointment)
        with _refusals(location):
            row = cancel(session, _booker(office, row, why), appointment)
        _say("Cancelled", session, row, location)
        told = UNTOLD if row.remind_due_at is None else BY_FILE
    click.echo(told)


@click.command("mark")
@click.argument("appointment", type=click.IntRange(1))
@click.argument("state", type=click.Choice(list(MARKS)))
@click.option("--why", help="The reason, kept in its history.")
@with_office
def mark_command(office: Office, appointment: int, state: str, why: str | None) -> None:
    """Say what became of APPOINTMENT: confirmed, completed (the lead is won) or no-show."""
    with office.db.tenant(office.tenant.id) as session:
        row, location = _appointment(session, appointment)
        with _refusals(location):
            row = MARKS[state](session, _booker(office, row, why), appointment)
        _say(state.capitalize(), session, row, location)


def _override(rules: tuple[str, ...], by: str | None, why: str | None) -> Override | None:
    """What is lifted; raises CliError when nobody answers for it."""
    if not rules:
        if by:
            raise CliError("--by goes with --override; say which limit is lifted")
        return None
    if not (by or "").strip() or not (why or "").strip():
        raise CliError("--override needs --by NAME and --why TEXT: both are kept with the appointment")
    return Override(str(by).strip(), str(why).strip(), frozenset(RULES[rule] for rule in rules))


def _appointment(session: Session, number: int) -> tuple[Appointment, Location]:
    # A number has at most 18 digits here; more would not fit the column.
    row = session.get(Appointment, number) if len(str(number)) < 19 else None
    if row is None:
        raise CliError(f"there is no appointment {number}")
    return row, session.get_one(Location, row.location_id)


def _booker(office: Office, row: Appointment, why: str | None) -> Booker:
    return Booker(row.lead_id, None, "owner", office.clock.now(), why=why)


def _body_style(session: Session, lead_id: int) -> str | None:
    newest = session.query(Vehicle).filter_by(lead_id=lead_id).order_by(Vehicle.id.desc()).first()
    return newest.body_style if newest else None


@contextmanager
def _refusals(location: Location) -> Iterator[None]:
    """Turns what the calendar refuses into one sentence for the owner."""
    try:
        yield
    except BookingConflict as conflict:
        raise CliError(refused_sentence(conflict, location)) from conflict
    except BookingRefused as refused:
        raise CliError(str(refused)) from refused


def _told(session: Session, row: Appointment) -> str:
    """Whether the customer hears of it from us."""
    channel = will_confirm(session, row)
    return UNTOLD if channel is None else f"The customer gets a confirmation by {TOLD_BY[channel]}."


def _say(what: str, session: Session, row: Appointment, location: Location) -> None:
    """ "Booked #12: Tue, Nov 24 at 9:00 AM, done Tue 11:30, Bay 1, Dana." and what was lifted for it."""
    person = session.get(Lead, row.lead_id) if row.lead_id else None
    who = " ".join(part for part in (person.first_name, person.last_name) if part) if person else ""
    facts = [visit_label(row, location.timezone), one_line(who) or "no name"]
    if row.status in ("booked", "confirmed"):
        ends = row.ends_at.astimezone(ZoneInfo(location.timezone))
        bay = bay_names(session, location).get(row.bay_id, "-")
        facts[1:1] = [f"done {ends:%a} {ends.hour}:{ends:%M}", one_line(bay)]
    click.echo(f"{what} #{row.id}: {', '.join(facts)}.")
    if row.override and row.status in ("booked", "confirmed"):
        click.echo(lifted(row.id, row.override))
