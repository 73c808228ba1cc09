"""What becomes of an outbound row after the carrier spoke, or did not: pure retry rules, and one reason for each row.

What the carrier says later, in callbacks, is in `channels.statuses`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from channels.carrier import UNREPORTED, Accepted, CarrierError
from channels.rows import is_too_late, take_id
from channels.sms.effects import TOLD_BY_EFFECT, take_effect
from channels.sms.errors import Action, ErrorRule, rule_for
from channels.statuses import FINAL, apply_status
from channels.telling import tell_staff
from crm.db import Database
from crm.models import ChatMessage

# Certainly not sent: try again after these waits, then a person is told.
BACKOFF = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
)
# A carrier that is only busy gets more time: the last wait again and again, about half a day.
MOST_SLOW_TRIES = 24
# So much longer at most, so that many rows told to wait do not come back in one moment.
JITTER = 0.25
# Perhaps sent: look at the carrier again after these waits (index lag, messaging facts 2.3).
LOOKS = (timedelta(seconds=45), timedelta(minutes=2), timedelta(minutes=8))
MISCONFIGURED_WAIT = timedelta(minutes=5)
MOST_MISCONFIGURED_TRIES = 12 * 12
# The conversation is locked before its message, as everybody does.
_SETTLE = """
select 1 from chat_sessions where id = (select session_id from chat_messages where id = %(id)s) for update;
update chat_messages
   set status = 'sent', carrier = %(carrier)s, carrier_id = %(carrier_id)s, carrier_status = %(carrier_status)s,
       sent_at = %(now)s, error = null, error_code = null, claim_token = null, claimed_until = null
 where id = %(id)s and carrier_id is null and status in ('pending', 'sending', 'unknown')
returning status
"""
NOT_KNOWN = "It is not known whether this was sent; the carrier shows no sign of it, and it was not repeated."


def apply_accepted(session: Session, message: ChatMessage, accepted: Accepted, now: datetime) -> None:
    """The carrier has the message. What a faster callback wrote stays. One that was found later may have its last word
    already, and that is taken as a callback is: nobody else may ever bring it."""
    if message.carrier_id is None:
        take_id(session, message, accepted.carrier, accepted.carrier_id)
    message.carrier = accepted.carrier
    message.claim_token = message.claimed_until = None
    if message.status in ("sending", "unknown", "pending"):
        is_over = accepted.status in FINAL
        message.status = "sent"
        message.carrier_status = None if is_over else accepted.status
        # What was found later went out before: how often somebody is written to a day is counted from then.
        message.sent_at = now if accepted.at is None else min(accepted.at, now)
        message.error = message.error_code = None
        if is_over:
            apply_status(session, message, accepted.status, accepted.carrier_id, accepted.code, now)


def settle_accepted(
    db: Database, tenant_id: int, message_id: int, accepted: Accepted, now: datetime
) -> str | None:
    """Store at once what `apply_accepted` does to a row whose fate nobody has heard of; returns its status. None:
    nothing was changed, because a callback was faster, the row is gone, the carrier's id is another row's, or its word
    is a last one."""
    if accepted.status in FINAL:
        return None
    parameters = {
        "id": message_id,
        "carrier": accepted.carrier,
        "carrier_id": accepted.carrier_id,
        "carrier_status": accepted.status,
        "now": now,
    }
    try:
        row = db.at_once(tenant_id, _SETTLE, parameters)
    except IntegrityError:
        return None
    return None if row is None else str(row[0])


def after_error(session: Session, message: ChatMessage, error: CarrierError, now: datetime) -> None:
    """The carrier refused, or it is not known: retry, give up with a person told, or mark as unknown."""
    message.claim_token = message.claimed_until = None
    message.error = str(error)
    message.error_code = error.code
    if error.kind == "uncertain":
        message.status = "unknown"
        message.send_after = now + LOOKS[0]
        return
    rule = _rule(message, error)
    if rule is not None:
        take_effect(session, message, rule, now)
    wait = retry_wait(error, message.tries, spread_of(message))
    if wait is not None and not is_too_late(message, now + wait):
        message.status = "pending"
        message.send_after = now + wait
        return
    message.status = "failed"
    message.final_at = now
    told = error.kind == "opted_out" or (rule is not None and rule.action in TOLD_BY_EFFECT)
    if not told and message.kind != "touch":
        tell_staff(session, message, f"could not be sent: {error}", now)


def _rule(message: ChatMessage, error: CarrierError) -> ErrorRule | None:
    """What the error's code asks for; email has codes of its own."""
    if error.kind == "opted_out":
        return ErrorRule(int(error.code or 0), Action.OPT_OUT, str(error))
    known = message.channel == "sms" and error.code is not None and error.code.isdigit()
    return rule_for(error.code, status=400) if known else None


def retry_wait(error: CarrierError, tries: int, spread: float = 0.0) -> timedelta | None:
    """How long to wait before the next try of a message that was certainly not sent; None: give up. `spread` (0 to 1)
    lengthens the wait of a busy carrier, and what the carrier asks for is the least."""
    if error.kind == "misconfigured":
        # Only an owner can mend it; the message waits for that until it expires, and says so meanwhile.
        return MISCONFIGURED_WAIT if tries <= MOST_MISCONFIGURED_TRIES else None
    if error.kind != "transient" or tries > (MOST_SLOW_TRIES if error.slow_down else len(BACKOFF)):
        return None
    wait = max(BACKOFF[min(tries, len(BACKOFF)) - 1], timedelta(seconds=error.retry_after_s or 0))
    return wait * (1 + JITTER * spread) if error.slow_down else wait


def spread_of(message: ChatMessage) -> float:
    """A number from 0 to 1 that differs between messages and between tries of one, and is the same in a replay."""
    number = message.outbox_id.int if message.outbox_id else message.id
    return (number * 31 + message.tries * 7919) % 1009 / 1008


def after_fruitless_look(
    session: Session, message: ChatMessage, now: datetime, error: CarrierError | None = None
) -> None:
    """The carrier shows no sign of the message, or could not be asked (`error`). After three looks a reply is sent
    once more, a touch never. A carrier that can never be asked leaves it to a person, at once or, where it reports by
    itself, after the same time; nothing is repeated then."""
    message.claim_token = message.claimed_until = None
    raw = dict(message.raw or {})
    unreported = error is not None and error.code == UNREPORTED
    looks = int(raw.get("looks", 0)) + (1 if error is None or unreported else 0)
    raw["looks"] = looks
    message.raw = raw
    never = error is not None and error.kind == "permanent"
    if looks < len(LOOKS) and not never:
        message.send_after = now + LOOKS[looks]
        return
    if message.kind != "touch" and not (never or unreported or raw.get("repeated")):
        message.raw = {**raw, "repeated": True, "looks": 0}
        message.status = "pending"
        message.send_after = now
        return
    message.status = "failed"
    message.final_at = now
    message.error = NOT_KNOWN
    tell_staff(session, message, "may not have arrived", now)
