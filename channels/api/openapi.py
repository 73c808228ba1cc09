"""The description of the API (OpenAPI 3.1), made from the types that check requests, so that it cannot say otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

import yaml
from pydantic.json_schema import models_json_schema

from channels.api.answers import LeadTaken, Refusal
from channels.api.bodies import FORM, FORM_KEY, JSON, MAX_BYTES, MULTIPART, REDIRECT, TRAP
from channels.api.problems import KINDS, MEDIA_TYPE
from channels.api.schema import LeadIn

_REF = "#/components/schemas/"
_ABOUT = """Tell the shop's assistant of somebody who asked for something: it answers within seconds.

The same enquiry told again (same `external_id`; else same Idempotency-Key; else the same words on the same day) is
stored once. A person is known by phone number or email address, once for each shop. Consent to text messages counts
only with the words the person agreed to. Fields that are not described here are refused; your own belong into `facts`.

A server sends its key as `Authorization: Bearer`. A page that posts a plain HTML form has a form's key in the field
`form_key`, may name the page to go on to in `redirect` (https, on one of the key's own hosts), and should have a field
`leave_this_empty` that people cannot see; names of fields are written with dots (`vehicle.year`) or brackets
(`vehicle[year]`)."""
_PAGE_FIELDS = {
    FORM_KEY: "The form's key (leads_form_...), for pages that everybody can read.",
    REDIRECT: "Where to send the visitor afterwards.",
    TRAP: "Hide it from people. Machines fill it in, and what they send is not taken.",
}


@cache
def as_text(base_url: str) -> str:
    """The document as JSON. `base_url`: where the installation is reached."""
    return json.dumps(document(base_url), indent=1)


def document(base_url: str) -> dict[str, Any]:
    """The document as an object."""
    schemas = _schemas()
    schemas["LeadForm"] = form_schema()
    return {
        "openapi": "3.1.0",
        "info": {"title": "Leads", "version": "1", "summary": "Leads come in.", "description": _ABOUT},
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{"url": base_url.rstrip("/")}],
        "paths": {"/api/v1/leads": {"post": _post()}},
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "leads_key_..."}},
        },
    }


def form_schema() -> dict[str, Any]:
    """The fields of a form, flat: everything is text there, and names say where it belongs."""
    whole = LeadIn.model_json_schema(ref_template="{model}")
    properties: dict[str, Any] = {
        name: {"type": "string", "description": text} for name, text in _PAGE_FIELDS.items()
    }
    for name, schema in _flat(whole, whole.get("$defs", {})):
        properties[name] = schema
    reachable = [
        {"required": [name], "properties": {name: {"type": "string", "pattern": r"\S"}}}
        for name in ("phone", "email")
    ]
    return {
        "type": "object",
        "description": "The same as JSON's object, with flat names. Empty fields count as not sent.",
        "properties": properties,
        "patternProperties": {
            r"^facts(\.|\[)": {"type": "string", "maxLength": 500, "description": "A field of your own."}
        },
        "additionalProperties": False,
        "anyOf": reachable,
    }


def _post() -> dict[str, Any]:
    found = yaml.safe_load(resources.files(__package__).joinpath("examples.yaml").read_text(encoding="utf-8"))
    form = {"schema": {"$ref": f"{_REF}LeadForm"}, "examples": found["form"]}
    content = {
        JSON: {"schema": {"$ref": f"{_REF}LeadIn"}, "examples": found["json"]},
        FORM: form,
        MULTIPART: form,
    }
    taken = {JSON: {"schema": {"$ref": f"{_REF}LeadTaken"}}}
    responses: dict[str, Any] = {
        "201": {"description": "Stored; it was not known.", "content": taken},
        "200": {"description": "Known already, or a form of a page.", "content": {**taken, "text/html": {}}},
        "303": {"description": "A form of a page: on to the owner's page.", "headers": _header("Location")},
    }
    for status, title in sorted(KINDS.values()):
        if status != 405:
            responses[str(status)] = _refusal(status, title)
    return {
        "operationId": "addLead",
        "summary": "Tell of a lead",
        "description": f"The body has at most {MAX_BYTES // 1024} kB.",
        "security": [{"key": []}, {}],
        "parameters": [_idempotency()],
        "requestBody": {"required": True, "content": content},
        "responses": responses,
    }


def _idempotency() -> dict[str, Any]:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "A text of your own for this request. Sent again, it is answered the same again and nothing is"
        " stored twice; with another body it is refused. Forms of pages have none.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    }


def _refusal(status: int, title: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "description": title,
        "content": {MEDIA_TYPE: {"schema": {"$ref": f"{_REF}Refusal"}}},
    }
    if status in (429, 503):
        found["headers"] = _header("Retry-After")
    return found


def _header(name: str) -> dict[str, Any]:
    return {name: {"schema": {"type": "string"}}}


def _schemas() -> dict[str, Any]:
    inputs = models_json_schema([(LeadIn, "validation")], ref_template=_REF + "{model}")[1]["$defs"]
    outputs = models_json_schema(
        [(LeadTaken, "serialization"), (Refusal, "validation")], ref_template=_REF + "{model}"
    )[1]["$defs"]
    return {name: _plain(schema) for name, schema in {**inputs, **outputs}.items()}


def _plain(schema: Any) -> Any:
    """Without what only repeats the name, or says that what need not be there is nothing."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: value for name, value in schema.items() if not (name == "title" and isinstance(value, str))}
    if kept.get("default", 0) is None:
        del kept["default"]
    return {name: _plain(value) for name, value in kept.items()}


def _flat(
    schema: dict[str, Any], known: dict[str, Any], before: str = ""
) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, each in schema["properties"].items():
        given = next((one for one in each.get("anyOf", [each]) if one.get("type") != "null"), each)
        if "$ref" in given:
            yield from _flat(known[given["$ref"]], known, f"{before}{name}.")
        elif given.get("type") != "object":
            yield f"{before}{name}", _as_field(name, given, each.get("description"))


def _as_field(name: str, schema: dict[str, Any], text: str | None) -> dict[str, Any]:
    if name == "given":
        field: dict[str, Any] = {
            "type": "string",
            "enum": ["on", "yes", "true", "1", "no", "false", "off", "0"],
        }
    elif schema.get("type") == "integer":
        field = {"type": "string", "pattern": "^[0-9]+$"}
    else:
        field = {
            key: value
            for key, value in schema.items()
            if key in ("type", "maxLength", "pattern", "enum", "format")
        }
    return {**field, **({"description": text} if text else {})}
