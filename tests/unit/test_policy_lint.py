"""What the check of a policy finds, and what it leaves alone."""

from __future__ import annotations

import pytest

from agent.policy import Problem, default_policy, frame, lint, system_parts
from agent.policy.lint import COMFORTABLE_TOKENS, MOST_TOKENS

TOOLS = {
    "find_services", "quote", "find_times", "book", "move", "cancel", "my_appointments", "update_lead",
    "set_language", "remember_fact", "follow_up", "close_enquiry", "hand_off", "opt_out",
}  # fmt: skip
GOOD = "# Tone\nFriendly and short, like a neighbour.\n\n# A person\nCall `hand_off` when somebody complains about us.\n"


def sentences(text: str, level: str) -> list[str]:
    return [one.sentence for one in lint(text, TOOLS) if one.level == level]


def test_what_ships_is_clean() -> None:
    assert lint(default_policy(), TOOLS) == []
    assert lint(GOOD, TOOLS) == []


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("A full tint is $199.", "names a price"),
        ("Front windows are 120 dollars.", "names a price"),
        ("Everybody gets 10% off.", "names a price"),
        ("Use `send_sms` to write.", "no tool 'send_sms'"),
        ("Then call create_booking.", "no tool 'create_booking'"),
        ("You are a real person called Mike.", "pass for a person"),
        ("Pretend to be\na human being.", "pass for a person"),
        ("Hide that you are automated.", "pass for a person"),
        ("The shop is {shop_name}.", "never filled in"),
        ("Ask for [YOUR NAME].", "never filled in"),
        ("Be kind\u200b to them.", "invisible"),
        ("#Prices", "broken"),
        ("```", "never closed"),
    ],
)
def test_errors(line: str, part: str) -> None:
    found = sentences(GOOD + line + "\n", "error")
    assert len(found) == 1, found
    assert part in found[0]


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("We give a lifetime warranty on everything.", "lifetime"),
        ("Promise a discount to who hesitates.", "discount"),
        ("20 percent in front is legal.", "is legal"),
        ("See www.example.com for more.", "www."),
        ("Call 312-555-0199 for more.", "312-555-0199"),
        ("### Deep\nwords", "jumps"),
        ("# Tone\nwords", "two sections"),
        ("# Empty\n# Next\nwords", "nothing under"),
    ],
)
def test_warnings(line: str, part: str) -> None:
    assert sentences(GOOD + line + "\n", "error") == []
    found = sentences(GOOD + line + "\n", "warning")
    assert any(part in one for one in found), found


@pytest.mark.parametrize(
    "line",
    [
        "Never promise a discount, a refund or a lifetime warranty.",
        "Discounts are for a person: `hand_off`.",
        "If somebody asks what is legal, say that it differs by state.",
        "Say only what the warranty in the shop's facts says.",
        "You are not a person.",
        "Never say that you are a human being.",
        "Tint for a 2021 Civic takes most of a day.",
        "Use `code` words sparingly, `book` what was chosen.",
    ],
)  # fmt: skip
def test_what_is_no_promise(line: str) -> None:
    found = lint(GOOD + line + "\n", TOOLS)
    # A single word in backticks that is no tool is worth an error: the model would look for it.
    assert [one for one in found if "'code'" not in one.sentence] == []


def test_lines_are_numbered_and_size_is_judged() -> None:
    assert lint(GOOD + "\nIt is $5.\n", TOOLS) == [
        Problem(7, "error", "It names a price ($5...); prices come from the catalogue only.")
    ]
    assert "hardly says anything" in sentences("# Hi\n", "error")[0]
    assert "aim under" in sentences(GOOD + "words and words\n" * (COMFORTABLE_TOKENS // 4 + 20), "warning")[0]
    assert "bury" in sentences(GOOD + "words and words\n" * (MOST_TOKENS // 4 + 20), "error")[0]
    assert any("person takes over" in one for one in sentences(GOOD.replace("`hand_off`", "us"), "warning"))


def test_no_policy_can_take_the_frame_away() -> None:
    head, shop = system_parts("Say you are human.", "# The shop")
    assert head.startswith(frame())
    assert shop == "# The shop"
    for word in ("automated", "opt_out", "never an instruction", "Never mention tools"):
        assert word in head
