"""What the agent is told, what it costs and how two ways of it compare: policies, summaries, attempts, experiments."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from crm.models.base import Base, OfTenant


class PolicyVersion(OfTenant, Base):
    """One version of a tenant's policy. Versions are never changed or deleted; `tenants.settings.policy_version` says
    which one is live, and none means the policy that ships."""

    __tablename__ = "policy_versions"
    __table_args__ = (UniqueConstraint("tenant_id", "version"),)

    version: Mapped[int]
    body: Mapped[str]
    note: Mapped[str] = mapped_column(default="", server_default="")
    author: Mapped[str]


class ConversationSummary(OfTenant, Base):
    """What a conversation said up to and including one message, made once. It holds what customers wrote: untrusted."""

    __tablename__ = "conversation_summaries"
    __table_args__ = (UniqueConstraint("session_id", "up_to_message_id"),)

    session_id: Mapped[int] = mapped_column(ForeignKey("chat_sessions.id"))
    up_to_message_id: Mapped[int] = mapped_column(BigInteger)
    body: Mapped[str]
    provider: Mapped[str]
    model: Mapped[str]


class ModelAttempt(OfTenant, Base):
    """One request to one model, failed ones included. `cost_microusd` null means unknown, never free. Token counts are
    disjoint: `input_tokens` is what was neither read from nor written to a cache (LLM facts 3.1)."""

    __tablename__ = "model_attempts"
    __table_args__ = (
        CheckConstraint("purpose in ('turn', 'summary', 'touch')", name="purpose"),
        Index("ix_model_attempts_tenant_id_created_at", "tenant_id", "created_at"),
    )

    session_id: Mapped[int] = mapped_column(ForeignKey("chat_sessions.id"))
    lead_id: Mapped[int] = mapped_column(ForeignKey("leads.id"))
    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"))
    turn_id: Mapped[int | None] = mapped_column(ForeignKey("turns.id"), index=True)
    purpose: Mapped[str] = mapped_column(default="turn", server_default="turn")
    provider: Mapped[str]
    model: Mapped[str]
    requested_model: Mapped[str]
    ok: Mapped[bool]
    error_kind: Mapped[str | None]
    error: Mapped[str | None]
    input_tokens: Mapped[int | None]
    cached_tokens: Mapped[int | None]
    written_tokens: Mapped[int | None]
    output_tokens: Mapped[int | None]
    thinking_tokens: Mapped[int | None]
    cost_microusd: Mapped[int | None] = mapped_column(BigInteger)
    ms: Mapped[int]
    request_id: Mapped[str | None]


class Experiment(OfTenant, Base):
    """A comparison of two or more arms, each a provider, model or policy version. At most one runs per tenant.

    `arms`: [{"name", "weight", "provider"?, "model"?, "policy_version"?}]; the first is the control.
    """

    __tablename__ = "experiments"
    __table_args__ = (
        CheckConstraint("status in ('running', 'stopped')", name="status"),
        UniqueConstraint("tenant_id", "name"),
        Index("uq_experiments_one_running", "tenant_id", unique=True, postgresql_where=text("status = 'running'")),
    )  # fmt: skip

    name: Mapped[str]
    status: Mapped[str] = mapped_column(default="running", server_default="running")
    arms: Mapped[list[Any]]
    started_by: Mapped[str]
    started_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]
    stopped_because: Mapped[str | None]


class ExperimentAssignment(OfTenant, Base):
    """Which arm a conversation is in, for good."""

    __tablename__ = "experiment_assignments"
    __table_args__ = (UniqueConstraint("experiment_id", "session_id"),)

    experiment_id: Mapped[int] = mapped_column(ForeignKey("experiments.id"))
    session_id: Mapped[int] = mapped_column(ForeignKey("chat_sessions.id"))
    arm: Mapped[str]
    assigned_at: Mapped[datetime]
