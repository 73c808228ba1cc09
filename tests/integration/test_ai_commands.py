"""`leads ai`: what it says about models that are well, failing, skipped, dear, of unknown price, or about to retire."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
from click.testing import Result
from sqlalchemy import Engine, text

from agent.shared_breaker import SharedBreaker
from crm.db import Database
from crm.models import Turn
from ops.clock import FixedClock
from tests.conftest import TestDatabase, World
from tests.integration.calendar_commands_help import refused, running
from tests.integration.talking import change
from tests.integration.test_budget import spend
from tests.standins.anthropic import AnthropicStandIn
from tests.standins.openai import OpenAIStandIn

Run = Callable[..., Result]
LUNA = {"provider": "openai", "model": "gpt-6-luna", "requested_model": "gpt-6-luna"}
HAIKU = {"model": "claude-haiku-5-5-20261007", "requested_model": "claude-haiku-5-5"}


@pytest.fixture
def run(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Run]:
    with AnthropicStandIn("key") as anthropic, OpenAIStandIn("key") as openai:
        for name, value in {
            "REDIS_URL": redis_url, "AI_PROVIDER": "claude", "AI_FALLBACK_PROVIDER": "openai",
            "ANTHROPIC_API_KEY": "key", "OPENAI_API_KEY": "key", "OPENAI_API": "responses",
            "ANTHROPIC_BASE_URL": anthropic.url, "OPENAI_BASE_URL": f"{openai.url}/v1",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        yield from running(test_database, clock, monkeypatch)


def told(result: Result) -> Any:
    return json.loads(result.stdout)


def test_health_is_that_of_the_latest_calls(run: Run, db: Database, world: World, clock: FixedClock) -> None:
    now = clock.now()
    for number in range(10):
        spend(db, world.north, now, 10, ms=1000 + 100 * number, **HAIKU)
    for _ in range(4):
        spend(
            db, world.south, now, None, ok=False, error="OpenAI: overloaded", error_kind="transient", **LUNA
        )
    spend(db, world.south, now - timedelta(hours=2), 10, **LUNA)
    result = run("ai", "health")
    assert result.exit_code == 1, result.output
    lines = [line.split("  ") for line in result.stdout.splitlines()]
    rows = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert rows[0] == ["ASKED", "PROVIDER", "MODEL", "STATE", "CALLS", "OK", "P50", "P95", "LAST ERROR"]
    assert rows[1] == ["1", "claude", "claude-haiku-5-5", "up", "10", "100%", "1500 ms", "1900 ms", "-"]
    assert rows[2] == ["2", "openai", "gpt-6-luna", "failing", "4", "0%", "-", "-", "OpenAI: overloaded"]
    assert rows[3][:4] == ["3", "playbook", "playbook-1", "idle"]
    assert run("ai", "health", "--tenant", "north").exit_code == 0
    assert told(run("ai", "health", "--minutes", "180", "--json"))[1]["calls"] == 5


@pytest.mark.usefixtures("world")
def test_a_skipped_provider_is_seen(run: Run, redis_client: redis.Redis) -> None:
    assert run("ai", "health").exit_code == 0, "nobody asked, nothing is wrong"
    SharedBreaker(redis_client).failed("claude", "misconfigured")
    result = run("ai", "health")
    assert result.exit_code == 1
    assert "skipped for 300 s" in result.stdout or "skipped for 299 s" in result.stdout


@pytest.mark.usefixtures("world")
def test_health_without_redis_says_what_it_does_not_know(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    result = run("ai", "health")
    assert "note: Redis cannot be reached; which providers are skipped is not known" in result.stderr
    assert "claude-haiku-5-5" in result.stdout


def november(db: Database, world: World, at: datetime) -> None:
    """Two models, one request of unknown price, one failure, one answered message, one booking."""
    with db.tenant(world.north.tenant_id) as session:
        turn = Turn(
            tenant_id=world.north.tenant_id, session_id=world.north.session_id, trigger_message_id=77,
            status="done", started_at=at, finished_at=at,
        )  # fmt: skip
        session.add(turn)
        session.flush()
        turn_id = turn.id
    spend(db, world.north, at, 3_000, turn_id=turn_id, input_tokens=1000, cached_tokens=3000, **HAIKU)
    spend(db, world.north, at, 1_000, turn_id=turn_id, thinking_tokens=40, **LUNA)
    spend(db, world.north, at, None, purpose="summary", **LUNA)
    spend(
        db, world.north, at, None, ok=False, input_tokens=None, output_tokens=None, turn_id=turn_id, **HAIKU
    )
    spend(db, world.south, at, 7_000, **HAIKU)
    spend(db, world.north, at - timedelta(days=40), 99_000, **HAIKU)


def test_cost_by_provider(
    run: Run, db: Database, world: World, owner_engine: Engine, clock: FixedClock
) -> None:
    november(db, world, clock.now())
    with owner_engine.begin() as connection:
        connection.execute(text("""update tenants set settings = '{"monthly_ai_budget_cents": 100}'"""))
    result = run("ai", "cost", "--tenant", "north")
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines == [
        "November 2026, north: $0.0040 + 1 unknown in 4 requests",
        "answered messages: 1, $0.0040 each",
        "read from cache: 50% of the prompts' tokens",
        "unknown price: 1 requests; a budget counts $0.0060 for them",
        "budget: 1% of $1.0000 (all well)",
        "",
        "ID PROVIDER COST REQUESTS FAILED PROMPT CACHED WRITTEN OUTPUT THINKING",
        "- claude claude-haiku-5-5-20261007 $0.0030 2 1 4000 3000 0 100 0",
        "- openai gpt-6-luna $0.0010 + 1 unknown 2 0 2000 0 0 200 40",
    ]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (
            "message",
            [[77, "-", 4000, 0], [None, "summaries of conversations", 0, 1]],
        ),
        ("lead", [["lead", "Dana", 4000, 1]]),
        ("location", [["location", "north", 4000, 1]]),
        ("appointment", []),
    ],
)
def test_cost_by_what_an_owner_asks(
    run: Run, db: Database, world: World, clock: FixedClock, by: str, expected: list[Any]
) -> None:
    november(db, world, clock.now())
    (bill,) = told(run("ai", "cost", "--tenant", "north", "--by", by, "--json"))
    ids = {"lead": world.north.lead_id, "location": world.north.location_id}
    wanted = [[ids.get(row[0], row[0]), *row[1:]] for row in expected]
    assert [[x["key"], x["label"], x["known_microusd"], x["unpriced"]] for x in bill["lines"]] == wanted
    assert (bill["tenant"], bill["spend"]["answered"], bill["spend"]["booked"]) == ("north", 1, 0)


def test_cost_by_appointment(run: Run, db: Database, world: World, clock: FixedClock) -> None:
    november(db, world, clock.now())
    for day in (24, 25):
        change(
            db,
            world.north,
            "insert into appointments (tenant_id, location_id, lead_id, bay_id, starts_at, ends_at, service_ids,"
            " source, created_at) select tenant_id, location_id, :lead, :bay, cast(:starts as timestamptz),"
            " cast(:starts as timestamptz) + interval '1 hour', '{}', 'agent', :at from leads where id = :lead",
            bay=world.north.bay_ids[0], starts=f"2026-11-{day}T15:00:00Z", at=clock.now(),
        )  # fmt: skip
    (bill,) = told(run("ai", "cost", "--tenant", "north", "--by", "appointment", "--json"))
    assert [(x["label"], x["known_microusd"]) for x in bill["lines"]] == [("Dana", 2000), ("Dana", 2000)]
    text_ = run("ai", "cost", "--tenant", "north").stdout
    assert "appointments:       2, $0.0020 each" in text_


def test_cost_by_tenant_and_month(run: Run, db: Database, world: World, clock: FixedClock) -> None:
    november(db, world, clock.now())
    bills = told(run("ai", "cost", "--by", "tenant", "--json"))
    assert {b["tenant"]: b["spend"]["total"]["known_microusd"] for b in bills} == {
        "north": 4000,
        "south": 7000,
    }
    assert "south" in run("ai", "cost", "--by", "tenant").stdout
    october = run("ai", "cost", "--tenant", "north", "--month", "2026-10")
    assert "October 2026, north: $0.0990 in 1 requests" in october.stdout
    assert "write it like 2026-11" in refused(run, "ai", "cost", "--tenant", "north", "--month", "yesterday")
    assert run("ai", "cost", "--tenant", "north", "--month", "2025-01").exit_code == 0


@pytest.mark.usefixtures("world")
def test_models_are_looked_up_at_the_vendors(run: Run) -> None:
    lines = told(result := run("ai", "models", "--json"))
    assert result.exit_code == 0, result.output
    assert [(x["model"], x["used_by"], x["price_known"], x["problem"]) for x in lines] == [
        ("claude-haiku-5-5", ["installation"], True, None),
        ("gpt-6-luna", ["installation"], True, None),
        ("playbook-1", ["installation"], True, None),
    ]
    assert [x["asked_vendor"] for x in lines] == [True, True, False]


def test_a_model_that_retires_is_named_with_who_uses_it(
    run: Run, owner_engine: Engine, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    wishes = {"claude_model": "claude-sonnet-4-5", "openai_model": "gpt-7"}
    with owner_engine.begin() as connection:
        connection.execute(
            text("update tenants set settings = :s where id = :id"),
            {"s": json.dumps(wishes), "id": world.north.tenant_id},
        )
    result = run("ai", "models")
    assert result.exit_code == 1
    found = {line.split()[1]: " ".join(line.split()) for line in result.stdout.splitlines()}
    assert found["claude-sonnet-4-5"] == (
        "claude claude-sonnet-4-5 north known 2026-11-30 stops answering on 2026-11-30; use claude-sonnet-5-5 instead"
    )
    assert "the model or address is not known to this account" in found["gpt-7"]
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    result = run("ai", "models")
    assert "note: Claude (Anthropic): could not be reached" in result.stderr
    assert "stops answering on 2026-11-30" in result.stdout
    assert "could not be reached" not in run("ai", "models", "--offline").stderr


def test_nothing_of_another_tenant_is_in_a_bill(
    run: Run, db: Database, world: World, clock: FixedClock
) -> None:
    november(db, world, clock.now())
    for by in ("message", "lead", "appointment", "provider", "location"):
        (bill,) = told(run("ai", "cost", "--tenant", "south", "--by", by, "--json"))
        assert sum(x["known_microusd"] for x in bill["lines"]) in (7000, 0), by
        assert "north" not in json.dumps(bill)
