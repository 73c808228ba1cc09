"""`leads chat`: be a customer. What is typed goes in the way a carrier's webhook does; what the shop sends is shown."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import click
from rich.console import Console
from sqlalchemy import select

from cli.context import Office, with_office
from cli.customer import Customer, Situation
from cli.errors import CliError
from cli.output import clean, one_line
from crm.emails import normal_email
from crm.models import Location
from crm.phones import e164
from crm.transcripts import MessageLine

DEFAULT_PHONE = "+13125550142"
POLL_SECONDS = 0.15
# These go to the customer unasked; the customer still waits for an answer after them.
UNASKED = ("touch", "reminder", "confirmation")


@click.command("chat")
@click.option("--phone", help=f"Text from this number (default {DEFAULT_PHONE}).")
@click.option("--email", help="Write emails from this address instead.")
@click.option("--location", help="Slug of the location to write to; default: the first.")
@click.option("--name", default="", help="Your name, as the sender of emails.")
@click.option(
    "--timeout", default=60.0, show_default=True, type=click.FloatRange(min=0.1), help="Seconds to wait."
)
@with_office
def chat_command(
    office: Office, phone: str | None, email: str | None, location: str | None, name: str, timeout: float
) -> None:
    """Talk to the running system as a customer, by text or by email.

    Lines on standard input are sent one by one, each after the answer to the one before; exit code 1 when an answer
    does not come in time.
    """
    channel, address = _identity(phone, email)
    customer = Customer(office, _location(office, location, channel), channel, address, one_line(name))
    customer.catch_up()
    interactive = sys.stdin.isatty()
    if interactive:
        shop = customer.location.phone if channel == "sms" else customer.location.mailbox
        name_of_shop = one_line(customer.location.name)
        click.echo(f"You are {address}, writing to {name_of_shop} ({shop}). Ctrl-D ends.", err=True)
    late = 0
    for text in _typed(customer) if interactive else _piped():
        customer.write(text)
        if not _answered(customer, timeout):
            late += 1
            click.echo(f"(no answer within {timeout:g} s)", err=True)
    sys.exit(1 if late else 0)


def _identity(phone: str | None, email: str | None) -> tuple[str, str]:
    if phone and email:
        raise CliError("--phone and --email exclude each other: a message comes by one way")
    if email:
        address = normal_email(email)
        if address is None:
            raise CliError(f"{email!r} is no email address")
        return "email", address
    number = e164(phone or DEFAULT_PHONE)
    if number is None:
        raise CliError(f"{phone!r} is no phone number; write it like {DEFAULT_PHONE}")
    return "sms", number


def _location(office: Office, slug: str | None, channel: str) -> Location:
    with office.db.tenant(office.tenant.id) as session:
        locations = session.scalars(select(Location).order_by(Location.id)).all()
    chosen = [one for one in locations if slug is None or one.slug == slug]
    if not chosen:
        names = ", ".join(one.slug for one in locations) or "none yet"
        raise CliError(f"there is no location {slug or ''} of {office.tenant.slug}; there is {names}")
    location = chosen[0]
    if (location.phone if channel == "sms" else location.mailbox) is None:
        raise CliError(
            f"{location.slug} has no {'phone number' if channel == 'sms' else 'mailbox'} to write to"
        )
    return location


def _typed(customer: Customer) -> Iterator[str]:
    while True:
        _show(customer, customer.look())
        try:
            text = input("you: ").strip()
        except EOFError:
            click.echo()
            return
        if text:
            yield text


def _piped() -> Iterator[str]:
    for line in sys.stdin:
        text = line.strip()
        if text:
            click.echo(f"you: {clean(text)}")
            yield text


def _answered(customer: Customer, timeout: float) -> bool:
    """Show what comes until there is an answer. True also when a person has taken over, who answers in their time."""
    deadline = time.monotonic() + timeout
    with Console(stderr=True).status("waiting for the shop"):
        while time.monotonic() < deadline:
            situation = customer.look()
            if _show(customer, situation):
                return True
            if situation.state == "human" and not situation.messages and not situation.owed:
                reason = f" ({one_line(situation.reason)})" if situation.reason else ""
                click.echo(f"(a person of the shop has the conversation{reason}; the agent does not answer)")
                return True
            time.sleep(POLL_SECONDS)
    return False


def _show(customer: Customer, situation: Situation) -> bool:
    """Print every message whose fate is known, in order; True when one of them is the answer waited for."""
    answered = False
    for message in situation.messages:
        held = message.status == "pending" and bool(message.reasons)
        if not (message.settled or held):
            continue
        click.echo(as_line(message, held=held))
        customer.shown.add(message.id)
        # A dropped reply was overtaken by a newer message; its answer is still to come.
        answered = answered or (message.kind not in UNASKED and message.status != "dropped")
    return answered


def as_line(message: MessageLine, *, held: bool = False) -> str:
    """ "shop: ..." with what became of it when it was not simply sent."""
    fate = ""
    if held or message.status not in ("sent", "delivered"):
        why = f": {one_line('; '.join(message.reasons))}" if message.reasons else ""
        fate = f" ({'held' if held else message.status}{why})"
    subject = f"[{one_line(message.subject)}] " if message.subject else ""
    return f"shop{fate}: {subject}" + clean(message.body).replace("\n", "\n      ")
