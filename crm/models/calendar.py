"""What can be sold and when: services, offers, appointments."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm.models.base import Base, OfTenant


class Service(OfTenant, Base):
    """A service of one location. `price_cents` None means: never quoted. `body_style` None fits every vehicle."""

    __tablename__ = "service_catalog"
    __table_args__ = (
        UniqueConstraint("location_id", "code"),
        CheckConstraint("price_cents is null or price_cents > 0", name="price_positive"),
        CheckConstraint("duration_minutes > 0", name="duration_positive"),
    )

    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"))
    code: Mapped[str]
    name: Mapped[str]
    category: Mapped[str]
    body_style: Mapped[str | None]
    price_cents: Mapped[int | None]
    duration_minutes: Mapped[int]
    description: Mapped[str] = mapped_column(default="", server_default="")
    not_included: Mapped[str] = mapped_column(default="", server_default="")
    active: Mapped[bool] = mapped_column(default=True, server_default="true")
    external_id: Mapped[str | None]


class Offer(OfTenant, Base):
    """A bookable time found for this customer; booking needs its id.

    `message_id` is the reply that showed it. An offer that was never shown cannot be booked, which is how a write is
    confirmed by the customer first.
    """

    __tablename__ = "offers"
    __table_args__ = (CheckConstraint("starts_at < ends_at", name="starts_before_ends"),)

    session_id: Mapped[int] = mapped_column(ForeignKey("chat_sessions.id"), index=True)
    lead_id: Mapped[int] = mapped_column(ForeignKey("leads.id"))
    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"))
    service_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    turn_id: Mapped[int | None]
    message_id: Mapped[int | None]


class Appointment(OfTenant, Base):
    """Work on one bay. The exclusion constraint is the last word: a bay is never booked twice at one time."""

    __tablename__ = "appointments"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="starts_before_ends"),
        CheckConstraint(
            "status in ('booked', 'confirmed', 'cancelled', 'completed', 'no_show')", name="status"
        ),
        ExcludeConstraint(
            ("bay_id", "="),
            (literal_column("tstzrange(starts_at, ends_at)"), "&&"),
            where=text("status in ('booked', 'confirmed')"),
            using="gist",
            name="ex_appointments_bay_overlap",
        ),
        Index("ix_appointments_location_start", "location_id", "starts_at"),
        Index(
            "uq_appointments_offer", "offer_id", unique=True, postgresql_where=text("status <> 'cancelled'")
        ),
    )

    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"))
    bay_id: Mapped[int] = mapped_column(ForeignKey("bays.id"))
    lead_id: Mapped[int | None] = mapped_column(ForeignKey("leads.id"), index=True)
    vehicle_id: Mapped[int | None] = mapped_column(ForeignKey("vehicles.id"))
    offer_id: Mapped[int | None] = mapped_column(ForeignKey("offers.id"))
    service_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    status: Mapped[str] = mapped_column(default="booked", server_default="booked")
    source: Mapped[str]
    history: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    external_id: Mapped[str | None]
    sync_state: Mapped[str] = mapped_column(default="pending", server_default="pending")
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
