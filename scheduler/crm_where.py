"""Whose location an entry of an outside calendar belongs to."""

from __future__ import annotations

from sqlalchemy import or_, select

from crm.connectors.base import APPOINTMENTS, Change
from crm.connectors.intake import location_ids
from crm.connectors.registry import connector_of
from crm.models import Appointment, TenantCrmConfig
from scheduler.runtime import Runtime


def location_told(runtime: Runtime, tenant_id: int, config: TenantCrmConfig, change: Change) -> int | None:
    """The location of the entry a webhook told of: by what we know of it, else by asking. Raises ConnectorError."""
    record = change.record_id
    with runtime.db.tenant(tenant_id, durable=False) as session:
        known = session.scalar(
            select(Appointment.location_id)
            .where(
                or_(
                    Appointment.external_id == record,
                    # Occurrences of a series, and second pieces.
                    Appointment.external_id.startswith(f"{record}@", autoescape=True),
                    Appointment.external_id.startswith(f"{record}~", autoescape=True),
                )
            )
            .limit(1)
        )
        locations = location_ids(session)
    if known is not None or change.operation == "DELETE":
        return known
    if len(locations) == 1:
        return next(iter(locations.values()))
    connector = connector_of(config, runtime.box, runtime.redis)
    try:
        if APPOINTMENTS not in connector.capabilities:
            return None
        entry = connector.fetch_appointment(record)
    finally:
        connector.close()
    return None if entry is None else locations.get(entry.location_external_id or "")
