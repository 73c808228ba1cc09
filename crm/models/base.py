"""Base classes of all tables: naming of constraints, tenant column, aware timestamps."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, MetaData, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Every table. Datetimes are stored with time zone; dictionaries as jsonb."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012
        int: BigInteger,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
    }


class HasId:
    """A short number, because an owner types it: `leads show 17`."""

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class OfTenant(HasId):
    """A row of one tenant. The migration puts row-level security on every table with this column.

    It has no index of its own: every look-up has a narrower one, and the planner must not be tempted to walk through
    a whole tenant.
    """

    tenant_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("tenants.id"))
