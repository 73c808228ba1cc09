"""The engine and the tenant scope. Every query of a tenant's data runs inside `Database.tenant(...)`.

Row-level security compares each row's tenant with the transaction's setting `app.tenant_id`; the role of
DATABASE_URL owns no table and cannot bypass that. Outside a tenant scope only the narrow functions of
`crm.routing` see anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import psycopg2
import psycopg2.extensions
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, SessionTransaction
from sqlalchemy.pool import PoolProxiedConnection

CONNECT_OPTIONS = "-c timezone=UTC -c statement_timeout=15000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=30000"

_SCOPE = "select set_config('app.tenant_id', %s, true)"
_NOT_DURABLE = ", set_config('synchronous_commit', 'off', true)"


class UnsafeRole(Exception):
    """The role of DATABASE_URL could read across tenants: it is a superuser, may bypass row-level security, or owns the
    tables. Give the application a role of its own (`leads db provision`) and keep the owner in DATABASE_OWNER_URL."""


def make_engine(url: str, *, pool_size: int = 10) -> Engine:
    """An engine for `url`; a plain `postgresql://` (or `postgres://`) means psycopg2."""
    parsed = make_url(url.replace("postgres://", "postgresql://", 1))
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg2")
    return create_engine(
        parsed,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=False,
        pool_recycle=1800,
        connect_args={"options": CONNECT_OPTIONS, "connect_timeout": 5},
    )


class Database:
    """Hands out sessions. `tenant(id)` sees that tenant only; `system()` sees no tenant's rows at all."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def tenant(self, tenant_id: int, *, durable: bool = True) -> Iterator[Session]:
        """One transaction in a tenant's scope: committed at the end, rolled back on any exception.

        `durable` False does not wait for the disk: a crash of the server may lose what was committed last, but never
        keeps something later without it. For steps that would only be repeated then.
        """
        info = {"tenant_id": tenant_id, "durable": durable}
        with (
            Session(self.engine, expire_on_commit=False, info=info) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def system(self) -> Iterator[Session]:
        """One transaction without a tenant: for routing functions and what belongs to nobody."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    def one_statement(self, statement: str, parameters: dict[str, Any]) -> tuple[Any, ...] | None:
        """Run one SQL statement as a transaction of its own, in one round trip; returns its first row.

        For functions of the database that enter the tenant's scope themselves. `statement` is ours, parameters are
        `%(name)s`. Raises SQLAlchemy's DBAPIError like everything else here.
        """
        raw = self._raw(statement)
        try:
            connection = cast(psycopg2.extensions.connection, raw.driver_connection)
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters)
                return cursor.fetchone()
        except psycopg2.Error as error:
            lost = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
            if lost:
                raw.invalidate(error)
            raise DBAPIError.instance(
                statement, None, error, psycopg2.Error, connection_invalidated=lost
            ) from error
        finally:
            if raw.is_valid:
                connection.autocommit = False
            raw.close()

    def _raw(self, statement: str) -> PoolProxiedConnection:
        """A connection without SQLAlchemy's transaction around it; a database that is away is the same error as ever."""
        try:
            return self.engine.raw_connection()
        except psycopg2.Error as error:
            raise DBAPIError.instance(
                statement, None, error, psycopg2.Error, connection_invalidated=True
            ) from error

    def at_once(self, tenant_id: int, statements: str, parameters: dict[str, Any]) -> tuple[Any, ...] | None:
        """Run statements, parted by semicolons, as one transaction in a tenant's scope, in one round trip; returns the
        first row of the last one. All of them are committed, or none.

        `statements` are ours, parameters are `%(name)s`. Raises DBAPIError like everything else here.
        """
        # Statements sent as one message are one transaction, so the scope ends with it.
        scope = "select set_config('app.tenant_id', %(scope_tenant)s, true); "
        return self.one_statement(scope + statements, {**parameters, "scope_tenant": str(int(tenant_id))})

    def look(self, tenant_id: int, statement: str, parameters: dict[str, Any]) -> tuple[Any, ...] | None:
        """The first row of one statement in a tenant's scope, in one round trip: for looks that are taken often."""
        return self.at_once(tenant_id, statement, parameters)

    def refuse_unsafe_role(self) -> None:
        """Raises UnsafeRole unless row-level security really holds for this connection's role."""
        with self.system() as session:
            row = session.execute(
                text(
                    "select r.rolsuper or r.rolbypassrls, exists (select 1 from pg_tables t"
                    " where t.tableowner = current_user and t.tablename = 'leads')"
                    " from pg_roles r where r.rolname = current_user"
                )
            ).one()
        if row[0] or row[1]:
            raise UnsafeRole(UnsafeRole.__doc__)


@event.listens_for(Session, "after_begin")
def _enter_scope(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    tenant_id = session.info.get("tenant_id")
    # A savepoint is inside the transaction whose scope was set.
    if tenant_id is not None and not transaction.nested:
        statement = _SCOPE if session.info.get("durable", True) else _SCOPE + _NOT_DURABLE
        connection.exec_driver_sql(statement, (str(int(tenant_id)),))


@event.listens_for(Session, "loaded_as_persistent")
def _keep(session: Session, instance: object) -> None:
    """A session forgets what nobody else holds; the rows that everything asks for would be read again and again."""
    if getattr(instance, "kept_in_transaction", False):
        session.info.setdefault("kept", []).append(instance)
