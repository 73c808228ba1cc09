"""Run one turn: context -> model <-> tools -> check -> reply. The caller holds the lease and writes the reply."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import structlog

from agent.check import Evidence, check_reply
from agent.context import TurnContext
from agent.models.base import (
    AssistantStep,
    Item,
    ModelReply,
    ModelRequest,
    ProviderError,
    StopReason,
    ToolResult,
    ToolResults,
    Usage,
    UserText,
)
from agent.notes import NOTE
from agent.routing import Router
from agent.tools.base import Toolbox, ToolContext
from agent.usage import Attempt

log = structlog.get_logger(__name__)

MAX_ROUNDS = 8
MAX_CALLS = 16
MAX_SAME_ERROR = 3
OUTPUT_TOKENS = 1024
# Must stay below the margin of the session's lease.
LAST_WORD_S = 8.0
SAFE_LINE = (
    "Thanks for your message! I want to get this right, so a person from {shop} will get back to you shortly."
)
HOLDING_LINE = (
    "Thanks for your message! {shop} has received it and a person will get back to you as soon as possible."
)
GO_ON = f"{NOTE} Your answer was empty. Write the message to the customer now."


@dataclass
class TurnResult:
    """What a turn came to. `reply` is never empty; `hand_off` asks the caller to tell a person why."""

    reply: str = ""
    hand_off: str | None = None
    attempts: list[Attempt] = field(default_factory=list)
    rounds: int = 0
    provider: str | None = None
    model: str | None = None
    findings: list[str] = field(default_factory=list)

    def totals(self) -> dict[str, int | None]:
        """Tokens and cost over all attempts; None where a vendor did not say."""
        # A failed attempt that reports tokens was billed all the same (LLM facts 3.1).
        used = [attempt for attempt in self.attempts if attempt.ok or attempt.usage != Usage()]
        return {
            "input_tokens": _sum(_prompt_tokens(attempt.usage) for attempt in used),
            "cached_tokens": _sum(attempt.usage.cache_read for attempt in used),
            "output_tokens": _sum(attempt.usage.output for attempt in used),
            "cost_microusd": _sum(attempt.cost_microusd for attempt in used),
        }


def _prompt_tokens(usage: Usage) -> int | None:
    """The whole prompt; without a count of cached tokens they are part of the plain input."""
    return None if usage.input is None else usage.input + (usage.cache_read or 0) + (usage.cache_write or 0)


def _sum(counts: Iterable[int | None]) -> int | None:
    """One unknown part makes the whole unknown: it is never counted as nothing."""
    known = list(counts)
    return None if None in known else sum(count for count in known if count is not None)


class Conversation:
    """The state of one running turn."""

    def __init__(
        self, context: TurnContext, tools: ToolContext, toolbox: Toolbox, router: Router, deadline_s: float
    ) -> None:
        self.context = context
        self.tools = tools
        self.toolbox = toolbox
        self.router = router
        self.items: list[Item] = list(context.items)
        self.result = TurnResult()
        self._end = monotonic() + deadline_s
        self._calls = 0
        self._errors: dict[tuple[str, str], int] = {}

    def ask(self, *, allow_tools: bool = True, max_tokens: int = OUTPUT_TOKENS) -> ModelReply:
        """One request to whichever model is up. Raises NoModelAvailable."""
        request = ModelRequest(
            system=self.context.system,
            tools=self.toolbox.specs(),
            items=tuple(self.items),
            max_output_tokens=max_tokens,
            allow_tools=allow_tools,
            cache_key=self.context.cache_key,
            facts=self.context.facts,
        )
        try:
            reply, attempts = self.router.answer(request, self._left())
        except ProviderError as error:
            self.result.attempts += getattr(error, "attempts", [])
            raise
        self.result.attempts += attempts
        self.result.rounds += 1
        self.result.provider, self.result.model = (
            reply.step.provider,
            reply.step.model or reply.requested_model,
        )
        return reply

    def run_tools(self, step: AssistantStep) -> None:
        """Answer every call of the step, exactly once and in order."""
        self.items.append(step)
        results = []
        for call in step.calls:
            self._calls += 1
            if self._calls > MAX_CALLS:
                results.append(
                    ToolResult(call.id, call.name, '{"error": "Too many calls; answer now."}', is_error=True)
                )
                continue
            result = self.toolbox.run(self.tools, call)
            if result.is_error:
                key = (call.name, result.text)
                self._errors[key] = self._errors.get(key, 0) + 1
            results.append(result)
        self.items.append(ToolResults(tuple(results)))

    def evidence(self) -> Evidence:
        """What a reply of this turn may rest on."""
        return Evidence(
            results=Evidence.results_of(self.items),
            facts=self.context.facts,
            customer_words=self.context.customer_words,
            channel=self.context.channel,
        )

    def _left(self) -> float:
        """Seconds for the next request. When the time is up, what the tools found is still put into words."""
        left = self._end - monotonic()
        return left if left > LAST_WORD_S else left + LAST_WORD_S

    @property
    def may_use_tools(self) -> bool:
        """False at the limits: then one last round has to answer without tools."""
        stuck = any(count >= MAX_SAME_ERROR for count in self._errors.values())
        return (
            self.result.rounds < MAX_ROUNDS - 1
            and self._calls <= MAX_CALLS
            and not stuck
            and monotonic() < self._end
        )


def run_turn(
    context: TurnContext, tools: ToolContext, toolbox: Toolbox, router: Router, *, deadline_s: float
) -> TurnResult:
    """Think until there is a reply that may leave. Never raises for a model's failure: nobody is left without an
    answer. `deadline_s` bounds the model calls, in seconds; a last answer without tools may take LAST_WORD_S more."""
    talk = Conversation(context, tools, toolbox, router, deadline_s)
    shop = context.facts["shop"]["name"]
    try:
        text = _think(talk)
        text = _checked(talk, text)
    except ProviderError as error:
        log.error("no_model_answered", error=str(error))
        talk.result.hand_off = "no model could answer"
        text = HOLDING_LINE.format(shop=shop)
    if not text:
        talk.result.hand_off = talk.result.hand_off or "the assistant had no answer that may be sent"
        text = SAFE_LINE.format(shop=shop)
    talk.result.reply = text
    return talk.result


def _think(talk: Conversation) -> str:
    """Rounds of model and tools until there is text; "" when there is none that can be used."""
    nudged = False
    while True:
        allowed = talk.may_use_tools
        reply = talk.ask(allow_tools=allowed)
        if reply.stop is StopReason.LENGTH:
            # Half a sentence is never sent and half a call never run; one more try with twice the room.
            allowed = talk.may_use_tools
            reply = talk.ask(allow_tools=allowed, max_tokens=2 * OUTPUT_TOKENS)
            if reply.stop is StopReason.LENGTH:
                return ""
        if reply.stop is StopReason.REFUSAL:
            talk.result.hand_off = "the model refused to answer"
            return ""
        # A model that was told to answer without tools and calls one all the same does not get it.
        if reply.step.calls and allowed:
            talk.run_tools(reply.step)
            continue
        text = reply.step.text.strip()
        if text or nudged:
            return text
        nudged = True
        talk.items.append(UserText(GO_ON))


def _checked(talk: Conversation, text: str) -> str:
    """The text if every statement in it traces, else one rewrite, else ""."""
    for last_try in (False, True):
        if not text:
            return ""
        findings = check_reply(text, talk.evidence()).findings
        if not findings:
            return text
        reasons = [finding.sentence() for finding in findings]
        talk.result.findings += reasons
        log.warning("reply_refused", reasons=reasons, last_try=last_try)
        if last_try:
            break
        talk.items.append(AssistantStep(text=text))
        note = f"{NOTE} This draft was not sent: " + " ".join(reasons)
        talk.items.append(UserText(note + " Write it again with what the tools returned, nothing else."))
        reply = talk.ask(allow_tools=False)
        text = reply.step.text.strip() if reply.stop is StopReason.END else ""
    talk.result.hand_off = "the reply stated something that no record supports"
    return ""


def as_trace(result: TurnResult) -> dict[str, Any]:
    """What is stored with the turn besides its numbers."""
    return {"findings": result.findings, "hand_off": result.hand_off}
