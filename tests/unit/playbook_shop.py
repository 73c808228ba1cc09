"""A tiny real shop for dialogues with the playbook: turns on the tools of `playbook_tools`, each reply checked.

Refusals are error results, as in the real toolbox.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from agent.check import Evidence, Verdict, check_reply, names_moment
from agent.models.base import (
    AssistantStep,
    Item,
    ModelRequest,
    ToolCall,
    ToolResult,
    ToolResults,
    ToolSpec,
    UserText,
)
from agent.models.playbook import PlaybookModel
from tests.unit.playbook_tools import NOW, Refused, TinyTools

TOOLS = (
    "find_services",
    "find_times",
    "book",
    "move",
    "cancel",
    "my_appointments",
    "update_lead",
    "hand_off",
    "opt_out",
    "quote",
    "set_language",
    "follow_up",
)
CIVIC = {"year": 2021, "make": "Honda", "model": "Civic", "body_style": "sedan"}


@dataclass
class TinyShop(TinyTools):
    """The shop and one customer's conversation with the playbook."""

    wish: str | None = None
    channel: str = "sms"
    broken: frozenset[str] = frozenset()
    shop_facts: dict[str, str] = field(default_factory=dict)
    exceptions: list[dict[str, str]] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    batch: list[int] = field(default_factory=list)
    history: list[Item] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    tool_texts: list[str] = field(default_factory=list)

    def hear(self, text: str) -> str:
        """One whole turn: the customer's text in, the reply out. Fails when it takes more than six rounds."""
        self.history.append(UserText(text))
        found: list[int] = []
        turn: list[Item] = []
        facts = self.facts()
        for _ in range(6):
            step = PlaybookModel().answer(self.request((*self.history, *turn), facts=facts)).step
            if not step.calls:
                break
            results = tuple(self._run(call, found) for call in step.calls)
            turn += [step, ToolResults(results)]
        else:
            raise AssertionError("the turn did not end within six rounds")
        self.history.append(AssistantStep(text=step.text))
        self._check(step.text, text, facts, turn)
        shown = [one for one in found if names_moment(step.text, self.offers[one].view["label"])]
        for one in shown:
            self.offers[one].shown = True
        self.batch = shown or self.batch
        return step.text

    def _check(self, reply: str, said: str, facts: dict[str, Any], turn: list[Item]) -> None:
        """Every reply of every dialogue goes through the check that stands before the outbox."""
        results = Evidence.results_of(turn)
        kept = [json.loads(one.text).get("language") for one in results if one.name == "set_language"]
        language = str(kept[-1] if kept else facts["language"])
        evidence = Evidence(results, facts, said, self.channel, language)
        verdict = check_reply(reply, evidence)
        self.verdicts.append(verdict)
        assert not verdict.findings, (reply, [finding.sentence() for finding in verdict.findings])

    def names(self) -> list[str]:
        """The names of all tools called so far."""
        return [call.name for call in self.calls]

    def request(
        self, items: tuple[Item, ...], *, allow_tools: bool = True, facts: dict[str, Any] | None = None
    ) -> ModelRequest:
        return ModelRequest(
            system=("policy", "shop"),
            tools=[ToolSpec(name, "", {}) for name in TOOLS],
            items=items,
            allow_tools=allow_tools,
            facts=self.facts() if facts is None else facts,
        )

    def facts(self) -> dict[str, Any]:
        return {
            "now_local": NOW.strftime("%Y-%m-%dT%H:%M"),
            "timezone": "America/Chicago",
            "channel": self.channel,
            "language": self.language,
            "first_reply": not any(isinstance(item, AssistantStep) for item in self.history),
            "lead": {"first_name": self.first_name, "wish": self.wish, "vehicle": self.vehicle},
            "shop": {"name": "North Tint", "phone": "+13125550101", "address": "1 Main St, Chicago, IL",
                     "hours_text": "Mon-Fri 9:00 AM-6:00 PM; Sat 9:00 AM-2:00 PM; Sun closed", "assistant_name": "Ava",
                     "facts": self.shop_facts, "exceptions": self.exceptions},
            "offers": [self.offers[one].view for one in self.batch],
            "appointments": [self.appointment] if self.appointment else [],
        }  # fmt: skip

    def _run(self, call: ToolCall, found: list[int]) -> ToolResult:
        self.calls.append(call)
        tool: Callable[..., dict[str, Any]] = getattr(self, f"_{call.name}")
        before = set(self.offers)
        try:
            if call.name in self.broken:
                raise Refused("This did not work for a technical reason and nothing was changed.")
            result, failed = tool(**(call.arguments or {})), False
        except Refused as refused:
            result, failed = {"error": str(refused), **refused.extra}, True
        if made := sorted(set(self.offers) - before):
            found += made
        text = json.dumps(result)
        self.tool_texts.append(text)
        return ToolResult(call.id, call.name, text, failed)


def booked_shop() -> TinyShop:
    """A shop where this conversation has booked a ceramic tint for Tue, Nov 24 at 9:00 AM."""
    shop = TinyShop(vehicle=dict(CIVIC), first_name="Dana")
    shop.hear("ceramic tint please, tuesday")
    shop.hear("the first one")
    assert shop.appointment is not None
    return shop
