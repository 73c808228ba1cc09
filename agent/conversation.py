"""The state of one running turn: what was said so far, what it may still use, and the two things it does, asking a
model and running tools."""

from __future__ import annotations

import json
from collections.abc import Sequence

from agent.after_write import stopped_by
from agent.check import Evidence
from agent.context import TurnContext
from agent.language import language_of
from agent.limits import Meter
from agent.models.base import AssistantStep, Item, ModelReply, ModelRequest, ProviderError, ToolResults
from agent.models.transcript import repaired
from agent.outcome import TurnResult
from agent.routing import Router
from agent.steps import Watch, effects_of, run_calls, with_new_ids
from agent.tools.base import Toolbox, ToolContext

OUTPUT_TOKENS = 1024


class Stopped(Exception):
    """Something outside the turn ended it: a person took over, a stop or a newer message came."""


class Conversation:
    """The state of one running turn."""

    def __init__(
        self,
        context: TurnContext,
        tools: ToolContext,
        toolbox: Toolbox,
        router: Router,
        meter: Meter,
        watch: Watch,
    ) -> None:
        self.context = context
        self.tools = tools
        self.toolbox = toolbox
        self.router = router
        self.meter = meter
        self.watch = watch
        self.items: list[Item] = list(context.items)
        self.result = TurnResult()
        self.opted_out: str | None = None
        self._left = False

    def ask(self, *, max_tokens: int = OUTPUT_TOKENS) -> tuple[ModelReply, bool]:
        """One request to whichever model is up, and whether it may use tools. Raises NoModelAvailable."""
        limit = self.meter.reached()
        self.result.limit = self.result.limit or limit
        request = ModelRequest(
            system=self.context.system,
            tools=self.toolbox.specs(),
            # One orphan would make every further request a 400, whoever made it.
            items=tuple(repaired(self.items)),
            max_output_tokens=max_tokens,
            allow_tools=limit is None,
            cache_key=self.context.cache_key,
            facts=self.context.facts,
        )
        try:
            reply, attempts = self.router.answer(request, self.meter.left_s())
        except ProviderError as error:
            self.result.attempts += getattr(error, "attempts", [])
            raise
        self.result.attempts += attempts
        self.meter.asked(attempts, answered=True)
        self.result.rounds = self.meter.rounds
        self.result.provider = reply.step.provider
        self.result.model = reply.step.model or reply.requested_model
        return reply, limit is None

    def run_tools(self, step: AssistantStep) -> None:
        """Answer every call of the step, exactly once and in order. Raises Stopped."""
        step = with_new_ids(step, self.items)
        allowed = self.meter.grant(len(step.calls))
        results, stop = run_calls(self.toolbox, self.tools, step.calls, allowed=allowed, watch=self.watch)
        self.items += [step, ToolResults(results)]
        self.meter.failed(results)
        channels = {one for one in (self.opted_out, stopped_by(step.calls, results)) if one is not None}
        self.opted_out = "all" if len(channels) > 1 else next(iter(channels), None)
        if stop:
            raise Stopped(stop)

    def was_called(self, tool: str) -> bool:
        """Whether this tool did something in this turn."""
        return any(one.name == tool and not one.is_error for one in Evidence.results_of(self.items))

    def leave_model(self) -> bool:
        """Ask another model from now on, once in a turn: nobody goes round until one complies (LLM facts 4.3,
        rule 8). It starts anew, without the failures of the first and knowing only what was really done."""
        if self._left or not self.router.leave():
            return False
        self._left = True
        self.items = [*self.context.items, *effects_of(self.items, self.toolbox)]
        self.meter.start_anew()
        return True

    @property
    def language(self) -> str:
        """The code of the language the customer is answered in."""
        return language_for(self.context, self.items)

    def evidence(self, max_segments: int) -> Evidence:
        """What a reply of this turn may rest on."""
        return Evidence(
            results=Evidence.results_of(self.items),
            facts=self.context.facts,
            customer_words=self.context.customer_words,
            channel=self.context.channel,
            language=self.language,
            max_segments=max_segments,
        )


def language_for(context: TurnContext, items: Sequence[Item] = ()) -> str:
    """The code of the language the customer is answered in: the one a tool kept just now, else what is known of the
    customer, else what they write in; English when nothing tells."""
    for result in reversed(Evidence.results_of(items)):
        if result.name == "set_language" and not result.is_error:
            return str(json.loads(result.text).get("language") or "en")
    return str(context.facts.get("language") or language_of(context.customer_words) or "en")
