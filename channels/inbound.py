"""What every inbound channel hands to the inbox."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class MediaPart:
    """A picture or file that came with a message. `content_type` is what the carrier says it is.

    Without `content` and without `refused` it is still at the carrier, at `url`, and has to be fetched. `refused` says
    why it is never kept, in a sentence an owner can read. `size` in bytes; `content_id` is the name by which a mail's
    own HTML shows it.
    """

    url: str
    content_type: str
    filename: str | None = None
    content_id: str | None = None
    content: bytes | None = None
    size: int | None = None
    refused: str | None = None


@dataclass(frozen=True)
class Inbound:
    """One message a person sent, already routed to a location.

    `body` is what the person wrote (quotes and signature removed), `body_full` the whole text. `session_id` is set
    when a reply token or a thread named the conversation. `automatic` marks auto-replies and bounces: stored, never
    answered. `carrier_id` is the de-duplication key of the channel. `opt_out_type` is STOP, START or HELP where the
    carrier recognised one and acted on it (messaging facts 1.1). `sent_at` is the carrier's own date of a message that
    reached us late; None: it was sent when it came. `fresh` False: too old to be answered as if it had just come.
    `reached_by`: the number by which the location was found in memory; it is stored only while that is still its number.
    """

    tenant_id: int
    location_id: int
    channel: str
    carrier: str
    carrier_id: str
    from_address: str
    to_address: str
    body: str
    received_at: datetime
    raw: dict[str, Any] = field(default_factory=dict)
    sender_name: str | None = None
    subject: str | None = None
    body_full: str | None = None
    rfc_message_id: str | None = None
    rfc_references: str | None = None
    session_id: int | None = None
    automatic: bool = False
    opt_out_type: str | None = None
    media: tuple[MediaPart, ...] = ()
    sent_at: datetime | None = None
    fresh: bool = True
    reached_by: str | None = None

    @property
    def said_at(self) -> datetime:
        """When the person said it, which is when a stop or a start in it took effect."""
        return self.sent_at or self.received_at


@dataclass(frozen=True)
class Receipt:
    """What became of it."""

    tenant_id: int
    session_id: int
    message_id: int
    duplicate: bool
