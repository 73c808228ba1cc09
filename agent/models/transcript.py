"""Repairing a neutral transcript before it is translated: every call has one result, no result is without a
call."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from agent.models.base import AssistantStep, Item, ToolResult, ToolResults

NO_RESULT = "This call was not carried out. Nothing was changed by it."
EMPTY_RESULT = "(no output)"
EMPTY_MESSAGE = "(empty message)"
OPENING_NOTE = "(The shop wrote first.)"
CONTINUE_NOTE = "(Please go on.)"


def repaired(items: Sequence[Item]) -> list[Item]:
    """The same conversation with each step's results right behind it, in call order (LLM facts 4.3, rule 4).

    Results without a call are dropped, missing ones become an error the model can read: one such fault would
    otherwise make every further request of the conversation a 400. Steps without text and calls are dropped
    too.
    """
    found = _results_by_step(items)
    result: list[Item] = []
    for index, item in enumerate(items):
        if isinstance(item, ToolResults):
            continue
        if not isinstance(item, AssistantStep):
            result.append(item)
        elif item.calls:
            answers = found.get(index, {})
            missing = (
                (call, ToolResult(call.id, call.name, NO_RESULT, is_error=True)) for call in item.calls
            )
            result += [item, ToolResults(tuple(answers.get(call.id, absent) for call, absent in missing))]
        elif item.text.strip():
            result.append(item)
    return result


def _results_by_step(items: Sequence[Item]) -> dict[int, dict[str, ToolResult]]:
    found: dict[int, dict[str, ToolResult]] = {}
    open_step: int | None = None
    for index, item in enumerate(items):
        if isinstance(item, AssistantStep) and item.calls:
            open_step = index
        elif isinstance(item, ToolResults) and open_step is not None:
            answers = found.setdefault(open_step, {})
            for one in item.results:
                answers.setdefault(one.call_id, one)
    return found


def digest(value: Any) -> str:
    """A short fingerprint of a JSON value, to notice that something was changed since."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def step_digest(step: AssistantStep) -> str:
    """The fingerprint of what a step says; vendor state is replayed only while it still fits."""
    return digest([step.text, [[call.id, call.name, call.arguments] for call in step.calls]])


def kept_state(step: AssistantStep, provider: str, model: str) -> dict[str, Any] | None:
    """The step's vendor state if this very provider and model made it and the step was not changed since.

    `model` is the requested name, as the answering one may be a dated alias. Thinking and encrypted reasoning
    mean nothing to another model and are refused or leak as text there (LLM facts 1.10, 4.5).
    """
    state = step.provider_state
    if step.provider != provider or not isinstance(state, dict) or state.get("model") != model:
        return None
    return state if state.get("step") == step_digest(step) else None
