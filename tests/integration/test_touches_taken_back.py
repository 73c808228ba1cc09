"""What was written for a lead and waits for its hour: it is dropped when the cadence ends, and when a person pauses it or
leaves the step out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from click.testing import CliRunner

from cli.main import leads
from crm.db import Database
from crm.models import ChatMessage, TouchPoint
from crm.touch_changes import ChangeRefused, pause_cadence, skip_step
from crm.touches import FOLLOW_UP, halt_touches
from ops.clock import FixedClock
from ops.settings import get_settings
from scheduler.dispatch import write_touch
from tests.conftest import Shop, TestDatabase, World
from tests.integration.cadence_rows import start, touch
from tests.integration.talking import change, rows

NIGHT = timedelta(hours=14)


@pytest.fixture
def written(db: Database, world: World, clock: FixedClock) -> list[int]:
    """The touches of a cadence, of which the first was written in the night and waits in the outbox."""
    clock.advance(NIGHT)
    ids = start(db, world.north, clock.now())
    assert write_touch(db, world.north.tenant_id, ids[0], clock) is not None
    return ids


def message(db: Database, shop: Shop) -> ChatMessage:
    (found,) = rows(db, shop, ChatMessage)
    return found


def halt(db: Database, shop: Shop, status: str, clock: FixedClock, **more: bool) -> int:
    with db.tenant(shop.tenant_id) as s:
        return halt_touches(s, shop.lead_id, status, "it is over", now=clock.now(), **more)  # type: ignore[arg-type]


def test_the_end_drops_what_waits(db: Database, world: World, clock: FixedClock, written: list[int]) -> None:
    assert halt(db, world.north, "ended", clock) == 12, "the written one is no touch that was to come"
    found = message(db, world.north)
    assert (found.status, found.error, found.final_at) == ("dropped", "it is over", clock.now())
    assert touch(db, world.north, written[0]).status == "written"


@pytest.mark.parametrize("status", ["paused", "elsewhere", "claimed", "sent", "a date", "a reminder"])
def test_only_what_waits_of_what_ends(
    db: Database, world: World, clock: FixedClock, written: list[int], status: str
) -> None:
    """A pause leaves it to the gate; another lead's, what a sender has, and what stays planned stay."""
    statement = {
        "claimed": "update chat_messages set claim_token = gen_random_uuid()",
        "sent": "update chat_messages set status = 'sent'",
        "a date": f"update touch_points set plan = '{FOLLOW_UP}' where status = 'written'",
        "a reminder": "update touch_points set kind = 'reminder' where status = 'written'",
    }.get(status, "select 1")
    change(db, world.north, statement)
    shop = world.south if status == "elsewhere" else world.north
    more = {"follow_ups": False} if status == "a date" else {}
    halt(db, shop, "paused" if status == "paused" else "ended", clock, **more)
    assert message(db, world.north).status == ("sent" if status == "sent" else "pending")


def test_the_owner_says_that_it_is_lost(
    test_database: TestDatabase,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    db: Database,
    world: World,
    clock: FixedClock,
    written: list[int],
) -> None:
    monkeypatch.setenv("DATABASE_URL", test_database.app_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("TENANT_ID", "north")
    monkeypatch.setattr("cli.context.clock_of", lambda _: clock)
    get_settings.cache_clear()
    done = CliRunner().invoke(leads, ["state", str(world.north.lead_id), "lost", "--why", "spam"])
    get_settings.cache_clear()
    assert done.exit_code == 0, done.output
    assert (message(db, world.north).status, message(db, world.north).final_at) == ("dropped", clock.now())


def test_a_person_pauses_the_last_one_that_waits(
    db: Database, world: World, clock: FixedClock, written: list[int]
) -> None:
    change(db, world.north, "update touch_points set status = 'skipped' where step > 1")
    with db.tenant(world.north.tenant_id) as s:
        done = pause_cadence(s, world.north.lead_id, who="Sam", why="they called", now=clock.now())
    assert (done.touches, done.dropped) == (0, 1)
    found = message(db, world.north)
    assert (found.status, found.error) == ("dropped", "the cadence was paused by Sam: they called")
    with db.tenant(world.north.tenant_id) as s, pytest.raises(ChangeRefused, match="no cadence that goes on"):
        pause_cadence(s, world.north.lead_id, who="Sam", why="again", now=clock.now())


def test_a_person_leaves_out_a_step_that_waits(
    db: Database, world: World, clock: FixedClock, written: list[int]
) -> None:
    with db.tenant(world.north.tenant_id) as s:
        skip_step(s, world.north.lead_id, 1, run=None, who="Sam", why="they called", now=clock.now())
    found, row = message(db, world.north), touch(db, world.north, written[0])
    assert (found.status, found.error) == ("dropped", "the step was skipped by Sam: they called")
    assert (row.status, row.reason, row.message_id) == ("skipped", "skipped by Sam: they called", found.id)
    assert {r.status for r in rows(db, world.north, TouchPoint) if r.step > 1} == {"planned"}


def test_what_a_sender_has_is_not_left_out(
    db: Database, world: World, clock: FixedClock, written: list[int]
) -> None:
    change(db, world.north, "update chat_messages set claim_token = gen_random_uuid(), status = 'sending'")
    with db.tenant(world.north.tenant_id) as s, pytest.raises(ChangeRefused, match="which is sending"):
        skip_step(s, world.north.lead_id, 1, run=None, who="Sam", why="they called", now=clock.now())
    assert touch(db, world.north, written[0]).status == "written"
