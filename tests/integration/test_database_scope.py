"""The scope of one transaction: short looks, savepoints, what is kept, and what need not reach the disk at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, OperationalError

from crm.db import Database, make_engine
from crm.models import Lead, Location, Tenant
from tests.conftest import World

OWN = "select id from chat_sessions where id = %(session)s"


@contextmanager
def statements(db: Database) -> Iterator[list[str]]:
    """What is sent to the database meanwhile."""
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    yield seen
    event.remove(db.engine, "before_cursor_execute", note)


def test_a_look_sees_its_tenant_only_and_leaves_no_scope_behind(db: Database, world: World) -> None:
    north, south = world.north, world.south
    assert db.look(north.tenant_id, OWN, {"session": north.session_id}) == (north.session_id,)
    assert db.look(north.tenant_id, OWN, {"session": south.session_id}) is None
    for _ in range(3):
        assert db.one_statement(OWN, {"session": north.session_id}) is None, "the scope ended with the look"


def test_a_look_that_fails_says_so_and_the_connection_goes_on(db: Database, world: World) -> None:
    with pytest.raises(DBAPIError):
        db.look(world.north.tenant_id, "select nonsense from chat_sessions", {})
    assert db.look(world.north.tenant_id, OWN, {"session": world.north.session_id}) is not None


def test_a_savepoint_stays_in_the_scope_without_setting_it_again(db: Database, world: World) -> None:
    with statements(db) as seen, db.tenant(world.north.tenant_id) as session:
        with session.begin_nested() as inner:
            assert session.get(Lead, world.north.lead_id) is not None
            inner.rollback()
        assert session.get(Lead, world.south.lead_id) is None
        assert session.get(Lead, world.north.lead_id) is not None
    assert sum("set_config" in one for one in seen) == 1


def test_tenant_and_location_are_read_once_a_transaction(db: Database, world: World) -> None:
    north = world.north
    with statements(db) as seen, db.tenant(north.tenant_id) as session:
        for _ in range(3):
            assert session.get_one(Tenant, north.tenant_id).slug == "north"
            assert session.get_one(Location, north.location_id).id == north.location_id
    assert len(seen) == 3
    with statements(db) as seen, db.tenant(north.tenant_id) as session:
        session.get_one(Tenant, north.tenant_id)
    assert len(seen) == 2, "another transaction reads afresh"


@pytest.mark.parametrize("durable", [True, False])
def test_what_need_not_last_does_not_wait_for_the_disk(db: Database, world: World, *, durable: bool) -> None:
    with db.tenant(world.north.tenant_id) as session:
        usual = session.execute(text("show synchronous_commit")).scalar_one()
    with db.tenant(world.north.tenant_id, durable=durable) as session:
        assert session.execute(text("show synchronous_commit")).scalar_one() == (usual if durable else "off")
    with db.tenant(world.north.tenant_id) as session:
        assert session.execute(text("show synchronous_commit")).scalar_one() == usual


def test_a_database_that_is_away_is_the_same_error_for_one_statement() -> None:
    """Webhooks answer 503 to it, so that the carrier comes again."""
    engine = make_engine("postgresql://nobody:x@127.0.0.1:1/none")
    with pytest.raises(OperationalError) as raised:
        Database(engine).one_statement("select 1", {})
    assert raised.value.connection_invalidated
