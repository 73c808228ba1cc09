"""What carriers say of a message afterwards: a state machine by rank.

Statuses arrive repeated, late, out of order, before our own commit, or never (messaging facts 2.2). A row moves
forward only; a text that certainly did not arrive may go once more, through the gate again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlalchemy import update
from sqlalchemy.orm import Session

from channels.rows import is_too_late, lock, take_id
from channels.sms.effects import TOLD_BY_EFFECT, take_effect
from channels.sms.errors import Action, ErrorRule, rule_for
from channels.telling import tell_staff
from crm.db import Database
from crm.lead_states import within_reach
from crm.models import ChatMessage, Lead

log = structlog.get_logger(__name__)

RANK = {"accepted": 0, "scheduled": 0, "queued": 1, "sending": 2, "sent": 3}
FINAL = {
    "delivered": "delivered",
    "undelivered": "undelivered",
    "failed": "failed",
    "canceled": "failed",
    "read": "delivered",
}
# What may be sent once more after the carrier gave it up: after which wait, how often.
AGAIN: dict[Action, tuple[timedelta, int]] = {
    Action.STRIKE: (timedelta(minutes=30), 1),
    Action.RETRY_ONCE: (timedelta(minutes=5), 1),
    Action.EXPIRED: (timedelta(minutes=1), 1),
    Action.SLOW_DOWN: (timedelta(minutes=10), 3),
    Action.QUIET_HOURS: (timedelta(hours=1), 12),
    Action.CONFIGURATION: (timedelta(hours=1), 3),
}
# A touch that may have arrived is not repeated, nor one that came too late: the next touch is the next try.
TOUCH_AGAIN = frozenset({Action.SLOW_DOWN, Action.QUIET_HOURS, Action.CONFIGURATION})


def record_status(
    db: Database,
    tenant_id: int,
    message_id: int,
    status: str,
    carrier_id: str,
    code: str | None,
    now: datetime,
) -> bool:
    """One status callback, in a transaction of its own that takes its locks in the common order. Returns False when
    it is old news. Raises only the database's errors when it is away."""
    with db.tenant(tenant_id) as session:
        message = lock(session, message_id)
        return message is not None and apply_status(session, message, status, carrier_id, code, now)


def apply_status(
    session: Session, message: ChatMessage, status: str, carrier_id: str, code: str | None, now: datetime
) -> bool:
    """The same for a row that the caller has locked. An error is never cleared by a later callback."""
    if carrier_id in past_ids(message) or (message.carrier_id and carrier_id != message.carrier_id):
        return _of_another_try(message, status, carrier_id, now)
    if not take_id(session, message, message.carrier or "twilio", carrier_id):
        log.warning("status_of_another_message", message_id=message.id, carrier_id=carrier_id)
        return False
    if message.carrier_status in FINAL or not _is_news(message, status):
        return False
    _move(message, status, now)
    if code:
        message.error_code = code
    if message.status == "delivered":
        _number_works(session, message)
    elif message.status in ("undelivered", "failed"):
        _did_not_arrive(session, message, status, code, now)
    return True


def past_ids(message: ChatMessage) -> list[str]:
    """Carrier ids of earlier tries of this message."""
    return list((message.raw or {}).get("earlier_ids", ()))


def _is_news(message: ChatMessage, status: str) -> bool:
    return status in FINAL or RANK.get(status, -1) > RANK.get(message.carrier_status or "", -1)


def _move(message: ChatMessage, status: str, now: datetime) -> None:
    if message.final_at is not None or message.status in ("pending", "unknown", "sending"):
        # Given up, in doubt or about to be repeated without the carrier's word, which proves us wrong.
        message.error = message.final_at = None
    message.status = FINAL.get(status, "sent")
    message.final_at = now if status in FINAL else None
    message.sent_at = message.sent_at or now
    message.carrier_status = status
    message.claim_token = message.claimed_until = None


def _of_another_try(message: ChatMessage, status: str, carrier_id: str, now: datetime) -> bool:
    """An earlier try of the row speaks late. Only that it arrived after all matters: then no further try is needed."""
    arrived = FINAL.get(status) == "delivered"
    log.info(
        "status_of_another_try", message_id=message.id, carrier_id=carrier_id, status=status, arrived=arrived
    )
    if not arrived or message.status not in ("pending", "unknown", "failed", "undelivered"):
        return False
    _move(message, status, now)
    return True


def _number_works(session: Session, message: ChatMessage) -> None:
    """A text arrived that was sent after the number was marked as bad: it is not."""
    if message.channel == "sms" and message.kind != "notice" and message.sent_at is not None:
        works = session.execute(
            update(Lead)
            .where(
                Lead.id == message.lead_id,
                Lead.phone == message.to_address,
                Lead.phone_bad_since <= message.sent_at,
            )
            .values(phone_bad_since=None)
            .returning(Lead.id)
        )
        if works.first() is not None:
            within_reach(session, message.lead_id, who="carrier", now=message.sent_at)


def _did_not_arrive(
    session: Session, message: ChatMessage, status: str, code: str | None, now: datetime
) -> None:
    rule = rule_for(code)
    says = "it was cancelled at the carrier" if status == "canceled" else rule.says
    message.error = f"the carrier says: {says}" + (f" ({code})" if code and code not in says else "")
    if message.channel == "sms":
        take_effect(session, message, rule, now)
    if _again(message, rule, now):
        return
    if rule.action not in TOLD_BY_EFFECT and message.kind not in ("touch", "consent"):
        tell_staff(session, message, f"did not arrive: {message.error}", now)


def _again(message: ChatMessage, rule: ErrorRule, now: datetime) -> bool:
    """Put the row back for one more try, where the error allows it and there is still time."""
    if rule.action not in AGAIN or message.channel != "sms" or message.kind == "consent":
        return False
    if message.kind == "touch" and rule.action not in TOUCH_AGAIN:
        return False
    wait, most = AGAIN[rule.action]
    raw = dict(message.raw or {})
    done = int(raw.get("again", 0))
    if done >= most or is_too_late(message, now + wait):
        return False
    earlier = [*past_ids(message), *([message.carrier_id] if message.carrier_id else [])]
    message.raw = {**raw, "again": done + 1, "earlier_ids": earlier}
    message.status, message.send_after = "pending", now + wait
    message.carrier_id = message.carrier_status = message.sent_at = message.final_at = None
    return True
