"""The daily look at the carrier for statuses that no callback brought (messaging facts 2.2: callbacks are best effort).

One `carrier_checks` row of kind `statuses` per location. Each look asks the carrier about texts that are "sent" and
no further; after a day without a word the outcome is unknown for good, which is no failure.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from channels.carrier import Accepted, CarrierError, Outgoing
from channels.outgoing import as_outgoing
from channels.rows import lock
from channels.statuses import FINAL, apply_status
from crm.db import Database
from crm.models import CarrierCheck, ChatMessage, ChatSession
from ops.clock import Clock

log = structlog.get_logger(__name__)

KIND = "statuses"
EVERY = timedelta(hours=24)
CLAIM = timedelta(minutes=2)
# Callbacks of a text usually come within seconds, so what is younger need not be asked about yet.
YOUNGEST = timedelta(minutes=15)
# After this "sent" is the carrier's last word (messaging facts 2.2 assume 24 h; a phone that was off may say more later).
NO_MORE_NEWS = timedelta(hours=72)
OLDEST = timedelta(days=7)
# One look asks about so many texts at most; with more the next look comes soon.
MOST = 200
SOON = timedelta(minutes=1)
AFTER_ERROR = timedelta(minutes=15)


class StatusSource(Protocol):
    """A carrier that can be asked about one message."""

    def status_of(self, message: Outgoing, carrier_id: str) -> Accepted | None:
        """What it has of the message now; None: it does not know it. Raises CarrierError."""
        ...


@dataclass(frozen=True)
class _Open:
    """One text without a last word."""

    message_id: int
    carrier_id: str
    outgoing: Outgoing


def plan_status_check(session: Session, tenant_id: int, location_id: int, now: datetime) -> None:
    """Have the location's statuses looked at from now on, daily. Once is enough; more is harmless."""
    row = insert(CarrierCheck).values(
        tenant_id=tenant_id, location_id=location_id, kind=KIND, checked_until=now, next_at=now + EVERY
    )
    session.execute(row.on_conflict_do_nothing())


def check_statuses(db: Database, clock: Clock, source: StatusSource, tenant_id: int, check_id: int) -> str:
    """One look of one `carrier_checks` row, if it is due and ours to claim; says what came of it. Safe to repeat.

    A carrier that cannot be asked is asked again in a quarter of an hour; the row says why.
    """
    now = clock.now()
    with db.tenant(tenant_id) as session:
        token = _claim(session, check_id, now)
        found = [] if token is None else _open_texts(session, check_id, now)
    if token is None:
        return "not claimed"
    moved, error = 0, None
    for text in found:
        try:
            said = source.status_of(text.outgoing, text.carrier_id)
        except CarrierError as caught:
            error = caught
            break
        moved += _record(db, tenant_id, text, said, clock.now)
    now = clock.now()
    with db.tenant(tenant_id) as session:
        _done(session, check_id, token, error, len(found) == MOST and moved > 0, now)
    log.info("statuses_checked", check_id=check_id, asked=len(found), moved=moved, error=error and error.code)
    return f"{moved} of {len(found)} moved" + (f"; {error}" if error else "")


def _claim(session: Session, check_id: int, now: datetime) -> uuid.UUID | None:
    token = uuid.uuid4()
    claimed = session.execute(
        update(CarrierCheck)
        .where(
            CarrierCheck.id == check_id,
            CarrierCheck.kind == KIND,
            CarrierCheck.next_at <= now,
            or_(CarrierCheck.claimed_until.is_(None), CarrierCheck.claimed_until < now),
        )
        .values(claim_token=token, claimed_until=now + CLAIM)
        .returning(CarrierCheck.id)
    ).scalar_one_or_none()
    return None if claimed is None else token


def _open_texts(session: Session, check_id: int, now: datetime) -> list[_Open]:
    """The location's texts that are with the carrier and have no last word, oldest first."""
    check = session.get_one(CarrierCheck, check_id)
    rows = session.scalars(
        select(ChatMessage)
        .join(ChatSession, ChatSession.id == ChatMessage.session_id)
        .where(
            ChatSession.location_id == check.location_id,
            ChatMessage.channel == "sms",
            ChatMessage.direction == "out",
            ChatMessage.status == "sent",
            ChatMessage.final_at.is_(None),
            ChatMessage.carrier == "twilio",
            ChatMessage.carrier_id.is_not(None),
            ChatMessage.sent_at.between(now - OLDEST, now - YOUNGEST),
        )
        .order_by(ChatMessage.sent_at)
        .limit(MOST)
    )
    return [_Open(row.id, row.carrier_id or "", as_outgoing(session, row)) for row in rows]


def _record(
    db: Database, tenant_id: int, text: _Open, said: Accepted | None, now: Callable[[], datetime]
) -> bool:
    """Move the row as a callback would; close it where nothing more is to be expected."""
    with db.tenant(tenant_id) as session:
        message = lock(session, text.message_id)
        if message is None or message.status != "sent" or message.carrier_id != text.carrier_id:
            return False
        moved = said is not None and apply_status(
            session, message, said.status, text.carrier_id, said.code, now()
        )
        is_over = (message.sent_at or message.created_at) <= now() - NO_MORE_NEWS
        if message.status == "sent" and message.carrier_status not in FINAL and is_over:
            message.final_at = now()
            return True
        return moved


def _done(
    session: Session,
    check_id: int,
    token: uuid.UUID,
    error: CarrierError | None,
    more: bool,
    now: datetime,
) -> None:
    check = session.get_one(CarrierCheck, check_id, with_for_update=True)
    if check.claim_token != token:
        return
    check.claim_token = check.claimed_until = None
    check.error = None if error is None else str(error)
    if error is not None:
        check.next_at = now + AFTER_ERROR
        return
    check.checked_until = now
    check.next_at = now + (SOON if more else EVERY)
