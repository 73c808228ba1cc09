"""What a model stand-in says: a neutral view of the request, a step as the answer, and scripts of steps.

The same script drives both vendors, also across a provider switch in the middle of a conversation.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.standins.booking_script import BookingScript
from tests.standins.llm_view import Said, Step, View

__all__ = [
    "BookingScript",
    "Brain",
    "Said",
    "Script",
    "ScriptExhaustedError",
    "Step",
    "View",
    "as_brain",
    "by_rule",
]

Brain = Callable[[View], Step]


class ScriptExhaustedError(AssertionError):
    """The client made a model call that the script does not have."""


@dataclass
class Script:
    """A fixed list of answers, used in order by all requests of all vendors that share it.

    An extra call fails the test through the stand-in's `crashes`; assert_done() fails on leftover steps. A
    plain string is a step with that text; a callable step is asked with the view.
    """

    steps: Sequence[Step | str | Brain]
    used: int = 0
    views: list[View] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, view: View) -> Step:
        with self._lock:
            self.views.append(view)
            if self.used >= len(self.steps):
                last = view.items[-1].text[:80] if view.items else ""
                raise ScriptExhaustedError(f"call {self.used + 1} of {len(self.steps)} steps; last: {last!r}")
            step = self.steps[self.used]
            self.used += 1
        return as_step(step, view)

    @property
    def leftover(self) -> int:
        """Steps not used yet."""
        return len(self.steps) - self.used

    def assert_done(self) -> None:
        """Raise AssertionError when steps are left over."""
        assert self.leftover == 0, f"{self.leftover} of {len(self.steps)} steps were never asked for"


def as_step(value: Step | str | Brain, view: View) -> Step:
    """A step from its short forms."""
    if isinstance(value, str):
        return Step(text=value)
    return value if isinstance(value, Step) else value(view)


def as_brain(script: Brain | Sequence[Step | str | Brain]) -> Brain:
    """A callable from a callable or a list of steps."""
    return script if callable(script) else Script(script)


def by_rule(*rules: tuple[str, Step | str | Brain], otherwise: Step | str | Brain = "OK.") -> Brain:
    """A brain that answers by the first rule whose text occurs in the customer's last words."""

    def brain(view: View) -> Step:
        said = view.last_user.lower()
        return as_step(next((answer for word, answer in rules if word.lower() in said), otherwise), view)

    return brain


def step_json(step: Step) -> str:
    """Everything the model produced, as text; the stand-ins count output tokens by it."""
    return step.text + json.dumps([[name, args] for name, args in step.calls], default=str)


def tokens(text: str) -> int:
    """A plausible token count: four characters each."""
    return max(1, len(text) // 4)


def schemas_of(tools: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """Tool name -> argument schema, for all three wire forms."""
    found = {}
    for tool in tools:
        spec = tool.get("function", tool)
        found[str(spec.get("name", ""))] = spec.get("input_schema") or spec.get("parameters") or {}
    return found
