"""A conversation as an owner reads it: every message with its fate, and how each answer came about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.media import MediaLine, in_order, media_of
from crm.models import ChatMessage, ModelAttempt, SendDecision, ToolCallRow, Turn
from crm.writers import notes_on

SETTLED = ("sent", "delivered", "undelivered", "failed", "withheld", "dropped", "received")


@dataclass(frozen=True)
class ToolLine:
    """One call of a tool within a turn. `result` is the JSON text the model read."""

    tool: str
    arguments: dict[str, Any]
    result: str
    is_error: bool
    duration_ms: int


@dataclass(frozen=True)
class AttemptLine:
    """One request to a model. `error` says why it failed, None when it was answered."""

    provider: str
    model: str
    error: str | None
    ms: int


@dataclass(frozen=True)
class TurnLine:
    """How an answer came about. Tokens and cost (millionths of a dollar) are None when nobody told them.

    `provider` and `model` had the last word; `attempts` has all that were asked, in order.
    """

    id: int
    status: str
    provider: str | None
    model: str | None
    rounds: int
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    cost_microusd: int | None
    seconds: float | None
    error: str | None
    tools: list[ToolLine]
    attempts: list[AttemptLine]


@dataclass(frozen=True)
class MessageLine:
    """One message; kind `notice` went to the shop's staff. `reasons`: why the gate held or refused it, or what the
    carrier answered.

    `turns` holds the turn that wrote it; under a customer's message, turns that ended without a message.
    """

    id: int
    at: datetime
    direction: str
    channel: str
    kind: str
    status: str
    body: str
    subject: str | None
    rfc_message_id: str | None
    reasons: list[str] = field(default_factory=list)
    turns: list[TurnLine] = field(default_factory=list)
    # Pictures and files that came with it; their bytes are read one by one (`crm.media.media_body`).
    media: list[MediaLine] = field(default_factory=list)
    # What a phone wrote as a text, where it is only a reaction and `body` says which.
    body_full: str | None = None

    @property
    def settled(self) -> bool:
        """Nothing more will be decided about it by us."""
        return self.status in SETTLED


def read_transcript(session: Session, lead_id: int, *, after_id: int = 0) -> list[MessageLine]:
    """The messages of a lead with an id above `after_id`, oldest first; one that reached us late stands where it was
    written."""
    messages = session.scalars(
        select(ChatMessage)
        .where(ChatMessage.lead_id == lead_id, ChatMessage.id > after_id)
        .order_by(ChatMessage.id)
    ).all()
    if not messages:
        return []
    reasons = _reasons(session, [one.id for one in messages if one.direction == "out"])
    turns = _turns(session, messages)
    media = media_of(session, [one.id for one in messages if one.direction == "in"])
    return [
        MessageLine(
            id=one.id,
            at=one.received_at or one.sent_at or one.created_at,
            direction=one.direction,
            channel=one.channel,
            kind=one.kind,
            status=one.status,
            body=one.body,
            subject=one.subject,
            rfc_message_id=one.rfc_message_id,
            reasons=notes_on(one) if one.direction == "in" else _why(one, reasons.get(one.id, [])),
            turns=turns[one.id],
            media=media[one.id],
            body_full=one.body_full if one.channel == "sms" else None,
        )
        for one in in_order(messages)
    ]


def _why(message: ChatMessage, gate: list[str]) -> list[str]:
    said = message.error or (f"carrier code {message.error_code}" if message.error_code else None)
    if message.carrier == "local":
        said = "no carrier is configured: it stayed on this machine"
    # The outbox repeats the gate's reasons in `error`; once is enough.
    return gate if gate or said is None else [said]


def _reasons(session: Session, message_ids: list[int]) -> dict[int, list[str]]:
    """The gate's last decision about each message, unless it was to let it go."""
    if not message_ids:
        return {}
    rows = session.scalars(
        select(SendDecision).where(SendDecision.message_id.in_(message_ids)).order_by(SendDecision.id)
    )
    last = {row.message_id: row for row in rows}
    return {
        key: [str(reason) for reason in row.reasons] for key, row in last.items() if row.decision != "allow"
    }


def _turns(session: Session, messages: Sequence[ChatMessage]) -> dict[int, list[TurnLine]]:
    """The turns by the message they belong under."""
    written_by = {one.turn_id: one.id for one in messages if one.turn_id is not None}
    ids = {one.id for one in messages}
    rows = session.scalars(
        select(Turn)
        .where(Turn.session_id == messages[0].session_id)
        .where(Turn.id.in_(written_by) | Turn.trigger_message_id.in_(ids))
        .order_by(Turn.id)
    ).all()
    tools = _tools(session, [row.id for row in rows])
    attempts = _attempts(session, [row.id for row in rows])
    found: dict[int, list[TurnLine]] = defaultdict(list)
    for row in rows:
        found[written_by.get(row.id, row.trigger_message_id)].append(
            _turn(row, tools[row.id], attempts[row.id])
        )
    return found


def _tools(session: Session, turn_ids: list[int]) -> dict[int, list[ToolLine]]:
    found: dict[int, list[ToolLine]] = defaultdict(list)
    rows = session.scalars(
        select(ToolCallRow).where(ToolCallRow.turn_id.in_(turn_ids)).order_by(ToolCallRow.id)
    )
    for row in rows:
        line = ToolLine(row.tool, row.arguments, row.result, row.is_error, row.duration_ms)
        found[row.turn_id].append(line)
    return found


def _turn(row: Turn, tools: list[ToolLine], attempts: list[AttemptLine]) -> TurnLine:
    seconds = (row.finished_at - row.started_at).total_seconds() if row.finished_at else None
    return TurnLine(
        id=row.id,
        status=row.status,
        provider=row.provider,
        model=row.model,
        rounds=row.rounds,
        input_tokens=row.input_tokens,
        cached_tokens=row.cached_tokens,
        output_tokens=row.output_tokens,
        cost_microusd=row.cost_microusd,
        seconds=seconds,
        error=row.error,
        tools=tools,
        attempts=attempts,
    )


def _attempts(session: Session, turn_ids: list[int]) -> dict[int, list[AttemptLine]]:
    found: dict[int, list[AttemptLine]] = defaultdict(list)
    rows = session.scalars(
        select(ModelAttempt).where(ModelAttempt.turn_id.in_(turn_ids)).order_by(ModelAttempt.id)
    )
    for row in rows:
        error = None if row.ok else row.error or row.error_kind or "failed"
        if row.turn_id is not None:
            found[row.turn_id].append(AttemptLine(row.provider, row.model, error, row.ms))
    return found
