"""Two touches on one channel keep their distance, counted from the moment at which the earlier one really left."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from crm.db import Database
from ops.clock import FixedClock
from scheduler.dispatch import write_touch
from tests.conftest import World
from tests.integration.cadence_rows import change, messages, start, touch


def _first_two_texts(db: Database, world: World, clock: FixedClock) -> tuple[int, int]:
    """The first text is written now, the one after it is due four hours later; the mail between them is left out."""
    ids = start(db, world.north, clock.now())
    assert write_touch(db, world.north.tenant_id, ids[0], clock) is not None
    change(db, world.north, "update touch_points set status = 'skipped' where step = 2")
    clock.moment = touch(db, world.north, ids[2]).due_at
    return ids[0], ids[2]


def _sent(db: Database, world: World, at: datetime) -> None:
    change(
        db, world.north, "update chat_messages set status = 'sent', sent_at = :at, send_after = null", at=at
    )


@pytest.mark.parametrize("status", ["pending", "sending", "unknown"])
def test_the_next_one_waits_while_the_one_before_has_not_left(
    db: Database, world: World, clock: FixedClock, status: str
) -> None:
    _, third = _first_two_texts(db, world, clock)
    change(db, world.north, "update chat_messages set status = :status", status=status)
    assert write_touch(db, world.north.tenant_id, third, clock) is None
    row = touch(db, world.north, third)
    assert (row.status, row.due_at) == ("planned", clock.now() + timedelta(minutes=15))
    _sent(db, world, clock.now())
    clock.moment = row.due_at
    assert write_touch(db, world.north.tenant_id, third, clock) is None
    assert touch(db, world.north, third).reason == "too soon after the text before it"
    assert len(messages(db, world.north)) == 1


def test_it_waits_until_the_one_before_may_leave(db: Database, world: World, clock: FixedClock) -> None:
    _, third = _first_two_texts(db, world, clock)
    opens = clock.now() + timedelta(hours=2)
    change(db, world.north, "update chat_messages set send_after = :at", at=opens)
    assert write_touch(db, world.north.tenant_id, third, clock) is None
    assert touch(db, world.north, third).due_at == opens


@pytest.mark.parametrize(("before", "written"), [(2, False), (4, True)])
def test_what_left_late_counts_from_then(
    db: Database, world: World, clock: FixedClock, before: int, written: bool
) -> None:
    _, third = _first_two_texts(db, world, clock)
    _sent(db, world, clock.now() - timedelta(hours=before))
    assert (write_touch(db, world.north.tenant_id, third, clock) is not None) == written


@pytest.mark.parametrize("status", ["withheld", "dropped", "failed"])
def test_what_never_left_keeps_nobody_waiting(
    db: Database, world: World, clock: FixedClock, status: str
) -> None:
    _, third = _first_two_texts(db, world, clock)
    change(
        db, world.north, "update chat_messages set status = :status, error = 'why not', created_at = :at",
        status=status, at=clock.now(),
    )  # fmt: skip
    assert write_touch(db, world.north.tenant_id, third, clock) is not None
