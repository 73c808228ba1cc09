"""`leads templates`: what a carrier filtered, and lifting it in somebody's name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from click.testing import Result

from crm.db import Database
from crm.models import ChatMessage, TemplateBlock
from crm.template_blocks import block, first_alert_today
from ops.clock import FixedClock
from tests.conftest import TestDatabase, World
from tests.integration.calendar_commands_help import refused, running
from tests.integration.talking import put, rows

Run = Callable[..., Result]


@pytest.fixture
def run(test_database: TestDatabase, clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    yield from running(test_database, clock, monkeypatch)


def test_a_block_is_listed_and_lifted_by_name(
    run: Run, db: Database, world: World, clock: FixedClock
) -> None:
    assert run("templates", "list", "--blocked", "--tenant", "north").output == "Nothing is blocked.\n"
    message_id = put(db, world.north, clock.now())
    with db.tenant(world.north.tenant_id) as session:
        message = session.get_one(ChatMessage, message_id)
        assert block(session, message, "two_times", "filtered (error 30007)", clock.now())
        assert not block(session, message, "two_times", "again", clock.now())
        assert first_alert_today(session, message, "20003", "credentials", clock.now())
        assert not first_alert_today(session, message, "20003", "credentials", clock.now())
    assert run("templates", "list", "--blocked", "--tenant", "north").output.splitlines()[1].split() == [
        "two_times", "sms", "2026-11-23", "15:00", "UTC", "filtered", "(error", "30007)",
    ]  # fmt: skip
    (row,) = json.loads(run("templates", "list", "--blocked", "--tenant", "north", "--json").output)
    assert (row["name"], row["channel"], row["message"]) == ("two_times", "sms", message_id)
    assert run("templates", "list", "--blocked", "--tenant", "south").output == "Nothing is blocked.\n"
    assert run("templates", "unblock", "two_times", "--tenant", "north", "--who", "Sam").exit_code == 0
    assert run("templates", "list", "--blocked", "--tenant", "north").output == "Nothing is blocked.\n"
    lifted = rows(db, world.north, TemplateBlock, TemplateBlock.template == "two_times")
    assert [(one.lifted_by, one.lifted_at) for one in lifted] == [("Sam", clock.now())]


def test_what_cannot_be_lifted_is_refused(run: Run, world: World) -> None:
    said = refused(run, "templates", "unblock", "hello", "--tenant", "north", "--who", "Sam")
    assert "hello is not blocked; blocked: nothing" in said
    assert "--who" in run("templates", "unblock", "hello", "--tenant", "north").output
    assert "--who" in refused(run, "templates", "unblock", "hello", "--tenant", "north", "--who", " ")
