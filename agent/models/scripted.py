"""A model that says what a test wrote down, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agent.models.base import ModelReply, ModelRequest

Step = ModelReply | Exception | Callable[[ModelRequest], ModelReply]


class ScriptedModel:
    """Plays `steps` one per request: a reply is returned, an exception raised, a function called with the
    request.

    `requests` keeps what was asked, in order. A request too many is an AssertionError at once; `assert_done`
    makes one of steps left over.
    """

    def __init__(self, steps: Sequence[Step], *, provider: str = "scripted", model: str = "scripted") -> None:
        self.provider = provider
        self.model = model
        self.requests: list[ModelRequest] = []
        self._steps = list(steps)

    def answer(self, request: ModelRequest) -> ModelReply:
        """The next step. Raises what the script holds, or AssertionError when the script is over."""
        number = len(self.requests)
        self.requests.append(request)
        if number >= len(self._steps):
            raise AssertionError(
                f"the script has {len(self._steps)} steps, but request {number + 1} was made"
            )
        step = self._steps[number]
        if isinstance(step, Exception):
            raise step
        return step if isinstance(step, ModelReply) else step(request)

    def assert_done(self) -> None:
        """Raise AssertionError unless every step was played."""
        left = len(self._steps) - len(self.requests)
        if left > 0:
            raise AssertionError(f"{left} of {len(self._steps)} steps of the script were never asked for")
