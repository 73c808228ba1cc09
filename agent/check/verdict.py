"""What the check looks at and what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.models.base import Item, Json, ToolResult, ToolResults


@dataclass(frozen=True)
class Evidence:
    """Everything a reply may rest on: tool results of this turn, the context's facts, the customer's own words.

    `language` is the code of the language the customer should be answered in, "" for the one in the facts;
    `max_segments` bounds a text message.
    """

    results: tuple[ToolResult, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    customer_words: str = ""
    channel: str = "sms"
    language: str = ""
    max_segments: int = 3

    @staticmethod
    def results_of(items: Sequence[Item]) -> tuple[ToolResult, ...]:
        """All tool results of a turn, in order."""
        return tuple(result for item in items if isinstance(item, ToolResults) for result in item.results)


_SENTENCES = {
    "price": "The amount {text} is in no tool result of this turn.",
    "time": "The time {text} is in no tool result or shop fact of this turn.",
    "date": "The date {text} is in no tool result or shop fact of this turn.",
    "duration": "The duration {text} is in no tool result or shop fact of this turn.",
    "address": "The place {text} is not in the shop's facts.",
    "phone": "The phone number {text} is not in the shop's facts.",
    "link": "The link or address {text} is not in the shop's facts.",
    "discount": '"{text}" promises something for less or for free that no tool result or shop fact states.',
    "warranty": '"{text}" is about a guarantee that no tool result or shop fact states.',
    "legality": '"{text}" is about the law, and no shop fact states it.',
    "booking": '"{text}" is claimed, but no tool did that and no appointment says so.',
    "deed": '"{text}" is claimed, but no tool did that in this turn.',
    "persona": '"{text}" denies that you are an automated assistant.',
    "internals": '"{text}" is an internal word.',
    "others": '"{text}" speaks of other customers.',
    "language": "The reply is written in {text}, which is not the customer's language.",
    "length": "The reply is too long: {text}. Write it shorter.",
}
KINDS = tuple(_SENTENCES)


@dataclass(frozen=True)
class Finding:
    """One statement that traces to nothing. `kind` is one of KINDS; `note` says more when there is more to say."""

    kind: str
    text: str
    note: str = ""

    def sentence(self) -> str:
        """The reason, as the model is told it."""
        return " ".join(filter(None, (_SENTENCES[self.kind].format(text=self.text), self.note)))


@dataclass(frozen=True)
class Trace:
    """One statement of a reply and the fact it rests on, both as text: `leads why` shows them."""

    kind: str
    text: str
    source: str

    def as_json(self) -> Json:
        """Plain values, for the turn's record."""
        return {"kind": self.kind, "text": self.text, "source": self.source}


@dataclass(frozen=True)
class Verdict:
    """What does not trace, and what traces to where."""

    findings: tuple[Finding, ...]
    traces: tuple[Trace, ...]
