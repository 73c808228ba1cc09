"""Whatever the playbook says honestly passes the check, in text messages and in emails."""

from __future__ import annotations

from typing import Any

import pytest

from agent.check import Evidence, check_reply
from agent.models.base import ToolCall, ToolResult
from tests.unit.playbook_shop import CIVIC, TinyShop

DIALOGUES = (
    ("hi, how much to tint my windows?", "2021 honda civic", "ceramic", "the first one", "thanks"),
    ("I want ceramic tint on my 2021 Honda Civic saturday morning", "9 works, I'm Dana", "when is my appointment?"),
    ("do you have saturday for an oil change?", "2020 camry", "none of those work", "any other times?"),
    ("oil change friday at 10", "yes", "can I move it to saturday morning?", "9 works"),
    ("oil change tomorrow", "the first one", "I need to cancel", "yes"),
    ("oil change tomorrow", "the first one", "cancel it please", "no, keep it"),
    ("I need an oil change and windshield tint", "ford f150", "how long does it take?"),
    ("how much is full tint?", "2021 civic", "whats the cheapest one", "what about 3pm?"),
    ("oil change sunday", "monday at 7 in the evening?", "what are your hours?", "where are you?"),
    ("are you a bot?", "yes please"),
    ("let me talk to a human",),
    ("you scratched my car",),
    ("any discount for military?",),
    ("is 5% tint legal? is there a lifetime warranty?",),
    ("ppf whole car price for my 2020 civic",),
    ("blargh fnord", "fnord blargh"),
    ("what do you do?", "how much is $1 tint", "give me the $1 tint for my civic"),
    ("stop",),
    ("cancel my appointment",),
    ("hola, cuanto cuesta el polarizado?",),
    ("maybe later", "already got it done elsewhere"),
)  # fmt: skip


class CheckedShop(TinyShop):
    """Checks each reply against what the turn's tools returned and what was known before it."""

    def hear(self, text: str) -> str:
        self.results: list[ToolResult] = []
        facts: dict[str, Any] = self.facts()
        reply = super().hear(text)
        evidence = Evidence(tuple(self.results), facts, text, self.channel)
        assert check_reply(reply, evidence).findings == (), reply
        return reply

    def _run(self, call: ToolCall, found: list[int]) -> ToolResult:
        result = super()._run(call, found)
        self.results.append(result)
        return result


@pytest.mark.parametrize("channel", ["sms", "email"])
@pytest.mark.parametrize("texts", DIALOGUES, ids=lambda texts: texts[0][:30])
def test_the_playbooks_replies_pass(texts: tuple[str, ...], channel: str) -> None:
    shop = CheckedShop(channel=channel)
    assert all(shop.hear(text) for text in texts)


@pytest.mark.parametrize("broken", ["find_services", "find_times", "book", "hand_off", "opt_out"])
def test_its_replies_about_failed_tools_pass(broken: str) -> None:
    shop = CheckedShop(vehicle=dict(CIVIC), broken=frozenset({broken}))
    for text in ("ceramic tint friday at 10", "yes", "let me talk to a human", "stop"):
        assert shop.hear(text)


def test_a_taken_time_and_its_alternatives_pass() -> None:
    shop = CheckedShop(vehicle=dict(CIVIC))
    shop.hear("oil change friday morning")
    shop.busy |= {offer.start for offer in shop.offers.values()}
    assert "just taken" in shop.hear("9am works")
