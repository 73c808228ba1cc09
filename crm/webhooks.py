"""Keeping raw webhooks: stored before anything can reject them, each one once; and what was kept aside, looked at,
taken up again or dropped."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import String, cast, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.db import Database
from crm.models import WebhookEvent
from crm.text import storable

_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})
_KEPT = ("x-", "webhook-", "user-agent", "content-length")
# Notes of our own beside the headers; a request cannot set them, because `kept_headers` lets no such name through.
ASIDE = "aside"
REPLAYED = "replayed_at"
# What is kept aside or given up waits for a person.
WAITING = ("quarantined", "failed")
# A message that waited so long is not answered as if it had just come.
TOO_OLD = timedelta(hours=12)

Status = Literal["received", "ignored", "quarantined"]


@dataclass(frozen=True)
class KeptEvent:
    """One stored webhook as a list shows it. `tenant_id` None: nobody's. `size` in bytes. `aside`: on which ground it
    was kept aside, where that was noted."""

    id: uuid.UUID
    tenant_id: int | None
    source: str
    status: str
    note: str | None
    received_at: datetime
    size: int
    aside: str | None


@dataclass(frozen=True)
class Arrival:
    """When a stored webhook came, as the inbox wants it: `received_at`, `sent_at` and `fresh` of channels.inbound."""

    received_at: datetime
    sent_at: datetime | None
    fresh: bool


def kept_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The headers worth storing with an event, by lower-case name; never credentials."""
    lowered = ((name.lower(), value) for name, value in headers)
    return {
        name: storable(value)[:1000]
        for name, value in lowered
        if name.startswith(_KEPT) and name not in _SECRET_HEADERS
    }


def store_event(
    s: Session,
    *,
    tenant_id: int | None,
    source: str,
    dedupe_key: str,
    headers: dict[str, str],
    content_type: str,
    body: bytes,
    now: datetime,
    status: Status = "received",
    note: str | None = None,
) -> uuid.UUID | None:
    """Store one event in the caller's transaction; returns its id, or None when it is already known.

    The session's scope has to be that of `tenant_id` (the system scope for None): row-level security insists.
    """
    statement = insert(WebhookEvent).values(
        id=uuid.uuid4(),
        tenant_id=tenant_id,
        source=source,
        dedupe_key=dedupe_key,
        headers=headers,
        content_type=storable(content_type)[:500],
        body=body,
        status=status,
        note=note,
        next_try_at=now,
        received_at=now,
    )
    # No index is named: that would ask for the right to read the row in the way, perhaps another tenant's.
    result = s.execute(statement.on_conflict_do_nothing().returning(WebhookEvent.id))
    return result.scalar_one_or_none()


def amount_aside(s: Session, source: str, aside: Sequence[str], since: datetime) -> tuple[int, int]:
    """(how many, how many bytes) were kept aside on these grounds since then, in the session's scope."""
    statement = select(func.count(), func.coalesce(func.sum(func.octet_length(WebhookEvent.body)), 0)).where(
        WebhookEvent.status.in_(WAITING),
        WebhookEvent.received_at >= since,
        WebhookEvent.source == source,
        WebhookEvent.headers[ASIDE].astext.in_(aside),
    )
    count, size = s.execute(statement).one()
    return int(count), int(size)


def forget_aside(s: Session, source: str, aside: Sequence[str], before: datetime) -> int:
    """Delete what was kept aside on these grounds before then, in the session's scope; returns how many there were."""
    statement = delete(WebhookEvent).where(
        WebhookEvent.status == "quarantined",
        WebhookEvent.received_at < before,
        WebhookEvent.source == source,
        WebhookEvent.headers[ASIDE].astext.in_(aside),
    )
    return len(s.scalars(statement.returning(WebhookEvent.id)).all())


def list_kept(s: Session, statuses: Sequence[str] = WAITING, limit: int = 500) -> list[KeptEvent]:
    """The newest events with these statuses in the session's scope, newest first, without their bytes."""
    columns = (
        WebhookEvent.id, WebhookEvent.tenant_id, WebhookEvent.source, WebhookEvent.status, WebhookEvent.note,
        WebhookEvent.received_at, func.octet_length(WebhookEvent.body), WebhookEvent.headers[ASIDE].astext,
    )  # fmt: skip
    newest = WebhookEvent.received_at.desc()
    rows = s.execute(select(*columns).where(WebhookEvent.status.in_(statuses)).order_by(newest).limit(limit))
    return [KeptEvent(*row) for row in rows]


def find_kept(s: Session, prefix: str, statuses: Sequence[str]) -> list[uuid.UUID]:
    """The ids in the session's scope that begin like this, three at most."""
    ids = select(WebhookEvent.id).where(
        WebhookEvent.status.in_(statuses), func.starts_with(cast(WebhookEvent.id, String), prefix)
    )
    return list(s.scalars(ids.limit(3)))


def take_up(
    db: Database, event_id: uuid.UUID, scope: int | None, tenant_id: int, source: str, now: datetime
) -> bool:
    """Have the worker process an event of `scope` as `tenant_id`'s, as if it had just come: the debt is the row.
    False when it is not waiting (any more), so that it happens once, whoever asks at the same time."""
    with db.tenant(scope) if scope is not None else db.system() as s:
        row = s.scalars(
            select(WebhookEvent)
            .where(WebhookEvent.id == event_id, WebhookEvent.status.in_((*WAITING, "ignored")))
            .with_for_update()
        ).first()
        if row is None:
            return False
        headers = {name: value for name, value in row.headers.items() if name != ASIDE}
        values = {
            "id": row.id, "tenant_id": tenant_id, "source": source, "dedupe_key": f"replayed:{row.id}:{now.isoformat()}",
            "headers": {**headers, REPLAYED: now.isoformat()}, "content_type": row.content_type, "body": row.body,
            "status": "received", "note": row.note, "received_at": row.received_at, "next_try_at": now,
        }  # fmt: skip
        # A row never changes hands: row-level security holds for what it was and for what it becomes. So it goes from
        # the one scope and comes into the other, in one transaction.
        s.execute(delete(WebhookEvent).where(WebhookEvent.id == row.id))
        s.execute(text("select set_config('app.tenant_id', :scope, true)"), {"scope": str(tenant_id)})
        s.execute(insert(WebhookEvent).values(**values))
        return True


def drop_kept(s: Session, event_id: uuid.UUID) -> bool:
    """Delete one event for good; False when it is not kept aside (any more)."""
    gone = delete(WebhookEvent).where(
        WebhookEvent.id == event_id, WebhookEvent.status.in_((*WAITING, "ignored"))
    )
    return s.scalars(gone.returning(WebhookEvent.id)).first() is not None


def arrival_of(event: WebhookEvent) -> Arrival:
    """When the message in an event came. One taken up later came at that moment, and was sent when it first reached
    us; after TOO_OLD it is not fresh any more."""
    told = event.headers.get(REPLAYED)
    if not isinstance(told, str):
        return Arrival(event.received_at, None, True)
    again = datetime.fromisoformat(told)
    return Arrival(again, event.received_at, again - event.received_at < TOO_OLD)
