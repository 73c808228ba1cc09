"""The neutral words between a vendor's wire form and a script."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Call = tuple[str, dict[str, Any]]
# How our own prompt marks what the customer did not write: this line, then one line of JSON.
RECORDS = "[Shop records"


@dataclass(frozen=True)
class Said:
    """One thing in the conversation. role: user, assistant, tool or system (an instruction in between)."""

    role: str
    text: str = ""
    calls: tuple[Call, ...] = ()
    name: str = ""
    is_error: bool = False

    def json(self) -> Any:
        """The text as JSON, or an empty object: tool results are JSON by our convention."""
        try:
            return json.loads(self.text)
        except ValueError:
            return {}


@dataclass(frozen=True)
class View:
    """A request without its vendor; `tools` maps name to argument schema, `allow_tools`: choice not none."""

    vendor: str
    model: str
    system: str
    tools: Mapping[str, dict[str, Any]]
    items: tuple[Said, ...]
    allow_tools: bool = True
    raw: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def last_user(self) -> str:
        """The customer's last words; several texts in a row count as one."""
        turn = self.items[self._turn_start() : self._turn_end()]
        return "\n".join(text for item in turn if (text := _split_records(item.text)[1]))

    @property
    def records(self) -> dict[str, Any]:
        """What the prompt tells as known to the shop: the customer, open offers, appointments."""
        found = [_split_records(item.text)[0] for item in self.items if item.role == "user"]
        return next((one for one in reversed(found) if one), {})

    @property
    def since_user(self) -> tuple[Said, ...]:
        """What happened in this turn after the customer's last words."""
        return self.items[self._turn_end() :]

    @property
    def before_user(self) -> tuple[Said, ...]:
        """Everything before the customer's last words."""
        return self.items[: self._turn_start()]

    def results(self, name: str, *, since_user: bool = True) -> list[Said]:
        """Tool results whose tool name contains `name`, oldest first."""
        items = self.since_user if since_user else self.items
        return [item for item in items if item.role == "tool" and name in item.name]

    def tool(self, name: str) -> str | None:
        """The offered tool of that name, or the first whose name contains it."""
        return name if name in self.tools else next((tool for tool in self.tools if name in tool), None)

    def _turn_end(self) -> int:
        users = [index for index, item in enumerate(self.items) if item.role == "user"]
        return users[-1] + 1 if users else 0

    def _turn_start(self) -> int:
        start = self._turn_end()
        while start > 0 and self.items[start - 1].role == "user":
            start -= 1
        return start


def _split_records(text: str) -> tuple[dict[str, Any], str]:
    """The shop's records at the head of a user item, and what the customer wrote."""
    if not text.startswith(RECORDS):
        return {}, text
    _, _, rest = text.partition("\n")
    known, _, words = rest.partition("\n")
    parsed = json.loads(known)
    return (parsed if isinstance(parsed, dict) else {}), words


@dataclass(frozen=True)
class Step:
    """One answer of the model.

    stop: None (from the content), "length" (cut), "refusal", "other" or a vendor's own word; delay_s: seconds
    before the answer; thinking: a thinking or reasoning block comes first; commentary: text before the calls;
    cut_arguments: the last call's JSON breaks off; raw_calls: argument text exactly as given, per call name.
    """

    text: str = ""
    calls: Sequence[Call] = ()
    stop: str | None = None
    delay_s: float = 0.0
    thinking: str | None = None
    commentary: str = ""
    cut_arguments: bool = False
    raw_calls: Mapping[str, str] = field(default_factory=dict)
