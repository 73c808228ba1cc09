"""What carriers bring that belongs to no conversation: kept once, for a person to look at. Nothing signed is thrown
away."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Literal

import structlog
from sqlalchemy.dialects.postgresql import insert

from crm.db import Database
from crm.models import WebhookEvent

log = structlog.get_logger(__name__)

SOURCE = "twilio_sms"
FALLBACK_SOURCE = "twilio_fallback"
FORM = "application/x-www-form-urlencoded"


def keep(
    db: Database,
    *,
    sid: str,
    body: bytes,
    why: str,
    now: datetime,
    tenant_id: int | None,
    content_type: str = FORM,
    source: str = SOURCE,
    status: Literal["quarantined", "processed"] = "quarantined",
) -> None:
    """Store one, in the sight of the tenant it came for (None: of the operator only). The same sid again is nothing
    new. Raises the database's errors."""
    log.warning("text_kept_aside", why=why, sid=sid, source=source)
    row = insert(WebhookEvent).values(
        id=uuid.uuid4(),
        tenant_id=tenant_id,
        source=source,
        dedupe_key=sid or str(uuid.uuid4()),
        headers={},
        content_type=content_type,
        body=body,
        status=status,
        note=why,
        received_at=now,
    )
    with db.system() if tenant_id is None else db.tenant(tenant_id) as session:
        session.execute(row.on_conflict_do_nothing())
