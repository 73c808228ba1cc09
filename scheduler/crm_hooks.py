"""What a stored webhook of an outside system, or of our own API, leads to; and who hears of one that led nowhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from crm.connectors.base import Change, Connector, ConnectorError
from crm.connectors.registry import connector_of
from crm.connectors.subjects import subject_of
from crm.mailroom import mailroom
from crm.models import CrmCheck, Location, TenantCrmConfig, WebhookEvent
from crm.notices import notify_staff
from scheduler.crm_appointments import appointment_told
from scheduler.crm_person import person_wrote_told
from scheduler.intake import Known, Taken, begin_stored, look, take
from scheduler.runtime import Runtime

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Handled:
    """What became of an event. `settled`: that is noted on it already; `message_id`: what is to leave now."""

    status: str
    note: str | None = None
    settled: bool = False
    message_id: int | None = None


@dataclass(frozen=True)
class Story:
    """What an event tells and what stands here about it, read in one transaction with its claim."""

    config: TenantCrmConfig | None = None
    connector: Connector | None = None
    change: Change | None = None
    known: Known | None = None
    error: ConnectorError | None = None


Mark = Callable[[Session, WebhookEvent, str, datetime], None]


def story_of(runtime: Runtime, session: Session, event: WebhookEvent) -> Story:
    """Read it, in the caller's transaction; nothing of the network is asked. The connector is closed by
    `handle_change`."""
    config = session.scalars(select(TenantCrmConfig).where(TenantCrmConfig.connector == event.source)).first()
    if config is None or not config.enabled:
        return Story()
    try:
        connector = connector_of(config, runtime.box, runtime.redis)
    except ConnectorError as error:
        return Story(config, error=error)
    except Exception as error:  # noqa: BLE001 - without ENCRYPTION_KEY no key can be read: the operator's to mend
        return Story(config, error=ConnectorError(str(error), kind="misconfigured"))
    change = connector.read_webhook(bytes(event.body))
    known = None
    if change is not None and subject_of(change.table) == "request":
        known = look(session, config, change)
    return Story(config, connector, change, known)


def handle_change(runtime: Runtime, event: WebhookEvent, story: Story, mark: Mark) -> Handled:
    """Do what the change asks for. Raises ConnectorError."""
    if story.error is not None:
        raise story.error
    if story.config is None or story.connector is None:
        return Handled("ignored", f"the connection to {event.source} is switched off")
    try:
        return _by_subject(runtime, event, story.config, story.connector, story, mark)
    finally:
        story.connector.close()


def _by_subject(
    runtime: Runtime,
    event: WebhookEvent,
    config: TenantCrmConfig,
    connector: Connector,
    story: Story,
    mark: Mark,
) -> Handled:
    tenant_id, change = config.tenant_id, story.change
    if change is None:
        return Handled("ignored", f"not a change as {event.source}'s webhooks tell it")
    subject = subject_of(change.table)
    if subject == "request" and story.known is not None:
        return _request(runtime, event, config, connector, change, story.known, mark)
    if subject == "appointment":
        return Handled("processed", appointment_told(runtime, tenant_id, config, change))
    if subject == "message":
        return Handled("processed", person_wrote_told(runtime, tenant_id, config, change))
    if subject == "catalogue":
        return Handled("processed", _catalogue(runtime, tenant_id, config))
    return Handled("ignored", f"{change.operation} of {change.table[:40]}")


def _request(
    runtime: Runtime,
    event: WebhookEvent,
    config: TenantCrmConfig,
    connector: Connector,
    change: Change,
    known: Known,
    mark: Mark,
) -> Handled:
    def also(session: Session, taken: Taken) -> None:
        mark(session, event, f"lead {taken.lead_id}", runtime.clock.now())

    taken = take(runtime, config.tenant_id, config, connector, change, known, also)
    if taken.reason is not None:
        return Handled("ignored" if taken.lead_id is None else "processed", taken.reason)
    if taken.touch_id is not None:
        runtime.queue.wake("touch", config.tenant_id, taken.touch_id, runtime.clock.now())
    return Handled("processed", f"lead {taken.lead_id}", settled=True, message_id=taken.message_id)


def _catalogue(runtime: Runtime, tenant_id: int, config: TenantCrmConfig) -> str:
    """Have the catalogue looked through now. The clock opens the check of a connection that has none yet."""
    now = runtime.clock.now()
    with runtime.db.tenant(tenant_id) as session:
        due = session.scalars(
            update(CrmCheck)
            .where(
                CrmCheck.config_id == config.id,
                CrmCheck.kind == "catalogue",
                # A look under way may have read the list before this change.
                or_(CrmCheck.next_at > now, CrmCheck.claimed_until > now),
            )
            .values(next_at=now)
            .returning(CrmCheck.id)
        ).first()
    if due is None:
        return "the catalogue is due already"
    runtime.queue.wake("crm_check", tenant_id, due, now)
    return "the catalogue is looked through"


def handle_api(runtime: Runtime, event: WebhookEvent, mark: Mark) -> Handled:
    """A lead that the API stored gets its cadence: the body names it."""
    told = json.loads(bytes(event.body))
    note = f"lead {told['lead_id']}"

    def also(session: Session, taken: Taken) -> None:
        mark(session, event, note, runtime.clock.now())

    taken = begin_stored(runtime, event.tenant_id or 0, int(told["lead_id"]), int(told["session_id"]), also)
    if taken.touch_id is not None:
        runtime.queue.wake("touch", event.tenant_id or 0, taken.touch_id, runtime.clock.now())
    return Handled("processed", note, settled=True, message_id=taken.message_id)


def tell_lost(runtime: Runtime, event: WebhookEvent, reason: str) -> None:
    """Tell the shop of an enquiry that could not be taken in; of many on one day once. Safe to repeat."""
    text = (
        f"An enquiry from {event.source} could not be taken in ({reason}). Nobody has answered it, and it is not tried"
        f" any more. Every one of them is kept: leads kept"
    )
    _tell(runtime, event, f"lost_enquiry:{event.source}", text)


def tell_waiting(runtime: Runtime, event: WebhookEvent, reason: str) -> None:
    """Tell the shop that enquiries wait until somebody mends the connection; once a day. Safe to repeat."""
    text = (
        f"Enquiries from {event.source} wait until its connection is mended: {reason}. See: leads crm status"
    )
    _tell(runtime, event, f"waiting_enquiry:{event.source}", text)


def _tell(runtime: Runtime, event: WebhookEvent, about: str, text: str) -> None:
    now = runtime.clock.now()
    with runtime.db.tenant(event.tenant_id or 0) as session:
        # Whose it is was never found out; a shop that is connected is meant rather than one that is not.
        location = session.scalars(
            select(Location).order_by(Location.crm_location_id.is_(None), Location.id).limit(1)
        ).first()
        if location is None:
            return
        chat, lead = mailroom(session, location)
        notify_staff(
            session,
            session=chat,
            lead=lead,
            location=location,
            text=text,
            dedupe_key=f"{about}:{now:%Y-%m-%d}",
            now=now,
            kind="alert",
        )
        session_id = chat.id
    runtime.queue.wake("flush", event.tenant_id or 0, session_id, now)
