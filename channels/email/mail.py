"""What a mail is to us, from its bytes to what a conversation needs: the types the files of this room share."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Literal

# What a machine wrote, and which kind of machine (messaging facts 4.5).
AutomaticKind = Literal[
    "auto_reply", "out_of_office", "bounce", "delayed", "delivered", "read", "list", "own", "calendar", "challenge"
]  # fmt: skip


@dataclass(frozen=True)
class MailFile:
    """A file that came with a mail. `content` None: it was left out, and `refused` says why, fit for an owner.
    `inline`: the mail's own text shows it (a logo in a signature, a photo between two lines)."""

    name: str
    content_type: str
    content: bytes | None
    size: int
    content_id: str | None = None
    inline: bool = False
    refused: str | None = None


@dataclass(frozen=True)
class Report:
    """A part that speaks to machines: `message/delivery-status`, `message/disposition-notification`,
    `text/rfc822-headers`, the headers of a `message/rfc822`, or `text/calendar`. At most 20,000 characters."""

    content_type: str
    text: str


@dataclass(frozen=True)
class Content:
    """A mail taken apart. `headers` by lower-case name (the first of each)."""

    headers: dict[str, str]
    plain: str
    html: str
    files: tuple[MailFile, ...] = ()
    reports: tuple[Report, ...] = ()


@dataclass(frozen=True)
class Words:
    """What stands in a mail. `text` is what the person wrote now; where they answered between the lines of our mail, the
    lines they answer stand in it behind `> `. `full` is everything. Never both empty unless the mail is."""

    text: str
    full: str
    inline: bool = False
    forwarded: bool = False


@dataclass(frozen=True)
class Bounce:
    """What a delivery report says of a mail of ours. `hard`: the address does not work; else it was this once.
    `message_ids` in angle brackets and `outbox_id` are what tells which mail; `status` like 5.1.1."""

    hard: bool
    recipient: str | None = None
    status: str | None = None
    diagnostic: str | None = None
    message_ids: tuple[str, ...] = ()
    outbox_id: str | None = None


@dataclass(frozen=True)
class Automatic:
    """Why nobody is to answer this mail. `until`: the last day somebody said they are away, where they said it.

    `doubtful`: it may be a person's after all, so the shop is told. An answer to an invitation (kind `calendar`) has
    its answer as the reason, the invitation's UID in `about` and what the person added in `says`.
    """

    kind: AutomaticKind
    reason: str
    until: date | None = None
    bounce: Bounce | None = None
    doubtful: bool = False
    about: str | None = None
    says: str | None = None


@dataclass(frozen=True)
class ParsedEmail:
    """A mail as far as the conversation needs it. Addresses are lower case and bare, ids in angle brackets.

    `checks` is what SendGrid found out about the sender (SPF, dkim, sender_ip), `headers` what the mail says itself.
    """

    recipients: tuple[str, ...]
    envelope_from: str | None
    sender: str | None
    sender_name: str | None
    subject: str | None
    words: Words
    message_id: str | None
    references: tuple[str, ...]
    automatic: Automatic | None
    files: tuple[MailFile, ...]
    date: str | None
    headers: dict[str, str] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """What the person wrote now."""
        return self.words.text

    @property
    def full_text(self) -> str:
        """Everything that stands in the mail."""
        return self.words.full

    @property
    def attachments(self) -> int:
        """How many files came with it, refused ones included."""
        return len(self.files)
