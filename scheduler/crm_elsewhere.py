"""Where many locations share one key, one of their looks for orders calls the others when there is something new.

Each location's own look comes the less often the more of them there are, and stays the one that is complete: with its own
watermark, overlap and memory. One look reads the list of the whole connection at the usual pace, and the locations it
finds something new of are due at once. A call that is lost costs a wait, never an order.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

import structlog
from sqlalchemy import or_, select, update

from crm.connectors.base import Change, Connector, ConnectorError, FilterIgnored, NotSupported
from crm.models import CrmCheck, LeadRequest, Location, TenantCrmConfig
from scheduler.crm_looks import Look
from scheduler.crm_order_notes import OrderNotes
from scheduler.runtime import Runtime

log = structlog.get_logger(__name__)


def call_others(
    runtime: Runtime,
    tenant_id: int,
    look: Look,
    config: TenantCrmConfig,
    connector: Connector,
    notes: OrderNotes,
    since: datetime,
) -> int:
    """Have the looks at other locations done now whose new orders are not known here; returns how many. What was called
    for once is remembered in `notes`. A list that cannot be had or trusted calls nobody."""
    called = 0
    try:
        for page in connector.new_everywhere(since):
            fresh = [(place, change) for place, change in page if not notes.knows(_called(change))]
            unknown = _unknown(runtime, tenant_id, config, [change for _, change in fresh])
            places = {place for place, change in fresh if change.record_id in unknown}
            called += _call(runtime, tenant_id, look, places)
            for _, change in fresh:
                notes.take(_called(change), look.now)
    except (ConnectorError, FilterIgnored, NotSupported) as error:
        log.info("crm_others_not_called", check_id=look.check_id, error=type(error).__name__)
    return called


def _called(change: Change) -> Change:
    """The record under a name of its own: that others were called is not that it was taken, and once is enough."""
    return replace(change, table=f"called {change.table}", operation="INSERT", version=None, at=None)


def _unknown(
    runtime: Runtime, tenant_id: int, config: TenantCrmConfig, changes: Collection[Change]
) -> set[str]:
    ids = {change.record_id for change in changes}
    if not ids:
        return ids
    told = select(LeadRequest.external_id).where(
        LeadRequest.source == config.connector, LeadRequest.external_id.in_(ids)
    )
    with runtime.db.tenant(tenant_id, durable=False) as session:
        return ids - set(session.scalars(told))


def _call(runtime: Runtime, tenant_id: int, look: Look, places: Collection[str]) -> int:
    if not places:
        return 0
    now = runtime.clock.now()
    here = select(Location.id).where(Location.crm_location_id.in_(places))
    with runtime.db.tenant(tenant_id) as session:
        due = session.scalars(
            update(CrmCheck)
            .where(
                CrmCheck.config_id == look.config_id,
                CrmCheck.kind == "orders",
                CrmCheck.id != look.check_id,
                CrmCheck.location_id.in_(here),
                # A look under way may have read the list before this order. One that waits after an error knows why.
                or_(CrmCheck.next_at > now, CrmCheck.claimed_until > now),
                CrmCheck.failures == 0,
            )
            .values(next_at=now)
            .returning(CrmCheck.id)
            .execution_options(synchronize_session=False)
        ).all()
    for check_id in due:
        runtime.queue.wake("crm_check", tenant_id, check_id, now)
    return len(due)
