"""A plan that is gone costs nobody a lead: the one that ships is followed, and the shop is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from crm.db import Database
from crm.models import ChatSession, Lead, TouchPoint
from crm.models.cadence import CadencePlan
from ops.clock import FixedClock
from scheduler.beginning import begin_cadence
from tests.conftest import World
from tests.integration.cadence_rows import change, consent, messages
from tests.integration.talking import rows


def _begin(db: Database, world: World, clock: FixedClock, settings: dict[str, Any]) -> list[TouchPoint]:
    consent(db, world.north, "grant", clock.now())
    change(
        db,
        world.north,
        "update tenants set settings = cast(:settings as jsonb)",
        settings=json.dumps(settings),
    )
    with db.tenant(world.north.tenant_id) as session:
        lead = session.get_one(Lead, world.north.lead_id)
        chat = session.get_one(ChatSession, world.north.session_id)
        assert (
            begin_cadence(session, lead, chat, clock.now(), request_new=True, created=True).first is not None
        )
    return rows(db, world.north, TouchPoint)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"cadence": "weekly"}, "There is no cadence plan 'weekly'."),
        ({"plan_by_source": {"test": "weekly"}}, "There is no cadence plan 'weekly'."),
        ({"cadence": "reminders"}, "The plan 'reminders' is of the kind appointment and not for new leads."),
        ({"cadence": "mine"}, "The plan 'mine' cannot be read any more."),
    ],
)
def test_the_lead_is_written_to_all_the_same(
    db: Database, world: World, clock: FixedClock, settings: dict[str, Any], told: str
) -> None:
    change(db, world.north, "update leads set source = 'test'")
    with db.tenant(world.north.tenant_id) as session:
        session.add(
            CadencePlan(
                tenant_id=world.north.tenant_id,
                name="mine",
                version=1,
                body={"steps": 1},
                author="Sam",
                note="",
            )
        )
    touches = _begin(db, world, clock, settings)
    assert len(touches) == 13
    assert {(one.plan, one.plan_version) for one in touches} == {("default", None)}
    (notice,) = messages(db, world.north)
    assert (notice.kind, notice.body.startswith(told)) == ("notice", True), notice.body


def test_a_plan_that_can_be_followed_is_not_spoken_of(db: Database, world: World, clock: FixedClock) -> None:
    assert len(_begin(db, world, clock, {})) == 13
    assert messages(db, world.north) == []
