"""`leads db`: migrations and rights, run as the owner of the database."""

from __future__ import annotations

import click
from sqlalchemy import make_url

from cli.errors import CliError
from ops.settings import Settings, get_settings, secret


@click.group("db")
def db_command() -> None:
    """Migrate the database and give the application its rights."""


def owner_url(settings: Settings) -> str:
    """DATABASE_OWNER_URL. Raises CliError when it is not set."""
    url = secret(settings.database_owner_url)
    if url is None:
        raise CliError("DATABASE_OWNER_URL is not set; migrations run as the owner of the tables")
    return url


def provision_from(settings: Settings) -> str:
    """Give the role of DATABASE_URL its rights; returns its name."""
    from ops.migrate import provision

    app_url = secret(settings.database_url)
    role = make_url(app_url).username if app_url else None
    if app_url is None or role is None:
        raise CliError("DATABASE_URL names no role; the application needs one of its own")
    if role == make_url(owner_url(settings)).username:
        raise CliError(
            "DATABASE_URL and DATABASE_OWNER_URL name the same role; the application needs its own"
        )
    password = make_url(app_url).password
    provision(owner_url(settings), role, None if password is None else str(password))
    return role


@db_command.command("migrate")
def migrate_command() -> None:
    """Run every missing migration, then give the application's role its rights."""
    from ops.migrate import migrate, revisions

    settings = get_settings()
    url = owner_url(settings)
    before, newest = revisions(url)
    migrate(url)
    role = provision_from(settings)
    done = "was up to date" if before == newest else f"migrated from {before or 'empty'} to {newest}"
    click.echo(f"the database {done}; {role} has its rights")


@db_command.command("provision")
def provision_command() -> None:
    """Give the role of DATABASE_URL its rights; make the role if it is missing."""
    click.echo(f"{provision_from(get_settings())} has its rights")
