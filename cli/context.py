"""What every command needs: settings, the database, and whose data it is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import click

from cli.errors import CliError
from crm.db import Database, make_engine
from crm.routing import TenantName, active_tenants
from ops.clock import Clock, OffsetClock, SystemClock
from ops.settings import Settings, get_settings, secret

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Office:
    """One tenant, seen from the command line."""

    settings: Settings
    db: Database
    clock: Clock
    tenant: TenantName


def clock_of(settings: Settings) -> Clock:
    """The clock the other processes use too."""
    return OffsetClock(settings.clock_file) if settings.clock_file else SystemClock()


def open_database(settings: Settings) -> Database:
    """The application's database. Raises CliError when none is configured."""
    url = secret(settings.database_url)
    if url is None:
        raise CliError("no database is configured: start the system with `make run`, or set DATABASE_URL")
    return Database(make_engine(url, pool_size=2))


def choose_tenant(db: Database, wanted: str | None) -> TenantName:
    """The tenant with this slug or id, or the only one there is. Raises CliError naming the choices."""
    with db.system() as session:
        tenants = active_tenants(session)
    if wanted:
        for tenant in tenants:
            if wanted in (tenant.slug, str(tenant.id)):
                return tenant
        raise CliError(f"there is no active tenant {wanted!r}; there is {_names(tenants)}")
    if len(tenants) == 1:
        return tenants[0]
    raise CliError(f"say which tenant with --tenant or TENANT_ID; there is {_names(tenants)}")


def _names(tenants: list[TenantName]) -> str:
    return ", ".join(tenant.slug for tenant in tenants) or "none yet"


def with_office(command: Callable[Concatenate[Office, P], R]) -> Callable[P, R]:
    """Adds `--tenant` to a command and hands it an Office first."""

    @click.option("--tenant", help="Slug or id of the business; default: TENANT_ID, or the only one.")
    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        wanted = kwargs.pop("tenant", None)
        settings = get_settings()
        db = open_database(settings)
        try:
            tenant = choose_tenant(db, str(wanted) if wanted else settings.tenant_id)
            return command(Office(settings, db, clock_of(settings), tenant), *args, **kwargs)
        finally:
            db.engine.dispose()

    return wrapped
