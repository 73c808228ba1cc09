"""`leads consent`: who may be written to, on whose word; and a person of the shop putting a stop or a consent on record."""

from __future__ import annotations

from typing import Any

import click

from cli.consent_change import allow, say_assumed, say_required, stop
from cli.context import Office, with_office
from cli.errors import CliError
from cli.output import heading, local_time, one_line, print_json, print_table
from crm.consent_history import AddressConsent, ConsentCard, NoSuchAddress, read_consents

# Events are shown in UTC, as law and carriers count them.
UTC = "UTC"


class _ShowUnlessNamed(click.Group):
    """`leads consent 17` shows lead 17; `leads consent stop 17` is the command `stop`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The named command, else `show` for what is asked."""
        if args and args[0] not in self.commands:
            return "show", self.commands["show"], args
        return super().resolve_command(ctx, args)


@click.group("consent", cls=_ShowUnlessNamed, subcommand_metavar="LEAD|ADDRESS | COMMAND ...")
def consent_command() -> None:
    """Show what a person allowed: `leads consent LEAD|PHONE|EMAIL`. Or change it: stop, allow, assume, require."""


@consent_command.command("show")
@click.argument("who")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def show(office: Office, who: str, as_json: bool) -> None:
    """Show what stands for a lead's number, a phone or an email, and every event with its words."""
    try:
        with office.db.tenant(office.tenant.id) as session:
            card = read_consents(session, office.tenant.id, who)
    except NoSuchAddress as error:
        raise CliError(str(error)) from error
    if as_json:
        print_json(card)
    else:
        _print(card)


def _print(card: ConsentCard) -> None:
    for one in card.addresses:
        _print_address(one)
    for channel, why in card.cadence.items():
        click.echo(f"The cadence by {'text' if channel == 'sms' else 'email'}: {one_line(why)}")
    if not card.addresses:
        click.echo("this lead has no address yet", err=True)


def _print_address(one: AddressConsent) -> None:
    since = f" since {local_time(one.since, UTC)}" if one.since else ""
    words = f' ("{one_line(one.evidence)[:100]}")' if one.evidence else ""
    heading(f"{one.channel} {one_line(one.address)}: {one.state}{since}{words}")
    if not one.events:
        return
    rows = [
        [
            str(event.id),
            local_time(event.at, UTC),
            event.action,
            event.scope,
            event.actor,
            event.source,
            event.evidence[:80],
            event.carrier or "-",
        ]
        for event in one.events
    ]
    print_table(("ID", "WHEN", "ACTION", "SCOPE", "BY", "HOW", "WORDS", "TOLD TWILIO"), rows)


def _evidence_options(command: Any) -> Any:
    command = click.option("--evidence", required=True, help="What was said or seen, word for word.")(command)
    return click.option("--who", required=True, help="Your name.")(command)


@consent_command.command("stop")
@click.argument("address")
@click.option("--channel", type=click.Choice(["all", "sms", "email"]), default="all", show_default=True)
@click.option("--offers-only", is_flag=True, help="Only the cadence; messages about an appointment go on.")
@click.option("--customer-asked", is_flag=True, help="The customer said so: only the customer can undo it.")
@_evidence_options
@with_office
def stop_(
    office: Office,
    address: str,
    channel: str,
    offers_only: bool,
    customer_asked: bool,
    who: str,
    evidence: str,
) -> None:
    """Write no more to a lead, phone or email (ADDRESS), from this moment."""
    click.echo(
        stop(
            office,
            address,
            channel,
            offers_only=offers_only,
            customer_asked=customer_asked,
            who=who,
            evidence=evidence,
        )
    )


@consent_command.command("allow")
@click.argument("address")
@click.option("--channel", type=click.Choice(["all", "sms", "email"]), default="all", show_default=True)
@_evidence_options
@with_office
def allow_(office: Office, address: str, channel: str, who: str, evidence: str) -> None:
    """Record that a person agreed to be written to. It never undoes a stop of the person's own."""
    click.echo(allow(office, address, channel, who=who, evidence=evidence))


@consent_command.command("assume")
@_evidence_options
@with_office
def assume(office: Office, who: str, evidence: str) -> None:
    """State on what ground everybody who comes to this shop has agreed to texts, such as the words of its form."""
    click.echo(say_assumed(office, who=who, evidence=evidence))


@consent_command.command("require")
@_evidence_options
@with_office
def require(office: Office, who: str, evidence: str) -> None:
    """Take that statement back: only people with consent on record are texted by the cadence."""
    click.echo(say_required(office, who=who, evidence=evidence))
