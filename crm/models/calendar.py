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
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm.models.base import Base, OfTenant

VISITS = "visit in ('wait', 'drop_off')"
WINDOW = "(arrives_from is null) = (arrives_until is null) and arrives_from < arrives_until"


def _labour_minutes(context: Any) -> int:
    """What a writer does not say is all of the time between start and end."""
    values = context.get_current_parameters()
    return int((values["ends_at"] - values["starts_at"]).total_seconds() // 60)


class Service(OfTenant, Base):
    """A service of one location. `price_cents` None means: never quoted. `body_style` None fits every vehicle.

    `duration_minutes` is labour; `minutes_by_body_style` ({"truck": 180}) replaces it for those vehicles. `visit` says
    whether the customer waits or leaves the car.
    """

    __tablename__ = "service_catalog"
    __table_args__ = (
        UniqueConstraint("location_id", "code"),
        CheckConstraint("price_cents is null or price_cents > 0", name="price_positive"),
        CheckConstraint("duration_minutes > 0", name="duration_positive"),
        CheckConstraint(VISITS, name="visit"),
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
    visit: Mapped[str] = mapped_column(default="wait", server_default="wait")
    minutes_by_body_style: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")


class Offer(OfTenant, Base):
    """A bookable time found for this customer; booking needs its id.

    `message_id` is the reply that showed it. An offer that was never shown cannot be booked, which is how a write is
    confirmed by the customer first. `starts_at` and `ends_at` are the work in the bay; for a car that is dropped off
    `arrives_from` and `arrives_until` are what the customer was told. `labour_minutes` None means all of the time
    between start and end. While `held_until` is ahead nobody else is given that time.
    """

    __tablename__ = "offers"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="starts_before_ends"),
        CheckConstraint(VISITS, name="visit"),
        CheckConstraint(WINDOW, name="arrival"),
        Index("ix_offers_held", "location_id", "held_until", postgresql_where=text("held_until is not null")),
    )

    session_id: Mapped[int] = mapped_column(ForeignKey("chat_sessions.id"), index=True)
    lead_id: Mapped[int] = mapped_column(ForeignKey("leads.id"))
    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"))
    service_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    turn_id: Mapped[int | None]
    message_id: Mapped[int | None]
    visit: Mapped[str] = mapped_column(default="wait", server_default="wait")
    arrives_from: Mapped[datetime | None]
    arrives_until: Mapped[datetime | None]
    labour_minutes: Mapped[int | None]
    held_until: Mapped[datetime | None]


class Appointment(OfTenant, Base):
    """Work on one bay. The exclusion constraint is the last word: a bay is never booked twice at one time.

    `blocked_from` to `blocked_until` is the work with its buffers, in which nothing else may be on the bay; a trigger
    fills it in for writers that do not know it. `override` names who lifted which rules and why. `sequence` counts
    the changes a calendar file has to tell (RFC 5545, 3.8.7.4).
    """

    __tablename__ = "appointments"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="starts_before_ends"),
        CheckConstraint(
            "status in ('booked', 'confirmed', 'cancelled', 'completed', 'no_show')", name="status"
        ),
        CheckConstraint(VISITS, name="visit"),
        CheckConstraint(WINDOW, name="arrival"),
        CheckConstraint("blocked_from <= starts_at and ends_at <= blocked_until", name="blocked"),
        ExcludeConstraint(
            ("bay_id", "="),
            (literal_column("tstzrange(blocked_from, blocked_until)"), "&&"),
            where=text("status in ('booked', 'confirmed')"),
            using="gist",
            name="ex_appointments_bay_overlap",
        ),
        Index("ix_appointments_location_start", "location_id", "starts_at"),
        # The day book reads from now on; what is long over is most of the table and must not be walked through.
        Index("ix_appointments_location_blocked_until", "location_id", "blocked_until"),
        Index(
            "uq_appointments_offer", "offer_id", unique=True, postgresql_where=text("status <> 'cancelled'")
        ),
        # By exact id, and by its beginning: occurrences of a series and pieces carry the entry's id in front.
        Index(
            "ix_appointments_external_id",
            "external_id",
            postgresql_ops={"external_id": "varchar_pattern_ops"},
            postgresql_where=text("external_id is not null"),
        ),
        Index("ix_appointments_tell_due", "tell_due_at", postgresql_where=text("tell_due_at is not null")),
        Index(
            "ix_appointments_remind_due", "remind_due_at", postgresql_where=text("remind_due_at is not null")
        ),
        Index("ix_appointments_sync_due", "sync_due_at", postgresql_where=text("sync_due_at is not null")),
        Index(
            "uq_appointments_external",
            "tenant_id",
            "source",
            "external_id",
            unique=True,
            postgresql_where=text("external_id is not null and source = 'crm'"),
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
    blocked_from: Mapped[datetime] = mapped_column(
        default=lambda context: context.get_current_parameters()["starts_at"]
    )
    blocked_until: Mapped[datetime] = mapped_column(
        default=lambda context: context.get_current_parameters()["ends_at"]
    )
    visit: Mapped[str] = mapped_column(default="wait", server_default="wait")
    arrives_from: Mapped[datetime | None]
    arrives_until: Mapped[datetime | None]
    labour_minutes: Mapped[int] = mapped_column(default=_labour_minutes)
    override: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    sequence: Mapped[int] = mapped_column(default=0, server_default="0")
    status: Mapped[str] = mapped_column(default="booked", server_default="booked")
    source: Mapped[str]
    history: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    external_id: Mapped[str | None]
    sync_state: Mapped[str] = mapped_column(default="pending", server_default="pending")
    # Set while the CRM has to be told of a change.
    sync_due_at: Mapped[datetime | None]
    sync_claimed_until: Mapped[datetime | None]
    sync_tries: Mapped[int] = mapped_column(default=0, server_default="0")
    sync_error: Mapped[str | None]
    external_version: Mapped[str | None]
    # Set while the CRM may hold an entry of ours whose id we do not know.
    sync_asked_at: Mapped[datetime | None]
    # The times that the CRM shows for our entry, as far as we know; None when it shows none.
    external_starts_at: Mapped[datetime | None]
    external_ends_at: Mapped[datetime | None]
    # Set while the customer has to be told of a change the shop made in the CRM; `tell_known` is what they know.
    tell_due_at: Mapped[datetime | None]
    tell_known: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    # Set while the messages about the visit have to be planned anew (crm/reminders.py).
    remind_due_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
