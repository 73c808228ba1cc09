"""What the check looks at and what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.models.base import Item, Json, ToolResult, ToolResults


@dataclass(frozen=True)
class Evidence:
    """Everything a reply may rest on: tool results of this turn, the context's facts, the customer's own words.

    `language` is the code of the language the customer should be answered in, "" when unknown; `max_segments` bounds
    a text message.
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


@dataclass(frozen=True)
class Finding:
    """One statement that traces to nothing."""

    kind: str
    text: str

    def sentence(self) -> str:
        """The reason, as the model is told it."""
        return {
            "price": f"The amount {self.text} is in no tool result of this turn.",
            "time": f"The time {self.text} is in no tool result or shop fact of this turn.",
            "date": f"The date {self.text} is in no tool result or shop fact of this turn.",
            "claim": f'"{self.text}" is claimed, but no tool did that in this turn.',
            "persona": f'"{self.text}" denies that you are an automated assistant.',
            "internals": f'"{self.text}" is an internal word.',
        }[self.kind]


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
