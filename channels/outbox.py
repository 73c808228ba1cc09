"""Durable sending: claim, gate, carrier, status. What may have left is never blindly repeated.

pending -> sending (claimed) -> sent | failed | pending again (certainly not sent) | unknown (may have been sent).
`reconcile` asks the carrier about `unknown` rows and about rows whose sender died.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from channels.carrier import Accepted, CarrierError, Outgoing, Sender
from channels.email.invitations import invitations
from channels.gate import Decision, GateRules, decide
from channels.outcomes import after_error, after_fruitless_look, apply_accepted
from crm.db import Database
from crm.models import ChatMessage, ChatSession, Location, SendDecision
from ops.clock import Clock

log = structlog.get_logger(__name__)

CLAIM = timedelta(seconds=30)


@dataclass(frozen=True)
class Outbox:
    """Everything sending needs. `senders` by channel."""

    db: Database
    clock: Clock
    senders: Mapping[str, Sender]
    rules: GateRules

    def deliver(self, tenant_id: int, message_id: int) -> str:
        """Send one pending message if it is due, ours to claim and allowed. Returns its status afterwards."""
        now = self.clock.now()
        with self.db.tenant(tenant_id) as session:
            message = claim(session, message_id, ("pending",), now)
            if message is None:
                return "not claimed"
            decision = decide(session, message, now, self.rules)
            _record(session, message, decision, now)
            outgoing = as_outgoing(session, message)
            claim_token = message.claim_token
        if decision.verdict != "allow":
            return message.status
        return self._hand_over(tenant_id, message_id, claim_token, outgoing)

    def _hand_over(self, tenant_id: int, message_id: int, token: uuid.UUID | None, outgoing: Outgoing) -> str:
        result: Accepted | CarrierError
        try:
            result = self.senders[outgoing.channel].send(outgoing)
        except CarrierError as error:
            result = error
        now = self.clock.now()
        with self.db.tenant(tenant_id) as session:
            message = session.get(ChatMessage, message_id, with_for_update=True)
            if message is None:
                return "gone"
            # A callback may already have moved the row on; the claim tells whether it is still ours to decide.
            if isinstance(result, Accepted):
                apply_accepted(message, result, now)
            elif message.claim_token == token and message.status == "sending":
                after_error(session, message, result, now)
            log.info(
                "message_handed_over", message_id=message_id, status=message.status, code=message.error_code
            )
            return message.status

    def reconcile(self, tenant_id: int, message_id: int) -> str:
        """Find out at the carrier what became of a message that may have been sent. Returns its status."""
        now = self.clock.now()
        with self.db.tenant(tenant_id) as session:
            message = claim(session, message_id, ("sending", "unknown"), now)
            if message is None:
                return "not claimed"
            message.status = "unknown"
            outgoing = replace(as_outgoing(session, message), known_ids=_known_ids(session, message))
        found: Accepted | None = None
        error: CarrierError | None = None
        try:
            found = self.senders[outgoing.channel].find(outgoing)
        except CarrierError as caught:
            error = caught
        now = self.clock.now()
        with self.db.tenant(tenant_id) as session:
            message = session.get(ChatMessage, message_id, with_for_update=True)
            if message is None or message.status != "unknown":
                return "settled meanwhile"
            if found is not None:
                apply_accepted(message, found, now)
            else:
                after_fruitless_look(session, message, now, error)
            return message.status


def claim(session: Session, message_id: int, statuses: tuple[str, ...], now: datetime) -> ChatMessage | None:
    """Take one due row that nobody holds, by a conditional update that must change exactly one row.

    The session row is locked first, as the inbox does: the other order is a deadlock with a stop that withholds
    this very row, and the carrier does not bring a stop twice.
    """
    owner = select(ChatMessage.session_id).where(ChatMessage.id == message_id).scalar_subquery()
    session.execute(select(ChatSession.id).where(ChatSession.id == owner).with_for_update())
    claimed = session.execute(
        update(ChatMessage)
        .where(
            ChatMessage.id == message_id,
            ChatMessage.status.in_(statuses),
            ChatMessage.send_after <= now,
            (ChatMessage.claimed_until.is_(None)) | (ChatMessage.claimed_until < now),
        )
        .values(status="sending", claim_token=uuid.uuid4(), claimed_until=now + CLAIM)
        .returning(ChatMessage.id)
    ).scalar_one_or_none()
    return None if claimed is None else session.get_one(ChatMessage, claimed, populate_existing=True)


def _known_ids(session: Session, message: ChatMessage) -> frozenset[str]:
    """Carrier ids of the other messages to this address: two equal texts are two messages."""
    ids = session.scalars(
        select(ChatMessage.carrier_id).where(
            ChatMessage.to_address == message.to_address,
            ChatMessage.id != message.id,
            ChatMessage.carrier_id.is_not(None),
        )
    )
    return frozenset(carrier_id for carrier_id in ids if carrier_id)


def _record(session: Session, message: ChatMessage, decision: Decision, now: datetime) -> None:
    session.add(
        SendDecision(
            tenant_id=message.tenant_id,
            message_id=message.id,
            decision=decision.verdict,
            reasons=list(decision.reasons),
            hold_until=decision.hold_until,
            decided_at=now,
        )
    )
    if decision.verdict == "allow":
        message.tries += 1
        return
    message.claim_token = message.claimed_until = None
    if decision.verdict == "hold":
        message.status = "pending"
        message.send_after = decision.hold_until
    else:
        message.status = "withheld" if decision.verdict == "withhold" else "dropped"
        message.final_at = now
        message.error = "; ".join(decision.reasons)
        if decision.verdict == "drop":
            _reopen(session.get_one(ChatSession, message.session_id), message)
    log.info(
        "message_not_sent", message_id=message.id, verdict=decision.verdict, reasons=list(decision.reasons)
    )


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
    overtaken = [message for message in waiting if not (message.raw or {}).get("announces_hand_off")]
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


def as_outgoing(session: Session, message: ChatMessage) -> Outgoing:
    """The row as the carrier needs it."""
    chat = session.get_one(ChatSession, message.session_id)
    location = session.get_one(Location, chat.location_id)
    references = (message.rfc_references or "").split()
    reply_to = None
    if message.channel == "email" and location.mailbox and message.kind != "notice":
        local, _, domain = location.mailbox.partition("@")
        reply_to = f"{local}+{chat.reply_token}@{domain}"
    return Outgoing(
        outbox_id=message.outbox_id or uuid.uuid4(),
        channel=message.channel,
        kind=message.kind,
        to_address=message.to_address,
        from_address=message.from_address,
        body=message.body,
        created_at=message.created_at,
        subject=message.subject,
        from_name=location.name,
        reply_to=reply_to,
        rfc_message_id=message.rfc_message_id,
        in_reply_to=references[-1] if references else None,
        rfc_references=message.rfc_references,
        attachments=invitations(session, message, location),
    )
