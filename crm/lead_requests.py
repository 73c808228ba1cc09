"""What people asked for: one row for each order, form or row of a file, however often and by whomever it is told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.models import Lead, LeadRequest
from crm.text import storable_or_none

_WISH_LIMIT = 1000


def take_request(
    s: Session,
    lead: Lead,
    *,
    source: str,
    external_id: str,
    wish: str | None,
    vehicle_id: int | None,
    facts: Mapping[str, Any],
    made_at: datetime,
) -> tuple[LeadRequest, bool]:
    """The request with this id of its source, and whether it is new; in the caller's transaction, its row locked.

    A known one stays with the lead it was first told for (`lead_id`), takes over what is told now, and is open again.
    Two workers at once: the index decides, and the loser waits for the winner.
    """
    values: dict[str, Any] = {
        "wish": storable_or_none(wish, _WISH_LIMIT),
        "vehicle_id": vehicle_id,
        "facts": dict(facts),
    }
    made = s.scalar(
        insert(LeadRequest)
        .values(
            tenant_id=lead.tenant_id,
            lead_id=lead.id,
            source=source,
            external_id=external_id,
            made_at=made_at,
            **values,
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "source", "external_id"])
        .returning(LeadRequest)
    )
    if made is not None:
        return made, True
    known = request_of(s, lead.tenant_id, source, external_id, lock=True)
    if known is None:
        raise RuntimeError("a request was refused as a duplicate of one that cannot be found")
    known.wish = values["wish"] or known.wish
    # A car belongs to its lead.
    if vehicle_id is not None and known.lead_id == lead.id:
        known.vehicle_id = vehicle_id
    known.facts = {**known.facts, **values["facts"]}
    known.closed_at = None
    return known, False


def request_of(
    s: Session, tenant_id: int, source: str, external_id: str, *, lock: bool = False
) -> LeadRequest | None:
    """The request with this id of its source, freshly read."""
    statement = select(LeadRequest).where(
        LeadRequest.tenant_id == tenant_id,
        LeadRequest.source == source,
        LeadRequest.external_id == external_id,
    )
    if lock:
        statement = statement.with_for_update()
    return s.scalar(statement.execution_options(populate_existing=True))


def close_request(s: Session, request: LeadRequest, now: datetime) -> bool:
    """Nobody needs to be asked about this any more; False when it was closed already."""
    if request.closed_at is not None:
        return False
    request.closed_at = now
    return True


def open_requests(s: Session, lead_id: int) -> int:
    """How many requests of a lead are open."""
    return int(
        s.scalar(
            select(func.count())
            .select_from(LeadRequest)
            .where(LeadRequest.lead_id == lead_id, LeadRequest.closed_at.is_(None))
        )
        or 0
    )


def newest_request(s: Session, lead_id: int) -> LeadRequest | None:
    """What a lead asked for last, by the source's own dates."""
    mine = select(LeadRequest).where(LeadRequest.lead_id == lead_id)
    return s.scalars(mine.order_by(LeadRequest.made_at.desc(), LeadRequest.id.desc()).limit(1)).first()
