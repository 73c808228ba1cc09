"""Cadences as their owners change them: plans and templates in versions, texts in the model's words, waves of old leads."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from crm.models.base import Base, OfTenant


class CadencePlan(OfTenant, Base):
    """One version of a business's own plan. Versions are never changed or deleted; the newest of a name is the one new
    cadences follow, and every touch point keeps the version it was planned by."""

    __tablename__ = "cadence_plans"
    __table_args__ = (UniqueConstraint("tenant_id", "name", "version"),)

    name: Mapped[str]
    version: Mapped[int]
    body: Mapped[dict[str, Any]]
    author: Mapped[str]
    note: Mapped[str] = mapped_column(default="", server_default="")


class TemplateVersion(OfTenant, Base):
    """One version of a business's own words for a template; the newest is used. `body` None: the words that ship are
    used again."""

    __tablename__ = "template_versions"
    __table_args__ = (
        CheckConstraint("channel in ('sms', 'email')", name="channel"),
        UniqueConstraint("tenant_id", "name", "channel", "language", "version", name="uq_template_versions"),
    )

    name: Mapped[str]
    channel: Mapped[str]
    language: Mapped[str]
    version: Mapped[int]
    body: Mapped[str | None]
    author: Mapped[str]
    note: Mapped[str] = mapped_column(default="", server_default="")


class TouchText(OfTenant, Base):
    """A touch in the model's words, written ahead and once. `body` None: the check refused it for `reasons`, and the
    template is used."""

    __tablename__ = "touch_texts"
    __table_args__ = (UniqueConstraint("touch_point_id"),)

    touch_point_id: Mapped[int] = mapped_column(ForeignKey("touch_points.id"))
    facts_hash: Mapped[str]
    subject: Mapped[str | None]
    body: Mapped[str | None]
    reasons: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")


class Wave(OfTenant, Base):
    """Old leads that are written to again, `per_day` of them each day until none is left that `filter` chooses."""

    __tablename__ = "waves"
    __table_args__ = (
        CheckConstraint("status in ('running', 'paused', 'done', 'stopped')", name="status"),
        UniqueConstraint("tenant_id", "name"),
        Index("ix_waves_next_at", "next_at", postgresql_where=text("status = 'running'")),
    )

    location_id: Mapped[int | None] = mapped_column(ForeignKey("locations.id"))
    name: Mapped[str]
    plan: Mapped[str]
    filter: Mapped[dict[str, Any]]
    per_day: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(default="running", server_default="running")
    reason: Mapped[str | None]
    author: Mapped[str]
    begun_at: Mapped[datetime]
    next_at: Mapped[datetime]
    claim_token: Mapped[uuid.UUID | None]
    claimed_until: Mapped[datetime | None]
    taken: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    # Only leads before this one are still looked at, the newest first; None: none was.
    before_lead_id: Mapped[int | None] = mapped_column(BigInteger)
    # How many were passed by, for each reason.
    passed: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
