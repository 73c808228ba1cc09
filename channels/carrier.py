"""What every carrier (Twilio, SendGrid) looks like to the outbox."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

# The code of a `find` that a carrier cannot answer, which reports by itself what became of a message.
UNREPORTED = "unreported"

ErrorKind = Literal["permanent", "transient", "misconfigured", "uncertain", "opted_out"]


@dataclass(frozen=True)
class Attachment:
    """A file that goes with an email. `kind` is its media type without parameters."""

    name: str
    kind: str
    content: bytes


@dataclass(frozen=True)
class Outgoing:
    """One message as the carrier needs it. `outbox_id` travels with it so that callbacks find the row."""

    outbox_id: uuid.UUID
    channel: str
    kind: str
    to_address: str
    from_address: str
    body: str
    created_at: datetime
    subject: str | None = None
    from_name: str | None = None
    reply_to: str | None = None
    rfc_message_id: str | None = None
    in_reply_to: str | None = None
    rfc_references: str | None = None
    # Carrier ids that belong to other rows, so that looking for this message never finds another one's.
    known_ids: frozenset[str] = frozenset()
    attachments: tuple[Attachment, ...] = ()
    # Whose account it goes through; None: the installation's.
    tenant_id: int | None = None
    # Parts of a text, as the phone network counts them.
    segments: int = 1
    # Seconds after which the carrier must not deliver it any more; None: the carrier's usual.
    valid_s: int | None = None
    # The link that ends mail of the cadence with one click; it stands in the body too.
    unsubscribe_url: str | None = None


@dataclass(frozen=True)
class Accepted:
    """The carrier has it. `status` is the carrier's own word, `code` its error code where it already failed. `at`: since
    when it has it, by the carrier's clock, where it was asked later; None: since now."""

    carrier: str
    carrier_id: str
    status: str
    code: str | None = None
    at: datetime | None = None


class CarrierError(Exception):
    """The carrier did not take a message, or it is not known whether it did.

    permanent: this message to this address can never be sent; transient: certainly not sent, try again;
    misconfigured: an owner has to act; opted_out: the carrier refuses because the person said stop;
    uncertain: it may have been sent (time-out, reset, 5xx), so it must not be repeated before the carrier was asked
    (messaging facts 2.3). `slow_down`: the carrier asks for patience with everything from this sender. The message is
    fit to be shown to an owner.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: ErrorKind,
        code: str | None = None,
        retry_after_s: float | None = None,
        slow_down: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.code = code
        self.retry_after_s = retry_after_s
        self.slow_down = slow_down


class Sender(Protocol):
    """One carrier's outbound side."""

    carrier: str

    def send(self, message: Outgoing) -> Accepted:
        """Hand over one message. Raises CarrierError; never retries by itself; has explicit time-outs."""
        ...

    def find(self, message: Outgoing) -> Accepted | None:
        """Ask the carrier whether it already has this message. None: no sign of it. Raises CarrierError when it
        cannot be asked."""
        ...
