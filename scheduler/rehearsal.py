"""Trying a policy on conversations that were held: the same messages once more, under the old words and the new."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from agent.choosing import choose
from agent.context import AsOf, TurnContext, build_context
from agent.models.base import Model
from agent.rehearsal import RehearsalToolbox, StageDatabase
from agent.routing import Router
from agent.tools.base import ToolContext
from agent.turn import run_turn
from crm.models import ChatMessage, ChatSession, Tenant, Turn
from crm.tenants import settings_of
from ops.clock import FixedClock
from scheduler.runtime import Runtime


@dataclass(frozen=True)
class Recorded:
    """A turn that was answered: when, what had been asked and what was written."""

    turn_id: int
    session_id: int
    lead_id: int
    at: datetime
    as_of: AsOf
    policy_version: int | None
    reply: str


@dataclass(frozen=True)
class ToolUse:
    """One call of a rehearsal, shortly. `recorded`: its result was the one of the real turn."""

    name: str
    arguments: str
    is_error: bool
    recorded: bool


@dataclass(frozen=True)
class Side:
    """What one policy made of a turn. `cost_microusd` None: unknown. `findings`: why drafts were refused."""

    reply: str
    model: str
    tools: tuple[ToolUse, ...]
    findings: tuple[str, ...]
    hand_off: str | None
    cost_microusd: int | None


@dataclass(frozen=True)
class Rehearsed:
    """One recorded turn with both sides."""

    recorded: Recorded
    customer: str
    old: Side
    new: Side


@dataclass(frozen=True)
class _Play:
    """What one side begins with."""

    context: TurnContext
    models: Sequence[Model]
    max_segments: int


def recorded_turns(session: Session, limit: int, lead_id: int | None = None) -> list[Recorded]:
    """The newest turns that ended in a reply, oldest of them first."""
    statement = (
        select(Turn, ChatMessage)
        .join(ChatMessage, ChatMessage.turn_id == Turn.id)
        .where(Turn.status == "done", ChatMessage.kind == "reply")
        .order_by(Turn.id.desc())
        .limit(limit)
    )
    if lead_id is not None:
        statement = statement.where(ChatMessage.lead_id == lead_id)
    rows = session.execute(statement).all()
    return [_recorded(turn, message) for turn, message in reversed(rows)]


def rehearse(runtime: Runtime, tenant_id: int, recorded: Recorded, old: str | None, new: str) -> Rehearsed:
    """Answer a recorded turn under two policies (None: the one that ships) with the models that are configured. Models
    cost what they cost; nothing else happens: no row changes and nothing is sent."""
    sides, words = [], ""
    for policy in (old, new):
        play = _begin(runtime, tenant_id, recorded, policy)
        words = play.context.customer_words
        sides.append(_side(runtime, recorded, play))
    return Rehearsed(recorded, words, sides[0], sides[1])


def _recorded(turn: Turn, message: ChatMessage) -> Recorded:
    # Replies of old did not write it down; then the trigger alone counts as open.
    before = (message.raw or {}).get("answered_before", turn.trigger_message_id - 1)
    return Recorded(
        turn_id=turn.id,
        session_id=turn.session_id,
        lead_id=message.lead_id,
        at=turn.started_at,
        as_of=AsOf(turn.trigger_message_id, int(before), message.channel),
        policy_version=turn.policy_version,
        reply=message.body,
    )


def _begin(runtime: Runtime, tenant_id: int, recorded: Recorded, policy: str | None) -> _Play:
    stage = StageDatabase(runtime.db)
    # On the stage too, because choosing may assign an arm of an experiment or warn about a budget.
    with stage.stage(), stage.tenant(tenant_id) as session:
        chat = session.get_one(ChatSession, recorded.session_id)
        context = build_context(session, chat, recorded.at, policy=policy, as_of=recorded.as_of)
        settings = settings_of(session.get_one(Tenant, tenant_id))
        chosen = choose(session, chat, runtime.models, settings, runtime.clock.now())
        return _Play(context, chosen.models, settings.max_segments)


def _side(runtime: Runtime, recorded: Recorded, play: _Play) -> Side:
    context = play.context
    stage = StageDatabase(runtime.db)
    toolbox = RehearsalToolbox(runtime.toolbox, stage, lambda s: _put_back(s, recorded))
    tools = ToolContext(
        db=stage,
        clock=FixedClock(recorded.at),
        tenant_id=context.tenant_id,
        location_id=context.location_id,
        lead_id=context.lead_id,
        session_id=context.session_id,
        turn_id=recorded.turn_id,
        trigger_message_id=context.trigger_message_id,
        channel=context.channel,
    )
    result = run_turn(
        context,
        tools,
        toolbox,
        Router(play.models, breaker=runtime.breaker),
        deadline_s=runtime.settings.turn_deadline_s,
        max_segments=play.max_segments,
    )
    return Side(
        reply=result.reply,
        model=f"{result.provider or 'nobody'}/{result.model or '-'}",
        tools=tuple(
            ToolUse(one.call.name, _short(one.call.arguments), one.result.is_error, one.recorded)
            for one in toolbox.made
        ),
        findings=tuple(result.findings),
        hand_off=result.hand_off,
        cost_microusd=result.totals()["cost_microusd"],
    )


def _put_back(session: Session, recorded: Recorded) -> None:
    """The conversation as it was when its message was open: tools ask it what the customer has just agreed to."""
    session.execute(
        update(ChatSession)
        .where(ChatSession.id == recorded.session_id)
        .values(
            answered_up_to=recorded.as_of.answered_up_to,
            last_inbound_id=recorded.as_of.trigger_message_id,
            last_channel=recorded.as_of.channel,
            state="agent",
        )
    )
    # What was said later was not said yet.
    session.execute(
        update(ChatMessage)
        .where(
            ChatMessage.session_id == recorded.session_id,
            ChatMessage.id > recorded.as_of.trigger_message_id,
            ChatMessage.direction == "out",
        )
        .values(status="dropped")
    )


def _short(arguments: object) -> str:
    return json.dumps(arguments, ensure_ascii=False, sort_keys=True, default=str)[:200]
