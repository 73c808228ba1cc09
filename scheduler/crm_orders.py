"""The look for orders of one location: whatever a CRM lists and no webhook brought becomes a lead.

Lists show new orders up to half an hour late (shopmonkey facts 4), so each look reaches back over an overlap before the
last complete one. The watermark moves only when every page was read and every change taken, or noted to be tried again.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from rq.timeouts import BaseTimeoutException
from sqlalchemy import select
from sqlalchemy.exc import InterfaceError, OperationalError

from crm.connectors.base import Change, Connector, ConnectorError, FilterIgnored
from crm.connectors.intake import VERSION
from crm.connectors.registry import connector_of, settings_of
from crm.models import LeadRequest, Location, TenantCrmConfig
from scheduler.crm_claims import keep
from scheduler.crm_elsewhere import call_others
from scheduler.crm_looks import Look, Looked
from scheduler.crm_order_notes import OrderNotes
from scheduler.intake import take_change
from scheduler.runtime import Runtime

log = structlog.get_logger(__name__)

# Nobody waits for a look, but a thread does.
TIMEOUT_S = 15.0
# After this a look stops where it is and comes again: a thread belongs to everybody, and a job is cut off after two
# minutes (scheduler.worker).
LONGEST = timedelta(seconds=45)
SOON = timedelta(seconds=2)
# A look that took this long already calls nobody else: their list is another few requests.
LATEST_CALL = timedelta(seconds=20)
# The list cannot be trusted, what it does show can.
AFTER_IGNORED = timedelta(minutes=2)
# New orders are looked for each time, changed ones now and then: that is a second request, which in the background has to
# wait for its turn, and a thread with it.
CHANGED_EVERY = timedelta(minutes=5)
# So many failures one after the other are no misfortune of single orders.
IN_A_ROW = 3
SAVED_EVERY = 10


class _OutOfTime(Exception):
    """The look took long enough."""


def look_at_orders(runtime: Runtime, tenant_id: int, look: Look) -> Looked:
    """Look once. Raises ConnectorError when the CRM cannot be looked at, and ClaimLost."""
    with runtime.db.tenant(tenant_id) as session:
        config = session.get_one(TenantCrmConfig, look.config_id)
        place = session.get_one(Location, look.location_id).crm_location_id or ""
    overlap = timedelta(minutes=settings_of(config).looks.overlap_minutes)
    connector = connector_of(config, runtime.box, runtime.redis, background=True, timeout_s=TIMEOUT_S)
    try:
        return _Round(runtime, tenant_id, look, config, connector, overlap).walk(place)
    finally:
        connector.close()


@dataclass
class _Round:
    runtime: Runtime
    tenant_id: int
    look: Look
    config: TenantCrmConfig
    connector: Connector
    overlap: timedelta
    notes: OrderNotes = field(init=False)
    listed: int = 0
    found: int = 0
    reason: str | None = None
    _in_a_row: int = 0
    _unsaved: int = 0

    def __post_init__(self) -> None:
        self.notes = OrderNotes.read(self.look.notes)

    def walk(self, place: str) -> Looked:
        """Read the list and take what is new in it, then try again what failed before."""
        try:
            ignored = self._read(place)
            self._try_again()
            self._call_others()
        except _OutOfTime:
            return self._looked("out of time", again_after=SOON)
        except ConnectorError:
            self._save()
            raise
        if ignored is not None:
            return self._looked("not complete", error=ignored, again_after=AFTER_IGNORED)
        return self._complete()

    def _read(self, place: str) -> str | None:
        """Take whatever the list shows; returns why it cannot be known to be all, else None."""
        until, seen = self.notes.changed_until, self.look.watermark or self.look.now
        new_only = until is not None and self.look.now - until < CHANGED_EVERY
        since = (seen if new_only or until is None else min(seen, until)) - self.overlap
        try:
            for page in self.connector.changes_since(place, since, self.look.now, new_only=new_only):
                self.listed += len(page)
                self._take_all(self._unknown(page))
        except FilterIgnored as error:
            return str(error)
        if not new_only:
            self.notes.changed_until = self.look.now
        return None

    def _call_others(self) -> None:
        """Last, because this location's own orders are what this look is for."""
        if self.look.calls_others and self.runtime.clock.now() - self.look.now < LATEST_CALL:
            since = (self.look.watermark or self.look.now) - self.overlap
            call_others(
                self.runtime, self.tenant_id, self.look, self.config, self.connector, self.notes, since
            )

    def _complete(self) -> Looked:
        now = self.runtime.clock.now()
        seen = min(self.look.now, self.notes.changed_until or self.look.now)
        for change in self.notes.forget(seen - self.overlap, now):
            log.error("crm_change_given_up", check_id=self.look.check_id, record=change.record_id)
        if self.notes.failed:
            error = f"{len(self.notes.failed)} orders could not be fetched yet: {self.reason or 'waiting'}"
            return self._looked("some to be tried again", watermark=self.look.now, error=error)
        return self._looked("complete", watermark=self.look.now)

    def _looked(
        self,
        how: str,
        *,
        watermark: datetime | None = None,
        error: str | None = None,
        again_after: timedelta | None = None,
    ) -> Looked:
        notes = self.notes.as_json()
        text = f"{how}: {self.found} taken of {self.listed} listed"
        return Looked(text, watermark, again_after, notes if notes != self.look.notes else None, error)

    def _unknown(self, page: Collection[Change]) -> list[Change]:
        """What of this page is not taken yet. What a webhook brought since is known by the version told then; one that
        never changed since it was made, by being a request at all."""
        new = [change for change in page if not self.notes.knows(change)]
        if not new:
            return []
        asked = select(LeadRequest.external_id, LeadRequest.facts[VERSION].astext).where(
            LeadRequest.source == self.config.connector,
            LeadRequest.external_id.in_([change.record_id for change in new]),
        )
        with self.runtime.db.tenant(self.tenant_id) as session:
            told: dict[str, str | None] = dict(session.execute(asked).all())
        for change in new:
            if change.record_id not in told:
                continue
            same = change.version is not None and change.version == told[change.record_id]
            if same or change.operation == "INSERT":
                self.notes.take(change, self.look.now)
        return [change for change in new if not self.notes.knows(change)]

    def _take_all(self, changes: Collection[Change]) -> None:
        for change in changes:
            self._in_time()
            error = self._take(change)
            if error is None:
                self._in_a_row = 0
                continue
            self._in_a_row += 1
            noted = self.notes.fail(change, self.runtime.clock.now())
            # The vendor, or our own limit, wants us to wait: the next order would fare no better.
            if not noted or error.retry_after_s is not None or self._in_a_row >= IN_A_ROW:
                raise error
        if self._unsaved:
            self._save()

    def _try_again(self) -> None:
        """At the end, so that what fails again and again keeps nobody new waiting."""
        self._in_a_row = 0
        for change in self.notes.due(self.look.now):
            self._in_time()
            error = self._take(change)
            if error is None:
                continue
            self._in_a_row += 1
            self.notes.fail(change, self.runtime.clock.now())
            if error.retry_after_s is not None or self._in_a_row >= IN_A_ROW:
                return

    def _take(self, change: Change) -> ConnectorError | None:
        """Take one change; returns why it could not be taken. Whatever is odd about one order must not keep the others
        from being found; that the database is away is not the order's fault."""
        try:
            taken = take_change(self.runtime, self.tenant_id, self.config, self.connector, change)
        except ConnectorError as error:
            self.reason = str(error)
            return error
        except (OperationalError, InterfaceError, BaseTimeoutException):
            raise
        except Exception as error:
            log.exception("crm_change_broke", check_id=self.look.check_id, record=change.record_id)
            self.reason = f"{type(error).__name__}; see the worker's log"
            return ConnectorError(self.reason, kind="transient")
        self.found += int(taken.lead_id is not None)
        self.notes.take(change, self.look.now)
        self._unsaved += 1
        if self._unsaved >= SAVED_EVERY:
            self._save()
        return None

    def _in_time(self) -> None:
        if self.runtime.clock.now() - self.look.now > LONGEST:
            raise _OutOfTime

    def _save(self) -> None:
        """Keep the claim, and what was taken so far."""
        self._unsaved = 0
        keep(self.runtime, self.tenant_id, self.look, self.notes.as_json())
