"""One event of SendGrid's: seen before? store, move the mail, do what it asks for. In one transaction.

A row is locked in the common order (conversation, message) before the event is written: the other way round, the
event's own reference to the message would stand in the way of whoever locks it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from channels.email.delivery import carrier_id_of, move
from channels.email.event_effects import did_not_arrive, mark_bad
from channels.email.event_meaning import failure_of, opt_out_in
from channels.email.event_rows import DELIVERY, OPT_OUTS, MailEventRow, read_event
from channels.email.optouts import opt_out_address
from channels.rows import lock
from crm.models import ChatMessage, MailEvent

log = structlog.get_logger(__name__)

Taken = Literal["taken", "stored", "known", "ignored"]


def take_event(
    session: Session,
    tenant_id: int,
    given: dict[str, Any],
    *,
    shared: bool,
    received_at: datetime,
    now: datetime,
) -> Taken:
    """Take one event in the session of its business. `shared`: the account at SendGrid serves other businesses too.

    taken: it had its effect, where it has one; stored: it has none here; known: it came before; ignored: it is about
    an account, not about a mail. Safe to repeat.
    """
    row = read_event(given, received_at)
    if not row.address:
        return "ignored"
    message = _message(session, row)
    if not _store(session, tenant_id, row, message):
        return "known"
    if row.event not in DELIVERY and row.event not in OPT_OUTS:
        return "stored"
    if message is not None and row.address == message.to_address.lower():
        _deliver(session, message, row, now)
    elif message is None and row.event in ("bounce", "dropped") and failure_of(row).blame == "hard":
        # Not a mail of ours, but our account: SendGrid sends nothing there any more, ours neither.
        mark_bad(session, row.address, now)
    told = opt_out_in(row, shared=shared)
    if told is not None:
        opt_out_address(session, tenant_id, row.address, told, now, message)
    return "taken"


def _message(session: Session, row: MailEventRow) -> ChatMessage | None:
    """The mail an event is about, locked; None when it is none of this business's."""
    if row.outbox_id is None:
        return None
    found = session.scalar(
        select(ChatMessage.id).where(
            ChatMessage.outbox_id == row.outbox_id,
            ChatMessage.direction == "out",
            ChatMessage.channel == "email",
        )
    )
    return None if found is None else lock(session, found)


def _store(session: Session, tenant_id: int, row: MailEventRow, message: ChatMessage | None) -> bool:
    """Write the event; False when one of its two keys is known."""
    statement = insert(MailEvent).values(
        tenant_id=tenant_id,
        message_id=message.id if message is not None else None,
        address=row.address,
        event=row.event,
        sg_event_id=row.sg_event_id,
        soft_key=row.soft_key,
        reason=row.reason,
        raw=row.raw,
        occurred_at=row.occurred_at,
    )
    written = session.execute(statement.on_conflict_do_nothing().returning(MailEvent.id))
    return written.scalar_one_or_none() is not None


def _deliver(session: Session, message: ChatMessage, row: MailEventRow, now: datetime) -> None:
    carrier_id = carrier_id_of(row.sg_message_id, message.carrier_id)
    if row.event in ("bounce", "dropped"):
        did_not_arrive(session, message, failure_of(row), row.event, carrier_id, now)
    elif row.event in DELIVERY:
        move(session, message, row.event, carrier_id, now)
