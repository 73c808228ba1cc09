"""What is wrong with one business or one row keeps nobody else from being written to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from crm.db import Database
from crm.job_runs import note_failure, recent_runs, settle_touches
from crm.models import Appointment
from crm.models.cadence import CadencePlan
from crm.routing import owed
from ops.clock import FixedClock
from scheduler import reminders, resume
from scheduler.digest import write_digests
from tests.conftest import TestDatabase, World
from tests.integration.cadence_rows import start
from tests.integration.calendar_help import local
from tests.integration.talking import change
from tests.integration.visit_help import Visits, visiting

THURSDAY = local(3, 14, month=12)
MORNING = local(24, 8, 5)


class Broken(Exception):
    """Something nobody thought of."""


@pytest.fixture
def visits(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World, db: Database
) -> Iterator[Visits]:
    with visiting(test_database, redis_url, clock, world) as made:
        yield made


def _owed(visits: Visits, job: str) -> int:
    with visits.db.system() as session:
        return sum(row.job == job for row in owed(session, visits.clock.now()))


def test_the_others_get_their_morning_message(visits: Visits, world: World) -> None:
    visits.clock.moment = MORNING
    for shop in (world.north, world.south):
        change(visits.db, shop, "update leads set created_at = :at", at=MORNING - timedelta(hours=20))
    change(visits.db, world.north, "update tenants set settings = '{\"of_a_later_version\": 1}'")
    assert write_digests(visits.runtime, visits.clock.now()) == 1
    with visits.db.tenant(world.north.tenant_id) as session:
        (failed,) = recent_runs(session, failed=True)
    assert (failed.job, failed.tries) == ("digest", 1)
    with visits.db.tenant(world.south.tenant_id) as session:
        assert recent_runs(session, failed=True) == []


def test_a_plan_that_cannot_be_read_leaves_the_one_that_ships(visits: Visits) -> None:
    with visits.db.tenant(visits.shop.tenant_id) as session:
        session.add(
            CadencePlan(
                tenant_id=visits.shop.tenant_id, name="reminders", version=1, body={"steps": "none"}, author="Sam",
                note="",
            )
        )  # fmt: skip
    number = visits.books(THURSDAY)
    assert [one.template for one in visits.plans(number)] == ["confirmation", "reminder_48h", "reminder_3h"]


def test_a_visit_that_cannot_be_planned_is_looked_at_again_in_an_hour(
    visits: Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise Broken

    number = visits.books(THURSDAY, work=False)
    with monkeypatch.context() as patch:
        patch.setattr(reminders, "_plan", broken)
        with pytest.raises(Broken):
            visits.plan()
    assert _owed(visits, "remind") == 0
    visits.clock.advance(timedelta(hours=1))
    visits.work()
    assert len(visits.plans(number)) == 3
    with visits.db.tenant(visits.shop.tenant_id) as session:
        assert session.scalars(select(Appointment.remind_due_at)).all() == [None]


def test_a_run_that_cannot_be_taken_up_is_looked_at_again_in_hours(
    visits: Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise Broken

    now = visits.clock.now()
    start(visits.db, visits.shop, now)
    change(visits.db, visits.shop, "update touch_points set status = 'paused', resume_at = :at", at=now)
    assert _owed(visits, "resume") == 1
    monkeypatch.setattr(resume, "_judge", broken)
    with visits.db.system() as session:
        (row,) = [one for one in owed(session, now) if one.job == "resume"]
    with pytest.raises(Broken):
        resume.resume_lead(visits.runtime, visits.shop.tenant_id, int(row.row_id))
    assert _owed(visits, "resume") == 0, "all rows of the run wait"
    visits.clock.advance(resume.LOOK_AGAIN)
    assert _owed(visits, "resume") == 1


@pytest.mark.parametrize(("status", "left"), [("written", 0), ("skipped", 0), ("planned", 1), ("claimed", 1)])
def test_a_touch_that_went_well_in_the_end_has_not_failed(
    visits: Visits, world: World, status: str, left: int
) -> None:
    now = visits.clock.now()
    touch_id = start(visits.db, visits.shop, now)[0]
    with visits.db.tenant(visits.shop.tenant_id) as session:
        note_failure(session, "touch", visits.shop.tenant_id, str(touch_id), now, now, Broken())
        note_failure(session, "answer", visits.shop.tenant_id, "not a number", now, now, Broken())
    change(visits.db, visits.shop, "update touch_points set status = :status", status=status)
    with visits.db.tenant(world.south.tenant_id) as session:
        assert settle_touches(session, now) == 0, "another business's"
    with visits.db.tenant(visits.shop.tenant_id) as session:
        assert settle_touches(session, now) == 1 - left
    with visits.db.tenant(visits.shop.tenant_id) as session:
        failed = {one.job for one in recent_runs(session, failed=True)}
    assert failed == ({"touch", "answer"} if left else {"answer"})
