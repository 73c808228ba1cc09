"""Reading the arguments of a tool call, whatever a vendor or a compatible server made of them (LLM facts 4.2,
4.3)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from agent.models.base import Json, ToolCall, ToolSpec

MAX_RAW = 2_000
_WRAPPERS = frozenset({"parallel", "multi_tool_use.parallel"})
_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_MAX_NAME = 64


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def parse_arguments(raw: object, schema: Json | None = None) -> Json | None:
    """The arguments as an object, or None when they cannot be used and must not be guessed.

    `raw` is JSON text, or an object already (Claude, Ollama). Nothing at all counts as an empty object only
    when the tool requires nothing (LLM facts 4.3, rule 2).
    """
    if isinstance(raw, Mapping):
        return dict(raw)
    if raw is None or (isinstance(raw, str) and raw.strip() in ("", "null")):
        return None if (schema or {}).get("required") else {}
    if not isinstance(raw, str):
        return None
    try:
        value = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def raw_text(raw: object) -> str:
    """What was received, as text of bounded length, for the error the model gets back."""
    text = raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False, default=str)
    return text[:MAX_RAW]


def _allows_null(schema: Json) -> bool:
    kind = schema.get("type")
    if kind == "null" or (isinstance(kind, list) and "null" in kind):
        return True
    if None in schema.get("enum", ()):
        return True
    return any(isinstance(option, dict) and _allows_null(option) for option in schema.get("anyOf", ()))


def without_nulls(value: Any, schema: Json) -> Any:
    """Undo what strict mode forces: a null for an optional field means the field was left out.

    A null that the tool's own schema allows is kept, and so is one for a required field: the validation that
    follows has to see it.
    """
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        required = schema.get("required", ())
        return {
            key: without_nulls(inner, properties.get(key, {}))
            for key, inner in value.items()
            if inner is not None or key in required or key not in properties or _allows_null(properties[key])
        }
    if isinstance(value, list):
        items = schema.get("items")
        return [without_nulls(inner, items if isinstance(items, dict) else {}) for inner in value]
    return value


def make_call(call_id: str, name: str, raw: object, tools: Mapping[str, ToolSpec]) -> ToolCall:
    """A neutral call from what a vendor sent. `tools` are the offered tools by name."""
    spec = tools.get(name)
    arguments = parse_arguments(raw, spec.schema if spec else None)
    if arguments is not None and spec is not None:
        arguments = without_nulls(arguments, spec.schema)
    return ToolCall(id=call_id, name=name, arguments=arguments, raw_arguments=raw_text(raw))


def unwrap_parallel(call: ToolCall, tools: Mapping[str, ToolSpec]) -> list[ToolCall]:
    """The real calls inside a call of the tool `parallel`, which some GPT models invent (LLM facts 4.2).

    Anything that does not have exactly that shape stays as it is and is answered as an unknown tool.
    """
    uses = (call.arguments or {}).get("tool_uses")
    if call.name not in _WRAPPERS or call.name in tools or not isinstance(uses, list) or not uses:
        return [call]
    inner: list[ToolCall] = []
    for number, use in enumerate(uses):
        if not isinstance(use, dict) or not isinstance(use.get("recipient_name"), str):
            return [call]
        name = use["recipient_name"].removeprefix("functions.")
        inner.append(make_call(f"{call.id}_{number}", name, use.get("parameters"), tools))
    return inner


def unique_calls(calls: list[ToolCall]) -> tuple[ToolCall, ...]:
    """The same calls with no id missing and none used twice within the step (local servers omit ids)."""
    seen: set[str] = set()
    result: list[ToolCall] = []
    for number, call in enumerate(calls):
        call_id = call.id or f"call_{number}"
        while call_id in seen:
            call_id = f"{call_id}_{number}"
        seen.add(call_id)
        result.append(ToolCall(call_id, call.name, call.arguments, call.raw_arguments))
    return tuple(result)


def arguments_object(call: ToolCall) -> Json:
    """The arguments to replay. Unreadable ones are shown to the model as what they were, never as an empty
    object."""
    return call.arguments if call.arguments is not None else {"unreadable_arguments": call.raw_arguments}


def safe_name(name: str) -> str:
    """A tool name every vendor accepts in a replayed call, also for a name the model made up (LLM facts
    1.3)."""
    return _NAME.sub("_", name)[:_MAX_NAME] or "unnamed"
