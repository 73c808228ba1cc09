"""`leads policy try`: a new policy beside the live one, on conversations that were held."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from rich.cells import cell_len
from sqlalchemy import select
from sqlalchemy.orm import Session

from cli.context import Office, with_office
from cli.errors import CliError
from cli.output import as_json as to_json
from cli.output import clean, heading, local_time, money, one_line
from cli.policy_text import body_of, find_problems, print_problems, read_source
from crm.models import Lead, Location
from crm.policies import live_version
from crm.reading import find_lead

if TYPE_CHECKING:
    from scheduler.rehearsal import Recorded, Rehearsed, Side
    from scheduler.runtime import Runtime

COLUMN = 58
GAP = "   "


@click.command("try")
@click.argument("what")
@click.option(
    "--turns", default=5, show_default=True, type=click.IntRange(1, 100), help="How many of the newest."
)
@click.option("--lead", "key", help="Only from the conversation of this lead (number, phone or email).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
@with_office
def try_command(office: Office, what: str, turns: int, key: str | None, as_json: bool) -> None:
    """Answer recorded messages under the live policy and under WHAT (a file, - or a version), side by side.

    The configured models are really asked and cost money. Nothing is sent, booked or stored: a call that the real turn
    made too gets the result it had then, any other runs against the calendar and is rolled back.
    """
    # Imported here: it brings the whole agent along, which reading and editing a policy need not wait for.
    from scheduler.rehearsal import recorded_turns, rehearse

    with office.db.tenant(office.tenant.id) as session:
        new = read_source(session, office.tenant.id, what)
        old = body_of(session, office.tenant.id, live_version(session, office.tenant.id))
        lead_id = find_lead(session, key) if key else None
        recorded = recorded_turns(session, turns, lead_id)
        zones = _zones(session, recorded)
    print_problems(find_problems(new))
    if not recorded:
        raise CliError(
            "there is no answered message yet to try it on; talk to the assistant with `leads chat`"
        )
    runtime = _runtime(office)
    try:
        done = []
        for one in recorded:
            result = rehearse(runtime, office.tenant.id, one, old, new)
            done.append(result)
            if as_json:
                click.echo(to_json(result))
            else:
                _print(result, zones[one.turn_id])
    finally:
        runtime.db.engine.dispose()
        runtime.redis.close()
    if not as_json:
        _print_total(done)


def _zones(session: Session, recorded: Sequence[Recorded]) -> dict[int, str]:
    """The time zone of the shop of each turn."""
    rows = session.execute(
        select(Lead.id, Location.timezone)
        .join(Location, Location.id == Lead.location_id)
        .where(Lead.id.in_({one.lead_id for one in recorded}))
    )
    found = dict(rows.all())
    return {one.turn_id: found[one.lead_id] for one in recorded}


def _runtime(office: Office) -> Runtime:
    from scheduler.runtime import NotConfigured, build_runtime

    try:
        return build_runtime(office.settings, threads=2)
    except NotConfigured as error:
        raise CliError(str(error)) from None


def _print(one: Rehearsed, timezone: str) -> None:
    recorded = one.recorded
    heading(
        f"turn {recorded.turn_id}, lead {recorded.lead_id}, {recorded.as_of.channel},"
        f" {local_time(recorded.at, timezone)}"
    )
    for line in clean(one.customer).split("\n"):
        click.echo(f"  customer: {line}")
    then = f"version {recorded.policy_version}" if recorded.policy_version else "the policy that ships"
    click.echo(f"  said then, under {then}: {one_line(recorded.reply)}")
    click.echo(_beside(["LIVE POLICY", *_side(one.old)], ["NEW POLICY", *_side(one.new)]))
    click.echo()


def _side(side: Side) -> list[str]:
    lines = _wrapped(clean(side.reply))
    lines += [
        f"- {tool.name} {one_line(tool.arguments)}"
        f"{' FAILED' if tool.is_error else ''}{' (as recorded)' if tool.recorded else ''}"
        for tool in side.tools
    ]
    lines += [f"! check: {one_line(finding)}" for finding in side.findings]
    if side.hand_off:
        lines.append(f"! hand-off: {one_line(side.hand_off)}")
    lines.append(f"{side.model}, {money(side.cost_microusd)}")
    return [part for line in lines for part in _wrapped(line)]


def _wrapped(text: str) -> list[str]:
    return [
        part
        for line in text.split("\n")
        for part in (textwrap.wrap(line, COLUMN, break_long_words=True, replace_whitespace=False) or [""])
    ]


def _beside(left: Sequence[str], right: Sequence[str]) -> str:
    rows = max(len(left), len(right))
    lines = []
    for number in range(rows):
        one = left[number] if number < len(left) else ""
        other = right[number] if number < len(right) else ""
        # An emoji takes two places of a line.
        lines.append(f"  {one}{' ' * max(0, COLUMN - cell_len(one))}{GAP}{other}".rstrip())
    return "\n".join(lines)


def _print_total(done: Sequence[Rehearsed]) -> None:
    for name, sides in (("live", [one.old for one in done]), ("new", [one.new for one in done])):
        costs = [side.cost_microusd for side in sides]
        known = [cost for cost in costs if cost is not None]
        total = sum(known) if len(known) == len(costs) else None
        click.echo(
            f"{name}: {len(sides)} answers, {sum(bool(side.findings) for side in sides)} with a refused draft,"
            f" {sum(bool(side.hand_off) for side in sides)} handed off, {money(total)}"
        )
    same = sum(one.old.reply == one.new.reply for one in done)
    click.echo(f"{same} of {len(done)} answers are the same, word for word")
    if all(side.model.startswith("playbook/") for one in done for side in (one.old, one.new)):
        click.echo(
            "The playbook answered: it works by rules and reads no policy, so nothing was compared.", err=True
        )
