"""What is owed and what was decided: touch points, send decisions, raw webhooks, job runs."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from crm.models.base import Base, HasId, OfTenant


class TouchPoint(OfTenant, Base):
    """One planned outbound message of a cadence. One per lead, cadence run and step."""

    __tablename__ = "touch_points"
    __table_args__ = (
        CheckConstraint(
            "status in ('planned', 'claimed', 'written', 'skipped', 'paused', 'ended')", name="status"
        ),
        CheckConstraint("kind in ('touch', 'confirmation', 'reminder')", name="kind"),
        UniqueConstraint("lead_id", "cadence_run", "step"),
        Index("ix_touch_points_claim", "tenant_id", "due_at", postgresql_where=text("status = 'planned'")),
        Index("ix_touch_points_lost", "claimed_until", postgresql_where=text("status = 'claimed'")),
        Index(
            "ix_touch_points_resume",
            "resume_at",
            postgresql_where=text("status = 'paused' and resume_at is not null"),
        ),
        Index(
            "ix_touch_points_appointment_id",
            "appointment_id",
            postgresql_where=text("appointment_id is not null"),
        ),
        Index("ix_touch_points_wave_id", "wave_id", postgresql_where=text("wave_id is not null")),
        Index(
            "ix_touch_points_over",
            "tenant_id",
            "due_at",
            postgresql_where=text("status in ('written', 'skipped', 'ended')"),
        ),
    )

    lead_id: Mapped[int] = mapped_column(ForeignKey("leads.id"))
    session_id: Mapped[int] = mapped_column(ForeignKey("chat_sessions.id"))
    plan: Mapped[str]
    cadence_run: Mapped[int]
    step: Mapped[int]
    channel: Mapped[str]
    template: Mapped[str]
    # What a follow-up the customer asked for is about, in a few words.
    note: Mapped[str | None]
    due_at: Mapped[datetime]
    local_time: Mapped[str]
    status: Mapped[str] = mapped_column(default="planned", server_default="planned")
    reason: Mapped[str | None]
    claim_token: Mapped[uuid.UUID | None]
    claimed_until: Mapped[datetime | None]
    message_id: Mapped[int | None] = mapped_column(BigInteger)
    # The version of the business's own plan it was planned by; None: the plan that ships.
    plan_version: Mapped[int | None] = mapped_column(BigInteger)
    # What the outbox and the gate treat it as: only a "touch" is marketing.
    kind: Mapped[str] = mapped_column(default="touch", server_default="touch")
    appointment_id: Mapped[int | None] = mapped_column(ForeignKey("appointments.id"))
    # A reply pauses it until so long after the last word; None: until a person resumes it.
    resume_after_s: Mapped[int | None] = mapped_column(BigInteger)
    resume_at: Mapped[datetime | None]
    # What the customer asked for or needs to know: a reply does not pause it.
    outlives_replies: Mapped[bool] = mapped_column(default=False, server_default="false")
    wave_id: Mapped[int | None] = mapped_column(ForeignKey("waves.id"))


class SendDecision(OfTenant, Base):
    """What the gate decided about one outbound message at the moment of sending, and why."""

    __tablename__ = "send_decisions"
    __table_args__ = (CheckConstraint("decision in ('allow', 'hold', 'withhold', 'drop')", name="decision"),)

    message_id: Mapped[int] = mapped_column(ForeignKey("chat_messages.id"), index=True)
    decision: Mapped[str]
    reasons: Mapped[list[Any]]
    hold_until: Mapped[datetime | None]
    decided_at: Mapped[datetime]


class WebhookEvent(Base):
    """A raw webhook, stored before anything can reject it. `tenant_id` None: nobody's (visible to no tenant)."""

    __tablename__ = "webhook_events"
    __table_args__ = (
        CheckConstraint(
            "status in ('received', 'processed', 'ignored', 'failed', 'quarantined')", name="status"
        ),
        UniqueConstraint("source", "dedupe_key"),
        Index("ix_webhook_events_owed", "next_try_at", postgresql_where=text("status = 'received'")),
        Index(
            "ix_webhook_events_kept",
            "received_at",
            postgresql_where=text("status in ('quarantined', 'failed')"),
        ),
        Index(
            "ix_webhook_events_done",
            "tenant_id",
            "received_at",
            postgresql_where=text("status in ('processed', 'ignored')"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    tenant_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("tenants.id"))
    source: Mapped[str]
    dedupe_key: Mapped[str]
    headers: Mapped[dict[str, Any]]
    content_type: Mapped[str]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[str] = mapped_column(default="received", server_default="received")
    note: Mapped[str | None]
    tries: Mapped[int] = mapped_column(default=0, server_default="0")
    next_try_at: Mapped[datetime] = mapped_column(server_default=func.now())
    claimed_until: Mapped[datetime | None]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    processed_at: Mapped[datetime | None]


class JobExecution(HasId, Base):
    """One run of a background job, for `leads jobs`. Periodic jobs belong to no tenant, and keep one row with the subject
    "periodic"; a job that fails again and again for one subject keeps one row too, and counts its `tries`."""

    __tablename__ = "job_executions"
    __table_args__ = (
        CheckConstraint("outcome in ('running', 'done', 'failed')", name="outcome"),
        Index("ix_job_executions_job", "job", "started_at"),
        Index("ix_job_executions_failed", "job", "subject", postgresql_where=text("outcome = 'failed'")),
        Index(
            "uq_job_executions_periodic", "job", unique=True, postgresql_where=text("subject = 'periodic'")
        ),
    )

    tenant_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("tenants.id"))
    job: Mapped[str]
    subject: Mapped[str | None]
    outcome: Mapped[str] = mapped_column(default="running", server_default="running")
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    counts: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    error: Mapped[str | None]
    tries: Mapped[int] = mapped_column(BigInteger, default=1, server_default="1")
