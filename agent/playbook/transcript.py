"""Where the conversation stands: what was said before, what is asked now, what the tools said in this turn."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.models.base import AssistantStep, Item, ModelRequest, ToolCall, ToolResult, ToolResults, UserText
from agent.notes import NOTE, RECORDS
from agent.playbook.facts import Facts, read_facts
from agent.playbook.lines import named_in

MAX_ROUNDS = 6
"""answer() calls of one turn; the last of them never asks for a tool."""


@dataclass(frozen=True)
class Done:
    """One finished call of this turn. `data` is the result's JSON object, {} when it was none."""

    name: str
    arguments: Mapping[str, Any]
    data: Mapping[str, Any]
    failed: bool


@dataclass(frozen=True)
class Situation:
    """The transcript as the rules see it. `said` is what has to be answered, `asked` our text right before it."""

    facts: Facts
    said: str
    asked: str
    earlier: tuple[str, ...]
    told: tuple[str, ...]
    since_offer: tuple[str, ...]
    done: tuple[Done, ...]
    rounds: int
    tools: frozenset[str]

    def results(self, name: str) -> tuple[Done, ...]:
        """The finished calls of one tool in this turn."""
        return tuple(one for one in self.done if one.name == name)

    def good(self, name: str) -> Done | None:
        """The last successful call of a tool in this turn."""
        return next((one for one in reversed(self.done) if one.name == name and not one.failed), None)

    def may(self, name: str) -> bool:
        """Whether a tool may still be called in this turn."""
        return name in self.tools and self.rounds < MAX_ROUNDS - 1


def read_situation(request: ModelRequest) -> Situation:
    """Read a request. Never raises, whatever the transcript holds."""
    items = tuple(request.items)
    facts = read_facts(request.facts)
    place = _open_text(items, request.allow_tools)
    before = items[:place] if place is not None else items
    after = items[place + 1 :] if place is not None else ()
    current = items[place] if place is not None else None
    told = tuple(item.text for item in before if isinstance(item, AssistantStep) and item.text.strip())
    done, rounds = _finished(after)
    return Situation(
        facts=facts,
        said=current.text if isinstance(current, UserText) else "",
        asked=told[-1] if told else "",
        earlier=_texts(before),
        told=told,
        since_offer=_since_offer(before, facts),
        done=done,
        rounds=rounds,
        tools=frozenset(spec.name for spec in request.tools) if request.allow_tools else frozenset(),
    )


def _open_text(items: Sequence[Item], allow_tools: bool) -> int | None:
    """The place of the customer's unanswered text: the last one that is no note of the system."""
    for place in range(len(items) - 1, -1, -1):
        item = items[place]
        if not isinstance(item, UserText) or item.text.startswith(RECORDS):
            continue
        if not (item.text.startswith(NOTE) and _is_note(items, place, allow_tools)):
            return place
    return None


def _is_note(items: Sequence[Item], place: int, allow_tools: bool) -> bool:
    """A refused draft's note comes with tools off, the other one never follows an assistant's text. Anything else that
    starts like a note was typed by the customer."""
    before = items[place - 1] if place else None
    return before is not None and (not allow_tools or not isinstance(before, AssistantStep))


def _texts(items: Sequence[Item]) -> tuple[str, ...]:
    return tuple(
        item.text
        for item in items
        if isinstance(item, UserText) and not item.text.startswith((RECORDS, NOTE))
    )


def _since_offer(items: Sequence[Item], facts: Facts) -> tuple[str, ...]:
    """Customer texts after times were last shown or an appointment was named: older wishes about times are settled."""
    labels = tuple(slot.label for slot in (*facts.offers, *facts.appointments))
    start = 0
    for place, item in enumerate(items):
        if isinstance(item, AssistantStep) and any(named_in(item.text, label) for label in labels):
            start = place + 1
    return _texts(items[start:])[-4:]


def _finished(items: Sequence[Item]) -> tuple[tuple[Done, ...], int]:
    calls: dict[str, ToolCall] = {}
    done: list[Done] = []
    rounds = 0
    for item in items:
        if isinstance(item, AssistantStep):
            calls |= {call.id: call for call in item.calls}
            rounds += bool(item.calls)
        elif isinstance(item, ToolResults):
            done += [_one(result, calls.get(result.call_id)) for result in item.results]
    return tuple(done), rounds


def _one(result: ToolResult, call: ToolCall | None) -> Done:
    try:
        data = json.loads(result.text)
    except ValueError:
        data = None
    good = isinstance(data, dict)
    arguments = call.arguments if call and call.arguments else {}
    return Done(result.name, arguments, data if good else {}, result.is_error or not good)
