"""Tool schemas in the form OpenAI's strict mode wants (LLM facts 2.3)."""

from __future__ import annotations

from typing import Any

from agent.models.base import Json

# What strict mode understands. Limits it does not know are left out: every call is validated against the
# tool's own schema afterwards, so a loosened grammar never lets a wrong argument through.
_KEPT = frozenset(
    {
        "type", "description", "title", "enum", "const", "format", "pattern",
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems",
    }
)  # fmt: skip
_DROPPED = frozenset(
    {"minLength", "maxLength", "default", "examples", "uniqueItems", "$schema", "$comment", "readOnly"}
)
_NESTED = frozenset({"properties", "required", "additionalProperties", "items", "anyOf"})
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})


class _NotStrict(Exception):
    """The schema uses something strict mode cannot express."""


def strict_schema(schema: Json) -> Json | None:
    """A copy fit for strict mode: every property required, optional ones nullable. None when it cannot be
    expressed.

    The nulls this invites are taken out of the arguments again by `arguments.without_nulls`.
    """
    try:
        result = _strict(schema)
    except _NotStrict:
        return None
    return result if result.get("type") == "object" and "anyOf" not in result else None


def _strict(schema: Any) -> Json:
    if not isinstance(schema, dict) or set(schema) - _KEPT - _DROPPED - _NESTED:
        raise _NotStrict
    result = {key: value for key, value in schema.items() if key in _KEPT}
    if result.get("format") not in _FORMATS:
        result.pop("format", None)
    if "anyOf" in schema:
        result["anyOf"] = [_strict(option) for option in schema["anyOf"]]
    if "items" in schema:
        result["items"] = _strict(schema["items"])
    elif _has_type(schema, "array"):
        raise _NotStrict
    if _has_type(schema, "object") or "properties" in schema:
        result.update(_object(schema))
    if not result.keys() & {"type", "anyOf", "enum", "const"}:
        raise _NotStrict
    return result


def _object(schema: Json) -> Json:
    # An object open to other keys cannot be closed without changing what the tool accepts.
    if schema.get("additionalProperties") is not False:
        raise _NotStrict
    required = set(schema.get("required", ()))
    properties = {
        name: _strict(inner) if name in required else _nullable(_strict(inner))
        for name, inner in schema.get("properties", {}).items()
    }
    if required - set(properties):
        raise _NotStrict
    return {"properties": properties, "required": list(properties), "additionalProperties": False}


def _nullable(schema: Json) -> Json:
    result = dict(schema)
    if "anyOf" in result:
        result["anyOf"] = [*result["anyOf"], {"type": "null"}]
        return result
    if "const" in result:
        result["enum"] = [result.pop("const")]
    if "type" in result:
        kinds = result["type"] if isinstance(result["type"], list) else [result["type"]]
        result["type"] = kinds if "null" in kinds else [*kinds, "null"]
    if "enum" in result and None not in result["enum"]:
        result["enum"] = [*result["enum"], None]
    return result


def _has_type(schema: Json, kind: str) -> bool:
    declared = schema.get("type")
    return declared == kind or (isinstance(declared, list) and kind in declared)
