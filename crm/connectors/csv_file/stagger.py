"""When the cadence of each imported lead begins: while the shop is open, so many an hour, one after the other.

Five hundred people who are written to in one minute answer in one hour, and carriers take it for spam.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.calendar.hours import OpeningHours, load_hours, open_stretches
from crm.models import ChatSession, LeadRequest, Location, WebhookEvent

# The handler of these events begins a cadence.
SOURCE = "api"
# Among an event's headers: the moment at which its turn comes, from which its tries are counted.
DUE = "due"
# Whoever opens less than this in a year has no hours to keep to.
LOOK_DAYS = 30
AT_MOST_DAYS = 400


class Stagger:
    """Gives one location's leads their moments, the next one later than the one before."""

    def __init__(self, s: Session, location_id: int, per_hour: int, now: datetime) -> None:
        location = s.get_one(Location, location_id)
        self._hours = load_hours(s, location)
        self._gap = timedelta(seconds=3600 / per_hour)
        # An import that was stopped, or another file, may have leads waiting.
        waiting = s.scalar(
            select(func.max(WebhookEvent.next_try_at)).where(
                WebhookEvent.source == SOURCE,
                WebhookEvent.status == "received",
                WebhookEvent.dedupe_key.startswith(_key(location_id, ""), autoescape=True),
            )
        )
        begin = now if waiting is None else max(now, waiting + self._gap)
        self._moments = moments(self._hours, begin, self._gap)

    def next(self) -> datetime:
        """The next moment."""
        return next(self._moments)


def moments(hours: OpeningHours, begin: datetime, gap: timedelta) -> Iterator[datetime]:
    """Moments from `begin` on, `gap` apart, while the shop is open; at any hour for a shop that is never open."""
    moment = begin
    day = begin.astimezone(hours.timezone).date()
    for _ in range(AT_MOST_DAYS // LOOK_DAYS):
        for stretch in open_stretches(hours, day, day + timedelta(days=LOOK_DAYS - 1)):
            moment = max(moment, stretch.starts_at)
            while moment < stretch.ends_at:
                yield moment
                moment += gap
        day += timedelta(days=LOOK_DAYS)
    while True:
        yield moment
        moment += gap


def plan_cadences(
    s: Session,
    tenant_id: int,
    request_ids: Sequence[str],
    source: str,
    staggers: dict[int, Stagger],
    now: datetime,
) -> int:
    """Have the worker begin the cadences of these requests' leads, each at its own moment, in the caller's transaction;
    returns how many are new. Whoever wrote already, said stop or has a cadence is left out when the moment comes."""
    if not request_ids:
        return 0
    rows = s.execute(
        select(
            LeadRequest.id,
            LeadRequest.external_id,
            ChatSession.lead_id,
            ChatSession.id,
            ChatSession.location_id,
        )
        .join(ChatSession, ChatSession.lead_id == LeadRequest.lead_id)
        .where(LeadRequest.source == source, LeadRequest.external_id.in_(list(request_ids)))
    ).all()
    keys = {_key(row[4], str(row[0])): row for row in rows}
    known = set(
        s.scalars(
            select(WebhookEvent.dedupe_key).where(
                WebhookEvent.source == SOURCE, WebhookEvent.dedupe_key.in_(list(keys))
            )
        )
    )
    # In the order of the file: whoever stands first in it comes first.
    order = {request_id: place for place, request_id in enumerate(request_ids)}
    wanted = sorted((row for key, row in keys.items() if key not in known), key=lambda row: order[row[1]])
    events = [
        _event(tenant_id, _key(row[4], str(row[0])), row[2], row[3], staggers[row[4]].next(), now)
        for row in wanted
    ]
    if events:
        s.execute(insert(WebhookEvent).on_conflict_do_nothing(), events)
    return len(events)


def _key(location_id: int, request_id: str) -> str:
    return f"import:{location_id}:{request_id}"


def _event(
    tenant_id: int, key: str, lead_id: int, session_id: int, at: datetime, now: datetime
) -> dict[str, Any]:
    return {
        "id": uuid.uuid4(),
        "tenant_id": tenant_id,
        "source": SOURCE,
        "dedupe_key": key,
        "headers": {DUE: at.isoformat()},
        "content_type": "application/json",
        "body": json.dumps({"lead_id": lead_id, "session_id": session_id}).encode(),
        "status": "received",
        "next_try_at": at,
        "received_at": now,
    }
