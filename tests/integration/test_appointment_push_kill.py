"""kill -9 of a real process between Shopmonkey's acceptance and our commit: one entry, found by our id."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm.calendar.sync import our_id
from crm.db import Database
from ops.clock import FixedClock
from scheduler.push_work import CLAIM
from tests.conftest import TestDatabase, World
from tests.integration.calendar_help import local
from tests.integration.push_help import NINE, Site, connected_site

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]
PUSH = """
import sys
from dataclasses import replace
from datetime import datetime
from ops.clock import FixedClock
from scheduler.appointment_push import push_appointment
from scheduler.runtime import build_runtime
from tests.conftest import TestDatabase
from tests.runtimes import settings_for
app_url, redis_url, now, tenant_id, number = sys.argv[1:]
runtime = build_runtime(settings_for(TestDatabase("", app_url), redis_url))
runtime = replace(runtime, clock=FixedClock(datetime.fromisoformat(now)))
print(push_appointment(runtime, int(tenant_id), int(number)))
"""


@pytest.fixture
def site(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, db: Database, world: World
) -> Iterator[Site]:
    with connected_site(test_database, redis_url, clock, db, world) as made:
        yield made


def a_worker(site: Site, database: TestDatabase, redis_url: str, number: int) -> subprocess.Popen[str]:
    """Another process that runs the job."""
    given = (database.app_url, redis_url, site.clock.now().isoformat(), site.shop.tenant_id, number)
    command = [sys.executable, "-c", PUSH, *(str(each) for each in given)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def until_taken(site: Site, count: int) -> None:
    """Until Shopmonkey has made so many entries."""
    pause = threading.Event()
    for _ in range(1200):
        if len(site.shopmonkey.rows("appointment")) >= count:
            return
        pause.wait(0.05)
    raise AssertionError("no entry was made")


@pytest.mark.parametrize("meanwhile", ["nothing", "moved", "cancelled"])
def test_one_entry_however_the_worker_ends(
    site: Site, test_database: TestDatabase, redis_url: str, meanwhile: str
) -> None:
    number = site.book()
    site.shopmonkey.hold()
    worker = a_worker(site, test_database, redis_url, number)
    try:
        until_taken(site, 1)
    finally:
        worker.kill()
        worker.communicate(timeout=30)
    site.shopmonkey.release()
    row = site.row(number)
    assert (row.external_id, row.sync_asked_at) == (None, site.clock.now())
    assert site.owed() == [], "the dead worker's claim still holds"
    if meanwhile == "moved":
        site.move(local(30, 9))
    if meanwhile == "cancelled":
        site.cancel(number)
    site.clock.advance(CLAIM * 2)
    assert site.owed() == [number]
    assert site.push(number) == {"nothing": "found", "moved": "moved", "cancelled": "cancelled"}[meanwhile]
    expected = {"nothing": [NINE], "moved": [local(30, 9)], "cancelled": []}[meanwhile]
    assert (site.starts(), site.posts(), site.owed()) == (expected, 1, [])
    (entry,) = site.shopmonkey.rows("appointment")
    assert our_id(site.row(number)) in entry["note"]


def test_two_processes_at_once(site: Site, test_database: TestDatabase, redis_url: str) -> None:
    number = site.book()
    workers = [a_worker(site, test_database, redis_url, number) for _ in range(2)]
    said = sorted(worker.communicate(timeout=60)[0].splitlines()[-1] for worker in workers)
    assert said == ["created", "not due"]
    assert site.posts() == 1
