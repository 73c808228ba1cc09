"""What the agent says of a price traces to the price it read, also when the shop changes it in the middle of a talk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from agent.check import Evidence, check_reply
from agent.models.base import ToolResult
from agent.tools.base import ToolContext
from crm.catalogue_cache import use_redis
from crm.models import CrmCheck
from ops.clock import FixedClock
from scheduler.crm_checks import run_crm_check
from tests.conftest import TestDatabase, World
from tests.integration.calendar_help import add_turn, call, dana
from tests.integration.catalogue_help import Connected, connected
from tests.integration.tool_help import hear, show, times

FACTS: dict[str, Any] = {"now_local": "2026-11-23T09:00", "language": "en", "shop": {"name": "North Tint"}}


@pytest.fixture
def place(
    test_database: TestDatabase, redis_url: str, clock: FixedClock, world: World
) -> Iterator[Connected]:
    """North, connected, with the cache that production has."""
    with connected(test_database, redis_url, clock, world.north) as made:
        use_redis(made.db.engine, made.runtime.redis)
        yield made


@pytest.fixture
def ctx(place: Connected, world: World, clock: FixedClock) -> ToolContext:
    """A turn of north's customer."""
    return add_turn(place.db, clock, dana(world.north), "sunroof ceramic glaze, how much?")


def amounts_not_traced(reply: str, *results: ToolResult) -> list[str]:
    verdict = check_reply(reply, Evidence(results=results, facts=FACTS))
    return [finding.text for finding in verdict.findings if finding.kind == "price"]


def ask(ctx: ToolContext) -> tuple[dict[str, Any], ToolResult]:
    answer, result = call(ctx, "find_services", query="glaze")
    (service,) = answer["services"]
    return service, result


def test_a_price_that_changed_between_quote_and_booking(
    place: Connected, ctx: ToolContext, world: World
) -> None:
    item = place.standin.add_canned_service("Ceramic glaze", 45000, hours=1)
    place.look()
    before, first = ask(ctx)
    assert before["price"] == "$450"
    assert before["not_included"] == "sales tax"
    assert amounts_not_traced("The ceramic glaze is $450 plus sales tax.", first) == []
    times(ctx, world)
    show(ctx, world)
    place.standin.edit_price(item, 49900)
    place.look()
    ctx = hear(ctx, world, "ok, book it")
    now, second = ask(ctx)
    assert now["price"] == "$499"
    assert amounts_not_traced("You are in for the ceramic glaze at $450.", second) == ["$450"]
    assert amounts_not_traced("You are in for the ceramic glaze at $450.") == ["$450"]
    assert amounts_not_traced("The ceramic glaze is $499 plus sales tax.", second) == []
    total, quoted = call(ctx, "quote", service_ids=[now["service_id"]])
    assert total["total_cents"] == 49900
    assert amounts_not_traced("That is $499 for the ceramic glaze.", quoted) == []


def test_a_price_that_was_taken_away_is_quoted_by_nobody(place: Connected, ctx: ToolContext) -> None:
    item = place.standin.add_canned_service("Ceramic glaze", 45000)
    place.look()
    number = ask(ctx)[0]["service_id"]
    place.standin.edit_price(item, 0)
    place.look()
    again, result = ask(ctx)
    assert (again["price"], again["price_cents"]) == (None, None)
    assert amounts_not_traced("The ceramic glaze is $450.", result) == ["$450"]
    total, _ = call(ctx, "quote", service_ids=[number])
    assert total["total"] is None


def test_what_is_no_longer_sold_is_neither_quoted_nor_offered(place: Connected, ctx: ToolContext) -> None:
    item = place.standin.add_canned_service("Ceramic glaze", 45000)
    place.look()
    number = ask(ctx)[0]["service_id"]
    place.standin.change("canned_service", item, bookable=False)
    place.look()
    for tool in ("quote", "find_times"):
        _, result = call(ctx, tool, service_ids=[number])
        assert result.is_error
        assert "Unknown service_id" in result.text


def test_the_worker_looks_when_the_look_is_due(place: Connected, ctx: ToolContext) -> None:
    """The whole way: a due row, the worker's job, a price the agent reads."""
    place.standin.add_canned_service("Ceramic glaze", 45000)
    with place.db.tenant(place.tenant_id) as s:
        row = CrmCheck(
            tenant_id=place.tenant_id, config_id=place.config_id, kind="catalogue", next_at=place.clock.now()
        )
        s.add(row)
        s.flush()
        number = row.id
    assert "1 added" in run_crm_check(place.runtime, place.tenant_id, number)
    assert ask(ctx)[0]["price"] == "$450"
    with place.db.tenant(place.tenant_id) as s:
        stored = s.get_one(CrmCheck, number)
        assert stored.watermark == place.clock.now()
        assert stored.notes["locations"][str(place.location_id)]["services"] == 1
        assert stored.next_at > place.clock.now()
        assert stored.error is None
    assert run_crm_check(place.runtime, place.tenant_id, number) == "not due"
