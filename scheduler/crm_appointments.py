"""A look at the outside calendar of one location: read, compared with ours, taken over; and what makes one due.

Nothing is held in the database while the calendar is asked. Each difference is a transaction of its own, and so are the
entries of other people together. The customer is told later, by `appointment_tell`: the debt is in the row.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlalchemy import or_, update

from crm.calendar.hours import Stretch
from crm.calendar.outside import Laid, lay_out
from crm.calendar.own_entries import load_ours, untouched
from crm.calendar.reading_back import Comparison, compare
from crm.calendar.sync import crm_name
from crm.calendar.taking_over import Outside
from crm.connectors.base import APPOINTMENTS, AppointmentList, Change, Connector, NotSupported
from crm.connectors.registry import connector_of, settings_of
from crm.connectors.settings import ConnectorSettings
from crm.models import CrmCheck, Location, TenantCrmConfig
from scheduler.crm_claims import keep
from scheduler.crm_looks import Look, Looked
from scheduler.crm_missing import look_for_missing
from scheduler.crm_taking import Taking, take_over
from scheduler.crm_where import location_told
from scheduler.runtime import Runtime

__all__ = ["appointment_told", "read_appointments"]

log = structlog.get_logger(__name__)

# Entries of yesterday may still be worked on, and their changes belong into both calendars.
BACK = timedelta(days=1)
# Dragging an entry over a calendar makes a webhook for each stop.
BURST = timedelta(seconds=2)
OFF = timedelta(hours=1)
# A look that walks through a long calendar comes less often: it must not use up the key.
REST_PER_SECOND = 10


def read_appointments(runtime: Runtime, tenant_id: int, look: Look) -> Looked:
    """Read the calendar of `look.location_id` and take over what the shop changed there. Raises ConnectorError."""
    began = runtime.clock.now()
    with runtime.db.tenant(tenant_id, durable=False) as session:
        config = session.get(TenantCrmConfig, look.config_id)
        location = session.get(Location, look.location_id)
    if config is None or location is None or location.crm_location_id is None:
        return Looked("the location is linked to no CRM", again_after=OFF)
    settings = settings_of(config)
    if not settings.read_appointments:
        return Looked("its calendar is not read: the settings say so", again_after=OFF)
    with runtime.db.tenant(tenant_id, durable=False) as session:
        span = _span(location, settings, began)
        before = load_ours(session, location, config.connector, span, began)
    connector = connector_of(config, runtime.box, runtime.redis, background=True)
    try:
        if APPOINTMENTS not in connector.capabilities:
            raise NotSupported(connector.name, "list appointments")
        entries = connector.appointments(location.crm_location_id, span.starts_at, span.ends_at)
        read_at = runtime.clock.now()
        with runtime.db.tenant(tenant_id, durable=False) as session:
            now_ours = load_ours(session, location, config.connector, span, read_at, entries)
        ours = untouched(now_ours, before)
        comparison = compare(ours, entries, span.starts_at, span.ends_at, read_at)
        return _take(runtime, tenant_id, look, config, location, connector, entries, comparison, span)
    finally:
        connector.close()


def _take(
    runtime: Runtime,
    tenant_id: int,
    look: Look,
    config: TenantCrmConfig,
    location: Location,
    connector: Connector,
    entries: AppointmentList,
    comparison: Comparison,
    span: Stretch,
) -> Looked:
    settings = settings_of(config)
    # Before anything is written: a look that stood still for too long is somebody else's by now.
    keep(runtime, tenant_id, look)
    outside = Outside(crm_name(config), config.id, timedelta(seconds=settings.tell.settle_seconds))
    taking = Taking(runtime, tenant_id, location.id, outside)
    missing = [one for one in comparison.differences if one.kind == "missing"]
    for difference in comparison.differences:
        take_over(taking, difference)
    laid = _lay(runtime, tenant_id, location, entries, comparison, settings, span)
    notes, suspects = look_for_missing(taking, connector, missing, location.crm_location_id, look)
    text = f"{len(entries)} entries, {_count(taking)}; blocks: {laid.added} new, {laid.removed} gone"
    text += "" if entries.recurring_included else "; its series could not be read"
    log.info("crm_calendar_read", location_id=location.id, outcome=text)
    again = timedelta(seconds=20) if suspects else _rest(runtime, look)
    problem = "; ".join(taking.problems) or None
    return Looked(text, watermark=look.now, again_after=again, notes=notes, error=problem)


def _rest(runtime: Runtime, look: Look) -> timedelta | None:
    took = runtime.clock.now() - look.now
    return took * REST_PER_SECOND if took > timedelta(seconds=15) else None


def _count(taking: Taking) -> str:
    counts = ", ".join(f"{number} {what}" for what, number in sorted(taking.counts.items()))
    return counts or "ours as they were"


def _lay(
    runtime: Runtime,
    tenant_id: int,
    location: Location,
    entries: AppointmentList,
    comparison: Comparison,
    settings: ConnectorSettings,
    span: Stretch,
) -> Laid:
    with runtime.db.tenant(tenant_id) as session:
        return lay_out(
            session,
            session.get_one(Location, location.id),
            comparison.outside,
            settings.outside,
            span,
            runtime.clock.now(),
            recurring_included=entries.recurring_included,
        )


def _span(location: Location, settings: ConnectorSettings, now: datetime) -> Stretch:
    """As far as times are offered, and what the settings want beyond."""
    days = max(settings.looks.appointments_days, location.horizon_days + 1)
    return Stretch(now - BACK, now + timedelta(days=days))


def appointment_told(runtime: Runtime, tenant_id: int, config: TenantCrmConfig, change: Change) -> str:
    """A webhook told of one appointment: the look at its location is due in a moment. Nothing but the id is believed.
    Raises ConnectorError."""
    if not settings_of(config).read_appointments:
        return "the calendar is not read: the settings say so"
    location_id = location_told(runtime, tenant_id, config, change)
    if location_id is None:
        return "an entry of no location of ours"
    due = runtime.clock.now() + BURST
    with runtime.db.tenant(tenant_id) as session:
        check_id = session.execute(
            update(CrmCheck)
            .where(
                CrmCheck.config_id == config.id,
                CrmCheck.location_id == location_id,
                CrmCheck.kind == "appointments",
                # A look under way may have read the list before this change.
                or_(CrmCheck.next_at > due, CrmCheck.claimed_until > due),
            )
            .values(next_at=due)
            .returning(CrmCheck.id)
        ).scalar_one_or_none()
    if check_id is None:
        # It is due already, or the clock opens it in a moment.
        return "the look is due already"
    runtime.queue.wake("crm_check", tenant_id, check_id, due)
    return f"look {check_id} is due"
