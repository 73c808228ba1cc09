"""`leads templates`: texts that carriers filtered and that are not sent any more, and lifting such a block."""

from __future__ import annotations

import click

from cli.context import Office, with_office
from cli.errors import CliError
from cli.output import one_line, print_json, print_table
from crm.template_blocks import lift, standing_blocks


@click.group("templates")
def templates_command() -> None:
    """See which texts a carrier filtered, and send them again once they are changed."""


@templates_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@with_office
def list_blocked(office: Office, as_json: bool) -> None:
    """List what is not sent any more, and why. A name "numbers:+1312555" is a range of phone numbers."""
    with office.db.tenant(office.tenant.id) as session:
        blocks = standing_blocks(session)
    rows = [
        {
            "name": block.template,
            "channel": block.channel,
            "since": block.since,
            "reason": block.reason,
            "message": block.message_id,
        }
        for block in blocks
    ]
    if as_json:
        print_json(rows)
    elif not rows:
        click.echo("Nothing is blocked.")
    else:
        print_table(
            ("name", "channel", "since", "why"),
            [
                (
                    str(row["name"]),
                    str(row["channel"]),
                    f"{row['since']:%Y-%m-%d %H:%M} UTC",
                    str(row["reason"]),
                )
                for row in rows
            ],
        )


@templates_command.command("unblock")
@click.argument("name")
@click.option("--who", required=True, help="Who decided it; kept with the block.")
@with_office
def unblock(office: Office, name: str, who: str) -> None:
    """Send NAME again. Change the text first: what was filtered once is filtered again."""
    if not who.strip():
        raise CliError("say who decided it with --who")
    with office.db.tenant(office.tenant.id) as session:
        lifted = lift(session, name, who.strip(), office.clock.now())
        names = ", ".join(block.template for block in standing_blocks(session))
    if not lifted:
        raise CliError(f"{name} is not blocked; blocked: {names or 'nothing'}")
    click.echo(f"{one_line(name)} is sent again from now on.")
