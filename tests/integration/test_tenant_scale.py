"""The commands at a size that grows: none asks the database once for each location, business or lead."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from click.testing import Result
from sqlalchemy import Engine, event

from crm.db import Database
from ops.clock import FixedClock
from tests.conftest import TestDatabase
from tests.integration.calendar_commands_help import running
from tests.integration.tenant_file_help import Applier
from tests.runtimes import KEY
from tests.scale.fill import fill
from tests.scale.shops import phone, tenant_file
from tests.scale.two_hundred import commands

Run = Callable[..., Result]
SMALL, LARGE = 3, 12
LEADS = 4


@pytest.fixture
def run(test_database: TestDatabase, clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setenv("ENCRYPTION_KEY", KEY)
    monkeypatch.setattr("cli.tenant.clock_of", lambda settings: clock)
    yield from running(test_database, clock, monkeypatch)


def asked(run: Run, words: tuple[str, ...]) -> list[str]:
    """The statements that a command sends."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        result = run(*words)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert result.exit_code == 0, (words, result.output, result.exception)
    assert result.stdout.strip(), words
    return found


@pytest.mark.parametrize("shape", ["locations", "tenants"])
def test_no_command_asks_more_when_there_is_more(
    run: Run, db: Database, clock: FixedClock, test_database: TestDatabase, shape: Any
) -> None:
    counts: list[dict[str, int]] = []
    names = [words for words in commands(shape, SMALL, LEADS) if words != ("--help",)]
    for many in (SMALL, LARGE):
        files = Applier(db, clock, {"SCALE_CRM_KEY": "a-key"})
        files.apply(tenant_file(shape, many))
        fill(test_database.owner_url, LEADS, clock.now(), days=3, again=many == LARGE)
        counts.append({" ".join(words): len(asked(run, words)) for words in names})
    assert counts[0] == counts[1]
    assert max(counts[1].values()) <= 30, counts[1]


def test_both_shapes_are_files_that_apply_to_nothing_afterwards(db: Database, clock: FixedClock) -> None:
    files = Applier(db, clock, {"SCALE_CRM_KEY": "a-key"})
    body = tenant_file("locations", LARGE)
    files.apply(body)
    assert files.plan(body).differences == ()
    exported = files.export("big")
    assert files.plan(exported).differences == ()
    assert len(yaml.safe_load(exported)["locations"]) == LARGE
    # What all have alike stands once, so a location is a dozen lines.
    assert exported.count("tint-full-sedan-ceramic") == 1
    renamed = tenant_file("tenants", SMALL).replace("@mail.big", "@mail.small")
    for number in range(SMALL):
        renamed = renamed.replace(phone(number), phone(number + LARGE))
    plans = files.apply(renamed)
    assert [plan.slug for plan in plans] == ["shop-000", "shop-001", "shop-002"]
    assert all(plan.is_new for plan in plans)


def test_the_numbers_of_two_hundred_locations_are_two_hundred() -> None:
    numbers = {phone(number) for number in range(200)}
    assert len(numbers) == 200
    assert all(re.fullmatch(r"\+1\d{10}", one) for one in numbers)
