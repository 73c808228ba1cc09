"""Two who apply at once, and one who dies in the middle: the database holds all of a file, once, or nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select, text

from crm.db import Database
from crm.models import Base, Location, Tenant
from crm.tenant_directory import SlugTaken, add_tenant, directory
from ops.clock import FixedClock
from tests.conftest import World
from tests.integration.tenant_file_help import EXAMPLE, Applier

AT_ONCE = 4


def test_two_who_apply_at_once_make_one_business(db: Database, clock: FixedClock) -> None:
    body = EXAMPLE.read_text()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        plans = list(pool.map(lambda _: Applier(db, clock).apply(body)[0], range(AT_ONCE)))
    assert sorted(bool(plan.work(prune=False)) for plan in plans) == [False, False, False, True]
    assert Applier(db, clock).plan(body).differences == ()
    with db.system() as session:
        assert [(one.slug, one.locations) for one in directory(session)] == [("harborview", 2)]


def test_two_who_change_at_once_leave_what_one_of_them_said(db: Database, clock: FixedClock) -> None:
    body = EXAMPLE.read_text()
    Applier(db, clock).apply(body)
    bodies = [body.replace("price: 319", f"price: {price}") for price in (301, 302, 303, 304)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda one: Applier(db, clock).apply(one), bodies))
    assert sum(Applier(db, clock).plan(one).differences == () for one in bodies) == 1


def rows(owner_engine: Engine) -> dict[str, int]:
    """How many rows each table has, over all tenants."""
    with owner_engine.connect() as connection:
        return {
            table: connection.execute(text(f"select count(*) from {table}")).scalar_one()
            for table in Base.metadata.tables
        }


@pytest.mark.parametrize("at", [1, 3, 6, 9, 14])
def test_one_who_dies_in_the_middle_leaves_nothing(
    db: Database, clock: FixedClock, world: World, owner_engine: Engine, at: int
) -> None:
    """Killed at the n-th statement that writes, before the commit."""
    before, written = rows(owner_engine), 0

    def die(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal written
        written += statement.lower().startswith(("insert", "update", "delete"))
        if written == at:
            raise ConnectionAbortedError("killed")

    event.listen(db.engine, "before_cursor_execute", die)
    with pytest.raises(ConnectionAbortedError):
        Applier(db, clock).apply(EXAMPLE.read_text())
    event.remove(db.engine, "before_cursor_execute", die)
    assert rows(owner_engine) == before
    Applier(db, clock).apply(EXAMPLE.read_text())
    assert Applier(db, clock).plan(EXAMPLE.read_text()).differences == ()


def test_of_several_businesses_each_is_whole(db: Database, clock: FixedClock, world: World) -> None:
    """The second one cannot be made; the first one is there, the third one waits for the next run."""
    files = Applier(db, clock)
    three = "tenants:\n" + "".join(
        f"  - {{slug: s{n}, name: S, locations: [{{slug: one, name: One, timezone: America/Chicago, phone: '{phone}'}}]}}\n"
        for n, phone in enumerate(["+13125550171", world.south.phone, "+13125550173"])
    )
    with pytest.raises(Exception, match="another business has it"):
        files.apply(three)
    assert [files.id_of(f"s{n}") is not None for n in range(3)] == [True, False, False]
    files.apply(three.replace(world.south.phone, "+13125550172"))
    assert all(files.id_of(f"s{n}") for n in range(3))


def test_a_business_is_added_once_and_only_in_its_own_scope(db: Database, world: World) -> None:
    tenant_id = add_tenant(db, "west", "West Tint")
    with pytest.raises(SlugTaken, match="a business west already"):
        add_tenant(db, "west", "Other")
    with db.tenant(tenant_id) as session:
        assert session.scalars(select(Tenant.slug)).all() == ["west"]
        assert session.scalar(select(func.count()).select_from(Location)) == 0
    with db.tenant(world.north.tenant_id) as session:
        assert session.get(Tenant, tenant_id) is None


def test_planning_asks_a_constant_number_of_questions(db: Database, clock: FixedClock) -> None:
    """However many locations there are."""
    counts = []
    for many in (2, 40):
        places = "".join(f"  - {{slug: s{n}, name: S{n}}}\n" for n in range(many))
        body = (
            f"slug: many{many}\nname: Many\ndefaults:\n  timezone: America/Chicago\n  bays: {{B: {{}}}}\n"
            "  hours: {mon-fri: 9:00-17:00}\n  services: {a: {name: A, category: t, minutes: 60}}\n"
            f"locations:\n{places}"
        )
        files = Applier(db, clock)
        files.apply(body)
        with Statements(db.engine) as asked:
            files.plan(body.replace("17:00", "16:00"))
        counts.append(len(asked))
    assert counts[0] == counts[1] < 30


class Statements:
    """The statements an engine runs inside the block."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.found = engine, []  # type: ignore[var-annotated]

    def _note(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self.found.append(statement)

    def __enter__(self) -> list[str]:
        event.listen(self.engine, "before_cursor_execute", self._note)
        return self.found

    def __exit__(self, *_: object) -> None:
        event.remove(self.engine, "before_cursor_execute", self._note)
