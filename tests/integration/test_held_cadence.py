"""What a person of the shop paused by name stays paused when the customer asks for something new: the shop is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from crm.models import LeadRequest
from crm.touch_changes import pause_cadence
from ops.clock import FixedClock
from tests.conftest import TestDatabase, World
from tests.integration.intake_help import Desk, desk_of


@pytest.fixture
def desk(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, owner_engine: Engine
) -> Iterator[Desk]:
    """North, connected."""
    with desk_of(test_database, redis_url, clock, world, owner_engine) as made:
        yield made


def held(desk: Desk, who: str) -> int:
    """A lead in whose cadence somebody stepped; its id."""
    desk.tell(desk.order())
    lead_id = desk.lead().id
    with desk.runtime.db.tenant(desk.tenant_id) as session:
        pause_cadence(session, lead_id, who=who, why="they called", now=desk.clock.now())
    desk.clock.advance(timedelta(days=5))
    desk.texts.sent.clear()
    return lead_id


@pytest.mark.parametrize("policy", ["restart", "reopen"])
def test_a_new_request_leaves_it_paused_and_tells_the_shop(desk: Desk, policy: str) -> None:
    desk.tenant_settings(new_request=policy)
    lead_id = held(desk, "Sam")
    desk.tell(desk.order(services=["Paint protection film"]))
    rows = desk.touches(lead_id)
    assert {row.cadence_run for row in rows} == {1}
    assert {row.reason for row in rows if row.status == "paused"} == {"paused by Sam: they called"}
    assert len([row for row in rows if row.status == "paused"]) >= 10
    assert desk.texts.sent == []
    (notice,) = desk.notices()
    assert "has a new request, and you have paused what is written to them" in notice
    assert f"leads transcript {lead_id}" in notice
    assert len(desk.rows(LeadRequest, lead_id=lead_id)) == 2, "the request itself is kept"


def test_told_once_for_each_request(desk: Desk) -> None:
    held(desk, "Sam")
    order = desk.order(services=["Paint protection film"])
    desk.tell(order)
    desk.shopmonkey.change("order", order, complaint="Again")
    desk.tell(order, "UPDATE")
    assert len(desk.notices()) == 1
    desk.tell(desk.order(services=["Something else"]))
    assert len(desk.notices()) == 2
