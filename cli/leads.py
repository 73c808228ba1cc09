"""`leads list` and `leads show`."""

from __future__ import annotations

import click

from cli.context import Office, with_office
from cli.lifting import lifted
from cli.output import heading, local_time, money, one_line, print_json, print_table
from crm.models.people import LEAD_STATUSES
from crm.reading import LeadCard, LeadLine, find_lead, list_leads, show_lead


@click.command("list")
@click.option("--status", type=click.Choice(LEAD_STATUSES), help="Only leads with this status.")
@click.option("--location", help="Only leads of the location with this slug.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def list_command(office: Office, status: str | None, location: str | None, limit: int, as_json: bool) -> None:
    """List leads, the one with the newest message first."""
    with office.db.tenant(office.tenant.id) as session:
        lines, total = list_leads(session, status=status, location=location, limit=limit)
    if as_json:
        print_json(lines)
        return
    if not lines:
        click.echo("no leads yet" if not (status or location) else "no such leads", err=True)
        return
    print_table(
        ("ID", "NAME", "PHONE", "EMAIL", "STATUS", "LOCATION", "LAST MESSAGE", "WAITING"), _rows(lines)
    )
    if total > len(lines):
        click.echo(f"{len(lines)} of {total} leads; --limit shows more", err=True)


def _rows(lines: list[LeadLine]) -> list[list[str]]:
    return [
        [
            str(line.id),
            line.name or "-",
            line.phone or "-",
            line.email or "-",
            line.status,
            line.location,
            local_time(line.last_message_at, line.timezone),
            f"since {local_time(line.waiting_since, line.timezone)}" if line.waiting_since else "-",
        ]
        for line in lines
    ]


@click.command("show")
@click.argument("lead")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def show_command(office: Office, lead: str, as_json: bool) -> None:
    """Show one lead. LEAD is its number, phone or email."""
    with office.db.tenant(office.tenant.id) as session:
        card = show_lead(session, find_lead(session, lead))
    if as_json:
        print_json(card)
    else:
        _print_card(card)


def _print_card(card: LeadCard) -> None:
    line = card.line
    heading(f"Lead {line.id}: {one_line(line.name) or 'no name yet'}")
    reason = f" ({one_line(card.conversation_reason)})" if card.conversation_reason else ""
    counts = ", ".join(f"{count} {name}" for name, count in card.messages.items()) or "none"
    facts = [
        ("phone", line.phone),
        ("email", line.email),
        ("status", line.status),
        ("location", line.location),
        ("source", line.source),
        ("since", local_time(line.created_at, line.timezone)),
        ("language", card.language),
        ("wish", card.wish),
        ("vehicle", "; ".join(card.vehicles)),
        ("conversation", f"{card.conversation}{reason}"),
        ("messages", counts),
        ("turns", f"{card.turns}, cost {money(card.cost_microusd)}"),
    ]
    for name, value in facts:
        click.echo(f"{name + ':':14}{one_line(value) or '-'}")
    _print_consent(card)
    _print_appointments(card)
    _print_cadence(card)


def _print_consent(card: LeadCard) -> None:
    for one in card.consent:
        since = f" since {local_time(one.since, card.line.timezone)}" if one.since else ""
        words = f': "{one_line(one.evidence)[:80]}"' if one.evidence else ""
        click.echo(f"{'consent:':14}{one.channel} {one.state}{since}{words}")


def _print_appointments(card: LeadCard) -> None:
    if not card.appointments:
        return
    click.echo()
    heading("Appointments")
    rows = [
        [
            str(a.id),
            local_time(a.starts_at, card.line.timezone),
            a.status,
            a.bay,
            ", ".join(a.services),
            a.source,
        ]
        for a in card.appointments
    ]
    print_table(("ID", "STARTS", "STATUS", "BAY", "SERVICES", "SOURCE"), rows)
    for a in card.appointments:
        if a.override:
            click.echo(lifted(a.id, a.override))


def _print_cadence(card: LeadCard) -> None:
    if not card.cadence:
        return
    click.echo()
    heading("Cadence")
    rows = [
        [f"{t.run}.{t.step}", t.channel, local_time(t.due_at, card.line.timezone), t.status, t.reason or "-"]
        for t in card.cadence
    ]
    print_table(("STEP", "CHANNEL", "DUE", "STATUS", "REASON"), rows)
