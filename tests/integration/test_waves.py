"""A wave takes each lead once, the newest first, so many a day, whatever crashes and however many work on it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from crm import lead_states
from crm.consents import record_consent
from crm.db import Database
from crm.models import Lead, TouchPoint, Wave
from crm.routing import owed
from crm.waves import WaveRefused, find_wave, pause_wave, resume_wave, stop_wave
from ops.clock import FixedClock
from scheduler import waves
from scheduler.runtime import Runtime
from scheduler.waves import wave
from tests.conftest import Shop, TestDatabase, World
from tests.integration.calendar_commands_help import local
from tests.integration.wave_help import begin, people, row, touched, turn
from tests.runtimes import runtime_for

MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> FixedClock:
    """Monday eleven in Chicago, inside the hours of touches."""
    return FixedClock(local(23, 11))


@pytest.fixture
def runtime(test_database: TestDatabase, redis_url: str, clock: FixedClock) -> Iterator[Runtime]:
    with runtime_for(test_database, redis_url, clock) as made:
        yield made


def test_a_wave_takes_one_after_the_other(
    db: Database, world: World, clock: FixedClock, runtime: Runtime
) -> None:
    ids = people(db, world.north, clock.now(), 3)
    people(db, world.south, clock.now(), 3)
    one = begin(db, world.north, clock.now())
    with db.system() as s:
        assert ("wave", world.north.tenant_id, str(one)) in [
            (o.job, o.tenant_id, o.row_id) for o in owed(s, clock.now())
        ]
    assert wave(runtime, world.south.tenant_id, str(one)).startswith("not due"), "another business's wave"
    assert turn(runtime, world.north, one, 2) == ["1 taken", "1 taken"]
    assert list(touched(db, world.north, one)) == [ids[2], ids[1]], "the newest first, one a minute"
    assert wave(runtime, world.north.tenant_id, str(one)) == "1 taken"
    assert wave(runtime, world.north.tenant_id, str(one)).startswith("not due")
    found = touched(db, world.north, one)
    assert {len(touches) for touches in found.values()} == {3}
    first = found[ids[2]]
    assert [(t.step, t.plan, t.cadence_run, t.status) for t in first] == [
        (step, "reactivation", 1, "planned") for step in (2, 3, 4)
    ]
    assert first[0].due_at == local(23, 11)
    assert len({touches[0].due_at for touches in found.values()}) == 3, "not all in one second"
    clock.advance(MINUTE)
    turn(runtime, world.north, one)
    kept = row(db, world.north, one)
    assert (kept.status, kept.taken, kept.before_lead_id) == ("running", 3, 0)
    assert kept.passed == {"heard from within 90 days": 1}, "the customer of the world is new"
    with db.tenant(world.south.tenant_id) as s:
        assert s.scalars(select(Wave)).all() == []
        assert s.scalars(select(TouchPoint)).all() == []


def test_so_many_a_day_and_only_in_the_hours(
    db: Database, world: World, clock: FixedClock, runtime: Runtime
) -> None:
    people(db, world.north, clock.now(), 9)
    clock.moment = local(23, 7)
    one = begin(db, world.north, clock.now(), per_day=4)
    days: dict[str, int] = {}
    for _ in range(3 * 48):
        turn(runtime, world.north, one, every=timedelta(minutes=30))
    for touches in touched(db, world.north, one).values():
        day = touches[0].created_at - timedelta(hours=6)
        days[f"{day:%a}"] = days.get(f"{day:%a}", 0) + 1
        assert 10 <= day.hour < 18
    assert days == {"Mon": 4, "Tue": 4, "Wed": 1}


def test_a_wave_ends_when_its_last_touch_has(
    db: Database, world: World, clock: FixedClock, runtime: Runtime
) -> None:
    people(db, world.north, clock.now(), 1)
    one = begin(db, world.north, clock.now())
    turn(runtime, world.north, one, 3)
    assert row(db, world.north, one).status == "running", "its touches go on, and somebody may say stop"
    with db.tenant(world.north.tenant_id) as s:
        for touch in s.scalars(select(TouchPoint)):
            touch.status = "skipped"
    clock.advance(timedelta(hours=1))
    turn(runtime, world.north, one)
    assert row(db, world.north, one).status == "done"
    clock.advance(timedelta(hours=1))
    assert turn(runtime, world.north, one) == ["not due, or another worker has it"]


@pytest.mark.parametrize("workers", [2, 6])
def test_many_workers_take_each_lead_once(
    db: Database, world: World, clock: FixedClock, runtime: Runtime, workers: int
) -> None:
    ids = people(db, world.north, clock.now(), 5)
    one = begin(db, world.north, clock.now())
    for _ in range(8):
        with ThreadPoolExecutor(workers) as pool:
            said = list(pool.map(lambda _: wave(runtime, world.north.tenant_id, str(one)), range(workers)))
        assert said.count("1 taken") <= 1
        clock.advance(MINUTE)
    found = touched(db, world.north, one)
    assert sorted(found) == sorted(ids)
    assert {len(touches) for touches in found.values()} == {3}
    assert row(db, world.north, one).taken == 5


@pytest.mark.parametrize("where", ["start_cadence", "_let_go", "open_session"])
def test_a_crash_repeats_and_forgets_nobody(
    db: Database,
    world: World,
    clock: FixedClock,
    runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    ids = people(db, world.north, clock.now(), 4)
    one = begin(db, world.north, clock.now())
    real, calls = getattr(waves, where), 0

    def dies_at_the_second(*given: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            if where == "start_cadence":
                real(*given, **more)
            raise RuntimeError("killed")
        return real(*given, **more)

    monkeypatch.setattr(waves, where, dies_at_the_second)
    turn(runtime, world.north, one)
    with pytest.raises(RuntimeError, match="killed"):
        turn(runtime, world.north, one)
    assert turn(runtime, world.north, one) == ["not due, or another worker has it"], "not again at every tick"
    clock.advance(timedelta(minutes=16))
    turn(runtime, world.north, one, 6)
    found = touched(db, world.north, one)
    assert sorted(found) == sorted(ids)
    assert {len(touches) for touches in found.values()} == {3}
    assert row(db, world.north, one).taken == 4


def test_a_killed_workers_claim_runs_out(
    db: Database, world: World, clock: FixedClock, runtime: Runtime
) -> None:
    people(db, world.north, clock.now(), 2)
    one = begin(db, world.north, clock.now())
    with db.tenant(world.north.tenant_id) as s:
        kept = s.get_one(Wave, one)
        kept.claimed_until = clock.now() + MINUTE
    assert turn(runtime, world.north, one, every=timedelta(seconds=61))[0].startswith("not due")
    assert turn(runtime, world.north, one) == ["1 taken"]


def test_a_paused_wave_takes_nobody_and_goes_on(
    db: Database, world: World, clock: FixedClock, runtime: Runtime
) -> None:
    people(db, world.north, clock.now(), 3)
    one = begin(db, world.north, clock.now())
    turn(runtime, world.north, one)
    with db.tenant(world.north.tenant_id) as s:
        pause_wave(find_wave(s, world.north.tenant_id, "spring", lock=True), "Sam")
    assert turn(runtime, world.north, one, 3) == ["not due, or another worker has it"] * 3
    (touches,) = touched(db, world.north, one).values()
    assert {t.status for t in touches} == {"planned"}, "who was taken gets the rest"
    with db.tenant(world.north.tenant_id) as s:
        found = find_wave(s, world.north.tenant_id, "spring", lock=True)
        assert found.reason == "paused by Sam"
        resume_wave(found, clock.now())
    turn(runtime, world.north, one, 3)
    assert row(db, world.north, one).taken == 3


def before_the_second_lead(monkeypatch: pytest.MonkeyPatch, deed: Callable[[], None]) -> None:
    """While a worker takes several leads, something is committed between its first and its second one."""
    real, calls = waves._mine, 0

    def looked_at(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            deed()
        return real(*given)

    monkeypatch.setattr(waves, "_mine", looked_at)


def test_a_stop_in_the_middle_ends_all_of_it(
    db: Database, world: World, clock: FixedClock, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    people(db, world.north, clock.now(), 9)
    one = begin(db, world.north, clock.now(), per_day=4800)
    turn(runtime, world.north, one)
    before_the_second_lead(monkeypatch, lambda: _stop(db, world.north, clock))
    assert turn(runtime, world.north, one) == ["1 taken"]
    kept = row(db, world.north, one)
    assert (kept.status, kept.reason, kept.taken) == ("stopped", "stopped by Sam", 2)
    clock.advance(timedelta(hours=1))
    assert turn(runtime, world.north, one)[0].startswith("not due")
    for touches in touched(db, world.north, one).values():
        assert {(t.status, t.reason) for t in touches} == {("ended", "the wave spring was stopped")}
    with db.tenant(world.north.tenant_id) as s, pytest.raises(WaveRefused, match="over"):
        stop_wave(s, find_wave(s, world.north.tenant_id, "spring"), "again", clock.now())


def test_a_worker_whose_claim_another_one_has_takes_nobody_more(
    db: Database, world: World, clock: FixedClock, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    people(db, world.north, clock.now(), 9)
    one = begin(db, world.north, clock.now(), per_day=4800)
    turn(runtime, world.north, one)
    theirs = uuid.uuid4()

    def claimed_by_another() -> None:
        with db.tenant(world.north.tenant_id) as s:
            s.get_one(Wave, one).claim_token = theirs

    before_the_second_lead(monkeypatch, claimed_by_another)
    assert turn(runtime, world.north, one) == ["1 taken"]
    assert row(db, world.north, one).claim_token == theirs, "it is theirs to let go"


def test_what_changed_since_the_list_was_read_counts(
    db: Database, world: World, clock: FixedClock, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    people(db, world.north, clock.now(), 1, email=None)
    one = begin(db, world.north, clock.now())
    real = lead_states.locked

    def said_stop_just_now(session: Any, lead_id: int) -> Any:
        with db.tenant(world.north.tenant_id) as s:
            record_consent(
                s, tenant_id=world.north.tenant_id, channel="sms", address=str(s.get_one(Lead, lead_id).phone),
                action="revoke", actor="customer", source="wrote by sms", evidence="STOP", effective_at=clock.now(),
                carrier_knows=True,
            )  # fmt: skip
        return real(session, lead_id)

    monkeypatch.setattr(waves, "locked", said_stop_just_now)
    turn(runtime, world.north, one)
    assert touched(db, world.north, one) == {}
    assert row(db, world.north, one).passed["said stop"] == 1


def _stop(db: Database, shop: Shop, clock: FixedClock) -> None:
    with db.tenant(shop.tenant_id) as s:
        stop_wave(s, find_wave(s, shop.tenant_id, "spring", lock=True), "stopped by Sam", clock.now())
