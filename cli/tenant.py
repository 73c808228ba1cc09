"""`leads tenant`: the businesses of this installation, one by one or from a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from cli.context import clock_of, open_database
from cli.errors import CliError
from cli.output import one_line, print_json, print_table
from cli.tenant_apply import apply_command
from crm.db import Database
from crm.tenant_directory import SlugTaken, add_tenant, directory, tenant_ids
from ops.clock import Clock
from ops.settings import Settings, get_settings


@click.group("tenant")
def tenant_command() -> None:
    """Add, list and pause businesses; describe them in a file."""


@contextmanager
def installation() -> Iterator[tuple[Settings, Database, Clock]]:
    """Settings, database and clock, for commands that belong to no business in particular."""
    settings = get_settings()
    db = open_database(settings)
    try:
        yield settings, db, clock_of(settings)
    finally:
        db.engine.dispose()


@tenant_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(as_json: bool) -> None:
    """List all businesses, paused ones too."""
    with installation() as (_, db, _), db.system() as session:
        lines = directory(session)
    if as_json:
        print_json(lines)
        return
    if not lines:
        click.echo("no businesses yet; leads tenant add SLUG NAME, or leads tenant apply FILE", err=True)
        return
    rows = [
        [
            one.slug,
            one.name,
            one.status,
            str(one.locations),
            str(one.leads),
            ", ".join(one.connectors) or "-",
        ]
        for one in lines
    ]
    print_table(("SLUG", "NAME", "STATUS", "LOCATIONS", "LEADS", "CRM"), rows)


@tenant_command.command("add")
@click.argument("slug")
@click.argument("name")
def add_command(slug: str, name: str) -> None:
    """Add a business. SLUG is its short name, as in `leads list --tenant lakeside`."""
    from pydantic import TypeAdapter, ValidationError

    from crm.tenant_file.values import Line, Slug

    try:
        TypeAdapter(Slug).validate_python(slug)
        named = str(TypeAdapter(Line).validate_python(name))
    except ValidationError as error:
        raise CliError(str(error.errors()[0]["msg"]).removeprefix("Value error, ")) from None
    with installation() as (_, db, _):
        try:
            add_tenant(db, slug, named)
        except SlugTaken as taken:
            raise CliError(str(taken)) from None
    click.echo(f"{named} ({slug}) is there. Its first shop: leads location add --tenant {slug} --help")


@tenant_command.command("pause")
@click.argument("slug")
def pause_command(slug: str) -> None:
    """Send nothing to the customers of a business any more. What they write is kept, and answered after `resume`."""
    click.echo(_set_status(slug, "paused", "nothing goes to its customers until leads tenant resume"))


@tenant_command.command("resume")
@click.argument("slug")
def resume_command(slug: str) -> None:
    """Take a business up again. Touches that fell due meanwhile go by their own rule for late ones."""
    click.echo(_set_status(slug, "active", "its customers are answered again"))


@tenant_command.command("export")
@click.argument("slug")
@click.option("--output", "path", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
def export_command(slug: str, path: Path | None) -> None:
    """Print a business as a file for `leads tenant apply`. Applied again it changes nothing; secrets are not in it."""
    from crm.mail_accounts import box_of
    from crm.tenant_file.actual import actual_of
    from crm.tenant_file.exporting import export_text

    with installation() as (settings, db, clock):
        tenant_id = _known(db, slug)
        with db.tenant(tenant_id) as session:
            body = export_text(actual_of(session, tenant_id, clock.now().date(), box_of(settings)))
    if path is None:
        click.echo(body, nl=False)
        return
    path.write_text(body, encoding="utf-8")
    click.echo(f"written: {path}", err=True)


def _set_status(slug: str, status: str, said: str) -> str:
    from crm.models import Tenant

    with installation() as (_, db, _):
        tenant_id = _known(db, slug)
        with db.tenant(tenant_id) as session:
            tenant = session.get_one(Tenant, tenant_id, with_for_update=True)
            before, tenant.status = tenant.status, status
            name = one_line(tenant.name)
    return f"{name} was {status} already" if before == status else f"{name} is {status}: {said}"


def _known(db: Database, slug: str) -> int:
    with db.system() as session:
        found = tenant_ids(session, [slug]).get(slug)
        if found is None:
            names = ", ".join(one.slug for one in directory(session)) or "none yet"
            raise CliError(f"there is no business {one_line(slug)!r}; there is {names}")
    return found


tenant_command.add_command(apply_command)
