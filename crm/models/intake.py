"""How leads come in: requests of a person, what changed about them, keys of the API, looks at a CRM."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm.models.base import Base, OfTenant


class LeadRequest(OfTenant, Base):
    """One thing a person asked for (an order, a form, a row of a file), told once however often it is told. `made_at` is
    the source's own date of it."""

    __tablename__ = "lead_requests"
    __table_args__ = (
        UniqueConstraint("tenant_id", "source", "external_id"),
        Index("ix_lead_requests_lead_id", "lead_id"),
    )

    lead_id: Mapped[int] = mapped_column(ForeignKey("leads.id"))
    source: Mapped[str]
    external_id: Mapped[str]
    wish: Mapped[str | None]
    vehicle_id: Mapped[int | None] = mapped_column(ForeignKey("vehicles.id"))
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    made_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class LeadChange(OfTenant, Base):
    """One line of a lead's history: a state, a merge, a split, an erasure. `who` is a person's name, or which part of us
    did it."""

    __tablename__ = "lead_changes"
    __table_args__ = (Index("ix_lead_changes_lead_id", "lead_id", "id"),)

    lead_id: Mapped[int] = mapped_column(ForeignKey("leads.id"))
    what: Mapped[str]
    before: Mapped[str | None]
    after: Mapped[str | None]
    who: Mapped[str]
    why: Mapped[str | None]
    message_id: Mapped[int | None] = mapped_column(BigInteger)
    at: Mapped[datetime]


class ApiKey(OfTenant, Base):
    """A key of the API. Only its SHA-256 is stored; `prefix` is what tells one from another in a list.

    `kind`: a `server` keeps its key secret; a `form` shows it to everybody who reads the page, so it may post forms and
    learns nothing. Keys of one name are one sender: a new key goes on where the old one ended. `redirect_hosts`: where
    a form may send the visitor afterwards. `location_id` None: the request names the location.
    """

    __tablename__ = "api_keys"
    __table_args__ = (
        UniqueConstraint("key_hash"),
        CheckConstraint("kind in ('server', 'form')", name="kind"),
        CheckConstraint("per_minute > 0", name="per_minute"),
    )

    name: Mapped[str]
    prefix: Mapped[str]
    key_hash: Mapped[str]
    kind: Mapped[str] = mapped_column(default="server", server_default="server")
    location_id: Mapped[int | None] = mapped_column(ForeignKey("locations.id"))
    redirect_hosts: Mapped[list[str]] = mapped_column(ARRAY(String), default=list, server_default="{}")
    per_minute: Mapped[int] = mapped_column(default=120, server_default="120")
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class ApiRequest(OfTenant, Base):
    """What a request with this idempotency key was answered, to be answered the same again."""

    __tablename__ = "api_requests"
    __table_args__ = (UniqueConstraint("tenant_id", "idempotency_key"),)

    idempotency_key: Mapped[str]
    body_hash: Mapped[str]
    status: Mapped[int]
    answer: Mapped[dict[str, Any]]
    lead_id: Mapped[int | None] = mapped_column(ForeignKey("leads.id"))
    received_at: Mapped[datetime]


class CrmCheck(OfTenant, Base):
    """How far a CRM was looked through for what its webhooks did not bring. `location_id` None: the whole connection."""

    __tablename__ = "crm_checks"
    __table_args__ = (
        UniqueConstraint("config_id", "location_id", "kind", postgresql_nulls_not_distinct=True),
        CheckConstraint("kind in ('orders', 'appointments', 'catalogue', 'webhook')", name="kind"),
        Index("ix_crm_checks_next_at", "next_at"),
    )

    config_id: Mapped[int] = mapped_column(ForeignKey("tenant_crm_configs.id"))
    location_id: Mapped[int | None] = mapped_column(ForeignKey("locations.id"))
    kind: Mapped[str]
    watermark: Mapped[datetime | None]
    next_at: Mapped[datetime]
    claim_token: Mapped[uuid.UUID | None]
    claimed_until: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    error: Mapped[str | None]
    notes: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
