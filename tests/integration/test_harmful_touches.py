"""A step that does harm is stopped, told once, lifted by a person, and counted anew; nobody else's is touched."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from click.testing import Result

from crm.db import Database
from crm.models import ChatMessage, TemplateBlock, Tenant
from crm.template_blocks import step_block
from ops.clock import FixedClock
from scheduler.harmful_touches import stop_harmful_touches, wake_watches
from scheduler.runtime import Runtime
from tests.conftest import Shop, TestDatabase, World
from tests.integration.calendar_commands_help import running
from tests.integration.results_help import new_person, past_touch, stop
from tests.integration.talking import outgoing, rows
from tests.runtimes import runtime_for

HOUR = timedelta(hours=1)
NAME = "step:default:9:sms"


@pytest.fixture
def runtime(test_database: TestDatabase, redis_url: str, clock: FixedClock) -> Iterator[Runtime]:
    with runtime_for(test_database, redis_url, clock) as made:
        yield made


def play(
    db: Database,
    shop: Shop,
    clock: FixedClock,
    *,
    stops: int,
    sent: int = 60,
    step: int = 9,
    of_rest: int = 150,
) -> None:
    """`sent` touches of the step an hour ago, `stops` of them with a stop, beside a quiet rest."""
    then = clock.now() - HOUR
    with db.tenant(shop.tenant_id) as s:
        for number in range(sent):
            _, chat = new_person(s, shop)
            past_touch(s, chat, then, step=step)
            if number < stops:
                stop(s, chat, clock.now() - HOUR / 2)
        _, chat = new_person(s, shop)
        for number in range(of_rest):
            past_touch(s, chat, then - number * HOUR, step=2, run=number + 1)


def test_a_harmful_step_is_stopped_and_told_once(
    db: Database, world: World, clock: FixedClock, runtime: Runtime
) -> None:
    play(db, world.north, clock, stops=12)
    play(db, world.south, clock, stops=1)
    north = world.north.tenant_id
    assert stop_harmful_touches(runtime, north, "0") == NAME
    assert stop_harmful_touches(runtime, north, "0") == "no step does harm"
    clock.advance(HOUR)
    stop_harmful_touches(runtime, north, "0")
    (block,) = rows(db, world.north, TemplateBlock)
    assert (block.channel, block.template, block.lifted_at) == ("sms", NAME, None)
    assert block.reason.startswith(
        "12 of 60 people (20.0%) said stop after step 9 of the plan default by text, 0 of"
    )
    (notice,) = outgoing(db, world.north, "notice")
    assert notice.body.startswith("A touch is not sent any more: 12 of 60 people")
    assert f"leads templates unblock {NAME}" in notice.body
    assert stop_harmful_touches(runtime, world.south.tenant_id, "0") == "no step does harm"
    assert rows(db, world.south, TemplateBlock) == [], "the other business's numbers count for nothing here"
    assert outgoing(db, world.south, "notice") == []
    with db.tenant(north) as s:
        assert step_block(s, "default", 9, "sms") is not None
        assert step_block(s, "default", 9, "email") is None
        assert step_block(s, "default", 2, "sms") is None


def test_two_looks_at_once_tell_once(db: Database, world: World, clock: FixedClock, runtime: Runtime) -> None:
    play(db, world.north, clock, stops=12)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: stop_harmful_touches(runtime, world.north.tenant_id, "0"), range(4)))
    assert sorted(found) == ["no step does harm"] * 3 + [NAME]
    assert len(outgoing(db, world.north, "notice")) == 1


def test_a_lifted_step_begins_anew(
    db: Database, world: World, clock: FixedClock, runtime: Runtime, run: Callable[..., Result]
) -> None:
    play(db, world.north, clock, stops=12)
    stop_harmful_touches(runtime, world.north.tenant_id, "0")
    assert [one["name"] for one in json.loads(run("list", "--blocked", "--json").stdout)] == [NAME]
    lifted = run("unblock", NAME, "--who", "Sam")
    assert lifted.exit_code == 0, lifted.output
    assert stop_harmful_touches(runtime, world.north.tenant_id, "0") == "no step does harm"
    clock.advance(timedelta(days=3))
    play(db, world.north, clock, stops=2)
    assert stop_harmful_touches(runtime, world.north.tenant_id, "0") == "no step does harm", (
        "what was before is forgiven"
    )
    play(db, world.north, clock, stops=12)
    assert stop_harmful_touches(runtime, world.north.tenant_id, "0") == NAME
    assert rows(db, world.north, TemplateBlock)[-1].reason.startswith("14 of 120 people")
    assert len(outgoing(db, world.north, "notice")) == 2


def test_a_business_may_keep_its_steps(
    db: Database, world: World, clock: FixedClock, runtime: Runtime
) -> None:
    play(db, world.north, clock, stops=12)
    with db.tenant(world.north.tenant_id) as s:
        s.get_one(Tenant, world.north.tenant_id).settings = {"stop_harmful_touches": False}
    assert stop_harmful_touches(runtime, world.north.tenant_id, "0") == "no step does harm"
    assert rows(db, world.north, TemplateBlock) == []


def test_the_clock_wakes_every_business(db: Database, world: World, runtime: Runtime) -> None:
    assert wake_watches(runtime) == 2
    woken = {(job, tenant) for job, tenant, _ in runtime.queue.take_due(runtime.clock.now())}
    assert woken == {("harmful_touches", world.north.tenant_id), ("harmful_touches", world.south.tenant_id)}
    assert [one for one in rows(db, world.north, ChatMessage) if one.kind == "notice"] == []


@pytest.fixture
def run(
    test_database: TestDatabase, world: World, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Result]]:
    for any_run in running(test_database, clock, monkeypatch):

        def one(*arguments: str, base: Callable[..., Result] = any_run) -> Result:
            return base("templates", *arguments, "--tenant", "north")

        yield one
