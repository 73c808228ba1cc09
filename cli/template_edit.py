"""`leads templates show|edit|history|reset`: own words in versions; the newest is used from the next message on."""

from __future__ import annotations

import getpass

import click

from channels.templates.checking import check_words
from cli.context import Office, with_office
from cli.errors import CliError
from cli.output import clean, local_time, one_line, print_json, print_table
from cli.template_words import (
    SHIPPED,
    known,
    of_template,
    print_problems,
    read_words,
    shop_of,
    words_of,
)
from crm.template_versions import UnchangedTemplate, add_template, own_templates, template_history
from scheduler.template_uses import template_uses


@click.command("show")
@of_template
@click.option(
    "--version", help="A number of `leads templates history`, or `default` for the words that ship."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def show_command(
    office: Office, name: str, channel: str, language: str, version: str | None, as_json: bool
) -> None:
    """Print the words of NAME as they are written, and on standard error which ones they are."""
    with office.db.tenant(office.tenant.id) as session:
        words = words_of(session, office.tenant.id, (known(name), channel, language), version)
    if as_json:
        print_json(words)
        return
    whose = f"version {words.version}" if words.version else "the words that ship"
    click.echo(f"{name}, {channel}, {language}: {whose}{', used' if words.live else ', not used'}", err=True)
    click.echo(clean(words.body).rstrip())


@click.command("edit")
@of_template
@click.option(
    "--file", "source", help="Take the words from this file, or - for standard input; else $EDITOR opens."
)
@click.option(
    "--from",
    "base",
    help="Start from this version instead of the words that are used (`default`: what ships).",
)
@click.option("--note", default="", help="What was changed and why, for the history.")
@click.option("--by", help="Who changes it, by name; default: your login name.")
@with_office
def edit_command(
    office: Office,
    name: str,
    channel: str,
    language: str,
    source: str | None,
    base: str | None,
    note: str,
    by: str | None,
) -> None:
    """Store own words for NAME unless the check finds errors in them; they are used from the next message on."""
    key = (known(name), channel, language)
    with office.db.tenant(office.tenant.id) as session:
        text = words_of(session, office.tenant.id, key, base).body
        uses, shop = template_uses(session, office.tenant.id).get(name, ()), shop_of(session)
    new = read_words(source) if source is not None else click.edit(text, extension=".j2")
    if new is None or (source is None and new.strip() == text.strip()):
        raise CliError("the words were not changed; nothing was stored")
    problems = check_words(name, channel, language, new.strip() + "\n", uses, shop)
    print_problems(problems)
    if any(one.level == "error" for one in problems):
        raise CliError("nothing was stored: words with errors are not sent")
    try:
        with office.db.tenant(office.tenant.id) as session:
            number = add_template(
                session, office.tenant.id, key, new, by or getpass.getuser(), office.clock.now(), note=note
            )
    except UnchangedTemplate as error:
        raise CliError(str(error)) from None
    named = f"{name} --channel {channel} --language {language}"
    click.echo(
        f"Stored as version {number} and used from the next message on. Look: leads templates preview {named}"
    )
    click.echo(f"The way back: leads templates reset {named}")


@click.command("history")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def history_command(office: Office, name: str | None, as_json: bool) -> None:
    """List the versions of own words, the newest first; of one template with NAME."""
    with office.db.tenant(office.tenant.id) as session:
        rows = template_history(session, office.tenant.id, name and known(name))
        live = own_templates(session, office.tenant.id).versions
    lines = [
        {
            "name": row.name,
            "channel": row.channel,
            "language": row.language,
            "version": row.version,
            "live": live.get((row.name, row.channel, row.language)) == row.version,
            "made": row.created_at,
            "by": row.author,
            "characters": None if row.body is None else len(row.body),
            "note": row.note,
        }
        for row in rows
    ]
    if as_json:
        print_json(lines)
        return
    if not lines:
        click.echo("There are no words of your own; what ships is used. See: leads templates list")
        return
    print_table(
        ("NAME", "CHANNEL", "LANGUAGE", "VERSION", "MADE", "BY", "CHARACTERS", "NOTE"),
        [
            [
                str(line["name"]),
                str(line["channel"]),
                str(line["language"]),
                f"{line['version']}{' (used)' if line['live'] else ''}",
                local_time(row.created_at, "UTC"),
                one_line(row.author),
                "what ships" if line["characters"] is None else str(line["characters"]),
                one_line(row.note) or "-",
            ]
            for line, row in zip(lines, rows, strict=True)
        ],
    )


@click.command("reset")
@of_template
@click.option("--note", default="", help="Why, for the history.")
@click.option("--by", help="Who does it, by name; default: your login name.")
@with_office
def reset_command(office: Office, name: str, channel: str, language: str, note: str, by: str | None) -> None:
    """Use the words that ship for NAME again, from the next message on. Your own stay in the history."""
    key = (known(name), channel, language)
    with office.db.tenant(office.tenant.id) as session:
        before = own_templates(session, office.tenant.id).versions.get(key)
    try:
        with office.db.tenant(office.tenant.id) as session:
            add_template(
                session, office.tenant.id, key, None, by or getpass.getuser(), office.clock.now(), note=note
            )
    except UnchangedTemplate as error:
        raise CliError(str(error)) from None
    named = f"{name} --channel {channel} --language {language}"
    click.echo(
        f"The words that ship are used again ({SHIPPED}). Yours: leads templates show {named} --version {before}"
    )
