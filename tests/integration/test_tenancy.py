"""Two tenants with the same customer: nothing crosses, asked in SQL with the application's role."""

from __future__ import annotations

import uuid

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from crm.db import Database, UnsafeRole, make_engine
from crm.models import Base
from crm.routing import active_tenants, owed, route_phone
from ops.clock import FixedClock
from tests.conftest import TestDatabase, World

TABLES = sorted(name for name, table in Base.metadata.tables.items() if "tenant_id" in table.c)


def test_every_table_has_row_level_security(owner_engine: Engine) -> None:
    with owner_engine.connect() as connection:
        rows = dict(
            connection.execute(
                text("select relname, relrowsecurity from pg_class where relnamespace = 'public'::regnamespace"
                     " and relkind = 'r' and relname <> 'alembic_version'")
            ).all()
        )  # fmt: skip
    assert set(rows) == set(Base.metadata.tables)
    assert [name for name, on in rows.items() if not on] == []


@pytest.mark.parametrize("table", TABLES)
def test_a_tenant_sees_only_its_own_rows(table: str, db: Database, world: World) -> None:
    query = text(f"select count(*) from {table} where tenant_id is distinct from :me")
    with db.tenant(world.north.tenant_id) as session:
        assert session.execute(query, {"me": world.north.tenant_id}).scalar_one() == 0


def test_without_a_scope_nothing_is_seen(db: Database, world: World) -> None:
    with db.system() as session:
        for table in ("tenants", "leads", "chat_sessions", "locations", "staff", "service_catalog"):
            assert session.execute(text(f"select count(*) from {table}")).scalar_one() == 0


def test_another_tenants_row_can_be_neither_read_changed_nor_made(db: Database, world: World) -> None:
    with db.tenant(world.north.tenant_id) as session:
        found = session.execute(text("select id from leads")).scalars().all()
        assert found == [world.north.lead_id]
        changed = session.execute(
            text("update leads set first_name = 'X' where id = :id"), {"id": world.south.lead_id}
        )
        assert changed.rowcount == 0  # type: ignore[attr-defined]
        deleted = session.execute(
            text("delete from bays where tenant_id = :id"), {"id": world.south.tenant_id}
        )
        assert deleted.rowcount == 0  # type: ignore[attr-defined]
    with pytest.raises(DBAPIError, match="row-level security"), db.tenant(world.north.tenant_id) as session:
        session.execute(
            text("insert into vehicles (tenant_id, lead_id) values (:tenant, :lead)"),
            {"tenant": world.south.tenant_id, "lead": world.south.lead_id},
        )


def test_the_application_role_cannot_lift_its_limits(db: Database, world: World) -> None:
    for statement in (
        "alter table leads disable row level security",
        "drop policy own_tenant on leads",
        "set role leads_owner",
        "update consent_events set action = 'grant'",
        "delete from send_decisions",
        "select * from alembic_version",
    ):
        with pytest.raises(DBAPIError), db.tenant(world.north.tenant_id) as session:
            session.execute(text(statement))


def test_the_scope_ends_with_the_transaction(db: Database, world: World) -> None:
    with db.tenant(world.north.tenant_id) as session:
        session.execute(text("select 1"))
    for _ in range(5):
        with db.system() as session:
            assert session.execute(text("select count(*) from leads")).scalar_one() == 0


def test_routing_gives_ids_only(db: Database, world: World, clock: FixedClock) -> None:
    with db.system() as session:
        route = route_phone(session, world.south.phone)
        assert route is not None
        assert (route.tenant_id, route.row_id) == (world.south.tenant_id, world.south.location_id)
        assert route_phone(session, "+19995550000") is None
        assert {tenant.slug for tenant in active_tenants(session)} == {"north", "south"}
        assert owed(session, clock.now()) == []


def test_a_role_that_can_bypass_is_refused(test_database: TestDatabase, db: Database) -> None:
    db.refuse_unsafe_role()
    owner = Database(make_engine(test_database.owner_url))
    with pytest.raises(UnsafeRole):
        owner.refuse_unsafe_role()
    owner.engine.dispose()


def test_webhooks_of_nobody_are_seen_by_no_tenant(db: Database, world: World) -> None:
    with db.system() as session:
        session.execute(
            text("insert into webhook_events (id, source, dedupe_key, headers, content_type, body)"
                 " values (:id, 'twilio', 'x', '{}', '', '')"),
            {"id": uuid.uuid4()},
        )  # fmt: skip
        assert session.execute(text("select count(*) from webhook_events")).scalar_one() == 1
    with db.tenant(world.north.tenant_id) as session:
        assert session.execute(text("select count(*) from webhook_events")).scalar_one() == 0
