"""What both OpenAI endpoints refuse, and the words for it (LLM facts 2.2 - 2.6)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MODELS = frozenset(
    [
        *("gpt-6-astra", "gpt-6.2-astra", "gpt-6.1-sol", "gpt-6.2-sol", "gpt-6.1-terra", "gpt-6-sol"),
        *("gpt-6-luna", "gpt-5.6-sol", "gpt-5.6-terra", "gpt-5.6-luna", "gpt-5.5", "gpt-5.4", "gpt-5.4-mini"),
        *("gpt-5.4-nano", "gpt-5.2", "gpt-5.1", "gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-4.1"),
        *("gpt-4.1-mini", "gpt-4o", "gpt-4o-mini"),
    ]
)
_NO_EFFORT_NONE = re.compile(r"astra|gpt-6\.1-sol|gpt-6\.2-")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Refused(Exception):
    """The request is answered with this error object."""

    def __init__(
        self, message: str, *, param: str | None = None, code: str | None = None, status: int = 400
    ) -> None:
        super().__init__(message)
        self.message, self.param, self.code, self.status = message, param, code, status


def reasons(model: str) -> bool:
    """True for models with reasoning, which refuse sampling parameters and max_tokens."""
    return model.startswith(("gpt-5", "gpt-6", "o3", "o4"))


def unsupported(name: str, hint: str = "") -> Refused:
    """The answer to a parameter this model does not take."""
    text = f"Unsupported parameter: '{name}' is not supported with this model.{hint}"
    return Refused(text, param=name, code="unsupported_parameter")


def check_known(body: Mapping[str, Any], known: frozenset[str]) -> None:
    """Raise Refused for a parameter the endpoint does not have."""
    for name in body.keys() - known:
        raise Refused(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")


def check_effort(model: str, effort: str | None) -> None:
    """Raise Refused when the model cannot switch its reasoning off."""
    if effort == "none" and (_NO_EFFORT_NONE.search(model) or model in {"gpt-5", "gpt-5-mini", "gpt-5-nano"}):
        text = f"Unsupported value: 'none' is not supported with the '{model}' model."
        raise Refused(text, param="reasoning.effort", code="unsupported_value")


def check_sampling(body: Mapping[str, Any], effort: str | None) -> None:
    """Raise Refused for temperature and top_p on a reasoning model."""
    for name in ("temperature", "top_p"):
        if body.get(name) is not None and reasons(body["model"]) and effort != "none":
            raise unsupported(name)


def check_function(spec: Mapping[str, Any], where: str, *, strict: bool) -> None:
    """Raise Refused for a bad function name or a schema that strict mode does not take."""
    name = spec.get("name")
    if not name:
        raise Refused(
            f"Missing required parameter: '{where}.name'.",
            param=f"{where}.name",
            code="missing_required_parameter",
        )
    if not _NAME.fullmatch(name):
        raise Refused(
            f"Invalid '{where}.name': string does not match pattern. "
            "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
            param=f"{where}.name",
            code="invalid_value",
        )
    if strict:
        _check_strict(spec.get("parameters") or {}, name, where, "()")


def _check_strict(schema: Any, name: str, where: str, context: str) -> None:
    if not isinstance(schema, dict):
        return
    if "object" in _types(schema):
        fields = schema.get("properties") or {}
        if schema.get("additionalProperties") is not False:
            _bad_schema(
                name, where, context, "'additionalProperties' is required to be supplied and to be false."
            )
        if missing := [field for field in fields if field not in schema.get("required", [])]:
            told = (
                "'required' is required to be supplied and to be an array including every key in properties."
            )
            _bad_schema(name, where, context, f"{told} Missing '{missing[0]}'.")
        for field, inner in fields.items():
            _check_strict(inner, name, where, f"('properties', '{field}')")
    _check_strict(schema.get("items"), name, where, "('items')")
    for option in schema.get("anyOf", []):
        _check_strict(option, name, where, "('anyOf')")


def _types(schema: dict[str, Any]) -> list[str]:
    kind = schema.get("type", [])
    return kind if isinstance(kind, list) else [kind]


def _bad_schema(name: str, where: str, context: str, told: str) -> None:
    text = f"Invalid schema for function '{name}': In context={context}, {told}"
    raise Refused(text, param=f"{where}.parameters", code="invalid_function_parameters")
