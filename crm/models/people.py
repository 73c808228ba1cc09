"""Leads, their vehicles, and what they allowed us: the consent ledger."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from crm.models.base import Base, OfTenant

LEAD_STATUSES = (
    "new", "engaged", "quoted", "booked", "won", "lost", "unreachable", "opted_out", "human",
)  # fmt: skip


class Lead(OfTenant, Base):
    """A person who may book at one location; the same phone or email is one lead per location."""

    __tablename__ = "leads"
    __table_args__ = (
        CheckConstraint(
            "status in ('new','engaged','quoted','booked','won','lost','unreachable','opted_out','human')",
            name="status",
        ),
        Index(
            "uq_leads_location_phone",
            "location_id",
            "phone",
            unique=True,
            postgresql_where=text("phone is not null"),
        ),
        Index(
            "uq_leads_location_email",
            "location_id",
            "email",
            unique=True,
            postgresql_where=text("email is not null"),
        ),
        Index("ix_leads_email", "email", postgresql_where=text("email is not null")),
        UniqueConstraint("tenant_id", "source", "external_id"),
        Index("ix_leads_tenant", "tenant_id", "id"),
        Index("ix_leads_merged_into", "merged_into_id", postgresql_where=text("merged_into_id is not null")),
        Index(
            "ix_leads_external_customer",
            "location_id",
            "external_customer_id",
            postgresql_where=text("external_customer_id is not null"),
        ),
    )

    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"))
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    phone: Mapped[str | None]
    email: Mapped[str | None]
    # Of the person, where they said it: narrows the zones and state rules that texts keep to.
    postal_code: Mapped[str | None]
    state: Mapped[str | None]
    language: Mapped[str] = mapped_column(default="en", server_default="en")
    status: Mapped[str] = mapped_column(default="new", server_default="new")
    source: Mapped[str]
    external_id: Mapped[str | None]
    external_customer_id: Mapped[str | None]
    wish: Mapped[str | None]
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    phone_bad_since: Mapped[datetime | None]
    email_bad_since: Mapped[datetime | None]
    # The lead this one was found to be; its conversation is that one's. An address that the other had no room for (it has
    # one of its own) stays here as a signpost, so that who writes from it is found.
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("leads.id"))
    erased_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Vehicle(OfTenant, Base):
    """A car of a lead. `body_style` (coupe, sedan, hatchback, suv, truck, van, wagon) is what prices depend on."""

    __tablename__ = "vehicles"
    __table_args__ = (UniqueConstraint("lead_id", "external_id"),)

    lead_id: Mapped[int] = mapped_column(ForeignKey("leads.id"), index=True)
    year: Mapped[int | None]
    make: Mapped[str | None]
    model: Mapped[str | None]
    submodel: Mapped[str | None]
    body_style: Mapped[str | None]
    color: Mapped[str | None]
    external_id: Mapped[str | None]


class ConsentEvent(OfTenant, Base):
    """One row of the append-only consent ledger (a trigger refuses UPDATE and DELETE).

    `address` is the E.164 phone or the lower-case email, so that an opt-out survives a re-import of the lead.
    """

    __tablename__ = "consent_events"
    __table_args__ = (
        CheckConstraint("action in ('grant', 'revoke')", name="action"),
        CheckConstraint("channel in ('sms', 'email')", name="channel"),
        CheckConstraint("scope in ('all', 'marketing')", name="scope"),
        CheckConstraint("actor in ('customer', 'shop', 'carrier', 'crm')", name="actor"),
        Index("ix_consent_events_address", "tenant_id", "channel", "address", "id"),
        Index(
            "ix_consent_events_revoked",
            "tenant_id",
            "effective_at",
            postgresql_where=text("action = 'revoke'"),
        ),
    )

    lead_id: Mapped[int | None] = mapped_column(ForeignKey("leads.id"))
    message_id: Mapped[int | None]
    channel: Mapped[str]
    address: Mapped[str]
    action: Mapped[str]
    scope: Mapped[str] = mapped_column(default="all", server_default="all")
    actor: Mapped[str]
    source: Mapped[str]
    evidence: Mapped[str]
    effective_at: Mapped[datetime] = mapped_column(server_default=func.now())
