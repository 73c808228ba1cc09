"""When a conversation goes in circles: what counts as a machine, and what is only an impatient person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from channels.loops import Line, judge
from crm.tenants import TenantSettings

NOON = datetime(2026, 11, 23, 18, tzinfo=UTC)
SETTINGS = TenantSettings()
LONG = "Thanks for your message, we will get back to you"


def thread(*bodies: str, every: float = 60, quick: float = 30) -> list[Line]:
    """Their messages, each answered by us but the last; seconds apart, the last one now."""
    lines: list[Line] = []
    at = NOON - timedelta(seconds=(len(bodies) - 1) * every)
    for body in bodies:
        lines += [
            Line(False, body, at),
            Line(True, "Which car is it?", at + timedelta(seconds=every - quick)),
        ]
        at += timedelta(seconds=every)
    return lines[:-1]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (thread(LONG, LONG), None),
        (thread(LONG, LONG.upper() + "!!", LONG), "the same message came 3 times within an hour although it was answered"),
        (thread(LONG, "hello", LONG, "what?", LONG), "the same message came 3 times"),
        (thread(LONG, LONG, LONG, every=1801), None),
        (thread("yes", "Yes!", "yes", "YES"), None),
        (thread(*["ok"] * 5), "the same message came 5 times"),
        (thread("", "", "", "", "", ""), None),
        ([Line(False, LONG, NOON)] * 4, None),
        (thread("a", "b", "c", "d", "e", "f", "g", quick=2), "the last 6 answers came faster than anybody types"),
        (thread("a", "b", "c", "d", "e", "f", quick=2), None),
        (thread("a", "b", "c", "d", "e", "f", "g", quick=3), None),
        (thread(*"abcdefghijklm"), "it has already answered 12 times within one hour"),
        (thread(*"abcdefghijkl"), None),
        (thread(*map(str, range(41)), every=1800), "it has already answered 40 times within one day"),
        (thread("This is an automated message. Do not reply to this message."), "an automatic system answers there"),
        (thread("This number is not monitored"), "an automatic system answers there"),
        (thread("This line doesn't accept incoming texts."), "an automatic system"),
        (thread("Este es un mensaje automático"), "an automatic system"),
        (thread("Is this an automated message?"), None),
        (thread("so this is an automated message?"), None),
        (thread("I'm driving with Do Not Disturb turned on. I'll see your message later."), None),
        (thread("Auto-reply: I am out of the office", "Auto-reply: I am out of the office"), "an automatic reply comes back"),
        (thread("I am out of office till 5, can we say 6?", "yes 6 works"), None),
        ([], None),
        (thread(LONG, LONG, LONG)[:-1], None),
    ],
)  # fmt: skip
def test_what_is_a_loop(lines: list[Line], why: str | None) -> None:
    found = judge(lines, SETTINGS, NOON)
    assert found == why if why is None else found is not None and found.startswith(why)


def test_an_impatient_person_repeats_what_nobody_has_answered() -> None:
    lines = [Line(False, "is anybody there at all", NOON - timedelta(minutes=ago)) for ago in (4, 3, 2, 1, 0)]
    assert judge(lines, SETTINGS, NOON) is None


def test_the_shop_sets_the_cap() -> None:
    few = TenantSettings(max_replies_per_hour=2)
    assert judge(thread("a", "b"), few, NOON) is None
    assert judge(thread("a", "b", "c"), few, NOON) is not None
