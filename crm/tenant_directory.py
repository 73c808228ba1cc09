"""Which businesses an installation has, and making one: for whoever runs it, across tenants."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from crm.db import Database

# First key of the advisory lock under which two makers of one business, or two appliers of a file, queue up.
TENANT_LOCK = 730_118


class SlugTaken(Exception):
    """There is a business of this slug already. The message is a sentence for the owner."""


@dataclass(frozen=True)
class TenantLine:
    """One business as `leads tenant list` shows it."""

    id: int
    slug: str
    name: str
    status: str
    locations: int
    leads: int
    connectors: list[str]


def directory(session: Session) -> list[TenantLine]:
    """All businesses, paused ones too, in one query. In `Database.system()`."""
    return [TenantLine(*row) for row in session.execute(text("select * from tenant_directory()"))]


def tenant_ids(session: Session, slugs: Collection[str]) -> dict[str, int]:
    """The ids behind slugs in one query; unknown ones are left out. Paused businesses are found too."""
    statement = text(
        "select k.key, r.tenant_id from unnest(cast(:keys as text[])) as k (key) cross join lateral route_tenant(k.key) r"
    )
    return {row.key: row.tenant_id for row in session.execute(statement, {"keys": list(slugs)})}


def next_tenant_id(db: Database) -> int:
    """A number for a new business. One that is not used afterwards is lost, which does no harm."""
    with db.system() as session:
        found = session.execute(text("select nextval(pg_get_serial_sequence('tenants', 'id'))"))
        return int(found.scalar_one())


def lock_slug(session: Session, slug: str) -> None:
    """Queue up behind whoever makes or changes this business as a whole; until the transaction ends."""
    statement = text("select pg_advisory_xact_lock(:lock, hashtext(:slug))")
    session.execute(statement, {"lock": TENANT_LOCK, "slug": slug})


def add_tenant(db: Database, slug: str, name: str) -> int:
    """Make a business and return its id. Raises SlugTaken.

    The application's role may write the row of the tenant in whose scope it is, so the scope comes first.
    """
    # The tables take a third of a second to import, and listing does without them.
    from crm.models import Tenant

    tenant_id = next_tenant_id(db)
    with db.tenant(tenant_id) as session:
        lock_slug(session, slug)
        if tenant_ids(session, [slug]):
            raise SlugTaken(f"there is a business {slug} already")
        session.add(Tenant(id=tenant_id, slug=slug, name=name))
    return tenant_id
