"""What a stored mail turned out to be, on its way from the post to the conversation."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from channels.email.authenticity import Proof
from channels.email.mail import ParsedEmail
from channels.email.thread import Conversation

CARRIER = "sendgrid"


@dataclass(frozen=True)
class Ignored:
    """A post that is no message for a conversation, and why. Fit to be shown to an owner."""

    reason: str


@dataclass(frozen=True)
class Letter:
    """A mail at one of our locations. `conversation` None: of nobody known there. `proof` says what proves that the
    sender is who they say, for the customer of this conversation or for somebody of the shop; None: nothing does."""

    event_id: uuid.UUID
    received_at: datetime
    tenant_id: int
    location_id: int
    mailbox: str
    sender: str
    mail: ParsedEmail
    conversation: Conversation | None
    proof: Proof | None
    late_since: datetime | None = None
    fresh: bool = True

    @property
    def own_address(self) -> bool:
        """Whether it came from the customer's own address; somebody new has no other."""
        return self.conversation is None or self.conversation.lead_email == self.sender

    @property
    def carrier_id(self) -> str:
        """One mail to two addresses of one shop is one message; the same Message-ID with other words is not."""
        mail = self.mail
        parts = (
            str(self.location_id),
            mail.message_id or mail.date or "",
            mail.sender or "",
            mail.subject or "",
            mail.words.full,
        )
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def raw(self) -> dict[str, Any]:
        """What is kept with the message."""
        automatic = self.mail.automatic
        return {
            "event_id": str(self.event_id),
            "automatic": automatic.kind if automatic else None,
            "until": automatic.until.isoformat() if automatic and automatic.until else None,
            "authentic": self.proof,
            "own_address": self.own_address,
            "found_by": self.conversation.how if self.conversation else None,
            "date": self.mail.date,
            "attachments": len(self.mail.files),
            "checks": self.mail.checks,
        }


@dataclass(frozen=True)
class Report:
    """A delivery report: what became of a mail of ours."""

    letter: Letter


@dataclass(frozen=True)
class StaffMail:
    """A mail of somebody of the shop, or an answer to an alert by somebody who is not (`staff_id` None)."""

    letter: Letter
    staff_id: int | None
    name: str


Opened = Letter | Report | StaffMail | Ignored
