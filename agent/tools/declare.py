"""How a tool is declared: a typed function with a docstring becomes what the model reads and may send."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from sqlalchemy.orm import Session

from agent.models.base import Json, ToolSpec
from crm.db import Database
from crm.models import Lead, Location
from crm.text import storable
from ops.clock import Clock


@dataclass(frozen=True)
class ToolContext:
    """Whose conversation this is. Set by the turn, never by the model, so a tool acts on this lead only."""

    db: Database
    clock: Clock
    tenant_id: int
    location_id: int
    lead_id: int
    session_id: int
    turn_id: int
    trigger_message_id: int
    channel: str


@dataclass(frozen=True)
class ToolRun:
    """One call under way: the context, the transaction it happens in, and the moment it started."""

    ctx: ToolContext
    s: Session
    now: datetime

    def location(self) -> Location:
        """The shop of this conversation."""
        return self.s.get_one(Location, self.ctx.location_id)

    def lead(self) -> Lead:
        """The customer of this conversation."""
        return self.s.get_one(Lead, self.ctx.lead_id)


class ToolRefusal(Exception):
    """The tool will not do this. The message is a sentence the model can act on; `extra` joins the result.

    Rows written before the refusal stay: alternatives offered with a refusal must exist.
    """

    def __init__(self, sentence: str, **extra: Any) -> None:
        super().__init__(sentence)
        self.extra = extra


class BadArguments(Exception):
    """The arguments do not match the tool; `expected` says what it takes."""

    def __init__(self, sentence: str, expected: dict[str, str]) -> None:
        super().__init__(sentence)
        self.expected = expected


ToolFunction = Callable[..., Json]


@dataclass(frozen=True)
class Tool:
    """A declared tool. `arguments` checks what the model sent; `spec` is what the model reads."""

    spec: ToolSpec
    function: ToolFunction
    arguments: type[BaseModel]

    def read(self, raw: Json) -> Json:
        """The checked arguments with defaults filled in, as the function takes them. Raises BadArguments.

        A null or an empty text for an argument that may be left out means that it was left out.
        """
        required = self.spec.schema["required"]
        given = {
            key: _clean(value) for key, value in raw.items() if key in required or value not in (None, "")
        }
        try:
            checked = self.arguments.model_validate(given)
        except ValidationError as error:
            raise BadArguments(
                f"Wrong arguments for {self.spec.name}: {self._wrong(error)}.", self.expected()
            ) from None
        return {name: getattr(checked, name) for name in self.arguments.model_fields}

    def _wrong(self, error: ValidationError) -> str:
        """What is wrong, in words of ours only: a name the model made up may carry what an attacker wrote."""
        said = []
        for one in error.errors(include_url=False, include_input=False):
            field = str(one["loc"][0]) if one["loc"] else "arguments"
            known = field in self.arguments.model_fields or field == "arguments"
            said.append(f"{field}: {one['msg']}" if known else "unknown argument")
        return "; ".join(dict.fromkeys(said))

    def expected(self) -> dict[str, str]:
        """What the tool takes, one short line per argument."""
        properties: dict[str, Json] = self.spec.schema["properties"]
        return {
            name: " ".join(
                filter(
                    None,
                    [
                        "required" if name in self.spec.schema["required"] else "optional",
                        schema.get("type", ""),
                        f"one of {', '.join(schema['enum'])}." if "enum" in schema else "",
                        schema.get("description", ""),
                    ],
                )
            )
            for name, schema in properties.items()
        }


def tool(*, write: bool) -> Callable[[ToolFunction], Tool]:
    """Declare a tool: `function(run, *, typed arguments) -> JSON object`. Its docstring is its description.

    `write` tools change something the customer cares about and have one effect per message and arguments.
    """

    def declare(function: ToolFunction) -> Tool:
        name = function.__name__.removesuffix("_tool")
        arguments = _arguments_model(name, function)
        description = " ".join((inspect.getdoc(function) or "").split())
        if not description:
            raise TypeError(f"the tool {name} needs a docstring: it is what the model reads")
        return Tool(ToolSpec(name, description, _schema(arguments), write), function, arguments)

    return declare


def _arguments_model(name: str, function: ToolFunction) -> type[BaseModel]:
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[parameter.name] = (hints[parameter.name], default)
    return create_model(name, __config__=ConfigDict(extra="forbid"), **fields)


def _schema(arguments: type[BaseModel]) -> Json:
    """JSON Schema in the subset every vendor understands (LLM facts 1.2, 2.3): types, enums, descriptions.

    Limits and formats stay in the validation and in the descriptions. An argument that may be left out is not
    `required`; that null is accepted too needs no word in the schema.
    """
    full = arguments.model_json_schema()
    return {
        "type": "object",
        "properties": {name: _simple(schema) for name, schema in full.get("properties", {}).items()},
        "required": list(full.get("required", ())),
        "additionalProperties": False,
    }


def _simple(schema: Json) -> Json:
    if "anyOf" in schema:
        real = next(option for option in schema["anyOf"] if option.get("type") != "null")
        schema = {**real, **{key: value for key, value in schema.items() if key != "anyOf"}}
    kept: Json = {key: schema[key] for key in ("type", "enum", "description") if key in schema}
    if "items" in schema:
        kept["items"] = _simple(schema["items"])
    return kept


def _clean(value: Any) -> Any:
    """Text in the form PostgreSQL can hold, however deep it sits."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_clean(one) for one in value]
    return value
