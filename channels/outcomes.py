"""What becomes of an outbound row after the carrier spoke, or did not: a state machine by rank, and pure retry rules.

Carrier statuses arrive repeated, late and out of order (messaging facts 2.2), so a row only moves forward.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from channels.carrier import Accepted, CarrierError
from crm.consents import opt_out_of, record_consent
from crm.models import ChatMessage, ChatSession, Lead, Location
from crm.notices import notify_staff

# Certainly not sent: try again after these waits, then a person is told.
BACKOFF = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
)
# Perhaps sent: look at the carrier again after these waits (index lag, messaging facts 2.3).
LOOKS = (timedelta(seconds=45), timedelta(minutes=2), timedelta(minutes=8))
MISCONFIGURED_WAIT = timedelta(minutes=5)

RANK = {"accepted": 0, "scheduled": 0, "queued": 1, "sending": 2, "sent": 3}
FINAL = {
    "delivered": "delivered",
    "undelivered": "undelivered",
    "failed": "failed",
    "canceled": "failed",
    "read": "delivered",
}
OPTED_OUT_CODE = "21610"


def apply_accepted(message: ChatMessage, accepted: Accepted, now: datetime) -> None:
    """The carrier has the message. A final status that a faster callback wrote stays."""
    message.carrier = accepted.carrier
    message.carrier_id = accepted.carrier_id
    message.claim_token = message.claimed_until = None
    if message.status in ("sending", "unknown", "pending"):
        message.status = "sent"
        message.carrier_status = accepted.status
        message.sent_at = now
        message.error = message.error_code = None


def apply_status(
    session: Session, message: ChatMessage, status: str, carrier_id: str, code: str | None, now: datetime
) -> bool:
    """One status callback. Returns False when it is old news. An error is never cleared by a later callback."""
    if message.carrier_id is None:
        message.carrier_id = carrier_id
        message.carrier = "twilio"
    if message.final_at is not None and message.status in FINAL.values():
        return False
    if status in FINAL:
        message.status = FINAL[status]
        message.final_at = now
        message.sent_at = message.sent_at or now
    elif RANK.get(status, -1) <= RANK.get(message.carrier_status or "", -1):
        return False
    elif message.status in ("sending", "unknown"):
        message.status = "sent"
        message.sent_at = now
    message.carrier_status = status
    message.claim_token = message.claimed_until = None
    if code:
        message.error_code = code
        if code == OPTED_OUT_CODE:
            carrier_opt_out(session, message, now)
    return True


def after_error(session: Session, message: ChatMessage, error: CarrierError, now: datetime) -> None:
    """The carrier refused, or it is not known: retry, give up with a person told, or mark as unknown."""
    message.claim_token = message.claimed_until = None
    message.error = str(error)
    message.error_code = error.code
    if error.kind == "uncertain":
        message.status = "unknown"
        message.send_after = now + LOOKS[0]
        return
    if error.kind == "opted_out":
        carrier_opt_out(session, message, now)
    wait = retry_wait(error, message.tries)
    if wait is not None and not (message.expires_at and now + wait >= message.expires_at):
        message.status = "pending"
        message.send_after = now + wait
        return
    message.status = "failed"
    message.final_at = now
    if error.kind != "opted_out":
        tell_staff(session, message, f"could not be sent: {error}", now)


def retry_wait(error: CarrierError, tries: int) -> timedelta | None:
    """How long to wait before the next try of a message that was certainly not sent; None: give up."""
    if error.kind == "misconfigured":
        # Only an owner can mend it; the message waits for that until it expires, and says so meanwhile.
        return MISCONFIGURED_WAIT if tries <= 12 * 12 else None
    if error.kind != "transient" or tries > len(BACKOFF):
        return None
    return max(BACKOFF[tries - 1], timedelta(seconds=error.retry_after_s or 0))


def after_fruitless_look(session: Session, message: ChatMessage, now: datetime, *, asked: bool) -> None:
    """The carrier shows no sign of the message. After three looks a reply is sent once more, a touch never."""
    message.claim_token = message.claimed_until = None
    raw = dict(message.raw or {})
    looks = int(raw.get("looks", 0)) + (1 if asked else 0)
    raw["looks"] = looks
    message.raw = raw
    if looks < len(LOOKS):
        message.send_after = now + LOOKS[looks]
        return
    if message.kind != "touch" and not raw.get("repeated"):
        message.raw = {**raw, "repeated": True, "looks": 0}
        message.status = "pending"
        message.send_after = now
        return
    message.status = "failed"
    message.final_at = now
    message.error = (
        "It is not known whether this was sent; the carrier shows no sign of it, and it was not repeated."
    )
    tell_staff(session, message, "may not have arrived", now)


def carrier_opt_out(session: Session, message: ChatMessage, now: datetime) -> None:
    """The carrier knows of an opt-out that we do not: it becomes ours (21610, messaging facts 2.4)."""
    if (
        message.kind != "notice"
        and opt_out_of(session, message.tenant_id, message.channel, message.to_address) is None
    ):
        record_consent(
            session,
            tenant_id=message.tenant_id,
            channel="sms" if message.channel == "sms" else "email",
            address=message.to_address,
            action="revoke",
            actor="carrier",
            source="carrier error 21610",
            evidence="the carrier refused the message because the recipient opted out",
            effective_at=now,
            lead_id=message.lead_id,
            message_id=message.id,
        )


def tell_staff(session: Session, message: ChatMessage, what: str, now: datetime) -> None:
    """Tell the shop about a message that did not go. Never about a notice itself: that would loop."""
    if message.kind == "notice":
        return
    chat = session.get_one(ChatSession, message.session_id)
    lead = session.get_one(Lead, message.lead_id)
    name = " ".join(filter(None, (lead.first_name, lead.last_name))) or message.to_address
    notify_staff(
        session,
        session=chat,
        lead=lead,
        location=session.get_one(Location, chat.location_id),
        text=f"A message to {name} {what}",
        dedupe_key=f"failed:{message.id}",
        now=now,
    )
