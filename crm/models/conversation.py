"""The conversation: sessions, messages both ways (the outbox is a state of a message), turns and tool calls."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from crm.models.base import Base, OfTenant


class ChatSession(OfTenant, Base):
    """The one conversation with a lead over all channels.

    `answer_due_at` is set while a message is unanswered: it is the debt the sweeper looks for. The lease
    (`lease_token`, `lease_until`) lets one turn run at a time.
    """

    __tablename__ = "chat_sessions"
    __table_args__ = (
        CheckConstraint("state in ('agent', 'human')", name="state"),
        Index("ix_chat_sessions_owed", "answer_due_at", postgresql_where=text("answer_due_at is not null")),
    )

    lead_id: Mapped[int] = mapped_column(ForeignKey("leads.id"), unique=True)
    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"))
    state: Mapped[str] = mapped_column(default="agent", server_default="agent")
    state_reason: Mapped[str | None]
    last_channel: Mapped[str | None]
    last_inbound_id: Mapped[int | None] = mapped_column(BigInteger)
    last_inbound_at: Mapped[datetime | None]
    answered_up_to: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    answer_due_at: Mapped[datetime | None]
    burst_started_at: Mapped[datetime | None]
    answer_tries: Mapped[int] = mapped_column(default=0, server_default="0")
    lease_token: Mapped[uuid.UUID | None]
    lease_until: Mapped[datetime | None]
    reply_token: Mapped[str] = mapped_column(unique=True)
    subject: Mapped[str | None]
    # Where the conversation of a merged lead goes on; its reply token still leads there.
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("chat_sessions.id"))
    # Set when the person was forgotten: nothing is written into it any more.
    erased_at: Mapped[datetime | None]


class ChatMessage(OfTenant, Base):
    """One text or email, in or out. Outbound rows not at a final status are the outbox.

    status in: received. out: pending -> sending -> sent -> delivered | undelivered | failed; withheld and dropped
    never left; unknown may have left and is reconciled with the carrier, never blindly repeated.
    kind: inbound | reply | touch | confirmation | reminder | notice (to staff) | consent (stop, start, help answers).
    `dedupe_key` makes a second reply to one trigger, or a second text of one touch, impossible.
    """

    __tablename__ = "chat_messages"
    __table_args__ = (
        CheckConstraint("direction in ('in', 'out')", name="direction"),
        CheckConstraint("channel in ('sms', 'email')", name="channel"),
        CheckConstraint(
            "status in ('received','pending','sending','sent','delivered','undelivered','failed',"
            "'withheld','dropped','unknown')",
            name="status",
        ),
        UniqueConstraint("tenant_id", "channel", "carrier_id"),
        Index(
            "uq_chat_messages_dedupe",
            "session_id",
            "dedupe_key",
            unique=True,
            postgresql_where=text("dedupe_key is not null"),
        ),
        Index(
            "uq_chat_messages_outbox",
            "outbox_id",
            unique=True,
            postgresql_where=text("outbox_id is not null"),
        ),
        Index("ix_chat_messages_session", "session_id", "id"),
        Index(
            "ix_chat_messages_troubled",
            "tenant_id",
            "created_at",
            postgresql_where=text("direction = 'out' and status in ('failed', 'undelivered')"),
        ),
        Index(
            "ix_chat_messages_inbound", "tenant_id", "received_at", postgresql_where=text("direction = 'in'")
        ),
        Index(
            "ix_chat_messages_rfc_message_id",
            "rfc_message_id",
            postgresql_where=text("rfc_message_id is not null"),
        ),
        Index(
            "ix_chat_messages_owed",
            "send_after",
            postgresql_where=text("status in ('pending', 'sending', 'unknown')"),
        ),
    )

    session_id: Mapped[int] = mapped_column(ForeignKey("chat_sessions.id"))
    lead_id: Mapped[int] = mapped_column(ForeignKey("leads.id"))
    direction: Mapped[str]
    channel: Mapped[str]
    kind: Mapped[str]
    status: Mapped[str]
    body: Mapped[str]
    from_address: Mapped[str]
    to_address: Mapped[str]
    carrier: Mapped[str | None]
    carrier_id: Mapped[str | None]
    carrier_status: Mapped[str | None]
    error_code: Mapped[str | None]
    error: Mapped[str | None]
    raw: Mapped[dict[str, Any] | None]
    received_at: Mapped[datetime | None]
    # Email only.
    # Of a text message: how many parts the phone network charges for, as we count them.
    segments: Mapped[int | None]
    subject: Mapped[str | None]
    body_full: Mapped[str | None]
    rfc_message_id: Mapped[str | None]
    rfc_references: Mapped[str | None]
    # Outbound only.
    outbox_id: Mapped[uuid.UUID | None]
    dedupe_key: Mapped[str | None]
    answers_up_to: Mapped[int | None] = mapped_column(BigInteger)
    turn_id: Mapped[int | None] = mapped_column(BigInteger)
    touch_point_id: Mapped[int | None] = mapped_column(BigInteger)
    send_after: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    claim_token: Mapped[uuid.UUID | None]
    claimed_until: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0, server_default="0")
    sent_at: Mapped[datetime | None]
    final_at: Mapped[datetime | None]


class Turn(OfTenant, Base):
    """One run of the agent: unanswered messages in, at most one reply out. The partial index allows one at a time."""

    __tablename__ = "turns"
    __table_args__ = (
        CheckConstraint("status in ('running', 'done', 'dropped', 'failed', 'abandoned')", name="status"),
        Index("uq_turns_one_running", "session_id", unique=True, postgresql_where=text("status = 'running'")),
    )

    session_id: Mapped[int] = mapped_column(ForeignKey("chat_sessions.id"), index=True)
    trigger_message_id: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str]
    provider: Mapped[str | None]
    model: Mapped[str | None]
    rounds: Mapped[int] = mapped_column(default=0, server_default="0")
    input_tokens: Mapped[int | None]
    cached_tokens: Mapped[int | None]
    output_tokens: Mapped[int | None]
    cost_microusd: Mapped[int | None] = mapped_column(BigInteger)
    trace: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    policy_version: Mapped[int | None]
    experiment_id: Mapped[int | None] = mapped_column(ForeignKey("experiments.id"))
    arm: Mapped[str | None]
    error: Mapped[str | None]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class ToolCallRow(OfTenant, Base):
    """What the model asked for and what it got. For write tools this is the effect ledger: the unique index makes
    one effect per (session, trigger message, tool, canonical arguments), whichever provider or retry asks."""

    __tablename__ = "tool_calls"
    __table_args__ = (
        Index(
            "uq_tool_calls_effect",
            "session_id", "trigger_message_id", "tool", "arguments_hash",
            unique=True,
            postgresql_where=text("is_write and not is_error"),
        ),
    )  # fmt: skip

    turn_id: Mapped[int] = mapped_column(ForeignKey("turns.id"), index=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("chat_sessions.id"))
    trigger_message_id: Mapped[int] = mapped_column(BigInteger)
    tool: Mapped[str]
    is_write: Mapped[bool]
    arguments: Mapped[dict[str, Any]]
    arguments_hash: Mapped[str]
    result: Mapped[str]
    is_error: Mapped[bool]
    started_at: Mapped[datetime]
    duration_ms: Mapped[int]
