"""From a change an outside system told to a lead with its cadence begun; and the rule by which one begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.connectors.base import Change, Connector, LeadContext, NotALead
from crm.connectors.intake import VERSION, location_ids, take_in
from crm.lead_requests import newest_request, request_of
from crm.leads import Forgotten, NoIdentity, root_of
from crm.models import ChatSession, Lead, TenantCrmConfig
from crm.request_endings import end_request
from scheduler.beginning import begin_cadence, begun_since
from scheduler.crm_person import person_wrote_told
from scheduler.runtime import Runtime
from scheduler.taken import Taken, Whose, stored, written

__all__ = ["Known", "Taken", "begin", "begin_stored", "look", "take", "take_change", "wake"]


@dataclass(frozen=True)
class Known:
    """What stands here about a change before the outside system is asked: where its locations are, and whether its
    record is known, in which version."""

    locations: dict[str, int]
    lead_id: int | None = None
    version: str | None = None

    @property
    def request_known(self) -> bool:
        """Whether it is one of ours already."""
        return self.lead_id is not None


Also = Callable[[Session, Taken], None]


def take_change(
    runtime: Runtime, tenant_id: int, config: TenantCrmConfig, connector: Connector, change: Change
) -> Taken:
    """Take in what `change` is about, whoever told it and however often; begin the cadence by rule, and have its first
    touch sent. No transaction is open while the outside system is asked. Raises ConnectorError."""
    with runtime.db.tenant(tenant_id, durable=False) as session:
        known = look(session, config, change)
    taken = take(runtime, tenant_id, config, connector, change, known)
    wake(runtime, tenant_id, taken)
    return taken


def look(session: Session, config: TenantCrmConfig, change: Change) -> Known:
    """What stands here about a change, in the caller's transaction."""
    locations = location_ids(session)
    request = request_of(session, config.tenant_id, config.connector, change.record_id)
    if request is None:
        return Known(locations)
    told = request.facts.get(VERSION)
    return Known(locations, request.lead_id, told if isinstance(told, str) else None)


def take(
    runtime: Runtime,
    tenant_id: int,
    config: TenantCrmConfig,
    connector: Connector,
    change: Change,
    known: Known,
    also: Also | None = None,
) -> Taken:
    """The same without waking anybody: the message to send is in what comes back. `also` is done in the transaction that
    stores the lead, and only in that one: who gets a `reason` notes it themselves. Raises ConnectorError."""
    told = known.request_known and change.version is not None and change.version == known.version
    if told and change.operation != "DELETE":
        return Taken(known.lead_id, reason="this version of it is known already")
    if change.operation == "DELETE":
        if not known.request_known:
            return Taken(reason=f"{change.operation} of {change.table[:40]}")
        # Nothing of what is told is believed, not even that it is gone: it is asked for like any other.
        change = replace(change, operation="UPDATE")
    now = runtime.clock.now()
    found = connector.fetch_lead(change, frozenset(known.locations), now)
    if isinstance(found, NotALead):
        return _no_lead(runtime, tenant_id, config, change, found, known)
    location_id, version = known.locations[found.location_external_id], change.version
    try:
        return stored(
            lambda write: _store(
                runtime, tenant_id, location_id, found, version, known.request_known, also, write
            )
        )
    except (Forgotten, NoIdentity) as error:
        return Taken(reason=str(error))


def wake(runtime: Runtime, tenant_id: int, taken: Taken) -> None:
    """Have what is owed of a lead that was taken in done by other jobs; after the commit."""
    now = runtime.clock.now()
    if taken.message_id is not None:
        runtime.queue.wake("deliver", tenant_id, taken.message_id, now)
    elif taken.touch_id is not None:
        # The first touch does not wait for the clock's next tick.
        runtime.queue.wake("touch", tenant_id, taken.touch_id, now)


def begin(
    runtime: Runtime, session: Session, lead_id: int, session_id: int, *, request_new: bool
) -> int | None:
    """Start the cadence of a lead by rule (`scheduler.beginning`), in the caller's transaction. Returns the touch point
    to wake "touch" for after the commit, or None when nothing is to be sent."""
    chat, lead = _locked(session, session_id, lead_id)
    asked = newest_request(session, lead.id) if request_new else None
    begun = begin_cadence(
        session,
        lead,
        chat,
        runtime.clock.now(),
        request_new=request_new and not begun_since(session, lead, asked),
        request_id=None if asked is None else asked.id,
    )
    return None if begun.first is None else begun.first.id


def begin_stored(
    runtime: Runtime, tenant_id: int, lead_id: int, session_id: int, also: Also | None = None
) -> Taken:
    """Begin the cadence of a lead that asked for something new and was stored by somebody else, with its first message
    written, in a transaction of its own. `also` is done in it. Wakes nobody."""

    def once(write: bool) -> Taken:
        now = runtime.clock.now()
        with runtime.db.tenant(tenant_id) as session:
            chat, lead = _locked(session, session_id, lead_id)
            asked = newest_request(session, lead.id)
            begun = begin_cadence(
                session,
                lead,
                chat,
                now,
                # An event that is processed twice begins nothing twice.
                request_new=not begun_since(session, lead, asked),
                request_id=None if asked is None else asked.id,
            )
            taken = written(runtime, session, Taken(lead.id, chat.id), Whose(lead, chat), begun, now, write)
            if also is not None:
                also(session, taken)
        return taken

    return stored(once)


def _locked(session: Session, session_id: int, lead_id: int) -> tuple[ChatSession, Lead]:
    """The conversation before the lead, as everybody locks them; of a lead that was merged meanwhile, whose it is now."""
    lead = root_of(session, session.get_one(Lead, lead_id))
    mine = ChatSession.id == session_id if lead.id == lead_id else ChatSession.lead_id == lead.id
    locked = {"populate_existing": True}
    chat = session.scalars(
        select(ChatSession).where(mine).with_for_update().execution_options(**locked)
    ).one()
    return chat, session.get_one(Lead, lead.id, with_for_update=True, populate_existing=True)


def _store(
    runtime: Runtime,
    tenant_id: int,
    location_id: int,
    found: LeadContext,
    version: str | None,
    request_known: bool,
    also: Also | None,
    write: bool,
) -> Taken:
    """Lead, cadence and first message in one transaction."""
    now = runtime.clock.now()
    with runtime.db.tenant(tenant_id) as session:
        what = take_in(session, tenant_id, location_id, found, now, version=version, known=request_known)
        begun = begin_cadence(
            session,
            what.lead,
            what.chat,
            now,
            request_new=what.request_new,
            created=what.created,
            request_id=what.request.id,
        )
        taken = Taken(what.lead.id, what.chat.id, what.created, what.request_new)
        whose = Whose(what.lead, what.chat, what.vehicle)
        taken = written(runtime, session, taken, whose, begun, now, write)
        if also is not None:
            also(session, taken)
    return taken


def _no_lead(
    runtime: Runtime,
    tenant_id: int,
    config: TenantCrmConfig,
    change: Change,
    found: NotALead,
    known: Known,
) -> Taken:
    lead_id = None
    if known.request_known and found.ended is not None:
        with runtime.db.tenant(tenant_id) as session:
            now = runtime.clock.now()
            lead = end_request(session, tenant_id, config.connector, change.record_id, found.ended, now)
            lead_id = None if lead is None else lead.id
    if known.request_known and found.talking:
        person_wrote_told(runtime, tenant_id, config, change)
    return Taken(lead_id, reason=found.reason)
