"""Durable sending: claim, gate, carrier, status. What may have left is never blindly repeated.

pending -> sending (claimed) -> sent | failed | pending again (certainly not sent) | unknown (may have been sent).
`reconcile` asks the carrier about `unknown` rows and about rows whose sender died.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from channels.carrier import Accepted, CarrierError, Sender
from channels.claims import Claimed, awake_seconds, claim
from channels.gate import GateRules, decide
from channels.outcomes import after_error, after_fruitless_look, apply_accepted, settle_accepted
from channels.outgoing import as_outgoing, other_ids, settle_text
from channels.rows import lock
from channels.sms.pace import Pace
from channels.telling import tell_staff
from channels.waiting import drop_overtaken, put_back, record_decision
from crm.db import Database
from crm.models import ChatMessage
from ops.clock import Clock

__all__ = ["Outbox", "as_outgoing", "claim", "drop_overtaken"]

log = structlog.get_logger(__name__)

# With less time than this until the lawful hours end, a text is not handed over any more.
SHORTEST_VALIDITY_S = 10
# Rows due so soon are woken; for the others the sweeper is early enough.
WAKE_WITHIN = timedelta(minutes=5)
# How long a sender rests that the carrier asked to slow down without saying for how long.
REST_S = 5.0
PACED = "other texts go before it: our number may send only so many a second"
CLOSING = "the time in which it may arrive ends in this moment"
STOPPED = "this worker stood still between the check and the sending, so it is checked once more"

Wake = Callable[[str, int, int, datetime], None]


@dataclass(frozen=True)
class Outbox:
    """Everything sending needs. `senders` by channel; `pace` holds texts to a rate; `wake` asks for a job later."""

    db: Database
    clock: Clock
    senders: Mapping[str, Sender]
    rules: GateRules
    pace: Pace | None = None
    wake: Wake | None = None
    seconds: Callable[[], float] = awake_seconds

    def deliver(self, tenant_id: int, message_id: int) -> str:
        """Send one pending message if it is due, ours to claim and allowed. Returns its status afterwards."""
        began, now = self.seconds(), self.clock.now()
        with self.db.tenant(tenant_id) as session:
            message = claim(session, message_id, ("pending",), now)
            if message is None:
                return "not claimed"
            claimed = self._ask_the_gate(session, message, now, began)
            status = message.status
        if claimed is None:
            self._wake_for(tenant_id, message, now)
            return status
        held = self._must_wait(claimed, now)
        return self._hold(claimed, *held) if held else self._hand_over(claimed)

    def _ask_the_gate(
        self, session: Session, message: ChatMessage, now: datetime, began: float
    ) -> Claimed | None:
        if not settle_text(message):
            _nothing_to_say(session, message, now)
            return None
        decision = decide(session, message, now, self.rules)
        record_decision(session, message, decision, now)
        if decision.verdict != "allow":
            return None
        valid = None if decision.good_until is None else decision.good_until - now
        outgoing = as_outgoing(session, message, valid)
        came_back = bool((message.raw or {}).get("paced"))
        return Claimed(message.tenant_id, message.id, outgoing, message.tries, came_back, now, began)

    def _must_wait(self, claimed: Claimed, now: datetime) -> tuple[datetime, str] | None:
        """Until when and why a message that the gate let go is not handed over yet."""
        text = claimed.outgoing
        if text.valid_s is not None and text.valid_s < SHORTEST_VALIDITY_S:
            return now + timedelta(seconds=text.valid_s + 1), CLOSING
        if self.pace is None or text.channel != "sms":
            return None
        wait = self.pace.wait_s(
            text.from_address, text.segments, now, first=text.kind != "touch", returning=claimed.came_back
        )
        return (now + timedelta(seconds=wait), PACED) if wait > 0 else None

    def _hold(self, claimed: Claimed, until: datetime, reason: str) -> str:
        now = self.clock.now()
        with self.db.tenant(claimed.tenant_id) as session:
            message = claimed.still_ours(session)
            if message is None:
                return "settled meanwhile"
            put_back(session, message, until, reason, now)
        self._wake_for(claimed.tenant_id, message, now)
        return message.status

    def _hand_over(self, claimed: Claimed) -> str:
        text = claimed.outgoing
        result: Accepted | CarrierError
        if claimed.is_stale(self.clock.now(), self.seconds):
            return self._hold(claimed, self.clock.now(), STOPPED)
        try:
            result = self.senders[text.channel].send(text)
        except CarrierError as error:
            result = error
        now = self.clock.now()
        if isinstance(result, CarrierError) and result.slow_down and self.pace is not None:
            self.pace.rest(text.from_address, result.retry_after_s or REST_S, now)
        return self._settle(claimed, result, now)

    def _settle(self, claimed: Claimed, result: Accepted | CarrierError, now: datetime) -> str:
        if isinstance(result, Accepted) and result.carrier_id:
            status = settle_accepted(self.db, claimed.tenant_id, claimed.message_id, result, now)
            if status is not None:
                log.info("message_handed_over", message_id=claimed.message_id, status=status, code=None)
                return status
        with self.db.tenant(claimed.tenant_id) as session:
            if isinstance(result, Accepted):
                message = lock(session, claimed.message_id)
                if message is not None:
                    apply_accepted(session, message, result, now)
            else:
                # A callback may already have moved the row on, or another worker has tried since.
                message = claimed.still_ours(session)
                if message is not None:
                    after_error(session, message, result, now)
        if message is None:
            return "settled meanwhile"
        log.info("message_handed_over", message_id=message.id, status=message.status, code=message.error_code)
        self._wake_for(claimed.tenant_id, message, now)
        return message.status

    def reconcile(self, tenant_id: int, message_id: int) -> str:
        """Find out at the carrier what became of a message that may have been sent. Returns its status."""
        now = self.clock.now()
        with self.db.tenant(tenant_id) as session:
            message = claim(session, message_id, ("sending", "unknown"), now)
            if message is None:
                return "not claimed"
            message.status = "unknown"
            outgoing = replace(as_outgoing(session, message), known_ids=other_ids(session, message))
        found: Accepted | None = None
        error: CarrierError | None = None
        try:
            found = self.senders[outgoing.channel].find(outgoing)
        except CarrierError as caught:
            error = caught
        now = self.clock.now()
        with self.db.tenant(tenant_id) as session:
            message = lock(session, message_id)
            if message is None or message.status != "unknown":
                return "settled meanwhile"
            if found is not None:
                apply_accepted(session, message, found, now)
            else:
                after_fruitless_look(session, message, now, error)
        self._wake_for(tenant_id, message, now)
        return message.status

    def _wake_for(self, tenant_id: int, message: ChatMessage, now: datetime) -> None:
        """Ask for the next job of a row that waits for a moment close by; called after the commit."""
        due = message.send_after
        job = {"pending": "deliver", "unknown": "reconcile"}.get(message.status)
        if self.wake is not None and job is not None and due is not None and due <= now + WAKE_WITHIN:
            self.wake(job, tenant_id, message.id, due)


def _nothing_to_say(session: Session, message: ChatMessage, now: datetime) -> None:
    message.status, message.final_at = "failed", now
    message.error = "the text was empty"
    message.claim_token = message.claimed_until = None
    tell_staff(session, message, "could not be sent: the text was empty", now)
