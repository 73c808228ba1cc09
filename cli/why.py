"""`leads why`: the reasons behind a message, or behind a person's silence."""

from __future__ import annotations

import click

from cli.context import Office, with_office
from cli.errors import CliError
from cli.output import as_json as to_json
from cli.output import clean, heading, indented, local_time, money, one_line, print_json, print_table
from crm.models import Lead
from crm.reading import find_lead
from crm.why import Explanation, GateLine, MessageNotFound, why_message
from crm.why_lead import LeadWhy, why_lead
from crm.why_turns import AttemptWhy, FactLine, TurnWhy

LONGEST_VALUE = 200


@click.command("why")
@click.argument("what", metavar="MESSAGE|LEAD")
@click.option("--lead", "is_lead", is_flag=True, help="A number means a lead, not a message.")
@click.option("--last", default=5, show_default=True, type=click.IntRange(0, 1000),
              help="For a lead: how many of our newest messages to explain.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def why_command(office: Office, what: str, is_lead: bool, last: int, as_json: bool) -> None:
    """Say why: the gate's decisions, the facts of a reply and where each comes from, tools, models, policy and arm.

    MESSAGE is its number (the transcript shows it as #17; 17 will do). LEAD is a phone, an email, or with --lead a number.
    """
    with office.db.tenant(office.tenant.id) as session:
        number = what.strip().removeprefix("#")
        if not is_lead and number.isascii() and number.isdigit() and len(number) < 10:
            try:
                found: Explanation | LeadWhy = why_message(session, int(number))
            except MessageNotFound as error:
                there = session.get(Lead, int(number)) is not None
                hint = f"; for lead {number} write: leads why --lead {number}" if there else ""
                raise CliError(f"{error}{hint}") from error
        else:
            found = why_lead(session, find_lead(session, what), office.clock.now(), last=last)
    if as_json:
        print_json(found)
    elif isinstance(found, LeadWhy):
        _print_lead(found)
    else:
        _print_message(found)


def _print_lead(found: LeadWhy) -> None:
    heading(f"Lead {found.lead_id}: {one_line(found.name) or 'no name yet'}")
    for sentence in found.standing:
        click.echo(f"  {one_line(sentence)}")
    if found.touches:
        click.echo()
        rows = [
            [f"{one.run}.{one.step}", one.channel, local_time(one.due_at, found.timezone), one.status, one.reason or "-"]
            for one in found.touches
        ]  # fmt: skip
        print_table(("STEP", "CHANNEL", "DUE", "STATUS", "REASON"), rows)
    for message in found.messages:
        click.echo()
        _print_message(message)


def _print_message(found: Explanation) -> None:
    way = "from the customer" if found.direction == "in" else f"({found.kind})"
    heading(
        f"Message {found.message_id} {way} by {found.channel}, {local_time(found.at, found.timezone)}: {found.status}"
    )
    click.echo(indented(found.body))
    for sentence in found.story:
        click.echo(f"  {one_line(sentence)}")
    if found.gate:
        click.echo("  The gate decided:")
    for line in found.gate:
        click.echo(f"    {_gate(line, found.timezone)}")
    if found.direction == "out" and not found.gate and found.status in ("pending", "sending"):
        click.echo("  The gate has not been asked yet; it decides at the moment of sending.")
    for turn in found.turns:
        _print_turn(turn, found.timezone)


def _gate(line: GateLine, timezone: str) -> str:
    until = f" until {local_time(line.hold_until, timezone)}" if line.hold_until else ""
    again = f" ({line.times} times, last at {local_time(line.last_at, timezone)})" if line.times > 1 else ""
    reasons = one_line("; ".join(line.reasons)) or "no reason was stored"
    return f"{local_time(line.at, timezone)} {line.decision}, {line.meaning}{until}{again}: {reasons}"


def _print_turn(turn: TurnWhy, timezone: str) -> None:
    seconds = "still running" if turn.seconds is None else f"{turn.seconds:.1f} s"
    who = one_line(f"{turn.provider or 'nobody'}/{turn.model or '-'}")
    click.echo(
        f"  Turn {turn.id} ({turn.status}) at {local_time(turn.started_at, timezone)}:"
        f" {who}, {turn.rounds} rounds, {money(turn.cost_microusd)}, {seconds}"
    )
    for line in _turn_lines(turn):
        click.echo(f"    {line}")


def _turn_lines(turn: TurnWhy) -> list[str]:
    lines = [f"It ended like this: {one_line(turn.error)}"] if turn.error else []
    lines.append(f"Policy: {one_line(turn.policy)}")
    if turn.arm:
        elsewhere = "; FAILED OVER, so it counts for no cost or time" if turn.arm.failed_over else ""
        lines.append(
            one_line(f"Experiment {turn.arm.experiment}, arm {turn.arm.arm}: {turn.arm.what}{elsewhere}")
        )
    if turn.choice:
        lines.append(f"Models chosen by: {one_line('; '.join(turn.choice))}")
    if turn.limits:
        lines.append(f"Limit reached: {one_line(turn.limits)}")
    if turn.hand_off:
        lines.append(f"Given to a person: {one_line(turn.hand_off)}")
    lines += [f"A draft was refused: {one_line(finding)}" for finding in turn.findings]
    lines += _facts(turn)
    lines += [_attempt(attempt) for attempt in turn.attempts]
    for tool in turn.tools:
        failed = "ERROR " if tool.is_error else ""
        lines.append(
            f"Tool {one_line(tool.tool)} {_short(to_json(tool.arguments))} -> {failed}{_short(tool.result)}"
        )
    return lines


def _facts(turn: TurnWhy) -> list[str]:
    if turn.facts:
        return [_fact(fact) for fact in turn.facts]
    if turn.status != "done":
        return []
    nothing = (
        "No facts were kept with this turn."
        if turn.facts is None
        else "The reply states nothing that needs a record."
    )
    return [nothing]


def _fact(fact: FactLine) -> str:
    return one_line(f'Fact "{fact.text}" ({fact.kind}) comes from {fact.source}')


def _attempt(attempt: AttemptWhy) -> str:
    became = f"FAILED: {_short(attempt.error)}" if attempt.error else "answered"
    served = f" (as {attempt.model})" if attempt.model != attempt.requested_model else ""
    who = one_line(f"{attempt.provider}/{attempt.requested_model}{served}")
    return f"Asked {who}: {became}, {money(attempt.cost_microusd)}, {attempt.ms} ms"


def _short(text: str) -> str:
    text = one_line(clean(text))
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}... (--json has all)"
