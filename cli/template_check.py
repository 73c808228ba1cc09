"""`leads templates check|preview|variables`: words filled in for made-up people, for one lead, or for every lead there is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.templates import (
    CHANNELS,
    LANGUAGES,
    Rendered,
    TemplateFailed,
    names,
    own_templates,
    render,
    render_body,
)
from channels.templates.checking import check_words
from channels.templates.documented import VARIABLES
from channels.templates.plain import septets
from channels.templates.samples import TIMES
from cli.context import Office, with_office
from cli.errors import CliError
from cli.output import clean, heading, one_line, print_json, print_table
from cli.template_words import (
    known,
    of_template,
    print_problems,
    read_words,
    real_variables,
    shop_of,
    variables_of,
    words_of,
)
from crm.models import Lead
from crm.template_versions import OwnTemplates
from ops.segments import segments
from scheduler.template_uses import template_uses

PAGE = 200


@click.command("check")
@click.argument("name", required=False)
@click.option("--channel", type=click.Choice(CHANNELS), help="Only texts or emails; default: both.")
@click.option("--language", type=click.Choice(LANGUAGES), help="Only this language; default: all.")
@click.option(
    "--file",
    "source",
    help="Check the words of this file for NAME, or - for standard input; nothing is stored.",
)
@click.option(
    "--all-leads", is_flag=True, help="Fill in every text for every lead there is, and show the longest."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def check_command(
    office: Office,
    name: str | None,
    channel: str | None,
    language: str | None,
    source: str | None,
    all_leads: bool,
    as_json: bool,
) -> None:
    """Look for what would fail or mislead, with everything known and with nothing; exit code 1 when there are errors."""
    if source is not None and name is None:
        raise CliError("say for which template the file is: leads templates check NAME --file FILE")
    wanted = [known(name)] if name is not None else names()
    if all_leads:
        if source is not None:
            raise CliError(
                "--all-leads looks at what is used now; store the words first, or leave --file away"
            )
        _check_leads(office, wanted, as_json)
        return
    channels = (channel,) if channel else CHANNELS
    languages = (language,) if language else LANGUAGES
    if source is not None:
        # A file is one text or one email in one language.
        channels, languages = (channel or "sms",), (language or "en",)
    given = None if source is None else read_words(source)
    found = []
    with office.db.tenant(office.tenant.id) as session:
        uses, shop = template_uses(session, office.tenant.id), shop_of(session)
        for key in ((one, each, tongue) for one in wanted for each in channels for tongue in languages):
            body = words_of(session, office.tenant.id, key).body if given is None else given
            found += [(key, one) for one in check_words(*key, body, uses.get(key[0], ()), shop)]
    if as_json:
        print_json(
            [{"template": list(key), "level": one.level, "sentence": one.sentence} for key, one in found]
        )
    else:
        for key, one in found:
            print_problems([one], " ".join(key))
        click.echo("nothing found" if not found else f"{len(found)} to look at")
    if any(one.level == "error" for _, one in found):
        sys.exit(1)


@click.command("preview")
@of_template
@click.option("--lead", "lead_id", type=int, help="Filled in for this lead; default: for somebody made up.")
@click.option("--file", "source", help="With the words of this file, or - for standard input.")
@click.option("--later", is_flag=True, help="As a later message: without the introduction of a first text.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_office
def preview_command(
    office: Office,
    name: str,
    channel: str,
    language: str,
    lead_id: int | None,
    source: str | None,
    later: bool,
    as_json: bool,
) -> None:
    """Print NAME as it would be sent. A lead gets their own language, and no free times: those are looked up at sending."""
    known(name)
    with office.db.tenant(office.tenant.id) as session:
        variables = variables_of(session, lead_id, language, first=not later)
        own = own_templates(session, office.tenant.id)
    if later:
        variables = replace(variables, first_text=False)
    try:
        if source is not None:
            rendered = render_body(name, channel, read_words(source), variables)
        else:
            rendered = render(name, channel, variables, own=own)
    except TemplateFailed as error:
        raise CliError(str(error)) from None
    if as_json:
        print_json({**vars(rendered), "segments": _segments(channel, rendered)})
        return
    if rendered.broken is not None:
        click.echo(f"your own words cannot be used, so these ship: {one_line(rendered.broken)}", err=True)
    if rendered.subject is not None:
        heading(f"Subject: {one_line(rendered.subject)}")
    click.echo(clean(rendered.body).rstrip())
    if channel == "sms":
        click.echo(f"{septets(rendered.body)} characters, {_segments(channel, rendered)} segments", err=True)


@click.command("variables")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def variables_command(as_json: bool) -> None:
    """List what a template may use."""
    if as_json:
        print_json(VARIABLES)
        return
    print_table(
        ("VARIABLE", "MAY BE EMPTY", "WHAT IT IS"),
        [[one.name, "yes" if one.may_miss else "-", one.means] for one in VARIABLES],
    )


def _segments(channel: str, rendered: Rendered) -> int | None:
    return segments(rendered.body) if channel == "sms" else None


def _check_leads(office: Office, wanted: list[str], as_json: bool) -> None:
    """Every text for every lead: how long the longest is, and for whom it cannot be written."""
    longest: dict[str, dict[str, Any]] = {}
    counted = 0
    with office.db.tenant(office.tenant.id) as session:
        own = own_templates(session, office.tenant.id)
        for lead in _leads(session):
            counted += 1
            # The longest there can be: the introduction, and two times.
            variables = replace(real_variables(session, lead), first_text=True, times=TIMES, visit=TIMES[0])
            for name in wanted:
                _measure(longest.setdefault(name, _nothing(name)), own, name, lead.id, variables)
    rows = list(longest.values())
    if as_json:
        print_json({"leads": counted, "texts": rows})
    else:
        print_table(
            ("TEMPLATE", "LONGEST", "SEGMENTS", "LEAD", "OURS INSTEAD", "FAILED"),
            [[str(row[key] if row[key] is not None else "-") for key in _COLUMNS] for row in rows],
        )
        click.echo(f"{counted} leads")
    if any(row["failed"] or row["ours_instead"] for row in rows):
        sys.exit(1)


_COLUMNS = ("template", "longest", "segments", "lead", "ours_instead", "failed")


def _nothing(name: str) -> dict[str, Any]:
    return {"template": name, "longest": 0, "segments": 0, "lead": None, "ours_instead": 0, "failed": 0}


def _measure(row: dict[str, Any], own: OwnTemplates, name: str, lead_id: int, variables: Any) -> None:
    try:
        rendered = render(name, "sms", variables, own=own)
    except TemplateFailed:
        row["failed"] += 1
        row["lead"] = row["lead"] or lead_id
        return
    row["ours_instead"] += rendered.broken is not None
    length = septets(rendered.body)
    if length > row["longest"]:
        row.update(longest=length, segments=segments(rendered.body), lead=lead_id)


def _leads(session: Session) -> Iterator[Lead]:
    """All leads of the business, page by page, and none of them kept."""
    after = 0
    while page := session.scalars(
        select(Lead).where(Lead.id > after, Lead.erased_at.is_(None)).order_by(Lead.id).limit(PAGE)
    ).all():
        yield from page
        after = page[-1].id
        session.expunge_all()
