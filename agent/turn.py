"""Run one turn: context -> model <-> tools -> check -> reply. The caller holds the lease and writes the reply."""

from __future__ import annotations

import structlog

from agent.after_write import asks_something, changes_told, closing_told, stop_confirmed
from agent.bot_question import admits_being_a_bot, asks_if_bot, asks_only_if_bot
from agent.check import check_reply
from agent.context import TurnContext
from agent.conversation import OUTPUT_TOKENS, Conversation, Stopped, language_for
from agent.fixed import line
from agent.limits import Limits, Meter
from agent.models.base import ProviderError, StopReason, UserText
from agent.notes import NOTE
from agent.outcome import TurnResult, as_trace
from agent.routing import Router
from agent.steps import Watch
from agent.tools.base import Toolbox, ToolContext

__all__ = ["OUTPUT_TOKENS", "Limits", "TurnResult", "as_trace", "language_for", "run_turn"]

log = structlog.get_logger(__name__)

GO_ON = f"{NOTE} Your answer was empty. Write the message to the customer now."
NO_MODEL = "no model could answer"
NO_ANSWER = "the assistant had no answer that may be sent"
REFUSED = "the model refused to answer"
UNTRUE = "the reply stated something that no record supports"


def run_turn(
    context: TurnContext,
    tools: ToolContext,
    toolbox: Toolbox,
    router: Router,
    *,
    deadline_s: float,
    max_segments: int = 3,
    watch: Watch = lambda: None,
    limits: Limits | None = None,
) -> TurnResult:
    """Think until there is a reply that may leave. Never raises for a model's failure: nobody is left without an
    answer. `deadline_s` bounds the model calls, in seconds; a last answer without tools may take LAST_WORD_S more.

    `watch` is asked before anything is done and says why the turn is not wanted any more; the result is then
    `stopped` and has no reply.
    """
    talk = Conversation(context, tools, toolbox, router, Meter(limits or Limits(), deadline_s), watch)
    shop = str(context.facts["shop"]["name"])
    result = talk.result
    result.open_offers = tuple(int(one["offer_id"]) for one in context.facts.get("offers") or ())
    if asks_only_if_bot(context.customer_words):
        result.reply = line("bot", talk.language, shop=shop)
        result.facts = [{"kind": "persona", "text": result.reply, "source": "fixed answer"}]
        return result
    try:
        result.reply = _checked(talk, max_segments, shop)
    except Stopped as stopped:
        result.stopped = str(stopped)
        return result
    except ProviderError as error:
        log.error("no_model_answered", error=str(error))
        result.hand_off = NO_MODEL
    result.language = talk.language
    if talk.opted_out is not None:
        _confirm_stop(talk, talk.opted_out, shop)
    elif not result.reply:
        result.hand_off = result.hand_off or (REFUSED if result.refused_by else NO_ANSWER)
        _say_what_is_true(talk, shop)
    return result


def _confirm_stop(talk: Conversation, channel: str, shop: str) -> None:
    """Whatever a model would say after a stop, a plea or an offer least of all, the customer reads this line and no more;
    the gate lets it pass as the one confirmation."""
    result = talk.result
    result.reply, result.hand_off = stop_confirmed(channel, talk.language, shop), None
    result.facts = [{"kind": "opt_out", "text": result.reply, "source": "opt_out"}]
    result.confirms_stop = True


def _say_what_is_true(talk: Conversation, shop: str) -> None:
    """No text of a model may leave. What was done is told all the same, and a person answers what else was asked; without
    such news a person answers everything."""
    result, language = talk.result, talk.language
    done = talk.evidence(1).results
    news = [*changes_told(done, language, shop), *closing_told(done, language, shop)]
    if not news:
        result.reply = line("holding" if result.hand_off == NO_MODEL else "safe", language, shop=shop)
        return
    result.facts = news
    sentences = [str(one["text"]) for one in news]
    if talk.was_called("hand_off") or asks_something(talk.context.customer_words):
        sentences.append(line("rest", language, shop=shop))
    else:
        result.hand_off = None
    result.reply = " ".join(sentences)


def _think(talk: Conversation) -> str:
    """Rounds of model and tools until there is text; "" when there is none that can be used."""
    nudged = False
    while not talk.meter.exhausted():
        reply, may_call = talk.ask()
        if reply.stop is StopReason.LENGTH:
            # Half a sentence is never sent and half a call never run; one more try with twice the room.
            reply, may_call = talk.ask(max_tokens=2 * OUTPUT_TOKENS)
        if reply.stop is StopReason.TOOLS and may_call:
            talk.run_tools(reply.step)
            continue
        # A model that was told to answer without tools and calls one all the same does not get it, and what it
        # says beside the call announces something that will not happen.
        text = reply.step.text.strip() if reply.stop is StopReason.END else ""
        if text:
            return text
        if reply.stop is StopReason.REFUSAL:
            talk.result.refused_by.append(reply.step.provider)
        if nudged or reply.stop in (StopReason.REFUSAL, StopReason.LENGTH):
            if not talk.leave_model():
                return ""
            nudged = False
        else:
            nudged = True
            talk.items.append(UserText(GO_ON))
    return ""


def _checked(talk: Conversation, max_segments: int, shop: str) -> str:
    """A text in which every statement traces, written once more if the first does not; else ""."""
    for last_try in (False, True):
        text = _think(talk)
        if not text or talk.opted_out is not None:
            return ""
        text = _truthful(talk, text, shop)
        verdict = check_reply(text, talk.evidence(max_segments))
        if not verdict.findings:
            talk.result.facts = [trace.as_json() for trace in verdict.traces]
            return text
        reasons = [finding.sentence() for finding in verdict.findings]
        talk.result.findings += reasons
        log.warning("reply_refused", reasons=len(reasons), last_try=last_try)
        talk.items.append(UserText(_again(text, reasons)))
    talk.result.hand_off = UNTRUE
    return ""


def _again(draft: str, reasons: list[str]) -> str:
    """The draft stands in the note and not as something the assistant said: the customer never saw it."""
    return (
        f'{NOTE} This draft was not sent: "{draft}" {" ".join(reasons)} Write it again with what the tools return,'
        " nothing else."
    )


def _truthful(talk: Conversation, text: str, shop: str) -> str:
    """The text with the true answer in front if the customer asked who answers and the text does not say."""
    if not asks_if_bot(talk.context.customer_words) or admits_being_a_bot(text):
        return text
    between = "\n\n" if talk.context.channel == "email" else " "
    return line("bot", talk.language, shop=shop) + between + text
