"""Taking a row of the outbox: by one conditional update, with a lease, and not beyond it.

A process can be stopped between its claim and its request (a paused machine, a debugger, swap). When it comes to
itself, others may have looked after the message, so it looks at clocks that went on meanwhile before it sends.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from channels.carrier import Outgoing
from channels.rows import lock
from crm.models import ChatMessage

CLAIM = timedelta(seconds=30)
# A request begun within this time ends, by its own time-outs, before the claim does or soon after.
START_WITHIN_S = 10.0

_COLUMNS = list(ChatMessage.__table__.columns)
# One message to the database, and ready made: building both statements anew took longer than running them.
_CLAIM = (
    select(ChatMessage)
    .from_statement(
        text(
            "select 1 from chat_sessions where id = (select session_id from chat_messages where id = :id) for update;"
            " update chat_messages set status = 'sending', claim_token = cast(:token as uuid), claimed_until = :until"
            " where id = :id and status = any(:statuses) and send_after <= :now"
            " and (claimed_until is null or claimed_until < :now)"
            f" returning {', '.join(column.name for column in _COLUMNS)}"
        ).columns(*_COLUMNS)
    )
    .execution_options(populate_existing=True)
)


def awake_seconds() -> float:
    """A clock that nobody sets and that goes on while the machine sleeps, where the system has one."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


@dataclass(frozen=True)
class Claimed:
    """A message that the gate let go, and the moment we claimed it, by two clocks. `tries` tells whether anybody has
    tried since."""

    tenant_id: int
    message_id: int
    outgoing: Outgoing
    tries: int
    came_back: bool
    claimed_at: datetime
    began: float

    def is_stale(self, now: datetime, seconds: Callable[[], float]) -> bool:
        """Whether it is too late to send on the strength of this claim."""
        passed = max(seconds() - self.began, (now - self.claimed_at).total_seconds())
        return passed > START_WITHIN_S

    def still_ours(self, session: Session) -> ChatMessage | None:
        """The row, locked, if its last try is ours and nobody has heard of its end; else None."""
        message = lock(session, self.message_id)
        if message is None or message.tries != self.tries or message.status not in ("sending", "unknown"):
            return None
        return message


def claim(session: Session, message_id: int, statuses: tuple[str, ...], now: datetime) -> ChatMessage | None:
    """Take one due row that nobody holds, by a conditional update that must change exactly one row.

    The session row is locked first, as the inbox does: the other order is a deadlock with a stop that withholds
    this very row, and the carrier does not bring a stop twice.
    """
    values = {
        "id": message_id,
        "token": str(uuid.uuid4()),
        "until": now + CLAIM,
        "statuses": list(statuses),
        "now": now,
    }
    return session.scalars(_CLAIM, values).one_or_none()
