"""How far a mail has got, by what SendGrid and strange servers say of it: a state machine by rank.

Events come repeated, in any order, late, and before our own commit of the carrier's id (messaging facts 4.3). A row
moves forward only. That it bounced beats that it was delivered: some servers take a mail and send it back later.
"""

from __future__ import annotations

import re
from datetime import datetime

import structlog
from sqlalchemy import update
from sqlalchemy.orm import Session

from channels.rows import take_id
from channels.statuses import past_ids
from crm.lead_states import within_reach
from crm.models import ChatMessage, Lead

log = structlog.get_logger(__name__)

CARRIER = "sendgrid"
RANK = {"accepted": 0, "processed": 1, "deferred": 2, "delivered": 3, "bounce": 4, "dropped": 4}
_STATUS = {"delivered": "delivered", "bounce": "undelivered", "dropped": "undelivered"}
# `sg_message_id` is the id that mail/send answered with, a dot, and the name of the machine that had it.
_MACHINE = re.compile(r"\.(?:filter|recv)")


def carrier_id_of(sg_message_id: str, known: str | None = None) -> str | None:
    """The id mail/send answered with, from an event's `sg_message_id`; `known` is the one the row has already. None
    when there is none."""
    if known and (sg_message_id == known or sg_message_id.startswith(f"{known}.")):
        return known
    if _MACHINE.search(sg_message_id):
        return _MACHINE.split(sg_message_id)[0] or None
    return sg_message_id.partition(".")[0] or None


def move(session: Session, message: ChatMessage, event: str, carrier_id: str | None, now: datetime) -> bool:
    """Move a row that the caller has locked (`channels.rows.lock`) to what `event`, a name in RANK, says of it.
    `carrier_id` None: whoever says so does not know it. Returns False when it is old news."""
    if carrier_id and _is_another_try(message, carrier_id):
        return _of_another_try(message, event, carrier_id, now)
    if carrier_id and not take_id(session, message, CARRIER, carrier_id):
        log.warning("event_of_another_message", message_id=message.id, carrier_id=carrier_id)
        return False
    if RANK[event] <= RANK.get(message.carrier_status or "", -1):
        return False
    _advance(message, event, now)
    if event == "delivered":
        _address_works(session, message)
    return True


def _is_another_try(message: ChatMessage, carrier_id: str) -> bool:
    return carrier_id in past_ids(message) or message.carrier_id not in (None, carrier_id)


def _of_another_try(message: ChatMessage, event: str, carrier_id: str, now: datetime) -> bool:
    """An earlier try speaks late. Only that it arrived after all matters: then no further try is needed."""
    log.info("event_of_another_try", message_id=message.id, carrier_id=carrier_id, mail_event=event)
    if event != "delivered" or message.status not in ("pending", "unknown", "failed", "undelivered"):
        return False
    _advance(message, event, now)
    return True


def _advance(message: ChatMessage, event: str, now: datetime) -> None:
    # Whatever we had given up or were in doubt about: SendGrid has the mail, which settles it.
    message.status = _STATUS.get(event, "sent")
    message.final_at = now if event in _STATUS else None
    message.error = message.error_code = None
    message.sent_at = message.sent_at or now
    message.carrier_status = event
    message.claim_token = message.claimed_until = None


def _address_works(session: Session, message: ChatMessage) -> None:
    """A mail arrived that was sent after the address was marked as bad: it is not."""
    if message.kind == "notice" or message.sent_at is None:
        return
    works = session.execute(
        update(Lead)
        .where(
            Lead.id == message.lead_id,
            Lead.email == message.to_address,
            Lead.email_bad_since <= message.sent_at,
        )
        .values(email_bad_since=None)
        .execution_options(synchronize_session="fetch")
        .returning(Lead.id)
    )
    if works.first() is not None:
        within_reach(session, message.lead_id, who="carrier", now=message.sent_at)
