"""Who we work for: tenants, their locations, staff and the systems they run."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any, ClassVar

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm.models.base import Base, HasId, OfTenant


class Tenant(HasId, Base):
    """A business. `settings` is read through `crm.tenants.TenantSettings`, which refuses unknown keys."""

    __tablename__ = "tenants"
    __table_args__ = (CheckConstraint("status in ('active', 'paused')", name="status"),)

    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    status: Mapped[str] = mapped_column(default="active", server_default="active")
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    # Everything asks for this row and for the location's: see crm.db.
    kept_in_transaction: ClassVar[bool] = True


class TenantCrmConfig(OfTenant, Base):
    """One outside system of a tenant. Secrets are encrypted with ENCRYPTION_KEY (see `ops.secrets`)."""

    __tablename__ = "tenant_crm_configs"
    __table_args__ = (UniqueConstraint("tenant_id", "connector"),)

    connector: Mapped[str]
    base_url: Mapped[str]
    api_key_encrypted: Mapped[bytes] = mapped_column(LargeBinary)
    webhook_secret_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    hook_token: Mapped[str] = mapped_column(unique=True)
    signature_mode: Mapped[str] = mapped_column(default="observe", server_default="observe")
    lead_rules: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    enabled: Mapped[bool] = mapped_column(default=True, server_default="true")
    # Read through the connector's own typed settings, which refuse unknown keys.
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    webhook_external_id: Mapped[str | None]
    webhook_state: Mapped[str | None]
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Location(OfTenant, Base):
    """One shop. `phone` (E.164) and `mailbox` route what comes in, so each belongs to one location of all tenants.

    Times without a date are local to the shop. A limit that is None is not kept; labour is minutes of work.
    `holidays` is read through `crm.calendar.hours.holidays_of`; {} observes none.
    """

    kept_in_transaction: ClassVar[bool] = True
    __tablename__ = "locations"
    __table_args__ = (
        UniqueConstraint("tenant_id", "slug"),
        CheckConstraint("buffer_before_minutes >= 0 and buffer_after_minutes >= 0", name="buffers"),
        CheckConstraint("drop_off_from < drop_off_until", name="drop_off"),
    )

    slug: Mapped[str]
    name: Mapped[str]
    timezone: Mapped[str]
    phone: Mapped[str | None] = mapped_column(unique=True)
    mailbox: Mapped[str | None] = mapped_column(unique=True)
    public_phone: Mapped[str | None]
    address: Mapped[str] = mapped_column(default="", server_default="")
    city: Mapped[str] = mapped_column(default="", server_default="")
    state: Mapped[str] = mapped_column(default="", server_default="")
    postal_code: Mapped[str] = mapped_column(default="", server_default="")
    crm_location_id: Mapped[str | None]
    # What the agent may say about this shop besides its columns: parking, waiting room, warranty. Over the tenant's.
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    slot_minutes: Mapped[int] = mapped_column(default=30, server_default="30")
    notice_minutes: Mapped[int] = mapped_column(default=120, server_default="120")
    horizon_days: Mapped[int] = mapped_column(default=60, server_default="60")
    buffer_before_minutes: Mapped[int] = mapped_column(default=0, server_default="0")
    buffer_after_minutes: Mapped[int] = mapped_column(default=0, server_default="0")
    max_jobs_per_day: Mapped[int | None]
    max_labour_minutes_per_day: Mapped[int | None]
    same_day_cutoff: Mapped[time | None]
    drop_off_from: Mapped[time | None]
    drop_off_until: Mapped[time | None]
    holidays: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class LocationHours(OfTenant, Base):
    """One open stretch of a weekday (0 = Monday) in local time; a lunch break is two rows."""

    __tablename__ = "location_hours"
    __table_args__ = (
        CheckConstraint("weekday between 0 and 6", name="weekday"),
        CheckConstraint("opens < closes", name="opens_before_closes"),
        UniqueConstraint("location_id", "weekday", "opens"),
    )

    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"))
    weekday: Mapped[int]
    opens: Mapped[time]
    closes: Mapped[time]


class LocationSpecialHours(OfTenant, Base):
    """One open stretch of one date in local time. The rows of a date replace its weekly hours and its holiday; a
    closure of that date still closes it."""

    __tablename__ = "location_special_hours"
    __table_args__ = (
        CheckConstraint("opens < closes", name="opens_before_closes"),
        UniqueConstraint("location_id", "on_date", "opens"),
    )

    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"))
    on_date: Mapped[date]
    opens: Mapped[time]
    closes: Mapped[time]


class LocationClosure(OfTenant, Base):
    """Days on which the shop is closed, both ends included."""

    __tablename__ = "location_closures"
    __table_args__ = (
        CheckConstraint("starts_on <= ends_on", name="starts_before_ends"),
        UniqueConstraint("location_id", "starts_on", "ends_on"),
    )

    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"))
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    reason: Mapped[str] = mapped_column(default="", server_default="")


class Bay(OfTenant, Base):
    """A place where one car is worked on at a time. `skills` are categories or codes of services; none means all."""

    __tablename__ = "bays"
    __table_args__ = (UniqueConstraint("location_id", "name"),)

    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"))
    name: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True, server_default="true")
    skills: Mapped[list[str]] = mapped_column(ARRAY(String), default=list, server_default="{}")


class BayHours(OfTenant, Base):
    """One stretch of a weekday (0 = Monday) in local time in which a bay is worked in. A bay with rows works only
    inside them and inside the shop's hours; a bay without rows whenever the shop is open."""

    __tablename__ = "bay_hours"
    __table_args__ = (
        CheckConstraint("weekday between 0 and 6", name="weekday"),
        CheckConstraint("opens < closes", name="opens_before_closes"),
        UniqueConstraint("bay_id", "weekday", "opens"),
    )

    bay_id: Mapped[int] = mapped_column(ForeignKey("bays.id"))
    weekday: Mapped[int]
    opens: Mapped[time]
    closes: Mapped[time]


class Staff(OfTenant, Base):
    """A person of the shop. `notify` people get hand-offs and alerts by text or email."""

    __tablename__ = "staff"

    location_id: Mapped[int | None] = mapped_column(ForeignKey("locations.id"))
    name: Mapped[str]
    phone: Mapped[str | None]
    email: Mapped[str | None]
    notify: Mapped[bool] = mapped_column(default=True, server_default="true")
    removed_at: Mapped[datetime | None]
