"""The playbook behind the Model interface: no network, no key, no cost.

It is the default where no vendor is configured and the last fallback in production, so that nobody is left without an
answer.
"""

from __future__ import annotations

from agent.models.base import AssistantStep, ModelReply, ModelRequest, StopReason, ToolCall, Usage
from agent.playbook.reply import Do, render
from agent.playbook.steps import decide
from agent.playbook.transcript import Situation, read_situation


def build(settings: object, model: str | None = None) -> PlaybookModel:
    """The rules. They read no settings and have one model only."""
    return PlaybookModel()


class PlaybookModel:
    """A dialogue policy made of rules. It keeps nothing between two calls: the same request has the same answer."""

    provider = "playbook"
    model = "playbook-1"

    def answer(self, request: ModelRequest) -> ModelReply:
        """Either tool calls or the final text. Reads `items`, `facts`, `tools` and `allow_tools` only; never raises
        ProviderError and never needs more than six rounds."""
        situation = read_situation(request)
        step = decide(situation)
        if isinstance(step, Do):
            said = AssistantStep(calls=_calls(step, situation), provider=self.provider, model=self.model)
            stop = StopReason.TOOLS
        else:
            text = render(step, situation.facts)
            said = AssistantStep(text=text, provider=self.provider, model=self.model)
            stop = StopReason.END
        return ModelReply(said, stop, Usage(0, 0, 0, 0), self.model)


def _calls(step: Do, situation: Situation) -> tuple[ToolCall, ...]:
    """Ids count on from the calls of this turn, so that two rounds never share one."""
    first = len(situation.done)
    return tuple(
        ToolCall(f"playbook_{situation.rounds}_{first + place}", name, arguments)
        for place, (name, arguments) in enumerate(step.calls)
    )
