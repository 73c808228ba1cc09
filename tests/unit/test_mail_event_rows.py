"""Reading one event: strange shapes, the two keys, and what it means."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.email.delivery import carrier_id_of
from channels.email.event_effects import plain_code, what_they_said
from channels.email.event_meaning import failure_of, opt_out_in
from channels.email.event_rows import MOST_RAW, MailEventRow, read_event

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
OURS = uuid.UUID("11111111-2222-3333-4444-555555555555")
PLAIN: dict[str, Any] = {
    "email": "Dana@Example.com",
    "timestamp": 1600112492,
    "event": "bounce",
    "sg_event_id": "ZHJvcA",
    "sg_message_id": "LRzXl.filterdrecv-p3mdw1-7-18-5F5FC76C-9.0",
    "outbox_id": str(OURS),
    "type": "bounce",
    "status": "5.1.1",
    "reason": "550 5.1.1 no\r\nsuch user",
}


def read(**changed: Any) -> MailEventRow:
    return read_event({**PLAIN, **changed}, NOW)


def test_an_ordinary_event() -> None:
    row = read(category=["a", "b"])
    assert (row.address, row.event, row.sg_event_id, row.outbox_id) == (
        "dana@example.com", "bounce", "ZHJvcA", OURS,
    )  # fmt: skip
    assert row.occurred_at == datetime(2020, 9, 14, 19, 41, 32, tzinfo=UTC)
    assert row.reason == "550 5.1.1 no such user"
    assert row.raw["category"] == ["a", "b"]
    assert read(category="a").raw["category"] == "a"


@pytest.mark.parametrize("stamp", [None, "soon", 1e30, -1e30, [], float("nan"), {"a": 1}, True])
def test_a_moment_that_makes_no_sense_is_the_receipts(stamp: Any) -> None:
    assert read(timestamp=stamp).occurred_at in (NOW, datetime.fromtimestamp(1, UTC))


@pytest.mark.parametrize("value", [None, 42, "42", "", "x" * 100, ["a"], {"a": "b"}, f"{OURS}0"])
def test_another_programs_argument_of_the_same_name(value: Any) -> None:
    assert read(outbox_id=value).outbox_id is None


@pytest.mark.parametrize("address", [None, 7, [], {}, "", "   "])
def test_an_event_about_an_account_has_no_address(address: Any) -> None:
    assert read(email=address).address == ""


def test_the_soft_key_outlives_another_event_id_and_nothing_else() -> None:
    first = read()
    assert read(sg_event_id="other").soft_key == first.soft_key
    assert read(reason="other words", ip="192.0.2.1").soft_key == first.soft_key
    changes: list[dict[str, Any]] = [
        {"event": "delivered"}, {"email": "sam@example.com"}, {"timestamp": 1600112493}, {"sg_message_id": "M2.filter"},
        {"url": "https://a.example"}, {"attempt": "2"}, {"outbox_id": str(uuid.UUID(int=1))},
    ]  # fmt: skip
    keys = {first.soft_key, *(read(**change).soft_key for change in changes)}
    assert len(keys) == len(changes) + 1


def test_what_the_database_cannot_hold_is_left_out() -> None:
    nested: Any = "deep"
    for _ in range(50):
        nested = {"a": nested}
    row = read(reason="a\x00b\ud800", nested=nested, ratio=float("inf"), **{"k\x00": 1})
    text = json.dumps(row.raw, allow_nan=False)
    assert "\\u0000" not in text
    assert "\\ud800" not in text
    assert len(text) <= MOST_RAW
    big = read(useragent="x" * 100_000)
    assert len(json.dumps(big.raw)) <= MOST_RAW
    assert big.raw["sg_event_id"] == "ZHJvcA"
    assert big.said("type") == "bounce"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from([*PLAIN, "url", "attempt", "category", "response"]), JSON))
def test_any_object_at_all(event: dict[str, Any]) -> None:
    row = read_event(event, NOW)
    json.dumps(row.raw, allow_nan=False).encode()
    assert row.occurred_at.tzinfo is not None
    failure_of(row)
    opt_out_in(row, shared=True)


@pytest.mark.parametrize(
    ("kind", "status", "blame", "again"),
    [
        ("bounce", "5.1.1", "hard", False),
        ("bounce", "4.2.2", "hard", False),
        ("blocked", "5.7.1", "soft", True),
        ("expired", "4.4.7", "soft", False),
        (None, "5.1.1", "hard", False),
        (None, "5.7.1", "soft", False),
        (None, "", "soft", False),
        ("odd", "5.1.1", "soft", False),
    ],
)
def test_bounces(kind: str | None, status: str, blame: str, again: bool) -> None:
    failure = failure_of(read(type=kind, status=status, reason=""))
    assert (failure.blame, failure.again, failure.code) == (blame, again, status or None)


@pytest.mark.parametrize(
    ("reason", "blame", "closes", "ends"),
    [
        ("Bounced Address", "hard", False, False),
        ("Invalid", "hard", False, False),
        ("Invalid SMTPAPI header", "none", False, False),
        ("Unsubscribed Address", "none", True, False),
        ("Spam Reporting Address", "none", True, True),
        ("Spam Content (if Spam Checker app enabled)", "none", False, False),
        ("Recipient List over Package Quota", "none", False, False),
        ("something new", "none", False, False),
        ("", "none", False, False),
    ],
)
def test_drops(reason: str, blame: str, closes: bool, ends: bool) -> None:
    row = read(event="dropped", reason=reason, type=None)
    told = opt_out_in(row, shared=True)
    assert failure_of(row).blame == blame
    assert (told is not None, told is not None and told.ends_cadence) == (closes, ends)
    if told is not None:
        own = opt_out_in(row, shared=False)
        assert told.alone
        assert own is not None
        assert not own.alone


def test_only_a_drop_has_a_cause_that_is_an_opt_out() -> None:
    assert opt_out_in(read(reason="Unsubscribed Address"), shared=False) is None


@pytest.mark.parametrize(
    ("told", "known", "expected"),
    [
        ("LRzXl.filterdrecv-p3mdw1-756b745b58.0", None, "LRzXl"),
        ("LRzXl.recvd-5c6f-x.0", None, "LRzXl"),
        ("14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0", None, "14c5d75ce93.dfd.64b469"),
        ("14c5d75ce93.dfd.64b469.other.1", "14c5d75ce93.dfd.64b469", "14c5d75ce93.dfd.64b469"),
        ("LRzXl", "LRzXl", "LRzXl"),
        ("LRzXlonger.filter1", "LRzXl", "LRzXlonger"),
        ("", None, None),
        (".filter", None, None),
    ],
)
def test_the_id_mail_send_answered_with(told: str, known: str | None, expected: str | None) -> None:
    assert carrier_id_of(told, known) == expected


def test_a_strange_servers_words_are_one_plain_line() -> None:
    said = what_they_said(
        "550 \x1b[31mred\x1b[0m\r\n\t[bold]no[/bold]\u2028 <b>user</b>\x00" + "x" * 1000, 60
    )
    assert said.startswith("550 ")
    assert len(said) == 60
    assert not any(ord(char) < 32 or char in "\u2028\u0085" for char in said)
    assert what_they_said(None) == ""
    assert what_they_said(["a"]) == "['a']"
    assert plain_code("smtp; 550-5.1.1 <x>") == "5.1.1"
    assert plain_code("451 try 12345 later") == "451"
    assert plain_code("5.7.1") == "5.7.1"
    assert plain_code("click http://evil.example") is None
    assert plain_code(None) is None
