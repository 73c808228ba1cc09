"""The calendar's commands against the test's database, at the test's time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result

from cli.main import leads
from ops.clock import FixedClock
from ops.settings import get_settings
from tests.conftest import TestDatabase


def local(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of November 2026 on Chicago's clock, in UTC."""
    return datetime(2026, 11, day, hour, minute, tzinfo=ZoneInfo("America/Chicago")).astimezone(UTC)


def running(
    test_database: TestDatabase, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Result]]:
    """For a fixture: hands out what runs a command against the test's database, at the test's time."""
    monkeypatch.setenv("DATABASE_URL", test_database.app_url)
    monkeypatch.delenv("TENANT_ID", raising=False)
    monkeypatch.setattr("cli.context.clock_of", lambda settings: clock)

    def run(*arguments: str) -> Result:
        get_settings.cache_clear()
        return CliRunner().invoke(leads, list(arguments))

    yield run
    get_settings.cache_clear()


def refused(run: Any, *arguments: str) -> str:
    """The one sentence with which a command refuses; asserts exit code 2."""
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("leads: ")
    return str(result.stderr)
