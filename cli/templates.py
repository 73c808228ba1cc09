"""`leads templates`: the words of texts and emails, in versions of the business's own, and what a carrier filtered."""

from __future__ import annotations

from typing import Any

import click

from channels.templates import CHANNELS, LANGUAGES, names, own_templates
from cli.context import Office, with_office
from cli.errors import CliError
from cli.output import one_line, print_json, print_table
from cli.template_check import check_command, preview_command, variables_command
from cli.template_edit import edit_command, history_command, reset_command, show_command
from crm.template_blocks import lift, standing_blocks
from scheduler.template_uses import template_uses


@click.group("templates")
def templates_command() -> None:
    """Read, change, check and try the words of texts and emails; see what a carrier filtered."""


@templates_command.command("list")
@click.option("--blocked", is_flag=True, help="Only what is not sent any more, and why.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@with_office
def list_templates(office: Office, blocked: bool, as_json: bool) -> None:
    """List the templates: whose words are used, in which plans, and what is not sent any more."""
    if blocked:
        _list_blocked(office, as_json)
        return
    with office.db.tenant(office.tenant.id) as session:
        own = own_templates(session, office.tenant.id)
        uses = template_uses(session, office.tenant.id)
        stopped = {(block.template, block.channel) for block in standing_blocks(session)}
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "channel": channel,
            "language": language,
            "version": own.versions.get((name, channel, language)),
            "used_by": sorted({use.plan for use in uses.get(name, ())}),
            "blocked": (name, channel) in stopped,
        }
        for name in names()
        for channel in CHANNELS
        for language in LANGUAGES
    ]
    if as_json:
        print_json(rows)
        return
    print_table(
        ("NAME", "CHANNEL", "LANGUAGE", "WORDS", "USED BY", "BLOCKED"),
        [
            [
                row["name"],
                row["channel"],
                row["language"],
                "what ships" if row["version"] is None else f"version {row['version']}",
                ", ".join(row["used_by"]) or "-",
                "blocked" if row["blocked"] else "-",
            ]
            for row in rows
        ],
    )


def _list_blocked(office: Office, as_json: bool) -> None:
    """A name "numbers:+1312555" is a range of phone numbers, "step:default:3:sms" a step of a plan."""
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
        blocked = ", ".join(block.template for block in standing_blocks(session))
    if not lifted:
        raise CliError(f"{name} is not blocked; blocked: {blocked or 'nothing'}")
    click.echo(f"{one_line(name)} is sent again from now on.")


for _command in (
    show_command,
    edit_command,
    check_command,
    preview_command,
    history_command,
    reset_command,
    variables_command,
):
    templates_command.add_command(_command)
