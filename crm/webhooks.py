"""Keeping raw webhooks: stored before anything can reject them, each one once."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.models import WebhookEvent
from crm.text import storable

_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})
_KEPT = ("x-", "webhook-", "user-agent", "content-length")


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
    status: Literal["received", "ignored", "quarantined"] = "received",
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
