"""Alembic's entry. Safe beside running code: one migrator at a time (advisory lock), short lock and statement
time-outs, one transaction per revision. The URL is the owner's, given as the attribute `url` by `ops.migrate`."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, create_engine, make_url, pool, text

from crm.models import Base

ADVISORY_LOCK = 7_301_140_202
LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "60s"


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        transaction_per_migration=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def run() -> None:
    """Take the lock, run what is missing, release."""
    given = context.config.attributes.get("connection")
    if given is not None:
        _run(given)
        return
    url = make_url(str(context.config.attributes["url"]).replace("postgres://", "postgresql://", 1))
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg2")
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        # Another migrator may hold this for minutes; waiting for it is not a table lock, so no time-out here.
        connection.execute(text("select pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
        connection.execute(text(f"set lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.execute(text(f"set statement_timeout = '{STATEMENT_TIMEOUT}'"))
        connection.commit()
        try:
            _run(connection)
        finally:
            connection.rollback()
            connection.execute(text("select pg_advisory_unlock(:key)"), {"key": ADVISORY_LOCK})
            connection.commit()
    engine.dispose()


run()
