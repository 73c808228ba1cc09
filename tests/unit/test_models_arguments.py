"""Arguments, ids, schemas and the repair of transcripts, which all adapters share."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.models.arguments import (
    arguments_object,
    make_call,
    parse_arguments,
    safe_name,
    unique_calls,
    unwrap_parallel,
    without_nulls,
)
from agent.models.base import AssistantStep, Item, ToolCall, ToolResult, ToolResults, ToolSpec, UserText
from agent.models.ids import MAX_ID, IdMap
from agent.models.schema import strict_schema
from agent.models.transcript import NO_RESULT, repaired

NEEDS = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


@pytest.mark.parametrize(
    ("raw", "schema", "expected"),
    [
        ('{"a": 1}', NEEDS, {"a": 1}),
        ({"a": 1}, NEEDS, {"a": 1}),
        ("", {}, {}),
        ("null", None, {}),
        (None, {}, {}),
        ("", NEEDS, None),
        (None, NEEDS, None),
        ('{"a": "x', {}, None),
        ("[1]", {}, None),
        ('"{}"', {}, None),
        ("7", {}, None),
        ('{"a": NaN}', {}, None),
        ([1], {}, None),
    ],
)
def test_arguments_are_an_object_or_nothing(raw: Any, schema: Any, expected: Any) -> None:
    assert parse_arguments(raw, schema) == expected


def test_unreadable_arguments_are_kept_for_the_error_and_never_replayed_as_empty() -> None:
    call = make_call("c", "book", '{"a": "x', {})
    assert (call.arguments, call.raw_arguments) == (None, '{"a": "x')
    assert arguments_object(call) == {"unreadable_arguments": '{"a": "x'}
    assert len(make_call("c", "book", "x" * 9999, {}).raw_arguments) == 2000


SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["service"],
    "properties": {
        "service": {"type": "string", "minLength": 1, "description": "What"},
        "day": {"type": "string", "format": "date"},
        "size": {"enum": ["s", "l"]},
        "note": {"type": ["string", "null"], "default": "x"},
        "cars": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "properties": {"year": {"type": "integer"}},
            },
        },
    },
}


def test_strict_schema_requires_everything_and_makes_the_optional_nullable() -> None:
    strict = strict_schema(SCHEMA)
    assert strict is not None
    assert strict["required"] == ["service", "day", "size", "note", "cars"]
    assert strict["additionalProperties"] is False
    properties = strict["properties"]
    assert properties["service"] == {"type": "string", "description": "What"}
    assert properties["day"] == {"type": ["string", "null"], "format": "date"}
    assert properties["size"] == {"enum": ["s", "l", None]}
    assert properties["note"] == {"type": ["string", "null"]}
    assert properties["cars"]["type"] == ["array", "null"]
    assert properties["cars"]["items"]["required"] == ["year"]
    assert "default" in SCHEMA["properties"]["note"], "the original is untouched"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {}},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object", "additionalProperties": False, "properties": {"a": {}}},
        {"type": "object", "additionalProperties": False, "properties": {"a": {"oneOf": []}}},
        {"type": "object", "additionalProperties": False, "properties": {"a": {"type": "array"}}},
        {"type": "object", "additionalProperties": False, "properties": {}, "required": ["a"]},
        {"type": "array", "items": {"type": "string"}},
    ],
)
def test_what_strict_mode_cannot_say_is_not_made_strict(schema: Any) -> None:
    assert strict_schema(schema) is None


def test_a_tool_without_arguments_and_any_of_are_strict() -> None:
    empty = strict_schema({"type": "object", "additionalProperties": False, "properties": {}})
    assert empty == {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    either = {"anyOf": [{"type": "string"}, {"type": "integer"}]}
    strict = strict_schema({"type": "object", "additionalProperties": False, "properties": {"a": either}})
    assert strict is not None
    assert strict["properties"]["a"]["anyOf"][-1] == {"type": "null"}


def test_nulls_for_left_out_fields_disappear_and_others_stay() -> None:
    sent = {"service": None, "day": None, "size": None, "note": None, "cars": [{"year": None}], "odd": None}
    assert without_nulls(sent, SCHEMA) == {"service": None, "note": None, "cars": [{}], "odd": None}
    tool = ToolSpec("t", "d", SCHEMA)
    assert make_call("c", "t", '{"service": "tint", "day": null}', {"t": tool}).arguments == {
        "service": "tint"
    }


def _wrapper(uses: Any) -> ToolCall:
    return ToolCall("c", "parallel", {"tool_uses": uses})


def test_wrapper_calls_are_unwrapped_only_when_they_have_exactly_that_shape() -> None:
    use = {"recipient_name": "functions.find", "parameters": {"q": 1}}
    inner = unwrap_parallel(_wrapper([use, {"recipient_name": "other"}]), {})
    assert [(c.id, c.name, c.arguments) for c in inner] == [("c_0", "find", {"q": 1}), ("c_1", "other", {})]
    for strange in ([], None, "x", [use, {"parameters": {}}], ["x"]):
        call = _wrapper(strange)
        assert unwrap_parallel(call, {}) == [call]
    own = ToolSpec("parallel", "a real tool of that name", {})
    assert unwrap_parallel(_wrapper([use]), {"parallel": own}) == [_wrapper([use])]


def test_missing_and_repeated_ids_are_made_unique() -> None:
    calls = [ToolCall(i, "t", {}) for i in ("", "x", "x", "")]
    ids = [call.id for call in unique_calls(calls)]
    assert len(set(ids)) == 4
    assert all(ids)
    assert ids[1] == "x"


def test_tool_names_fit_every_vendor() -> None:
    assert safe_name("functions.find:0") == "functions_find_0"
    assert safe_name("") == "unnamed"
    assert len(safe_name("n" * 99)) == 64


@given(st.lists(st.text(max_size=80), max_size=12))
def test_ids_fit_the_alphabet_do_not_collide_and_do_not_depend_on_what_follows(originals: list[str]) -> None:
    one, two = IdMap(), IdMap()
    mapped = [one.assign(original) for original in originals]
    assert len(set(mapped)) == len(mapped)
    assert all(0 < len(i) <= MAX_ID and i.replace("-", "_").replace("_", "a").isalnum() for i in mapped)
    assert all(i.isascii() for i in mapped)
    assert [two.assign(original) for original in originals[: len(originals) // 2]] == mapped[
        : len(originals) // 2
    ]


def test_ids_that_fit_are_kept_and_reserved_ones_are_avoided() -> None:
    ids = IdMap()
    assert ids.assign("toolu_01A-b") == "toolu_01A-b"
    assert ids.reserve(["call_1"])
    assert not ids.reserve(["call_1"])
    assert not ids.reserve(["a", "a"])
    assert not ids.reserve(["functions.x:0"])
    assert ids.assign("call_1") not in ("call_1", "toolu_01A-b")


def _step(*ids: str) -> AssistantStep:
    return AssistantStep("", tuple(ToolCall(i, "t", {}) for i in ids))


def _result(call_id: str, text: str = "ok") -> ToolResult:
    return ToolResult(call_id, "t", text)


def test_repair_pairs_every_call_with_one_result_in_call_order() -> None:
    items: list[Item] = [
        ToolResults((_result("lost"),)),
        UserText("hi"),
        _step("a", "b", "c"),
        UserText("are you there?"),
        ToolResults((_result("c"), _result("a"), _result("a", "again"), _result("stray"))),
        AssistantStep("  "),
        AssistantStep("done"),
    ]
    fixed = repaired(items)
    assert [type(item).__name__ for item in fixed] == [
        "UserText", "AssistantStep", "ToolResults", "UserText", "AssistantStep",
    ]  # fmt: skip
    results = fixed[2]
    assert isinstance(results, ToolResults)
    assert [(r.call_id, r.text, r.is_error) for r in results.results] == [
        ("a", "ok", False), ("b", NO_RESULT, True), ("c", "ok", False),
    ]  # fmt: skip


def test_repair_keeps_rounds_apart_that_reuse_an_id() -> None:
    items: list[Item] = [
        _step("a"), ToolResults((_result("a", "first"),)), _step("a"), ToolResults((_result("a", "second"),)),
    ]  # fmt: skip
    assert repaired(items) == items
    assert repaired(repaired(items)) == items
