"""The toolbox: what it shows a model, what it refuses, and one effect per message."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jsonschema
import pytest
from sqlalchemy import Engine, text

from agent.models.base import ToolCall
from agent.tools import default_toolbox
from agent.tools.base import Toolbox, ToolContext, ToolRefusal, ToolRun, tool
from crm.db import Database
from crm.models import Lead
from ops.clock import FixedClock
from tests.conftest import World
from tests.integration.calendar_help import add_offer, add_turn, call, dana, local
from tests.integration.tool_help import appointments, rows, times


@pytest.fixture
def ctx(db: Database, world: World, clock: FixedClock) -> ToolContext:
    """A turn of north's customer."""
    return add_turn(db, clock, dana(world.north))


def test_specs_are_byte_stable_valid_and_closed() -> None:
    first, second = (default_toolbox().specs() for _ in range(2))
    assert json.dumps([vars(one) for one in first]) == json.dumps([vars(one) for one in second])
    assert [one.name for one in first if one.write] == [
        "book", "move", "cancel", "update_lead", "set_language", "remember_fact", "follow_up", "close_enquiry",
        "hand_off", "opt_out",
    ]  # fmt: skip
    for spec in first:
        jsonschema.Draft202012Validator.check_schema(spec.schema)
        assert spec.schema["additionalProperties"] is False
        assert not {"tenant_id", "lead_id", "session_id"} & spec.schema["properties"].keys()


def test_two_workers_with_the_same_call_have_one_effect(ctx: ToolContext, world: World) -> None:
    offer_id = add_offer(ctx.db, dana(world.north), local(24, 9))
    with ThreadPoolExecutor(2) as pool:
        texts = list(pool.map(lambda _: call(ctx, "book", offer_id=offer_id)[1].text, range(2)))
    assert texts[0] == texts[1]
    assert len([row for row in rows(ctx) if row.tool == "book"]) == 1
    assert len(appointments(ctx)) == 1


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("no_such_tool", {}, "no tool with this name"),
        ("book", None, "must be a JSON object"),
        ("book", {}, "offer_id: Field required"),
        ("book", {"offer_id": "soon"}, "offer_id"),
        ("book", {"offer_id": 1, "lead_id": 2}, "unknown argument"),
        ("find_times", {"service_ids": []}, "service_ids"),
        ("find_times", {"service_ids": [1], "from_date": "next week"}, "from_date"),
        ("find_times", {"service_ids": [1], "after": "09:00Z"}, "without a zone"),
        ("find_times", {"service_ids": [1], "weekdays": [7]}, "weekdays"),
        ("hand_off", {"reason": "bored", "note": "x"}, "reason"),
    ],
)
def test_bad_calls_come_back_as_errors(
    ctx: ToolContext, name: str, arguments: dict[str, Any] | None, words: str
) -> None:
    result = default_toolbox().run(ctx, ToolCall("c", name, arguments, raw_arguments="{"))
    assert result.is_error
    answer = json.loads(result.text)
    assert words in answer["error"]
    assert name == "no_such_tool" or answer["expected"]
    (row,) = rows(ctx)
    assert (row.tool, row.is_error, row.is_write) == (name, True, False)


def test_nulls_and_empty_texts_mean_left_out(ctx: ToolContext, world: World) -> None:
    empty: dict[str, Any] = dict.fromkeys(("from_date", "to_date", "after", "before", "weekdays"))
    answer = times(ctx, world, "tint-full-sedan-carbon", **{**empty, "after": ""})
    assert len(answer["offers"]) == 3


def test_an_exception_in_a_tool_undoes_everything_and_says_nothing_of_it(ctx: ToolContext) -> None:
    @tool(write=True)
    def explode(run: ToolRun) -> dict[str, Any]:
        """Break after writing."""
        run.lead().first_name = "Nobody"
        run.s.flush()
        run.s.execute(text("select 1/0"))
        return {}

    result = Toolbox([explode]).run(ctx, ToolCall("c", "explode", {}))
    assert result.is_error
    assert "technical reason" in result.text
    assert "division" not in result.text
    with ctx.db.tenant(ctx.tenant_id) as s:
        assert s.get_one(Lead, ctx.lead_id).first_name == "Dana"
    assert [(row.tool, row.is_error) for row in rows(ctx)] == [("explode", True)]


def test_a_database_that_is_gone_is_an_error_result(ctx: ToolContext, owner_engine: Engine) -> None:
    with owner_engine.begin() as connection:
        connection.execute(text("alter table tool_calls rename to tool_calls_away"))
    _, result = call(ctx, "my_appointments")
    assert result.is_error


def test_a_refusal_keeps_what_it_has_to_keep(ctx: ToolContext) -> None:
    @tool(write=False)
    def refuse(run: ToolRun) -> dict[str, Any]:
        """Refuse."""
        raise ToolRefusal("Not today.", why="rain")

    result = Toolbox([refuse]).run(ctx, ToolCall("c", "refuse", {}))
    assert json.loads(result.text) == {"error": "Not today.", "why": "rain"}
