"""A stored batch of SendGrid's events: each in a transaction of its own, so that one that breaks holds up no other."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError

from channels.email.taking import take_event
from crm.mail_accounts import has_account
from crm.models import WebhookEvent
from scheduler.runtime import Runtime

log = structlog.get_logger(__name__)

# SendGrid gives up a day after an event (messaging facts 4.3); what is older has been held up somewhere.
LATE = timedelta(hours=25)


def take_events(runtime: Runtime, event: WebhookEvent) -> tuple[str, str | None]:
    """Take every event of a stored batch; what was taken by an earlier run is known then. Returns status and note.

    Raises the first error at the end, so that the batch comes back for what is left of it, and at once when the
    database is away.
    """
    tenant_id = event.tenant_id or 0
    with runtime.db.tenant(tenant_id) as session:
        shared = not has_account(session)
    if event.received_at < runtime.clock.now() - LATE:
        log.warning("mail_events_late", event_id=str(event.id))
    counts: Counter[str] = Counter()
    first: Exception | None = None
    for given in json.loads(bytes(event.body)):
        try:
            counts[_take(runtime, event, tenant_id, given, shared)] += 1
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            log.exception("mail_event_failed", event_id=str(event.id))
            first = first or error
    if first is not None:
        raise first
    return "processed", ", ".join(f"{number} {what}" for what, number in sorted(counts.items()))


def _take(runtime: Runtime, event: WebhookEvent, tenant_id: int, given: dict[str, Any], shared: bool) -> str:
    with runtime.db.tenant(tenant_id) as session:
        return take_event(
            session,
            tenant_id,
            given,
            shared=shared,
            received_at=event.received_at,
            now=runtime.clock.now(),
        )
