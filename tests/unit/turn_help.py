"""A turn played from a script: what the tests of the turn share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from agent.context import TurnContext
from agent.fixed import line
from agent.models.base import (
    AssistantStep,
    Json,
    ModelReply,
    ModelRequest,
    ProviderError,
    StopReason,
    ToolCall,
    ToolResults,
    Usage,
    UserText,
)
from agent.models.scripted import ScriptedModel, Step
from agent.routing import Router
from agent.tools.base import Toolbox, ToolContext, ToolRefusal, ToolRun, tool
from agent.turn import TurnResult, run_turn

SAFE = line("safe", "en", shop="North Tint")
HOLDING = line("holding", "en", shop="North Tint")
USAGE = Usage(input=10, cache_read=5, cache_write=1, output=3)


@tool(write=False)
def price(run: ToolRun, service: Annotated[str, Field(description="Which one.")]) -> Json:
    """The price of a service."""
    if service == "unknown":
        raise ToolRefusal("There is no such service.")
    return {"service": service, "price": "$449"}


@tool(write=True)
def book(run: ToolRun) -> Json:
    """Book the time."""
    return {"appointment": {"label": "Tue, Nov 24 at 9:00 AM"}}


TOOLBOX = Toolbox([price, book])
LOOK = ("price", {"service": "tint"})


def say(text: str, stop: StopReason = StopReason.END, usage: Usage = USAGE) -> ModelReply:
    """The model's words."""
    step = AssistantStep(text=text, provider="scripted", model="scripted")
    return ModelReply(step, stop, usage, "scripted")


def ask(
    *calls: tuple[str, Json | None],
    stop: StopReason = StopReason.TOOLS,
    text: str = "",
    ids: Sequence[str] = (),
    usage: Usage = USAGE,
) -> ModelReply:
    """The model's calls, with ids c0, c1, ... unless others are given."""
    names = [*ids, *(f"c{n}" for n in range(len(ids), len(calls)))]
    made = tuple(
        ToolCall(call_id, name, arguments, str(arguments))
        for call_id, (name, arguments) in zip(names, calls, strict=True)
    )
    return ModelReply(AssistantStep(text=text, calls=made, provider="scripted"), stop, usage, "scripted")


def broken(kind: str = "permanent") -> ProviderError:
    """A model that fails."""
    return ProviderError("the model is away", kind=kind, provider="scripted")


def context(tools: ToolContext, words: str = "how much?", **facts: Any) -> TurnContext:
    """What the turn knows: little."""
    return TurnContext(
        tenant_id=tools.tenant_id,
        session_id=tools.session_id,
        lead_id=tools.lead_id,
        location_id=tools.location_id,
        trigger_message_id=tools.trigger_message_id,
        channel=tools.channel,
        system=("policy", "shop"),
        items=(UserText(words),),
        facts={"shop": {"name": "North Tint"}, "appointments": [], **facts},
        customer_words=words,
        cache_key="k",
    )


class Player:
    """Plays a script as one turn; `requests` and `results` show what the model was asked and told."""

    def __init__(self, tools: ToolContext) -> None:
        self.tools = tools
        self.model = ScriptedModel([])

    def __call__(
        self,
        *steps: Step,
        words: str = "how much?",
        deadline_s: float = 30,
        models: list[Any] | None = None,
        toolbox: Toolbox = TOOLBOX,
        facts: Json | None = None,
        **more: Any,
    ) -> TurnResult:
        """Run one turn. Every step must be used."""
        self.model = ScriptedModel(steps)
        router = Router(models or [self.model], sleep=lambda seconds: None)
        known = context(self.tools, words, **(facts or {}))
        result = run_turn(known, self.tools, toolbox, router, deadline_s=deadline_s, **more)
        self.model.assert_done()
        return result

    @property
    def requests(self) -> list[ModelRequest]:
        """What was asked, in order."""
        return list(self.model.requests)

    @property
    def results(self) -> list[tuple[str, bool, str]]:
        """What the tools answered, as the last request showed it: (name, is it an error, text)."""
        found = [item for item in self.requests[-1].items if isinstance(item, ToolResults)]
        return [(one.name, one.is_error, one.text) for item in found for one in item.results]
