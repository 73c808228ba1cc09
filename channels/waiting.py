"""Rows of the outbox that do not leave now: what the gate decided about them, and replies that were overtaken."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog
from psycopg2.extras import Json
from sqlalchemy import CursorResult, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from channels.gate import Decision
from channels.telling import tell_staff
from crm.calendar.told import tell_untold
from crm.models import ChatMessage, ChatSession

log = structlog.get_logger(__name__)

# What a reply says of itself that no later one would say again: it leaves although the customer wrote meanwhile.
STAYS = frozenset({"announces_hand_off", "tells_of_change"})

_KEEP = """
insert into send_decisions (tenant_id, message_id, decision, reasons, hold_until, decided_at)
values (%(tenant)s, %(message)s, %(decision)s, %(reasons)s, %(hold_until)s, %(now)s)
"""
_KEEP_AND_COUNT = (
    _KEEP + "; update chat_messages set tries = tries + 1 where id = %(message)s returning tries"
)


def record_decision(session: Session, message: ChatMessage, decision: Decision, now: datetime) -> None:
    """Store what the gate decided with its reasons, and do it to a row that we hold."""
    if decision.verdict == "allow":
        set_committed_value(
            message, "tries", _keep(session, message, decision, now, _KEEP_AND_COUNT).scalar_one()
        )
        return
    _keep(session, message, decision, now)
    message.claim_token = message.claimed_until = None
    if decision.verdict == "hold":
        message.status = "pending"
        message.send_after = decision.hold_until
    else:
        message.status = "withheld" if decision.verdict == "withhold" else "dropped"
        message.final_at = now
        message.error = "; ".join(decision.reasons)
        if message.kind == "staff":
            # A person believes that the customer has these words.
            tell_staff(session, message, f"was not sent: {message.error}", now)
        tell_untold(session, message, message.error, now)
        if decision.verdict == "drop":
            _reopen(session.get_one(ChatSession, message.session_id), message)
    log.info(
        "message_not_sent", message_id=message.id, verdict=decision.verdict, reasons=list(decision.reasons)
    )


def put_back(session: Session, message: ChatMessage, until: datetime, reason: str, now: datetime) -> None:
    """The gate let it go, but it was certainly not handed over: pending again, and the gate is asked again then."""
    _keep(session, message, Decision("hold", (reason,), until), now)
    message.status, message.send_after = "pending", until
    message.claim_token = message.claimed_until = None
    message.tries -= 1
    message.raw = {**(message.raw or {}), "paced": True}


def _keep(
    session: Session, message: ChatMessage, decision: Decision, now: datetime, statement: str = _KEEP
) -> CursorResult[Any]:
    parameters = {
        "tenant": message.tenant_id,
        "message": message.id,
        "decision": decision.verdict,
        "reasons": Json(list(decision.reasons)),
        "hold_until": decision.hold_until,
        "now": now,
    }
    return session.connection().exec_driver_sql(statement, parameters)


def drop_overtaken(session: Session, chat: ChatSession, now: datetime) -> int:
    """Drop replies that still wait although the customer wrote again, before a new turn reads the conversation: the
    gate would not let them go, so nobody may believe that they were said. Returns how many. The caller holds `chat`."""
    waiting = session.scalars(
        select(ChatMessage)
        .where(
            ChatMessage.session_id == chat.id,
            ChatMessage.status == "pending",
            ChatMessage.kind == "reply",
            ChatMessage.answers_up_to < (chat.last_inbound_id or 0),
        )
        .order_by(ChatMessage.id.desc())
    )
    overtaken = [message for message in waiting if not STAYS & (message.raw or {}).keys()]
    for message in overtaken:
        message.status, message.final_at = "dropped", now
        message.error = "the customer wrote again before this was sent"
        _reopen(chat, message)
    return len(overtaken)


def _reopen(chat: ChatSession, message: ChatMessage) -> None:
    """What a dropped reply would have answered is unanswered again, unless something newer was answered since."""
    before = (message.raw or {}).get("answered_before")
    if before is not None and message.kind == "reply" and chat.answered_up_to == message.answers_up_to:
        chat.answered_up_to = int(before)
