"""Versions of a policy and settings of a tenant, when two people change them at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import ValidationError

from crm.db import Database
from crm.models import Tenant
from crm.policies import (
    NoSuchVersion,
    UnchangedPolicy,
    add_policy,
    change_settings,
    live_version,
    policy_lines,
    policy_text,
    use_policy,
)
from ops.clock import FixedClock
from tests.conftest import World


def test_versions_written_at_once_are_all_kept(db: Database, world: World, clock: FixedClock) -> None:
    north = world.north.tenant_id

    def write(number: int) -> int:
        with db.tenant(north) as s:
            return add_policy(s, north, f"words {number}", "Sam", clock.now())

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(write, range(6))) == [1, 2, 3, 4, 5, 6]
    with db.tenant(north) as s:
        assert [line.version for line in policy_lines(s, north)] == [6, 5, 4, 3, 2, 1]
        assert {policy_text(s, north, n) for n in range(1, 7)} == {f"words {n}\n" for n in range(6)}


def test_settings_changed_at_once_are_all_kept(db: Database, world: World) -> None:
    north = world.north.tenant_id
    changes = [{"max_segments": 2}, {"assistant_name": "Robo"}, {"hold_offers_minutes": 5}]

    def change(values: dict[str, object]) -> None:
        with db.tenant(north) as s:
            change_settings(s, north, **values)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(change, changes))
    with db.tenant(north) as s:
        assert s.get_one(Tenant, north).settings == {key: v for one in changes for key, v in one.items()}


def test_nonsense_changes_nothing(db: Database, world: World, clock: FixedClock) -> None:
    north = world.north.tenant_id
    with db.tenant(north) as s:
        add_policy(s, north, "words", "Sam", clock.now())
        use_policy(s, north, 1)
    for wrong in ({"policy_version": 0}, {"no_such_setting": 1}):
        with pytest.raises(ValidationError), db.tenant(north) as s:
            change_settings(s, north, **wrong)
    with pytest.raises(NoSuchVersion), db.tenant(north) as s:
        use_policy(s, north, 2)
    with pytest.raises(UnchangedPolicy), db.tenant(north) as s:
        add_policy(s, north, "  words\n\n", "Sam", clock.now())
    with db.tenant(north) as s:
        assert live_version(s, north) == 1
        use_policy(s, north, None)
    with db.tenant(north) as s:
        assert live_version(s, north) is None
        assert s.get_one(Tenant, north).settings == {}


def test_another_tenant_sees_no_version(db: Database, world: World, clock: FixedClock) -> None:
    with db.tenant(world.north.tenant_id) as s:
        add_policy(s, world.north.tenant_id, "words", "Sam", clock.now())
    with db.tenant(world.south.tenant_id) as s:
        assert policy_text(s, world.north.tenant_id, 1) is None
        assert policy_lines(s, world.south.tenant_id) == []
