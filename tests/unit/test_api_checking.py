"""The API without a database: bodies taken apart, fields checked, where a visitor may be sent."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask, request
from werkzeug.test import create_environ

from channels.api.bodies import MAX_BYTES, Posted, read
from channels.api.checking import check
from channels.api.pages import redirect_to
from channels.api.problems import Problem

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
APP = Flask("test")


def posted(raw: bytes, **given: Any) -> Posted:
    """A JSON body taken apart, as it comes from the network."""
    with APP.test_request_context("/", method="POST", data=raw, content_type="application/json", **given):
        return read(request)


class Endless(io.RawIOBase):
    """A body that never ends, and says no length."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        buffer[:] = b" " * len(buffer)
        return len(buffer)


def test_a_body_without_a_length_is_measured_while_it_comes() -> None:
    environ = create_environ("/", method="POST", content_type="application/json")
    environ.update({"wsgi.input": Endless(), "wsgi.input_terminated": True})
    environ.pop("CONTENT_LENGTH", None)
    with APP.request_context(environ), pytest.raises(Problem) as caught:
        read(request)
    assert (caught.value.kind, str(MAX_BYTES // 1024) in caught.value.detail) == ("too-large", True)


def test_bodies_that_say_the_same_have_one_digest() -> None:
    one, other = posted(b'{"a": 1, "b": {"c": "x"}}'), posted(b'\xef\xbb\xbf{ "b":{"c":"\\u0078"},"a":1}')
    assert one.digest() == other.digest()
    assert one.digest() != posted(b'{"a": "1", "b": {"c": "x"}}').digest()


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"[]", b'"x"', b"null", b"\xff\xfe{", b'{"phone": NaN}', b"[" * 5000, b'{"phone": "\\ud800"}',
        b'{"phone": "+13125550150", "phone": "+13125550151"}', b'{"facts": {"a": 1, "a": 2}}', b"1" * 5000,
    ],
    ids=str,
)  # fmt: skip
def test_a_body_that_cannot_be_read(raw: bytes) -> None:
    with pytest.raises(Problem) as caught:
        posted(raw)
    assert caught.value.kind == "unreadable"


FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({"phone": None}, "", "phone number or an email"),
    ({"phone": "  "}, "", "phone number or an email"),
    ({"phone": "555-2671"}, "phone", "area code"),
    ({"phone": 3125550150}, "phone", "has to be text"),
    ({"phone": "1" * 41}, "phone", "at most 40"),
    ({"email": "dana@"}, "email", "no email address"),
    ({"email": ["a@b.co"]}, "email", "has to be text"),
    ({"vehicle": {"year": "2021"}}, "vehicle.year", "whole number"),
    ({"vehicle": {"year": 1899}}, "vehicle.year", "at least 1900"),
    ({"vehicle": {"body_style": "tank"}}, "vehicle.body_style", "one of 'coupe'"),
    ({"vehicle": "Civic"}, "vehicle", "has to be an object"),
    ({"vehicle": {"wheels": 4}}, "vehicle.wheels", "no field of ours"),
    ({"colour": "red"}, "colour", "belong into facts"),
    ({"wish": "x" * 2001}, "wish", "at most 2000"),
    ({"postal_code": "6061"}, "postal_code", "ZIP code"),
    ({"state": "Illinois"}, "state", "two letters"),
    ({"language": "¿español?"}, "language", "en or es"),
    ({"facts": {"a": [1]}}, "facts.a", "text, a number, true, false or null"),
    ({"facts": {"a": {"b": 1}}}, "facts.a", "text, a number"),
    ({"facts": {"a": "x" * 501}}, "facts.a", "at most 500"),
    ({"facts": {"a": 10**16}}, "facts.a", "too large a number"),
    ({"facts": {"a": -1e300}}, "facts.a", "too large a number"),
    ({"facts": {" ": 1}}, "facts. ", "no name of a field"),
    ({"facts": {"n" * 61: 1}}, "facts." + "n" * 61, "no name of a field"),
    ({"facts": {str(n): 1 for n in range(31)}}, "facts", "at most 30"),
    ({"consent": {"sms": {"given": "yes"}}}, "consent.sms.given", "true or false"),
    ({"consent": {"sms": {"text": "x"}}}, "consent.sms.given", "is needed"),
    ({"consent": {"fax": {"given": True}}}, "consent.fax", "no field of ours"),
    ({"made_at": "yesterday"}, "made_at", "moment with a zone"),
    ({"made_at": "2026-11-23T15:00:00"}, "made_at", "moment with a zone"),
    ({"made_at": 1764000000}, "made_at", "moment with a zone"),
    ({"made_at": "2026-02-30T15:00:00Z"}, "made_at", "calendar"),
    ({"made_at": "2026-11-23T15:06:00Z"}, "made_at", "future"),
    (
        {"consent": {"sms": {"given": True, "text": "x", "at": "2027-01-01T00:00:00Z"}}},
        "consent.sms.at",
        "future",
    ),
]


@pytest.mark.parametrize(("given", "field", "why"), FIELDS, ids=[str(case[0])[:40] for case in FIELDS])
def test_a_field_that_is_wrong_is_named_with_the_reason(given: dict[str, Any], field: str, why: str) -> None:
    with pytest.raises(Problem) as caught:
        check({"phone": "+13125550150", **given}, NOW)
    assert (caught.value.kind, caught.value.status) == ("fields", 422)
    (error,) = caught.value.errors
    assert error.field == field
    assert why in error.detail


GOOD = "https://www.shop.example/thanks?a=1"


@pytest.mark.parametrize(
    ("wanted", "to"),
    [
        (GOOD, GOOD),
        ("https://WWW.shop.example:443/", "https://WWW.shop.example:443/"),
        ("http://www.shop.example/", None),
        ("https://evil.example/", None),
        ("https://www.shop.example.evil.example/", None),
        ("https://www.shop.example@evil.example/", None),
        ("https://user@www.shop.example/", None),
        ("https://evil.example\\@www.shop.example/", None),
        ("//www.shop.example/", None),
        ("/thanks", None),
        ("javascript:alert(1)", None),
        ("https://www.shop.example:8443/", None),
        ("https://www.shop.example/\r\nSet-Cookie: a=b", None),
        ("https://[www.shop.example/", None),
        ("https://www.shop.example/" + "x" * 3000, None),
    ],
)
def test_a_visitor_is_sent_only_to_an_https_page_of_an_own_host(wanted: str, to: str | None) -> None:
    assert redirect_to(wanted, ("www.shop.example",)) == to
    assert redirect_to(wanted, ()) is None
