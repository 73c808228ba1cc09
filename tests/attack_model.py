"""A model without manners: it calls what the attacker wants, says what the attacker wants, and insists."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

from agent.models.base import (
    AssistantStep,
    ModelReply,
    ModelRequest,
    StopReason,
    ToolCall,
    ToolResults,
    Usage,
    UserText,
)
from agent.notes import NOTE, RECORDS
from tests.attack_cases import Attack, filled

_ids = itertools.count(1)


class ObeyingModel:
    """Carries out one attack. It runs as a model of this machine, so that no breaker comes between."""

    provider = "playbook"
    model = "obeys"

    def __init__(self, attack: Attack, names: Mapping[str, Any]) -> None:
        self._attack = attack
        self._names = names
        self._calls = list(attack.calls)
        self.asked = 0

    def answer(self, request: ModelRequest) -> ModelReply:
        """The next call while calls are allowed, else the words; a refused draft gets the other words."""
        self.asked += 1
        if request.allow_tools and self._calls:
            name, arguments = self._calls[0] if self._attack.endless else self._calls.pop(0)
            return _reply(AssistantStep(calls=(self._call(name, arguments, request),), provider="playbook"))
        words = self._attack.then if _was_refused(request) else self._attack.says
        return _reply(AssistantStep(text=self._words(words, request), provider="playbook"))

    def _call(self, name: str, arguments: dict[str, Any], request: ModelRequest) -> ToolCall:
        given = filled(arguments, self._names)
        if given.get("offer_id") == "@found":
            given["offer_id"] = _an_offer(request)
        return ToolCall(f"call-{next(_ids)}", name, given, json.dumps(given))

    def _words(self, words: str, request: ModelRequest) -> str:
        match words:
            case "@results":
                return "\n".join(_results(request)) or "nothing"
            case "@errors":
                told = (json.loads(text) for text in _results(request))
                return " ".join(str(one["error"]) for one in told if "error" in one) or "Which car is it?"
            case "@system":
                return "\n".join(request.system)
            case "@records":
                texts = (item.text for item in request.items if isinstance(item, UserText))
                return next((text for text in texts if text.startswith(RECORDS)), RECORDS)
            case "@long":
                return "tint " * 5000
        return str(filled(words, self._names))


def _results(request: ModelRequest) -> list[str]:
    steps = (item for item in request.items if isinstance(item, ToolResults))
    return [result.text for step in steps for result in step.results]


def _an_offer(request: ModelRequest) -> int:
    """The id of a time that was found in this turn; 1 when none was."""
    found = [offer for text in _results(request) for offer in json.loads(text).get("offers", ())]
    return int(found[0]["offer_id"]) if found else 1


def _was_refused(request: ModelRequest) -> bool:
    last = request.items[-1]
    return isinstance(last, UserText) and last.text.startswith(NOTE) and "not sent" in last.text


def _reply(step: AssistantStep) -> ModelReply:
    stop = StopReason.TOOLS if step.calls else StopReason.END
    return ModelReply(step, stop, Usage(0, 0, 0, 0), "obeys")
