"""The description of the API says what the code does: every example is taken, and so is nothing that it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import jsonschema
import pytest
from flask import Flask, request
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.api.bodies import FORM, Posted, read
from channels.api.checking import check
from channels.api.openapi import as_text, document
from channels.api.problems import KINDS, Problem

NOW = datetime(2026, 11, 24, tzinfo=UTC)
APP = Flask("test")
DOCUMENT = document("https://hooks.example.com/")
POST = DOCUMENT["paths"]["/api/v1/leads"]["post"]


def schema(name: str) -> jsonschema.Draft202012Validator:
    """A validator of one of the document's schemas, with everything it refers to."""
    whole = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return jsonschema.Draft202012Validator(whole)


def taken(fields: Any) -> bool:
    """Whether the code takes these fields."""
    return not reasons(fields)


def reasons(fields: Any) -> list[str]:
    """Why the code refuses these fields; none when it takes them."""
    try:
        check(fields, NOW)
    except Problem as problem:
        return [one.detail for one in problem.errors]
    return []


def as_form(fields: dict[str, str]) -> Posted:
    """The fields as a browser sends them, taken apart."""
    with APP.test_request_context("/", method="POST", data=urlencode(fields), content_type=FORM):
        return read(request)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (str(each) for name, each in value.items() if name == "$ref")
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from references(each)


def test_it_is_whole() -> None:
    assert json.loads(as_text("https://hooks.example.com/")) == DOCUMENT
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["servers"] == [{"url": "https://hooks.example.com"}]
    known = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    used = set(references(DOCUMENT))
    assert used <= known
    assert {"#/components/schemas/LeadIn", "#/components/schemas/Refusal"} <= used
    for each in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(each)


def test_every_refusal_is_described() -> None:
    answered = {status for status, _ in KINDS.values()} - {405}
    assert {int(status) for status in POST["responses"]} == answered | {200, 201, 303}
    for status in ("429", "503"):
        assert "Retry-After" in POST["responses"][status]["headers"]


@pytest.mark.parametrize("name", list(POST["requestBody"]["content"]["application/json"]["examples"]))
def test_every_example_is_taken_and_fits_the_description(name: str) -> None:
    example = POST["requestBody"]["content"]["application/json"]["examples"][name]["value"]
    schema("LeadIn").validate(example)
    lead = check(example, NOW)
    # Everything an example says is kept somewhere.
    said = set(example) - {"facts", "consent", "vehicle", "utm"}
    assert all(getattr(lead, field) is not None for field in said)


def test_the_form_example_is_taken_and_fits_the_description() -> None:
    for content in (FORM, "multipart/form-data"):
        for example in POST["requestBody"]["content"][content]["examples"].values():
            schema("LeadForm").validate(example["value"])
            posted = as_form(example["value"])
            lead = check(posted.fields, NOW)
            assert lead.consent is not None
            assert lead.consent.sms is not None
            assert lead.consent.sms.given
            assert set(posted.page) == {"form_key", "redirect", "leave_this_empty"}


def test_a_form_has_every_field_of_the_json() -> None:
    flat = set(DOCUMENT["components"]["schemas"]["LeadForm"]["properties"])
    schemas = DOCUMENT["components"]["schemas"]
    expected = {"form_key", "redirect", "leave_this_empty"} | (
        set(schemas["LeadIn"]["properties"]) - {"facts"}
    )
    expected -= {"vehicle", "utm", "consent"}
    expected |= {f"vehicle.{name}" for name in schemas["CarIn"]["properties"]}
    expected |= {f"utm.{name}" for name in schemas["UtmIn"]["properties"]}
    expected |= {
        f"consent.{to}.{name}" for to in ("sms", "email") for name in schemas["ConsentIn"]["properties"]
    }
    assert flat == expected


# Values of every kind a parser gives, among them ones that are right.
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab1 -", max_size=12)
    | st.sampled_from(["x" * 41, "x" * 101, "x" * 501, "x" * 2001, "60614", "IL", "es-US", "sedan", "2026-11-23T15:00:00Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abz ", max_size=61), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip
NAMES = sorted(DOCUMENT["components"]["schemas"]["LeadIn"]["properties"])
PARTS = {"vehicle": "CarIn", "utm": "UtmIn"}


def part(name: str) -> st.SearchStrategy[Any]:
    names = [*DOCUMENT["components"]["schemas"][name]["properties"], "other"]
    return st.dictionaries(st.sampled_from(names), VALUES, max_size=3)


CONSENT = st.fixed_dictionaries({}, optional={"sms": part("ConsentIn"), "email": part("ConsentIn")})
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(NAMES, VALUES),
        **{name: part(model) | VALUES for name, model in PARTS.items()},
        "consent": CONSENT | VALUES,
        "facts": st.dictionaries(st.text("abz ", max_size=61), VALUES, max_size=3) | VALUES,
        "phone": VALUES | st.just("312 555 0150"),
        "another": VALUES,
    },
)


@settings(max_examples=400, deadline=None)
@given(FIELDS)
def test_what_the_code_takes_fits_the_description(fields: dict[str, Any]) -> None:
    if taken(fields):
        schema("LeadIn").validate(fields)


@settings(max_examples=400, deadline=None)
@given(FIELDS.map(lambda fields: {**fields, "phone": "312 555 0150"}))
def test_what_fits_the_description_is_taken_except_for_what_no_schema_can_say(fields: dict[str, Any]) -> None:
    if not schema("LeadIn").is_valid(fields):
        assert not taken(fields)
        return
    # Whether an address or a moment exists; and a whole number written 1.0, which is none for a program.
    unsaid = {
        "is no email address",
        "lies in the future",
        "has to be a whole number",
        "is no moment of the calendar",
    }
    assert all(why in unsaid or "moment with a zone" in why for why in reasons(fields))
