"""The calendar against a brute-force oracle, on real PostgreSQL, over the weeks in which the clocks change.

In `make test` the examples are the same in every run; `make fuzz-calendar` (CALENDAR_EXAMPLES=400) draws new ones.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import Engine

from crm.db import Database
from tests.integration.calendar_machine import CalendarMachine
from tests.integration.calendar_shops import CHANGES

EXAMPLES = int(os.environ.get("CALENDAR_EXAMPLES", "0"))
PROFILE = settings(
    max_examples=EXAMPLES or 6,
    stateful_step_count=20,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    print_blob=True,
    # Shrinking takes minutes; the fuzzing run has them.
    phases=(Phase.generate, Phase.shrink) if EXAMPLES else (Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.timeout(0 if EXAMPLES else 300)
@pytest.mark.parametrize("zone", CHANGES)
def test_the_calendar_keeps_its_rules(db: Database, owner_engine: Engine, zone: str) -> None:
    """Each zone has its examples: a shop, a week, and twenty things that happen there."""
    run_state_machine_as_test(lambda: CalendarMachine(db, owner_engine, zone), settings=PROFILE)
