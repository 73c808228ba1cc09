"""What becomes of an outbound row after the carrier spoke, or did not: a state machine by rank, and pure retry rules.

Carrier statuses arrive repeated, late and out of order (messaging facts 2.2), so a row only moves forward.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from channels.carrier import Accepted, CarrierError
from crm.consents import opt_out_of, record_consent
from crm.models import ChatMessage, ChatSession, Lead, Location
from crm.notices import notify_staff
from crm.touches import halt_touches

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
# The number does not exist, or is no mobile number: no other text will arrive there either.
BAD_NUMBER_CODES = frozenset({"21211", "21614", "21635", "30005", "30006"})


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
    if message.carrier_status in FINAL:
        return False
    if status not in FINAL and RANK.get(status, -1) <= RANK.get(message.carrier_status or "", -1):
        return False
    if message.final_at is not None:
        # We had given it up without the carrier's word, which proves us wrong.
        message.error = message.final_at = None
    message.status = FINAL.get(status, "sent")
    message.final_at = now if status in FINAL else None
    message.sent_at = message.sent_at or now
    message.carrier_status = status
    message.claim_token = message.claimed_until = None
    if code:
        message.error_code = code
    if FINAL.get(status) in ("undelivered", "failed"):
        _did_not_arrive(session, message, code, now)
    return True


def _did_not_arrive(session: Session, message: ChatMessage, code: str | None, now: datetime) -> None:
    if code == OPTED_OUT_CODE:
        carrier_opt_out(session, message, now)
        return
    if code in BAD_NUMBER_CODES:
        mark_bad_number(session, message, now)
    if message.kind not in ("touch", "consent"):
        tell_staff(session, message, f"did not arrive: the carrier says {status_text(code)}", now)


def status_text(code: str | None) -> str:
    """A carrier's code for a person to read."""
    return f"error {code}" if code else "no reason"


def mark_bad_number(session: Session, message: ChatMessage, now: datetime) -> None:
    """Nothing more goes to this number; the cadence continues by email (messaging facts 2.4)."""
    session.execute(
        update(Lead)
        .where(Lead.id == message.lead_id, Lead.phone == message.to_address, Lead.phone_bad_since.is_(None))
        .values(phone_bad_since=now)
    )


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
    if message.channel == "sms" and error.code in BAD_NUMBER_CODES:
        mark_bad_number(session, message, now)
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


def after_fruitless_look(
    session: Session, message: ChatMessage, now: datetime, error: CarrierError | None = None
) -> None:
    """The carrier shows no sign of the message, or could not be asked (`error`). After three looks a reply is sent
    once more, a touch never; a carrier that can never be asked leaves it to a person, nothing is repeated."""
    message.claim_token = message.claimed_until = None
    raw = dict(message.raw or {})
    looks = int(raw.get("looks", 0)) + (1 if error is None else 0)
    raw["looks"] = looks
    message.raw = raw
    never = error is not None and error.kind == "permanent"
    if looks < len(LOOKS) and not never:
        message.send_after = now + LOOKS[looks]
        return
    if message.kind != "touch" and not never and not raw.get("repeated"):
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
        halt_touches(session, message.lead_id, "ended", "the carrier says this person opted out")


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
