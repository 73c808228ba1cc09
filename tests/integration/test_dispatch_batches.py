"""The dispatcher on a real database: fair, once each, and nothing lost with a process, a reply, an error or the queue."""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, text

from crm.job_runs import recent_runs
from crm.models import ChatMessage, TemplateBlock
from crm.routing import claim_touches, owed, touches_due
from ops.clock import FixedClock
from scheduler import dispatch as dispatch_module
from scheduler import touch_text
from scheduler.dispatch import dispatch
from scheduler.runtime import Runtime
from tests.acceptance.processes import eventually
from tests.conftest import Shop, TestDatabase, World
from tests.integration.cadence_rows import start, touch
from tests.integration.dispatch_help import crowd, states, touches, written
from tests.runtimes import FakeSender, due_jobs, runtime_for

LONG_AGO = timedelta(minutes=1)


@pytest.fixture
def runtime(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World
) -> Iterator[Runtime]:
    with runtime_for(test_database, redis_url, clock, sms=FakeSender(), email=FakeSender()) as made:
        yield made


def test_what_is_due_is_written_woken_and_recorded(
    runtime: Runtime, world: World, owner_engine: Engine, clock: FixedClock
) -> None:
    crowd(owner_engine, world.north, 3, clock.now())
    crowd(owner_engine, world.south, 2, clock.now())
    crowd(owner_engine, world.south, 1, clock.now() + timedelta(minutes=1), first=9)
    assert dispatch(runtime, most=2) == {"written": 5}
    assert states(runtime.db, world.south) == {"written": 2, "planned": 1}
    for shop in (world.north, world.south):
        rows = {row.message_id: row for row in touches(runtime.db, shop) if row.status == "written"}
        for message in written(runtime.db, shop):
            assert (message.kind, message.status, message.channel) == ("touch", "pending", "email")
            assert message.touch_point_id == rows[message.id].id
            assert (rows[message.id].claim_token, rows[message.id].claimed_until) == (None, None)
    ids = {
        (shop.tenant_id, str(one.id))
        for shop in (world.north, world.south)
        for one in written(runtime.db, shop)
    }
    assert {(tenant, row) for job, tenant, row in due_jobs(runtime.redis, runtime) if job == "deliver"} == ids
    assert dispatch(runtime) == {}, "nothing is left"
    with runtime.db.system() as session:
        (run,) = recent_runs(session, job="dispatch")
    assert (run.outcome, run.counts, run.tries, run.tenant_id) == ("done", {"written": 5}, 1, None)


def test_dispatchers_at_once_write_each_touch_once(
    runtime: Runtime, world: World, owner_engine: Engine, clock: FixedClock
) -> None:
    crowd(owner_engine, world.north, 30, clock.now() - LONG_AGO)
    crowd(owner_engine, world.south, 30, clock.now() - LONG_AGO)
    gate = threading.Barrier(4)

    def one(_: int) -> dict[str, int]:
        gate.wait(30)
        return dispatch(runtime, most=8, each=4)

    with ThreadPoolExecutor(4) as pool:
        counts = sum((Counter(found) for found in pool.map(one, range(4))), Counter())
    assert counts == {"written": 60}
    for shop in (world.north, world.south):
        assert states(runtime.db, shop) == {"written": 30}
        assert Counter(one.lead_id for one in written(runtime.db, shop)).most_common(1)[0][1] == 1
        assert len(written(runtime.db, shop)) == 30


def test_two_claims_at_once_pass_each_other_by(
    runtime: Runtime, world: World, owner_engine: Engine, clock: FixedClock
) -> None:
    """The second one does not wait for the first one's commit, and finds the next ones."""
    crowd(owner_engine, world.north, 10, clock.now())
    with runtime.db.system() as one, runtime.db.system() as other:
        first, second = (_claim(session, clock, most=4) for session in (one, other))
    assert (len(first), len(second)) == (4, 4)
    assert not set(first) & set(second)


def test_the_first_of_everybody_goes_before_the_second_of_anybody(
    runtime: Runtime, world: World, owner_engine: Engine, clock: FixedClock
) -> None:
    crowd(owner_engine, world.north, 5000, clock.now() - timedelta(hours=1))
    crowd(owner_engine, world.south, 3, clock.now())
    with runtime.db.system() as session:
        claimed = _claim(session, clock, most=8, each=4)
    north, south = world.north.tenant_id, world.south.tenant_id
    assert [tenant for tenant, _ in claimed] == [north, south] * 3 + [north]
    with runtime.db.system() as session:
        assert len(_claim(session, clock, most=200, each=10)) == 10, "no more of one business than `each`"


def test_five_thousand_of_one_keep_three_of_another_waiting_for_one_batch(
    runtime: Runtime, world: World, owner_engine: Engine, clock: FixedClock
) -> None:
    crowd(owner_engine, world.north, 5000, clock.now() - timedelta(hours=1))
    crowd(owner_engine, world.south, 3, clock.now())
    counts = dispatch(
        runtime, most=12, seconds=lambda: 0.0 if len(written(runtime.db, world.south)) < 3 else 25.0
    )
    assert states(runtime.db, world.south) == {"written": 3}
    assert counts["written"] <= 12
    assert states(runtime.db, world.north)["planned"] >= 4900
    assert ("dispatch", 0, "0") in due_jobs(runtime.redis, runtime), (
        "its time was over, so it wakes itself for the rest"
    )


def test_what_was_claimed_by_a_process_that_was_killed_is_taken_over(
    runtime: Runtime, world: World, owner_engine: Engine, clock: FixedClock
) -> None:
    crowd(owner_engine, world.north, 8, clock.now())
    _run_until_killed(runtime, clock, after=3)
    assert states(runtime.db, world.north) == {"written": 3, "claimed": 5}
    assert dispatch(runtime) == {}, "it may live yet"
    with runtime.db.system() as session:
        assert not touches_due(session, clock.now())
    clock.advance(timedelta(seconds=61))
    with runtime.db.system() as session:
        assert touches_due(session, clock.now())
    crowd(owner_engine, world.south, 1, clock.now())
    with runtime.db.system() as session:
        claimed = _claim(session, clock, most=50)
        session.rollback()
    assert claimed[0][0] == world.south.tenant_id, "what somebody may have died of comes last"
    assert dispatch(runtime) == {"written": 6}
    assert len(written(runtime.db, world.north)) == 8
    assert states(runtime.db, world.north) == {"written": 8}


_DIES = """
import os, signal, sys
from datetime import datetime
from ops.clock import FixedClock
from ops.settings import Settings
from dataclasses import replace
from scheduler import dispatch
from scheduler.runtime import build_runtime
runtime = build_runtime(Settings(database_url=sys.argv[1], redis_url=sys.argv[2]))
runtime = replace(runtime, clock=FixedClock(datetime.fromisoformat(sys.argv[3])))
write, left = dispatch._write_claimed, [int(sys.argv[4])]
def dies(*args):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return write(*args)
dispatch._write_claimed = dies
dispatch.dispatch(runtime)
"""


def _run_until_killed(runtime: Runtime, clock: FixedClock, after: int) -> None:
    url = runtime.db.engine.url.render_as_string(hide_password=False)
    given = [url, str(runtime.settings.redis_url), clock.now().isoformat(), str(after)]
    done = subprocess.run(
        [sys.executable, "-c", _DIES, *given], check=False, capture_output=True, timeout=120
    )
    assert done.returncode == -9, done.stderr.decode()[-2000:]


def _reply(connection: Any, shop: Shop, at: Any) -> None:
    """The customer's text, stored as the web process does."""
    connection.execute(
        text(
            "select * from store_inbound(:tenant, :location, :session, 'sms', 'sms', 'Hi', null, null, '+13125550999',"
            " '+13125550101', 'twilio', 'SM1', null, null, null, :at, true, false, 3, 20)"
        ),
        {"tenant": shop.tenant_id, "location": shop.location_id, "session": shop.session_id, "at": at},
    )


def test_a_reply_that_is_stored_after_the_claim_wins(
    runtime: Runtime, world: World, owner_engine: Engine, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = start(runtime.db, world.north, clock.now())[0]
    clock.advance(timedelta(seconds=5))
    claim = dispatch_module._claim_batch

    def then_a_reply(*args: Any) -> Any:
        batch = claim(*args)
        if batch is not None:
            with owner_engine.begin() as connection:
                _reply(connection, world.north, clock.now())
        return batch

    monkeypatch.setattr(dispatch_module, "_claim_batch", then_a_reply)
    assert dispatch(runtime) == {"not ours any more": 1}
    row = touch(runtime.db, world.north, first)
    assert (row.status, row.reason) == ("paused", "the customer replied")
    assert written(runtime.db, world.north) == []


def test_a_reply_that_is_being_stored_is_waited_for_and_wins(
    runtime: Runtime, world: World, owner_engine: Engine, clock: FixedClock
) -> None:
    first = start(runtime.db, world.north, clock.now())[0]
    clock.advance(timedelta(seconds=5))
    waits = "select 1 from pg_stat_activity where :pid = any(pg_blocking_pids(pid))"
    with ThreadPoolExecutor(1) as pool, owner_engine.connect() as webhook, owner_engine.connect() as look:
        # The inbox locks the conversation first, as here; the touches are paused at its end.
        webhook.execute(
            text("select 1 from chat_sessions where id = :id for update"), {"id": world.north.session_id}
        )
        pid = webhook.execute(text("select pg_backend_pid()")).scalar_one()
        dispatched = pool.submit(dispatch, runtime)
        eventually(
            lambda: look.execute(text(waits), {"pid": pid}).first() is not None, 30, "the dispatcher waits"
        )
        _reply(webhook, world.north, clock.now())
        webhook.commit()
        assert dispatched.result(30) == {"not ours any more": 1}
    assert touch(runtime.db, world.north, first).status == "paused"
    assert written(runtime.db, world.north) == []


def test_a_touch_that_fails_keeps_no_other_waiting(
    runtime: Runtime, world: World, owner_engine: Engine, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd(owner_engine, world.north, 4, clock.now())
    bad = touches(runtime.db, world.north)[1]
    render = touch_text.render

    def sometimes(template: str, *args: Any, **more: Any) -> Any:
        if template == "broken":
            raise RuntimeError("broken")
        return render(template, *args, **more)

    monkeypatch.setattr(touch_text, "render", sometimes)
    with owner_engine.begin() as connection:
        connection.execute(text("update touch_points set template = 'broken' where id = :id"), {"id": bad.id})
    for tries in (1, 2):
        counts = dispatch(runtime)
        assert counts == ({"written": 3, "failed": 1} if tries == 1 else {"failed": 1})
        parked = touch(runtime.db, world.north, bad.id)
        assert (parked.status, parked.claimed_until) == ("claimed", clock.now() + timedelta(hours=1))
        with runtime.db.tenant(world.north.tenant_id) as session:
            (run,) = recent_runs(session, job="touch", failed=True)
        assert (run.subject, run.tries, run.error) == (str(bad.id), tries, "RuntimeError: broken\n")
        assert dispatch(runtime) == {}
        clock.advance(timedelta(hours=1, seconds=1))
    monkeypatch.setattr(touch_text, "render", render)
    with owner_engine.begin() as connection:
        connection.execute(
            text("update touch_points set template = 'no_such' where id = :id"), {"id": bad.id}
        )
    assert dispatch(runtime) == {"skipped: it cannot be written": 1}
    assert touch(runtime.db, world.north, bad.id).status == "skipped"


def test_a_conversation_that_stays_locked_costs_its_own_touch_a_minute(
    runtime: Runtime, world: World, owner_engine: Engine, clock: FixedClock
) -> None:
    crowd(owner_engine, world.north, 3, clock.now())
    locked = touches(runtime.db, world.north)[0]
    with owner_engine.connect() as somebody:
        somebody.execute(
            text("select 1 from chat_sessions where id = :id for update"), {"id": locked.session_id}
        )
        assert dispatch(runtime) == {"written": 2, "busy": 1}
        somebody.rollback()
    clock.advance(timedelta(seconds=61))
    assert dispatch(runtime) == {"written": 1}


@pytest.mark.parametrize(("minutes", "outcome"), [(359, "written"), (361, "skipped: too late")])
def test_after_six_hours_of_outage_late_ones_are_skipped_and_say_so(
    runtime: Runtime, world: World, owner_engine: Engine, clock: FixedClock, minutes: int, outcome: str
) -> None:
    crowd(owner_engine, world.north, 5, clock.now())
    clock.advance(timedelta(minutes=minutes))
    assert dispatch(runtime) == {outcome: 5}
    if outcome != "written":
        assert {row.reason for row in touches(runtime.db, world.north)} == {"too late: 6 h after its time"}
        assert written(runtime.db, world.north) == []


def test_after_an_outage_no_lead_gets_two(runtime: Runtime, world: World, clock: FixedClock) -> None:
    for shop in (world.north, world.south):
        start(runtime.db, shop, clock.now())
    clock.advance(timedelta(hours=6))
    counts = dispatch(runtime)
    assert counts == {"written": 2, "put back": 4}, "the first of each, and nothing is lost"
    for shop in (world.north, world.south):
        rows = touches(runtime.db, shop)
        assert [row.status for row in rows] == ["written"] + ["planned"] * 12
        assert all(row.due_at > clock.now() for row in rows[1:])


def test_a_flushed_queue_loses_nothing(
    runtime: Runtime, world: World, owner_engine: Engine, clock: FixedClock
) -> None:
    crowd(owner_engine, world.north, 2, clock.now())
    assert dispatch(runtime) == {"written": 2}
    runtime.redis.flushdb()
    with runtime.db.system() as session:
        found = {(row.job, row.row_id) for row in owed(session, clock.now())}
    assert found == {("deliver", str(one.id)) for one in written(runtime.db, world.north)}


def test_a_paused_business_writes_nothing_and_goes_on_later(
    runtime: Runtime, world: World, owner_engine: Engine, clock: FixedClock
) -> None:
    crowd(owner_engine, world.north, 2, clock.now())
    status = text("update tenants set status = :to where id = :id")
    with owner_engine.begin() as connection:
        connection.execute(status, {"to": "paused", "id": world.north.tenant_id})
    with runtime.db.system() as session:
        assert not touches_due(session, clock.now())
    assert dispatch(runtime) == {}
    with owner_engine.begin() as connection:
        connection.execute(status, {"to": "active", "id": world.north.tenant_id})
    assert dispatch(runtime) == {"written": 2}


def test_a_step_that_was_stopped_for_harm_is_skipped(
    runtime: Runtime, world: World, owner_engine: Engine, clock: FixedClock
) -> None:
    crowd(owner_engine, world.north, 1, clock.now())
    crowd(owner_engine, world.south, 1, clock.now())
    with runtime.db.tenant(world.north.tenant_id) as session:
        for channel in ("sms", "email"):
            session.add(
                TemplateBlock(
                    tenant_id=world.north.tenant_id, channel=channel, template=f"step:default:5:{channel}",
                    reason="5 of 90 said stop", since=clock.now(),
                )
            )  # fmt: skip
    assert dispatch(runtime) == {"skipped: the step is stopped": 1, "written": 1}
    (row,) = touches(runtime.db, world.north)
    assert row.reason == "this step is stopped: 5 of 90 said stop"


def test_a_lost_database_ends_the_dispatch_and_is_nobodys_failure(
    runtime: Runtime, world: World, owner_engine: Engine, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd(owner_engine, world.north, 2, clock.now())
    decide = dispatch_module.decide

    def cut_off(session: Any, *args: Any) -> Any:
        session.execute(text("select pg_terminate_backend(pg_backend_pid())"))
        return decide(session, *args)

    monkeypatch.setattr(dispatch_module, "decide", cut_off)
    with pytest.raises(Exception, match=r"terminat|closed|connection"):
        dispatch(runtime)
    monkeypatch.undo()
    clock.advance(timedelta(hours=1, seconds=1))
    assert dispatch(runtime) == {"written": 2}
    with runtime.db.tenant(world.north.tenant_id) as session:
        assert len(session.scalars(select(ChatMessage.id)).all()) == 2


def _claim(session: Any, clock: FixedClock, *, most: int, each: int = 10) -> list[tuple[int, int]]:
    until = clock.now() + timedelta(seconds=60)
    found = claim_touches(session, clock.now(), uuid.uuid4(), until, most=most, each=each)
    return [(route.tenant_id, route.row_id) for route in found]
