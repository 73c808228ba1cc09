"""Bringing a database up to date, as its owner, and giving the application's role what it needs, no more."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import psycopg2
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from sqlalchemy import create_engine, make_url, pool

ADVISORY_LOCK = 7_301_140_203
# The two ledgers an owner proves things with: the application adds to them and can change nothing afterwards.
APPEND_ONLY = ("consent_events", "send_decisions")
OWNERS_ONLY = ("alembic_version",)


def alembic_config(owner_url: str) -> Config:
    """Alembic's configuration without a file of its own; works from an installed package too."""
    spec = find_spec("migrations")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the package `migrations` is not installed")
    config = Config()
    folder = str(Path(next(iter(spec.submodule_search_locations))))
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["url"] = owner_url
    return config


def migrate(owner_url: str) -> None:
    """Run every missing migration. Several processes may call it at once (migrations/env.py takes a lock).

    Raises what Alembic and the database raise; a failed revision is rolled back as a whole.
    """
    command.upgrade(alembic_config(owner_url), "head")


def revisions(url: str) -> tuple[str | None, str | None]:
    """The revision the database is at (None: empty) and the newest one this code has."""
    config = alembic_config(url)
    engine = create_engine(
        make_url(_plain(url)).set(drivername="postgresql+psycopg2"), poolclass=pool.NullPool
    )
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    engine.dispose()
    return current, ScriptDirectory.from_config(config).get_current_head()


def provision(owner_url: str, app_role: str, password: str | None = None) -> None:
    """Give `app_role` its rights on everything the owner made; run it after every migration. Idempotent.

    The role is made, with `password`, when it does not exist and the owner may make roles. Raises
    psycopg2.Error with the server's sentence when the owner may not.
    """
    connection = psycopg2.connect(_plain(owner_url), connect_timeout=5)
    try:
        with connection, connection.cursor() as cursor:
            # Two grants on one table at the same time fail with "tuple concurrently updated".
            cursor.execute("select pg_advisory_xact_lock(%s)", (ADVISORY_LOCK,))
            cursor.execute("select 1 from pg_roles where rolname = %s", (app_role,))
            if cursor.fetchone() is None:
                query = sql.SQL("create role {} login nosuperuser nobypassrls password {}")
                cursor.execute(query.format(sql.Identifier(app_role), sql.Literal(password)))
        with connection:
            _grant(connection, app_role)
    finally:
        connection.close()


def _grant(connection: Connection, app_role: str) -> None:
    role = sql.Identifier(app_role)
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", (ADVISORY_LOCK,))
        cursor.execute(sql.SQL("grant usage on schema public to {}").format(role))
        cursor.execute(sql.SQL("grant usage, select on all sequences in schema public to {}").format(role))
        cursor.execute(
            "select tablename from pg_tables where schemaname = 'public' and tableowner = current_user"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(sql.SQL("revoke all on {} from {}").format(sql.Identifier(table), role))
            rights = _rights(table)
            if rights:
                query = sql.SQL("grant {} on {} to {}").format(sql.SQL(rights), sql.Identifier(table), role)
                cursor.execute(query)
        cursor.execute(
            "select p.oid::regprocedure::text from pg_proc p where p.pronamespace = 'public'::regnamespace"
            " and p.proowner = (select oid from pg_roles where rolname = current_user) and p.prokind = 'f'"
        )
        for (function,) in cursor.fetchall():
            cursor.execute(sql.SQL("grant execute on function {} to {}").format(sql.SQL(function), role))


def _rights(table: str) -> str:
    if table in OWNERS_ONLY:
        return ""
    return "select, insert" if table in APPEND_ONLY else "select, insert, update, delete"


def _plain(url: str) -> str:
    """The form libpq understands: without SQLAlchemy's driver name."""
    parsed = make_url(url.replace("postgres://", "postgresql://", 1)).set(drivername="postgresql")
    return parsed.render_as_string(hide_password=False)
