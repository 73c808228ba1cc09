"""Several touches due at once: what will be skipped itself takes the place of no other one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from crm.db import Database
from crm.models import ChatMessage, TouchPoint
from crm.template_blocks import block
from ops.clock import FixedClock
from scheduler.dispatch import write_touch
from tests.conftest import Shop, World
from tests.integration.cadence_rows import start, touch
from tests.integration.talking import change, put, rows


@pytest.fixture
def ids(db: Database, world: World, clock: FixedClock) -> list[int]:
    """Steps 4 (a text) and 6 (a text with times) are due at noon; the first day is over."""
    made = start(db, world.north, clock.now())
    clock.advance(timedelta(hours=3))
    change(db, world.north, "update touch_points set status = 'skipped' where step < 4")
    change(db, world.north, "update touch_points set due_at = :at where step in (4, 6)", at=clock.now())
    return made


def stop_step(db: Database, shop: Shop, clock: FixedClock, name: str) -> None:
    """Too many of those who got it said stop."""
    message_id = put(db, shop, clock.now(), kind="reply")
    with db.tenant(shop.tenant_id) as session:
        assert block(
            session, session.get_one(ChatMessage, message_id), name, "harm", clock.now(), channel="sms"
        )


def texts(db: Database, shop: Shop) -> list[int | None]:
    return [row.touch_point_id for row in rows(db, shop, ChatMessage, ChatMessage.kind == "touch")]


def both(db: Database, shop: Shop, ids: list[int], clock: FixedClock) -> list[bool]:
    return [write_touch(db, shop.tenant_id, one, clock) is not None for one in (ids[3], ids[5])]


def test_the_newer_one_goes(db: Database, world: World, clock: FixedClock, ids: list[int]) -> None:
    assert both(db, world.north, ids, clock) == [False, True]
    assert texts(db, world.north) == [ids[5]]


def test_a_stopped_step_takes_nobodys_place(
    db: Database, world: World, clock: FixedClock, ids: list[int]
) -> None:
    stop_step(db, world.north, clock, "step:default:6:sms")
    assert both(db, world.north, ids, clock) == [True, False]
    assert texts(db, world.north) == [ids[3]]
    assert touch(db, world.north, ids[5]).reason == "this step is stopped: harm"


def test_nor_does_one_whose_grace_is_over(
    db: Database, world: World, clock: FixedClock, ids: list[int]
) -> None:
    change(
        db,
        world.north,
        "update touch_points set due_at = :at where step = 6",
        at=clock.now() - timedelta(hours=7),
    )
    assert both(db, world.north, ids, clock) == [True, False]
    assert (touch(db, world.north, ids[5]).reason or "").startswith("too late")


def test_nor_a_first_one_that_will_not_go(
    db: Database, world: World, clock: FixedClock, ids: list[int]
) -> None:
    """The others keep their distance to an introduction only if there is one."""
    change(db, world.north, "update touch_points set status = 'planned', due_at = :at where step = 1",
           at=clock.now() - timedelta(hours=25))  # fmt: skip
    assert both(db, world.north, ids, clock) == [False, True]
    assert texts(db, world.north) == [ids[5]]


def test_nor_a_step_that_the_plan_no_longer_has(
    db: Database, world: World, clock: FixedClock, ids: list[int]
) -> None:
    change(db, world.north, "update touch_points set step = 40 where step = 6")
    assert both(db, world.north, ids, clock) == [True, False]
    (gone,) = rows(db, world.north, TouchPoint, TouchPoint.step == 40)
    assert gone.status == "skipped"
