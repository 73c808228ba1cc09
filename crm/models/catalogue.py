"""Where services come from: what an outside system said of them, what changed, and which state of a catalogue stands."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm.models.base import Base, OfTenant


class ServiceSource(OfTenant, Base):
    """What a connection said last of a service it brought here. A service without such a row was made by hand and is
    never touched by an import.

    `said` are the service's fields as the rules read them, so a field that differs now was changed by a person.
    `read_at` is when the list that it stood in began to be read. `missing_since`: it stood in no list since then.
    """

    __tablename__ = "service_sources"
    __table_args__ = (
        UniqueConstraint("config_id", "location_id", "external_id"),
        UniqueConstraint("service_id"),
    )

    config_id: Mapped[int] = mapped_column(ForeignKey("tenant_crm_configs.id"))
    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"))
    service_id: Mapped[int] = mapped_column(ForeignKey("service_catalog.id", ondelete="CASCADE"))
    external_id: Mapped[str]
    said: Mapped[dict[str, Any]]
    read_at: Mapped[datetime]
    missing_since: Mapped[datetime | None]


class ServiceChange(OfTenant, Base):
    """One line of a service's history: `fields` holds what changed as {"price_cents": [44900, 49900]}."""

    __tablename__ = "service_changes"
    __table_args__ = (
        CheckConstraint("what in ('added', 'changed', 'gone', 'back')", name="what"),
        Index("ix_service_changes_location_id", "location_id", "id"),
    )

    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"))
    service_id: Mapped[int] = mapped_column(ForeignKey("service_catalog.id", ondelete="CASCADE"), index=True)
    what: Mapped[str]
    fields: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    who: Mapped[str]
    why: Mapped[str | None]
    at: Mapped[datetime]


class CatalogueStamp(OfTenant, Base):
    """A name for the state of a location's services: a trigger gives it a new one in the transaction that changes any of
    them. It is random, so that no state ever has the name of another one, not even after a rollback or a restore."""

    __tablename__ = "catalogue_stamps"
    __table_args__ = (UniqueConstraint("location_id"),)

    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"))
    stamp: Mapped[uuid.UUID]
