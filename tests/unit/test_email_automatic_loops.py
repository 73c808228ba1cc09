"""Circles by mail: slower than by text, and with a number in every letter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from channels.loops import Line, judge
from crm.tenants import TenantSettings

NOON = datetime(2026, 11, 23, 18, tzinfo=UTC)
SETTINGS = TenantSettings()
LETTER = "Your request {n} was received by the office and somebody will look at it"
# Ten words or more, and every one of them matters to a person.
QUESTION = "could you also do friday at {n} or is that too late for the truck?"


def thread(bodies: list[str], *, after: float, mail: bool = True) -> list[Line]:
    """Their messages a minute apart, each but the last answered by us, and theirs coming `after` seconds after ours."""
    lines: list[Line] = []
    for number, body in enumerate(bodies):
        at = NOON - timedelta(minutes=len(bodies) - 1 - number)
        lines += [
            Line(False, body, at, mail),
            Line(True, "Which car?", at + timedelta(seconds=60 - after), mail),
        ]
    return lines[:-1]


def test_a_letter_with_another_number_is_the_same_letter() -> None:
    letters = [LETTER.format(n=n) for n in (1, 22, 333)]
    assert "the same message came 3 times" in (judge(thread(letters, after=40), SETTINGS, NOON) or "")
    assert judge(thread(letters, after=40, mail=False), SETTINGS, NOON) is None, "a text is compared as it is"
    assert judge(thread(letters[:2], after=40), SETTINGS, NOON) is None


def test_few_words_with_another_number_are_other_words() -> None:
    assert judge(thread([f"how about {n} pm" for n in (2, 3, 4)], after=40), SETTINGS, NOON) is None


def test_mails_that_differ_in_more_than_numbers_are_other_mails() -> None:
    bodies = [QUESTION.format(n=2), QUESTION.format(n=2).replace("friday", "monday"), QUESTION.format(n=4)]
    assert judge(thread(bodies, after=40), SETTINGS, NOON) is None


@pytest.mark.parametrize(
    ("after", "mail", "loop"), [(15, True, True), (25, True, False), (15, False, False), (2, False, True)]
)
def test_how_soon_is_too_soon(after: float, mail: bool, loop: bool) -> None:
    bodies = ["one", "two", "three", "four", "five", "six", "seven"]
    found = judge(thread(bodies, after=after, mail=mail), SETTINGS, NOON)
    assert (found is not None and "faster than anybody types" in found) is loop


def test_a_mail_that_says_nobody_reads_it() -> None:
    line = Line(False, "Please do not reply to this e-mail.", NOON, True)
    assert "nobody reads" in (judge([line], SETTINGS, NOON) or "")
