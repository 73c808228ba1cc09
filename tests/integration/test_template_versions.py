"""Own words of a business: stored in versions, used at once, seen by nobody else, and never in the way of a touch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import event

from channels.templates import own_templates
from crm.db import Database
from crm.models import ChatMessage, ChatSession, Lead, Location, TemplateVersion, TouchPoint
from crm.template_versions import UnchangedTemplate, add_template
from ops.clock import FixedClock
from scheduler import wording
from scheduler.touch_text import words_of
from tests.conftest import Shop, TestDatabase, World
from tests.integration.cadence_rows import start, wish
from tests.integration.calendar_commands_help import refused, running
from tests.integration.talking import rows

Run = Callable[..., Result]
KEY = ("hello", "sms", "en")
GOOD = "{{ hi }}, it is {{ assistant }} of {{ shop.name }}. What can we do? Reply STOP to opt out"


@pytest.fixture
def run(test_database: TestDatabase, clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    yield from running(test_database, clock, monkeypatch)


def store(db: Database, shop: Shop, body: str | None, clock: FixedClock) -> int:
    with db.tenant(shop.tenant_id) as session:
        return add_template(session, shop.tenant_id, KEY, body, "Sam", clock.now())


def said(db: Database, shop: Shop, touch_id: int, clock: FixedClock) -> str:
    """What the touch says now."""
    with db.tenant(shop.tenant_id) as session:
        touch = session.get_one(TouchPoint, touch_id)
        lead = session.get_one(Lead, touch.lead_id)
        chat, place = (
            session.get_one(ChatSession, touch.session_id),
            session.get_one(Location, lead.location_id),
        )
        variables = wording.variables_for(session, lead, place, [], [], None)
        return words_of(session, touch, chat, lead, place, "sms", variables, clock.now()).body


def test_own_words_are_used_at_once_and_only_by_their_owner(
    db: Database, world: World, clock: FixedClock
) -> None:
    north, south = (start(db, shop, clock.now())[0] for shop in (world.north, world.south))
    ours = said(db, world.north, north, clock)
    assert store(db, world.north, GOOD, clock) == 1
    assert "What can we do?" in said(db, world.north, north, clock)
    assert "What can we do?" not in said(db, world.south, south, clock)
    assert store(db, world.north, GOOD.replace("can", "may"), clock) == 2
    assert "What may we do?" in said(db, world.north, north, clock)
    assert store(db, world.north, None, clock) == 3
    assert said(db, world.north, north, clock) == ours
    with pytest.raises(UnchangedTemplate):
        store(db, world.north, None, clock)
    assert [row.body is None for row in rows(db, world.north, TemplateVersion)] == [False, False, True]


def test_unchanged_templates_are_read_once(db: Database, world: World, clock: FixedClock) -> None:
    store(db, world.north, GOOD, clock)
    asked: list[str] = []
    with db.tenant(world.north.tenant_id) as session:
        first = own_templates(session, world.north.tenant_id)
        event.listen(session.get_bind(), "before_cursor_execute", lambda *a: asked.append(str(a[2])))
        assert own_templates(session, world.north.tenant_id) is first
        assert len([one for one in asked if "template_versions" in one]) == 1


def test_broken_words_are_passed_over_and_the_shop_is_told_once(
    db: Database, world: World, clock: FixedClock
) -> None:
    touch_id = start(db, world.north, clock.now())[0]
    ours = said(db, world.north, touch_id, clock)
    # As if it had been stored by a check that knew less.
    store(db, world.north, "{{ hi }} {{ the_price }}", clock)
    assert [said(db, world.north, touch_id, clock) for _ in range(3)] == [ours] * 3
    notices = rows(db, world.north, ChatMessage, ChatMessage.kind == "notice")
    assert len(notices) == 1
    assert "the_price" in notices[0].body
    assert "leads templates check hello --channel sms --language en" in notices[0].body


def test_the_commands(run: Run, db: Database, world: World, tmp_path: Path) -> None:
    file = tmp_path / "hello.j2"
    on = ("--tenant", "north")
    shipped = run("templates", "show", "hello", *on)
    assert '{% include "_open.sms.j2" %}' in shipped.stdout
    file.write_text(GOOD.replace("Reply STOP to opt out", ""), encoding="utf-8")
    refusal = run("templates", "edit", "hello", "--file", str(file), *on)
    assert refusal.exit_code == 2
    assert "how to stop" in refusal.stderr
    assert rows(db, world.north, TemplateVersion) == []
    assert run("templates", "check", "hello", "--file", str(file), *on).exit_code == 1
    file.write_text(GOOD, encoding="utf-8")
    assert "version 1" in run("templates", "edit", "hello", "--file", str(file), "--by", "Sam", *on).output
    assert (
        "same already" in refused(run, "templates", "edit", "hello", "--file", str(file), *on)
        or "used already"
    )
    assert "What can we do?" in run("templates", "preview", "hello", *on).stdout
    real = run("templates", "preview", "hello", "--lead", str(world.north.lead_id), *on)
    assert "What can we do?" in real.stdout
    assert "Sam" in run("templates", "history", *on).stdout
    listed = run("templates", "list", *on).stdout
    assert [line.split()[:5] for line in listed.splitlines() if "version" in line] == [
        ["hello", "sms", "en", "version", "1"]
    ]
    assert "used again" in run("templates", "reset", "hello", *on).output
    assert run("templates", "show", "hello", *on).stdout == shipped.stdout
    assert GOOD in run("templates", "show", "hello", "--version", "1", *on).stdout
    assert "no version 9" in refused(run, "templates", "show", "hello", "--version", "9", *on)
    assert "there is no template" in refused(run, "templates", "show", "nothing", *on)


def test_all_templates_and_all_leads_are_in_order(run: Run, db: Database, world: World) -> None:
    wish(db, world.north, "full ceramic tint on all windows and the windshield, please, as dark as you may")
    assert run("templates", "check", "--tenant", "north").output == "nothing found\n"
    leads = run("templates", "check", "--all-leads", "--tenant", "north")
    assert leads.exit_code == 0, leads.output
    assert leads.stdout.splitlines()[-1].endswith("leads")
    longest = [line.split() for line in leads.stdout.splitlines()[1:-1]]
    assert all(0 < int(row[1]) <= 306 and int(row[2]) <= 2 for row in longest)


def test_the_variables_are_told(run: Run) -> None:
    told = run("templates", "variables").stdout
    for name in ("first_name", "shop.address", "times", "unsubscribe"):
        assert name in told
